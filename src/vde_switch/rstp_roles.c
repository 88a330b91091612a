/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation
 *
 * Priority vectors (IEEE 802.1D-2004 17.5 and 17.6) and the port role selection machine (17.28) with its procedure
 * updtRolesTree (17.21.25). Each port keeps the best vector that was heard on its segment, or its own where it is the
 * designated one. The bridge adds each port's cost to what that port heard, takes the best for its root, and compares
 * what it would send itself with what it hears: better makes the port designated, worse makes it alternate, or backup
 * where the better voice is this same bridge's.
 */
#include "vde_switch/rstp_private.h"

#include <string.h>

/* 17.6: the lower is the better. */
int priority_compare(const struct priority_vector *a, const struct priority_vector *b)
{
	if (a->root != b->root)
		return a->root < b->root ? -1 : 1;
	if (a->cost != b->cost)
		return a->cost < b->cost ? -1 : 1;
	if (a->bridge != b->bridge)
		return a->bridge < b->bridge ? -1 : 1;
	return (a->port > b->port) - (a->port < b->port);
}

bool times_equal(const struct rstp_times *a, const struct rstp_times *b)
{
	return a->message_age == b->message_age && a->max_age == b->max_age && a->hello == b->hello &&
		a->forward_delay == b->forward_delay;
}

static uint64_t address_of(rstp_bridge_id id)
{
	return id & 0xffffffffffffu;
}

static unsigned number_of(uint16_t port_id)
{
	return port_id & 0x0fff;
}

/* 17.6: sent by the same designated port as the information that the port has now. */
static bool same_designated_port(const struct priority_vector *a, const struct priority_vector *b)
{
	return address_of(a->bridge) == address_of(b->bridge) && number_of(a->port) == number_of(b->port);
}

static enum rcvd_info designated_info(const struct rstp_port *p)
{
	int order = priority_compare(&p->msg_priority, &p->port_priority);

	if (order < 0)
		return SUPERIOR_DESIGNATED_INFO;
	if (p->info_is == INFO_RECEIVED && same_designated_port(&p->msg_priority, &p->port_priority)) {
		if (order == 0 && times_equal(&p->msg_times, &p->port_times))
			return REPEATED_DESIGNATED_INFO;
		return SUPERIOR_DESIGNATED_INFO;
	}
	return order > 0 ? INFERIOR_DESIGNATED_INFO : OTHER_INFO;
}

/* 17.21.8 */
enum rcvd_info rstp_rcv_info(struct rstp_port *p)
{
	const struct bpdu *m = &p->msg;
	int order;

	if (m->type == BPDU_TCN) {
		p->rcvd_tcn = true;
		return OTHER_INFO;
	}
	p->msg_priority = (struct priority_vector){ m->root, m->cost, m->bridge, m->port, rstp_port_id(p) };
	p->msg_times = m->times;
	/* 9.2.9: the role Unknown is to be taken for a configuration BPDU, that is, Designated. */
	if (m->role == BPDU_ROLE_DESIGNATED || m->role == BPDU_ROLE_UNKNOWN)
		return designated_info(p);
	order = priority_compare(&p->msg_priority, &p->port_priority);
	/* An old switch that blocks its port still says there what it knows, and expects to be believed. */
	if (m->dialect && m->role == BPDU_ROLE_ALTERNATE &&
	    (order < 0 || same_designated_port(&p->msg_priority, &p->port_priority)))
		return designated_info(p);
	return order >= 0 ? INFERIOR_ROOT_ALTERNATE_INFO : OTHER_INFO;
}

/* 17.21.1 betterorsameInfo, without the better: see rstp_machines.c */
bool rstp_same_info(const struct rstp_port *p, enum info_is new_info_is)
{
	if (p->info_is != new_info_is)
		return false;
	if (new_info_is == INFO_RECEIVED)
		return priority_compare(&p->msg_priority, &p->port_priority) == 0;
	return new_info_is == INFO_MINE && priority_compare(&p->designated_priority, &p->port_priority) == 0;
}

/* 17.6: what the bridge would have if this port were its root port. A cost beyond 32 bits stays at the highest. */
static struct priority_vector root_path_priority(const struct rstp_port *p)
{
	struct priority_vector v = p->port_priority;
	uint32_t cost = rstp_effective_cost(p);

	v.cost = v.cost > UINT32_MAX - cost ? UINT32_MAX : v.cost + cost;
	v.rx_port = rstp_port_id(p);
	return v;
}

static bool may_be_root_port(const struct rstp_port *p)
{
	return p->info_is == INFO_RECEIVED && p->guard != RSTP_GUARD_ROOT &&
		address_of(p->port_priority.bridge) != address_of(rstp_own_id(p->bridge));
}

/* 17.21.25 a) to d) */
static void select_root(struct rstp *rstp)
{
	rstp_bridge_id own = rstp_own_id(rstp);
	struct priority_vector best = { own, 0, own, 0, 0 };

	rstp->root_port = NULL;
	rstp->root_times = rstp->times;
	for (size_t i = 0; i < rstp->ports; i++) {
		struct rstp_port *p = rstp->port[i];
		struct priority_vector v;
		int order;

		if (!may_be_root_port(p))
			continue;
		v = root_path_priority(p);
		order = priority_compare(&v, &best);
		if (order > 0 || (order == 0 && (!rstp->root_port || v.rx_port > best.rx_port)))
			continue;
		best = v;
		rstp->root_port = p;
	}
	rstp->root_priority = best;
	if (rstp->root_port) {
		rstp->root_times = rstp->root_port->port_times;
		rstp->root_times.message_age++;
	}
}

/* 17.21.25 f) to l) */
static void select_role(struct rstp_port *p)
{
	const struct rstp *rstp = p->bridge;

	p->updt_info = false;
	switch (p->info_is) {
	case INFO_DISABLED:
		p->selected_role = RSTP_DISABLED;
		return;
	case INFO_AGED:
		p->selected_role = RSTP_DESIGNATED;
		p->updt_info = true;
		return;
	case INFO_MINE:
		p->selected_role = RSTP_DESIGNATED;
		p->updt_info = priority_compare(&p->port_priority, &p->designated_priority) != 0 ||
			!times_equal(&p->port_times, &p->designated_times);
		return;
	case INFO_RECEIVED:
		break;
	}
	if (p == rstp->root_port) {
		p->selected_role = RSTP_ROOT;
	} else if (priority_compare(&p->designated_priority, &p->port_priority) < 0) {
		p->selected_role = RSTP_DESIGNATED;
		p->updt_info = true;
	} else if (address_of(p->port_priority.bridge) == address_of(rstp_own_id(rstp))) {
		p->selected_role = RSTP_BACKUP;
	} else {
		p->selected_role = RSTP_ALTERNATE;
	}
}

/* 17.21.25 */
static void update_roles_tree(struct rstp *rstp)
{
	select_root(rstp);
	for (size_t i = 0; i < rstp->ports; i++) {
		struct rstp_port *p = rstp->port[i];

		p->designated_priority = rstp->root_priority;
		p->designated_priority.bridge = rstp_own_id(rstp);
		p->designated_priority.port = rstp_port_id(p);
		p->designated_times = rstp->root_times;
		p->designated_times.hello = rstp->times.hello;
		select_role(p);
	}
}

static void tell_root(struct rstp *rstp)
{
	int port = rstp->root_port ? (int)rstp->root_port->number : -1;

	if (port == rstp->told_root_port && rstp->root_priority.root == rstp->told_root)
		return;
	rstp->told_root_port = port;
	rstp->told_root = rstp->root_priority.root;
	if (rstp->call.root)
		rstp->call.root(rstp->owner, port, rstp->told_root);
}

/* 17.28. Nothing runs between clearReselectTree and setSelectedTree, so that every port is selected afterwards (17.21.16). */
bool rstp_role_selection(struct rstp *rstp)
{
	bool wanted = rstp->reselect;

	rstp->reselect = false;
	for (size_t i = 0; i < rstp->ports; i++) {
		wanted |= rstp->port[i]->reselect;
		rstp->port[i]->reselect = false;
	}
	if (!wanted)
		return false;
	update_roles_tree(rstp);
	for (size_t i = 0; i < rstp->ports; i++)
		rstp->port[i]->selected = true;
	tell_root(rstp);
	return true;
}
