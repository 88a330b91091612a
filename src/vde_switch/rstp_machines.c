/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation
 *
 * The state machines of IEEE 802.1D-2004 clause 17, in its order, with the corrections that 802.1Q made to them since.
 * Each is one function that looks whether its machine can leave its state, does so at most once, and says whether it
 * did; rstp_run calls them until none moves. States that the standard leaves at once (UCT) are functions, not states.
 * Transmission comes when all else has settled, so that a BPDU never tells of a half-way state and the hold count is
 * not spent on it.
 *
 * Corrections: a dispute (802.1Q recordDispute) discards instead of agreeing; nothing is in agreement while information
 * waits to be updated (allSynced); a port that is down sends nothing.
 *
 * Deviations. The standard's tree can close a circle for a moment while the word of a dead root still goes round,
 * because agreements outlive what they were given for. In a network of processes a circle melts down in that moment, so
 * this tree is stricter where that costs milliseconds and stays understandable to every other bridge:
 * - an agreement, given or received, holds for exactly one priority vector, not also for better ones (rstp_same_info);
 * - one that cannot be the answer to what was sent last is not taken (is_answer);
 * - a root port that becomes designated discards first, whatever the reason (enter_designated_port);
 * - a designated port that may not send what it has to (TxHoldCount) discards, since its peer may act on what was so
 *   before (held);
 * - on shared segments, where nobody can agree, forwardDelay is FwdDelay and not HelloTime.
 * And it is quicker in one: whoever claims a segment with worse information is told at once, not at the next hello,
 * since of two processes one is always plugged in first and has spoken to nobody.
 * Flushing is immediate for 802.1D peers too (17.19.1 ages faster instead), which forgets no less. Old vde_switch peers
 * (rstp_bpdu.c) are answered in their dialect: root ports repeat themselves to them at every hello, since such a peer
 * unblocks its port only when it hears from a root port, and counts us as gone when it hears nothing.
 */
#include "vde_switch/rstp_private.h"

#include <assert.h>

/* ---- 17.23 Port Receive */

static void discard_received(struct rstp_port *p)
{
	p->rcvd_bpdu = p->rcvd_rstp = p->rcvd_stp = p->rcvd_msg = false;
	p->timer[EDGE_DELAY_WHILE] = MIGRATE_TIME;
	p->receive_state = PRX_DISCARD;
}

static bool port_receive_machine(struct rstp_port *p)
{
	bool enabled = rstp_port_enabled(p);

	if (!enabled && (p->rcvd_bpdu || p->timer[EDGE_DELAY_WHILE] != MIGRATE_TIME || p->receive_state != PRX_DISCARD)) {
		discard_received(p);
		return true;
	}
	if (!enabled || !p->rcvd_bpdu || p->rcvd_msg)
		return false;
	p->receive_state = PRX_RECEIVE;
	if (p->msg.type == BPDU_RST)            /* 17.21.22 updtBPDUVersion */
		p->rcvd_rstp = true;
	else
		p->rcvd_stp = true;
	p->oper_edge = p->rcvd_bpdu = false;
	p->rcvd_msg = true;
	p->timer[EDGE_DELAY_WHILE] = MIGRATE_TIME;
	return true;
}

/* ---- 17.24 Port Protocol Migration */

static void check_rstp(struct rstp_port *p)
{
	p->mcheck = false;
	p->send_rstp = rstp_version(p);
	p->timer[MDELAY_WHILE] = MIGRATE_TIME;
	p->migration_state = PPM_CHECKING_RSTP;
}

static void sense(struct rstp_port *p)
{
	p->rcvd_rstp = p->rcvd_stp = false;
	p->migration_state = PPM_SENSING;
}

static bool port_migration_machine(struct rstp_port *p)
{
	bool enabled = rstp_port_enabled(p);

	switch (p->migration_state) {
	case PPM_CHECKING_RSTP:
		if (!enabled) {
			if (p->timer[MDELAY_WHILE] != MIGRATE_TIME)
				check_rstp(p);
			return false;
		}
		if (p->timer[MDELAY_WHILE] != 0)
			return false;
		sense(p);
		return true;
	case PPM_SELECTING_STP:
		if (enabled && !p->mcheck && p->timer[MDELAY_WHILE] != 0)
			return false;
		sense(p);
		return true;
	case PPM_SENSING:
		if (!enabled || p->mcheck || (rstp_version(p) && !p->send_rstp && p->rcvd_rstp)) {
			check_rstp(p);
			return true;
		}
		if (!p->send_rstp || !p->rcvd_stp)
			return false;
		p->send_rstp = false;
		p->timer[MDELAY_WHILE] = MIGRATE_TIME;
		p->migration_state = PPM_SELECTING_STP;
		return true;
	}
	return false;
}

/* ---- 17.25 Bridge Detection */

static bool bridge_detection_machine(struct rstp_port *p)
{
	bool enabled = rstp_port_enabled(p);

	if (p->detection_state == BDM_EDGE) {
		if (p->oper_edge && (enabled || p->admin_edge))
			return false;
		p->oper_edge = false;
		p->detection_state = BDM_NOT_EDGE;
		return true;
	}
	if ((!enabled && p->admin_edge) ||
	    (enabled && p->timer[EDGE_DELAY_WHILE] == 0 && p->auto_edge && p->send_rstp && p->proposing)) {
		p->oper_edge = true;
		p->detection_state = BDM_EDGE;
		return true;
	}
	return false;
}

/* ---- 17.26 Port Transmit */

static enum bpdu_role role_to_send(const struct rstp_port *p)
{
	switch (p->role) {
	case RSTP_ROOT: return BPDU_ROLE_ROOT;
	case RSTP_DESIGNATED: return BPDU_ROLE_DESIGNATED;
	case RSTP_ALTERNATE:
	case RSTP_BACKUP: return BPDU_ROLE_ALTERNATE;
	case RSTP_DISABLED: break;
	}
	return BPDU_ROLE_UNKNOWN;
}

/* 17.21.19 txConfig, 17.21.20 txRstp, 17.21.21 txTcn */
static void transmit(struct rstp_port *p, enum bpdu_type type)
{
	struct bpdu bpdu = {
		.type = type,
		.dialect = type == BPDU_RST && p->timer[DIALECT_WHILE] != 0,
		.topology_change = p->timer[TC_WHILE] != 0,
		.topology_change_ack = p->tc_ack,
		.proposal = p->proposing,
		.agreement = p->agree,
		.learning = p->learning,
		.forwarding = p->forwarding,
		.role = role_to_send(p),
		.root = p->designated_priority.root,
		.cost = p->designated_priority.cost,
		.bridge = p->designated_priority.bridge,
		.port = p->designated_priority.port,
		.times = p->designated_times,
	};
	uint8_t bytes[BPDU_RST_SIZE];
	size_t length = bpdu_encode(&bpdu, bytes);

	p->new_info = p->held = false;
	p->told = true;
	p->tx_count++;
	p->sent++;
	p->sent_tcn += type == BPDU_TCN;
	p->sent_tc += type != BPDU_TCN && bpdu.topology_change;
	if (type != BPDU_TCN)
		p->tc_ack = false;
	p->bridge->call.send(p->bridge->owner, p->number, bytes, length);
}

static bool speaks_at_hello(const struct rstp_port *p)
{
	if (p->role == RSTP_ROOT)
		return p->timer[TC_WHILE] != 0 || p->timer[DIALECT_WHILE] != 0;
	return p->role == RSTP_DESIGNATED;
}

static void port_transmit_machine(struct rstp_port *p)
{
	if (!rstp_port_enabled(p)) {
		p->new_info = p->held = false;
		p->tx_count = 0;
		p->transmit_state = PTX_TRANSMIT_INIT;
		return;
	}
	if (p->transmit_state == PTX_TRANSMIT_INIT) {
		p->timer[HELLO_WHEN] = hello_time(p);
		p->transmit_state = PTX_IDLE;
	}
	if (!p->selected || p->updt_info)
		return;
	if (p->timer[HELLO_WHEN] == 0) {
		p->new_info = p->new_info || speaks_at_hello(p);
		p->timer[HELLO_WHEN] = hello_time(p);
	}
	p->held = p->new_info && !p->told && p->tx_count >= p->bridge->hold_count && p->send_rstp && p->oper_point_to_point;
	if (!p->new_info || p->tx_count >= p->bridge->hold_count)
		return;
	if (p->send_rstp)
		transmit(p, BPDU_RST);
	else if (p->role == RSTP_DESIGNATED)
		transmit(p, BPDU_CONFIG);
	else if (p->role == RSTP_ROOT)
		transmit(p, BPDU_TCN);
}

/* ---- 17.27 Port Information */

/* Can what it says be an answer to what this port has now, or was it said to something earlier? */
static bool is_answer(const struct rstp_port *p)
{
	const struct priority_vector *mine = &p->port_priority;

	if (!p->told || p->msg_priority.root != mine->root)
		return false;
	return p->msg.role != BPDU_ROLE_ROOT || p->msg_priority.cost > mine->cost;
}

static void record_agreement(struct rstp_port *p)               /* 17.21.9 */
{
	p->agreed = rstp_version(p) && p->oper_point_to_point && p->msg.agreement && is_answer(p);
	if (p->agreed)
		p->proposing = false;
}

static void record_dispute(struct rstp_port *p)                 /* 802.1Q 13.29: not as in 17.21.10 */
{
	if (p->role != RSTP_DESIGNATED || p->msg.type != BPDU_RST || !p->msg.learning)
		return;
	p->disputed = true;
	p->agreed = false;
}

static void record_proposal(struct rstp_port *p)                /* 17.21.11 */
{
	if (p->msg.proposal)
		p->proposed = true;
}

static void set_tc_flags(struct rstp_port *p)                   /* 17.21.17 */
{
	p->rcvd_tc |= p->msg.topology_change;
	p->rcvd_tc_ack |= p->msg.topology_change_ack;
	p->received_tc += p->msg.topology_change;
}

static void updt_rcvd_info_while(struct rstp_port *p)           /* 17.21.23 */
{
	bool fresh = p->port_times.message_age + 1u <= p->port_times.max_age;

	p->timer[RCVD_INFO_WHILE] = fresh ? (uint16_t)(3 * p->port_times.hello) : 0;
}

static void ask_for_roles(struct rstp_port *p)
{
	p->reselect = true;
	p->selected = false;
}

static void information_disabled(struct rstp_port *p)
{
	p->rcvd_msg = false;
	p->proposing = p->proposed = p->agree = p->agreed = p->disputed = false;
	p->timer[RCVD_INFO_WHILE] = 0;
	p->timer[DIALECT_WHILE] = 0;
	p->info_is = INFO_DISABLED;
	ask_for_roles(p);
	p->information_state = PIM_DISABLED;
}

static void information_update(struct rstp_port *p)
{
	p->proposing = p->proposed = false;
	p->agreed = p->agreed && rstp_same_info(p, INFO_MINE);
	p->synced = p->synced && p->agreed;
	p->told = false;
	p->port_priority = p->designated_priority;
	p->port_times = p->designated_times;
	p->updt_info = false;
	p->info_is = INFO_MINE;
	p->new_info = true;
	p->information_state = PIM_CURRENT;
}

static void superior_designated(struct rstp_port *p)
{
	p->agreed = p->proposing = false;
	record_proposal(p);
	set_tc_flags(p);
	p->agree = p->agree && rstp_same_info(p, INFO_RECEIVED);
	p->synced = false;
	p->port_priority = p->msg_priority;     /* 17.21.12 recordPriority */
	p->port_times = p->msg_times;           /* 17.21.13 recordTimes */
	updt_rcvd_info_while(p);
	p->info_is = INFO_RECEIVED;
	ask_for_roles(p);
}

static void information_receive(struct rstp_port *p)
{
	switch (rstp_rcv_info(p)) {
	case SUPERIOR_DESIGNATED_INFO:
		superior_designated(p);
		break;
	case REPEATED_DESIGNATED_INFO:
		record_proposal(p);
		set_tc_flags(p);
		updt_rcvd_info_while(p);
		break;
	case INFERIOR_DESIGNATED_INFO:
		record_dispute(p);
		p->new_info |= p->role == RSTP_DESIGNATED && p->msg.type == BPDU_RST;
		break;
	case INFERIOR_ROOT_ALTERNATE_INFO:
		record_agreement(p);
		set_tc_flags(p);
		break;
	case OTHER_INFO:
		break;
	}
	p->rcvd_msg = false;
}

static bool port_information_machine(struct rstp_port *p)
{
	if (!rstp_port_enabled(p)) {
		if (p->info_is == INFO_DISABLED && !p->rcvd_msg)
			return false;
		information_disabled(p);
		return true;
	}
	if (p->information_state == PIM_DISABLED) {
		p->info_is = INFO_AGED;
		ask_for_roles(p);
		p->information_state = PIM_AGED;
		return true;
	}
	if (p->selected && p->updt_info) {
		information_update(p);
		return true;
	}
	if (p->information_state != PIM_CURRENT || p->updt_info)
		return false;
	if (p->rcvd_msg) {
		information_receive(p);
		return true;
	}
	if (p->info_is != INFO_RECEIVED || p->timer[RCVD_INFO_WHILE] != 0)
		return false;
	p->info_is = INFO_AGED;
	ask_for_roles(p);
	p->information_state = PIM_AGED;
	return true;
}

/* ---- all of them */

void rstp_port_begin(struct rstp_port *p)
{
	discard_received(p);
	check_rstp(p);
	p->oper_edge = p->admin_edge;
	p->detection_state = p->admin_edge ? BDM_EDGE : BDM_NOT_EDGE;
	p->new_info = false;
	p->tx_count = 0;
	p->transmit_state = PTX_TRANSMIT_INIT;
	p->designated_times = p->port_times = p->bridge->times;
	p->updt_info = false;
	information_disabled(p);
	rstp_transitions_begin(p);
}

static bool port_machines(struct rstp_port *p)
{
	bool moved = false, again;

	do {
		again = port_receive_machine(p);
		again |= port_migration_machine(p);
		again |= bridge_detection_machine(p);
		again |= port_information_machine(p);
		again |= rstp_port_role_transition_machine(p);
		again |= rstp_port_state_transition_machine(p);
		again |= rstp_topology_change_machine(p);
		moved |= again;
	} while (again);
	return moved;
}

static bool all_ports(struct rstp *rstp)
{
	bool moved = false;

	for (size_t i = 0; i < rstp->ports; i++)
		moved |= port_machines(rstp->port[i]);
	return moved;
}

static void settle(struct rstp *rstp, struct rstp_port *p)
{
	unsigned rounds = 0;
	bool again;

	do {
		again = rstp->wide ? all_ports(rstp) : port_machines(p);
		if (rstp_role_selection(rstp))
			again = rstp->wide = true;
		rounds++;
		assert(rounds < 100000);        /* the machines settle; if they do not, one is wrong */
	} while (again);
}

void rstp_run(struct rstp *rstp, struct rstp_port *p)
{
	rstp->wide = p == NULL;
	settle(rstp, p);
	if (!rstp->wide) {
		port_transmit_machine(p);
		return;
	}
	for (size_t i = 0; i < rstp->ports; i++)
		port_transmit_machine(rstp->port[i]);
	settle(rstp, p);        /* of ports that could not send */
}
