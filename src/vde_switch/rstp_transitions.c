/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation
 *
 * The last three machines of IEEE 802.1D-2004 clause 17, which turn the role that was selected into a state and tell of
 * it: port role transitions (17.29), where safety is decided; port state transition (17.30); topology change (17.31).
 * How they are run, and where they differ from the standard, stands in rstp_machines.c.
 */
#include "vde_switch/rstp_private.h"

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
 * The standard discards only where there is a new root port (reRoot), not where this bridge becomes the root itself;
 * but then the peer may hear of it first by another link, vouch for this one with the agreement given before, and close
 * a circle until word comes here too.
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

bool rstp_port_role_transition_machine(struct rstp_port *p)
{
	bool moved = port_role_transitions(p);

	p->bridge->wide |= moved;
	return moved;
}

/* ---- 17.30 Port State Transition */

bool rstp_port_state_transition_machine(struct rstp_port *p)
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

bool rstp_topology_change_machine(struct rstp_port *p)
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

/* INIT_PORT, and the topology change machine's INACTIVE; the state is DISCARDING when port states have settled. */
void rstp_transitions_begin(struct rstp_port *p)
{
	p->selected_role = RSTP_DISABLED;
	p->synced = false;
	p->sync = p->re_root = true;
	p->timer[RR_WHILE] = fwd_delay(p);
	p->timer[FD_WHILE] = max_age(p);
	p->timer[RB_WHILE] = 0;
	enter_disable_port(p);
	p->rcvd_tc = p->rcvd_tcn = p->rcvd_tc_ack = p->tc_prop = false;
	change_inactive(p);
}
