/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation
 *
 * The state machines of IEEE 802.1D-2004 clause 17, in its order, with the corrections that 802.1Q made to them since. Each is one
 * function that looks whether its machine can leave its state, does so at most once, and says whether it did; rstp_run calls them
 * until none moves. States that the standard leaves at once (UCT) are functions, not states. Transmission comes when all else has
 * settled, so that a BPDU never tells of a half-way state and the hold count is not spent on it.
 *
 * Corrections: a dispute (802.1Q recordDispute) discards instead of agreeing; nothing is in agreement while information waits to be
 * updated (allSynced); a port that is down sends nothing.
 *
 * Deviations. The standard's tree can close a circle for a moment while the word of a dead root still goes round, because agreements outlive
 * what they were given for. In a network of processes a circle melts down in that moment, so this tree is stricter where that costs
 * milliseconds and stays understandable to every other bridge:
 * - an agreement, given or received, holds for exactly one priority vector, not also for better ones (rstp_same_info);
 * - one that cannot be the answer to what was sent last is not taken (is_answer);
 * - a root port that becomes designated discards first, whatever the reason (enter_designated_port);
 * - a designated port that may not send what it has to (TxHoldCount) discards, since its peer may act on what was so before (held);
 * - on shared segments, where nobody can agree, forwardDelay is FwdDelay and not HelloTime.
 * And it is quicker in one: whoever claims a segment with worse information is told at once, not at the next hello, since of two processes one is
 * always plugged in first and has spoken to nobody.
 * Flushing is immediate for 802.1D peers too (17.19.1 ages faster instead), which forgets no less. Old vde_switch
 * peers (rstp_bpdu.c) are answered in their dialect: root ports repeat themselves to them at every hello, since such a peer unblocks its
 * port only when it hears from a root port, and counts us as gone when it hears nothing.
 */
#include "vde_switch/rstp_private.h"

#include <assert.h>

static uint16_t hello_time(const struct rstp_port *p)           /* 17.20.6 */
{
	return p->designated_times.hello;
}

static uint16_t fwd_delay(const struct rstp_port *p)            /* 17.20.5: FwdDelay */
{
	return p->designated_times.forward_delay;
}

static uint16_t forward_delay(const struct rstp_port *p)        /* 17.20.5: forwardDelay; see above */
{
	return p->send_rstp && p->oper_point_to_point ? hello_time(p) : fwd_delay(p);
}

static uint16_t max_age(const struct rstp_port *p)              /* 17.20.8 */
{
	return p->designated_times.max_age;
}

static uint16_t edge_delay(const struct rstp_port *p)           /* 17.20.4 */
{
	return p->oper_point_to_point ? MIGRATE_TIME : max_age(p);
}

static bool rstp_version(const struct rstp_port *p)             /* 17.20.11 */
{
	return p->bridge->version >= RSTP_VERSION_RSTP;
}

/* 17.20.3: every port but the root port is synced, and none is about to change. */
static bool all_synced(const struct rstp *rstp)
{
	for (size_t i = 0; i < rstp->ports; i++) {
		const struct rstp_port *p = rstp->port[i];

		if (!p->selected || p->updt_info || p->role != p->selected_role ||
		    (!p->synced && p->role != RSTP_ROOT))
			return false;
	}
	return true;
}

/* 17.20.10: no other port was the root port lately. */
static bool re_rooted(const struct rstp_port *p)
{
	for (size_t i = 0; i < p->bridge->ports; i++)
		if (p->bridge->port[i] != p && p->bridge->port[i]->timer[RR_WHILE] != 0)
			return false;
	return true;
}

static void set_sync_tree(struct rstp *rstp)                    /* 17.21.14 */
{
	rstp->wide = true;
	for (size_t i = 0; i < rstp->ports; i++)
		rstp->port[i]->sync = true;
}

static void set_re_root_tree(struct rstp *rstp)                 /* 17.21.15 */
{
	rstp->wide = true;
	for (size_t i = 0; i < rstp->ports; i++)
		rstp->port[i]->re_root = true;
}

static void set_tc_prop_tree(struct rstp_port *p)               /* 17.21.18 */
{
	struct rstp *rstp = p->bridge;

	rstp->wide = true;
	rstp->topology_changes++;
	rstp->seconds_since_change = 0;
	for (size_t i = 0; i < rstp->ports; i++)
		if (rstp->port[i] != p)
			rstp->port[i]->tc_prop = true;
}

static void new_tc_while(struct rstp_port *p)                   /* 17.21.7 */
{
	const struct rstp_times *root = &p->bridge->root_times;

	if (p->timer[TC_WHILE] != 0)
		return;
	if (p->send_rstp) {
		p->timer[TC_WHILE] = (uint16_t)(hello_time(p) + 1);
		p->new_info = true;
	} else {
		p->timer[TC_WHILE] = (uint16_t)(root->max_age + root->forward_delay);
	}
}

static void flush(struct rstp_port *p)                          /* 17.19.7: fdbFlush, done at once */
{
	p->bridge->call.flush(p->bridge->owner, p->number);
}

static void set_role(struct rstp_port *p, enum rstp_role role)
{
	if (p->role != role && p->bridge->call.role)
		p->bridge->call.role(p->bridge->owner, p->number, role);
	p->role = role;
}

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

/* ---- 17.29 Port Role Transitions */

static void enter_disable_port(struct rstp_port *p)
{
	set_role(p, p->selected_role);
	p->learn = p->forward = false;
	p->role_state = PRT_DISABLE_PORT;
}

static void enter_root_port(struct rstp_port *p)
{
	set_role(p, RSTP_ROOT);
	p->timer[RR_WHILE] = fwd_delay(p);
	p->role_state = PRT_ROOT_PORT;
}

/*
 * The standard discards only where there is a new root port (reRoot), not where this bridge becomes the root itself; but then the peer may
 * hear of it first by another link, vouch for this one with the agreement given before, and close a circle until word comes here too.
 */
static void enter_designated_port(struct rstp_port *p)
{
	if (p->role == RSTP_ROOT && p->send_rstp && p->oper_point_to_point) {
		p->learn = p->forward = p->synced = false;
		p->timer[FD_WHILE] = forward_delay(p);
	}
	set_role(p, RSTP_DESIGNATED);
	p->role_state = PRT_DESIGNATED_PORT;
}

static void enter_block_port(struct rstp_port *p)
{
	set_role(p, p->selected_role);
	p->learn = p->forward = false;
	p->role_state = PRT_BLOCK_PORT;
}

static bool enter_selected_role(struct rstp_port *p)
{
	if (p->role == p->selected_role)
		return false;
	switch (p->selected_role) {
	case RSTP_DISABLED: enter_disable_port(p); break;
	case RSTP_ROOT: enter_root_port(p); break;
	case RSTP_DESIGNATED: enter_designated_port(p); break;
	case RSTP_ALTERNATE:
	case RSTP_BACKUP: enter_block_port(p); break;
	}
	return true;
}

static bool disabled_port(struct rstp_port *p)
{
	bool told = p->sync || p->re_root || !p->synced || p->timer[RR_WHILE] != 0;

	p->timer[FD_WHILE] = max_age(p);
	p->timer[RR_WHILE] = 0;
	p->synced = true;
	p->sync = p->re_root = false;
	return told;
}

/* ROOT_PROPOSED and ROOT_AGREED, ALTERNATE_PROPOSED and ALTERNATE_AGREED */
static bool answer_proposal(struct rstp_port *p)
{
	if (p->proposed && !p->agree) {
		set_sync_tree(p->bridge);
		p->proposed = false;
		return true;
	}
	if ((p->agree || !all_synced(p->bridge)) && (!p->proposed || !p->agree))
		return false;
	p->proposed = false;
	if (p->role == RSTP_ROOT)
		p->sync = false;
	p->agree = true;
	p->new_info = true;
	return true;
}

static bool root_port(struct rstp_port *p)
{
	bool ready = p->timer[FD_WHILE] == 0 || (re_rooted(p) && p->timer[RB_WHILE] == 0 && rstp_version(p));

	if (answer_proposal(p))
		return true;
	if (!p->forward && !p->re_root) {               /* REROOT */
		set_re_root_tree(p->bridge);
		return true;
	}
	if (ready && !p->learn) {                       /* ROOT_LEARN */
		p->timer[FD_WHILE] = forward_delay(p);
		p->learn = true;
		return true;
	}
	if (ready && !p->forward) {                     /* ROOT_FORWARD */
		p->timer[FD_WHILE] = 0;
		p->forward = true;
		return true;
	}
	if (p->re_root && p->forward) {                 /* REROOTED */
		p->re_root = false;
		return true;
	}
	p->timer[RR_WHILE] = fwd_delay(p);
	return false;
}

static bool designated_synced(struct rstp_port *p)
{
	if (p->synced && !p->sync)
		return false;
	if (!p->synced && (p->learning || p->forwarding) && !p->agreed && !p->oper_edge)
		return false;
	p->timer[RR_WHILE] = 0;
	p->synced = true;
	p->sync = false;
	return true;
}

static bool designated_port(struct rstp_port *p)
{
	bool ready = (p->timer[FD_WHILE] == 0 || p->agreed || p->oper_edge) &&
		(p->timer[RR_WHILE] == 0 || !p->re_root) && !p->sync && (!p->held || p->oper_edge);
	bool must_discard = (p->sync && !p->synced) || (p->re_root && p->timer[RR_WHILE] != 0) || p->disputed || p->held;

	if (!p->forward && !p->agreed && !p->proposing && !p->oper_edge) {      /* DESIGNATED_PROPOSE */
		p->proposing = true;
		p->timer[EDGE_DELAY_WHILE] = edge_delay(p);
		p->new_info = true;
		return true;
	}
	if (designated_synced(p))
		return true;
	if (p->timer[RR_WHILE] == 0 && p->re_root) {    /* DESIGNATED_RETIRED */
		p->re_root = false;
		return true;
	}
	if (must_discard && !p->oper_edge && (p->learn || p->forward)) {        /* DESIGNATED_DISCARD */
		p->learn = p->forward = p->disputed = false;
		p->timer[FD_WHILE] = forward_delay(p);
		return true;
	}
	if (ready && !p->learn) {                       /* DESIGNATED_LEARN */
		p->learn = true;
		p->timer[FD_WHILE] = forward_delay(p);
		return true;
	}
	if (ready && !p->forward) {                     /* DESIGNATED_FORWARD */
		p->forward = true;
		p->timer[FD_WHILE] = 0;
		p->agreed = p->send_rstp;
		return true;
	}
	return false;
}

static bool alternate_port(struct rstp_port *p)
{
	bool told = p->sync || p->re_root || !p->synced || p->timer[RR_WHILE] != 0;

	if (answer_proposal(p))
		return true;
	if (p->role == RSTP_BACKUP)                     /* BACKUP_PORT */
		p->timer[RB_WHILE] = (uint16_t)(2 * hello_time(p));
	p->timer[FD_WHILE] = forward_delay(p);
	p->timer[RR_WHILE] = 0;
	p->synced = true;
	p->sync = p->re_root = false;
	return told;
}

static bool port_role_transitions(struct rstp_port *p)
{
	if (!p->selected || p->updt_info)
		return false;
	if (enter_selected_role(p))
		return true;
	switch (p->role_state) {
	case PRT_DISABLE_PORT:
	case PRT_BLOCK_PORT:
		if (p->learning || p->forwarding)
			return false;
		p->role_state = p->role_state == PRT_BLOCK_PORT ? PRT_ALTERNATE_PORT : PRT_DISABLED_PORT;
		return true;
	case PRT_DISABLED_PORT: return disabled_port(p);
	case PRT_ROOT_PORT: return root_port(p);
	case PRT_DESIGNATED_PORT: return designated_port(p);
	case PRT_ALTERNATE_PORT: return alternate_port(p);
	}
	return false;
}

static bool port_role_transition_machine(struct rstp_port *p)
{
	bool moved = port_role_transitions(p);

	p->bridge->wide |= moved;
	return moved;
}

/* ---- 17.30 Port State Transition */

static bool port_state_transition_machine(struct rstp_port *p)
{
	enum rstp_port_state next = p->transition_state;

	switch (p->transition_state) {
	case RSTP_DISCARDING:
		next = p->learn ? RSTP_LEARNING : RSTP_DISCARDING;
		break;
	case RSTP_LEARNING:
		next = !p->learn ? RSTP_DISCARDING : p->forward ? RSTP_FORWARDING : RSTP_LEARNING;
		break;
	case RSTP_FORWARDING:
		next = p->forward ? RSTP_FORWARDING : RSTP_DISCARDING;
		break;
	}
	if (next == p->transition_state)
		return false;
	p->transition_state = next;
	p->learning = next != RSTP_DISCARDING;
	p->forwarding = next == RSTP_FORWARDING;
	p->bridge->call.set_state(p->bridge->owner, p->number, next);
	return true;
}

/* ---- 17.31 Topology Change */

static void change_inactive(struct rstp_port *p)
{
	flush(p);
	p->timer[TC_WHILE] = 0;
	p->tc_ack = false;
	p->change_state = TCM_INACTIVE;
}

static void change_learning(struct rstp_port *p)
{
	p->rcvd_tc = p->rcvd_tcn = p->rcvd_tc_ack = p->tc_prop = false;
	p->change_state = TCM_LEARNING;
}

static bool change_active(struct rstp_port *p)
{
	if ((p->role != RSTP_ROOT && p->role != RSTP_DESIGNATED) || p->oper_edge) {
		change_learning(p);
	} else if (p->rcvd_tcn || p->rcvd_tc) {         /* NOTIFIED_TCN, NOTIFIED_TC */
		if (p->rcvd_tcn)
			new_tc_while(p);
		p->rcvd_tcn = p->rcvd_tc = false;
		if (p->role == RSTP_DESIGNATED)
			p->tc_ack = true;
		set_tc_prop_tree(p);
	} else if (p->tc_prop) {                        /* PROPAGATING */
		new_tc_while(p);
		flush(p);
		p->tc_prop = false;
	} else if (p->rcvd_tc_ack) {                    /* ACKNOWLEDGED */
		p->timer[TC_WHILE] = 0;
		p->rcvd_tc_ack = false;
	} else {
		return false;
	}
	return true;
}

static bool topology_change_machine(struct rstp_port *p)
{
	bool active_role = p->role == RSTP_ROOT || p->role == RSTP_DESIGNATED;

	switch (p->change_state) {
	case TCM_INACTIVE:
		if (!p->learn)
			return false;
		change_learning(p);
		return true;
	case TCM_LEARNING:
		/* A link that went down may have lost its edge (17.25) before its role: that is no change. */
		if (active_role && p->forward && !p->oper_edge && rstp_port_enabled(p)) {       /* DETECTED */
			new_tc_while(p);
			set_tc_prop_tree(p);
			p->new_info = true;
			p->change_state = TCM_ACTIVE;
		} else if (p->rcvd_tc || p->rcvd_tcn || p->rcvd_tc_ack || p->tc_prop) {
			change_learning(p);
		} else if (!active_role && !p->learn && !p->learning) {
			change_inactive(p);
		} else {
			return false;
		}
		return true;
	case TCM_ACTIVE:
		return change_active(p);
	}
	return false;
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
	p->selected_role = RSTP_DISABLED;
	/* INIT_PORT */
	p->synced = false;
	p->sync = p->re_root = true;
	p->timer[RR_WHILE] = fwd_delay(p);
	p->timer[FD_WHILE] = max_age(p);
	p->timer[RB_WHILE] = 0;
	enter_disable_port(p);
	p->rcvd_tc = p->rcvd_tcn = p->rcvd_tc_ack = p->tc_prop = false;
	change_inactive(p);
}

static bool port_machines(struct rstp_port *p)
{
	bool moved = false, again;

	do {
		again = port_receive_machine(p);
		again |= port_migration_machine(p);
		again |= bridge_detection_machine(p);
		again |= port_information_machine(p);
		again |= port_role_transition_machine(p);
		again |= port_state_transition_machine(p);
		again |= topology_change_machine(p);
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
