/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation
 *
 * The interface of the spanning tree: ports come and go, settings change, BPDUs and seconds arrive. Each function notes
 * what happened in the variables of IEEE 802.1D-2004 clause 17.18 and 17.19 and lets the machines run (rstp_machines.c)
 * until they are quiet. Ports stand in an array sorted by number, because a switch has few of many possible numbers.
 */
#include "vde_switch/rstp_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static size_t port_index(const struct rstp *rstp, unsigned number)
{
	size_t low = 0, high = rstp->ports;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (rstp->port[middle]->number < number)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct rstp_port *find_port(const struct rstp *rstp, unsigned number)
{
	size_t i = port_index(rstp, number);

	return i < rstp->ports && rstp->port[i]->number == number ? rstp->port[i] : NULL;
}

struct rstp *rstp_create(const uint8_t mac[6], unsigned priority, const struct rstp_callbacks *callbacks, void *owner)
{
	struct rstp *rstp = calloc(1, sizeof(*rstp));

	if (!rstp)
		return NULL;
	rstp->call = *callbacks;
	rstp->owner = owner;
	memcpy(rstp->mac, mac, sizeof(rstp->mac));
	rstp->priority = (uint16_t)priority;
	rstp->version = RSTP_VERSION_RSTP;
	rstp->hold_count = RSTP_HOLD_COUNT_DEFAULT;
	rstp->times = (struct rstp_times){ .message_age = 0, .max_age = 20, .hello = 2, .forward_delay = 15 };
	rstp->root_times = rstp->times;
	rstp->told_root_port = -1;
	rstp->told_root = rstp_own_id(rstp);
	rstp->root_priority = (struct priority_vector){ .root = rstp->told_root, .bridge = rstp->told_root };
	return rstp;
}

void rstp_destroy(struct rstp *rstp)
{
	if (!rstp)
		return;
	for (size_t i = 0; i < rstp->ports; i++)
		free(rstp->port[i]);
	free(rstp->port);
	free(rstp);
}

/* Every port's information is weighed again. */
static int reselect(struct rstp *rstp)
{
	rstp->reselect = true;
	rstp_run(rstp, NULL);
	return 0;
}

/* 17.22 Port Timers */
void rstp_tick(struct rstp *rstp)
{
	rstp->seconds_since_change++;
	for (size_t i = 0; i < rstp->ports; i++) {
		struct rstp_port *p = rstp->port[i];

		for (unsigned t = 0; t < RSTP_TIMERS; t++)
			if (p->timer[t] != 0)
				p->timer[t]--;
		if (p->tx_count != 0)
			p->tx_count--;
	}
	rstp_run(rstp, NULL);
}

static bool identifier_used(const struct rstp *rstp, unsigned identifier)
{
	for (size_t i = 0; i < rstp->ports; i++)
		if (rstp->port[i]->identifier == identifier)
			return true;
	return false;
}

/* There are fewer ports than identifiers when this is called. */
static uint16_t choose_identifier(const struct rstp *rstp, unsigned number)
{
	unsigned identifier = number;

	if (number < 1 || number > RSTP_PORTS_MAX || identifier_used(rstp, number))
		for (identifier = RSTP_PORTS_MAX; identifier_used(rstp, identifier); identifier--)
			;
	return (uint16_t)identifier;
}

static int grow(struct rstp *rstp)
{
	size_t size = rstp->size ? 2 * rstp->size : 16;
	struct rstp_port **port;

	if (rstp->ports < rstp->size)
		return 0;
	port = realloc(rstp->port, size * sizeof(struct rstp_port *));
	if (!port)
		return ENOMEM;
	rstp->port = port;
	rstp->size = size;
	return 0;
}

int rstp_port_add(struct rstp *rstp, unsigned port, uint32_t cost, bool point_to_point)
{
	struct rstp_port *p;
	size_t at;

	if (port > RSTP_PORT_NUMBER_MAX || cost < 1 || cost > RSTP_COST_MAX)
		return EINVAL;
	if (find_port(rstp, port))
		return EEXIST;
	if (rstp->ports == RSTP_PORTS_MAX)
		return ENOSPC;
	p = calloc(1, sizeof(*p));
	if (!p || grow(rstp) != 0) {
		free(p);
		return ENOMEM;
	}
	p->bridge = rstp;
	p->number = port;
	p->identifier = choose_identifier(rstp, port);
	p->priority = RSTP_PORT_PRIORITY_DEFAULT;
	p->path_cost = cost;
	p->oper_point_to_point = point_to_point;
	p->auto_edge = true;
	at = port_index(rstp, port);
	memmove(rstp->port + at + 1, rstp->port + at, (rstp->ports - at) * sizeof(struct rstp_port *));
	rstp->port[at] = p;
	rstp->ports++;
	rstp_port_begin(p);
	rstp_run(rstp, NULL);
	return 0;
}

static void set_neighbour(struct rstp_port *p, bool present)
{
	if (p->neighbour != present && p->bridge->call.neighbour)
		p->bridge->call.neighbour(p->bridge->owner, p->number, present);
	p->neighbour = present;
}

int rstp_port_remove(struct rstp *rstp, unsigned port)
{
	struct rstp_port *p = find_port(rstp, port);
	size_t at = port_index(rstp, port);

	if (!p)
		return ENOENT;
	set_neighbour(p, false);
	rstp->ports--;
	memmove(rstp->port + at, rstp->port + at + 1, (rstp->ports - at) * sizeof(struct rstp_port *));
	if (rstp->root_port == p)
		rstp->root_port = NULL;
	free(p);
	return reselect(rstp);
}

bool rstp_port_exists(const struct rstp *rstp, unsigned port)
{
	return find_port(rstp, port) != NULL;
}

int rstp_port_link(struct rstp *rstp, unsigned port, bool up)
{
	struct rstp_port *p = find_port(rstp, port);

	if (!p)
		return ENOENT;
	if (p->link == up)
		return 0;
	p->link = up;
	p->guarded = false;
	set_neighbour(p, false);
	rstp_run(rstp, NULL);
	return 0;
}

/* 9.3.4 and 14.4 of 802.1Q: what this very port has sent is not news. */
static bool is_own(const struct rstp_port *p, const struct bpdu *bpdu)
{
	return bpdu->type != BPDU_TCN && bpdu->bridge == rstp_own_id(p->bridge) && bpdu->port == rstp_port_id(p);
}

static int invalid_bpdu(struct rstp *rstp, struct rstp_port *p)
{
	p->invalid++;
	rstp->invalid++;
	return EBADMSG;
}

int rstp_receive(struct rstp *rstp, unsigned port, const uint8_t *bytes, size_t length)
{
	struct rstp_port *p = find_port(rstp, port);
	struct bpdu bpdu;

	if (!p)
		return ENOENT;
	if (!rstp_port_enabled(p))
		return ENETDOWN;
	if (bpdu_decode(&bpdu, bytes, length) != 0)
		return invalid_bpdu(rstp, p);
	p->received++;
	if (is_own(p, &bpdu)) {
		p->looped++;
		return 0;
	}
	set_neighbour(p, true);
	p->received_tcn += bpdu.type == BPDU_TCN;
	if (p->guard == RSTP_GUARD_BPDU) {
		p->guarded = true;
		if (rstp->call.guard)
			rstp->call.guard(rstp->owner, port);
		rstp_run(rstp, NULL);
		return ENETDOWN;
	}
	if (bpdu.dialect)
		p->timer[DIALECT_WHILE] = DIALECT_TIME;
	p->msg = bpdu;
	p->rcvd_bpdu = true;
	rstp_run(rstp, p);
	return 0;
}

int rstp_set_priority(struct rstp *rstp, unsigned priority)
{
	if (priority > 0xffff)
		return ERANGE;
	rstp->priority = (uint16_t)priority;
	return reselect(rstp);
}

int rstp_set_times(struct rstp *rstp, unsigned hello, unsigned max_age, unsigned forward_delay)
{
	if (hello < 1 || hello > 2 || max_age < 6 || max_age > 40 || forward_delay < 4 || forward_delay > 30)
		return ERANGE;
	if (2 * (forward_delay - 1) < max_age || max_age < 2 * (hello + 1))
		return EINVAL;
	rstp->times = (struct rstp_times){ 0, (uint16_t)max_age, (uint16_t)hello, (uint16_t)forward_delay };
	return reselect(rstp);
}

int rstp_set_hold_count(struct rstp *rstp, unsigned count)
{
	if (count < 1 || count > 10)
		return ERANGE;
	rstp->hold_count = count;
	for (size_t i = 0; i < rstp->ports; i++)        /* 17.13.12 */
		rstp->port[i]->tx_count = 0;
	return 0;
}

/* 17.13.4: BEGIN for everything. */
int rstp_set_version(struct rstp *rstp, enum rstp_version version)
{
	if (version != RSTP_VERSION_STP && version != RSTP_VERSION_RSTP)
		return EINVAL;
	rstp->version = version;
	for (size_t i = 0; i < rstp->ports; i++)
		rstp_port_begin(rstp->port[i]);
	rstp_run(rstp, NULL);
	return 0;
}

int rstp_port_set_cost(struct rstp *rstp, unsigned port, uint32_t cost)
{
	struct rstp_port *p = find_port(rstp, port);

	if (!p)
		return ENOENT;
	if (cost < 1 || cost > RSTP_COST_MAX)
		return ERANGE;
	p->path_cost = cost;
	return reselect(rstp);
}

int rstp_port_set_bonus(struct rstp *rstp, unsigned port, uint32_t bonus)
{
	struct rstp_port *p = find_port(rstp, port);

	if (!p)
		return ENOENT;
	p->bonus = bonus;
	return reselect(rstp);
}

int rstp_port_set_priority(struct rstp *rstp, unsigned port, unsigned priority)
{
	struct rstp_port *p = find_port(rstp, port);

	if (!p)
		return ENOENT;
	if (priority > 240 || priority % 16 != 0)
		return ERANGE;
	p->priority = (uint8_t)priority;
	return reselect(rstp);
}

int rstp_port_set_point_to_point(struct rstp *rstp, unsigned port, bool point_to_point)
{
	struct rstp_port *p = find_port(rstp, port);

	if (!p)
		return ENOENT;
	p->oper_point_to_point = point_to_point;
	rstp_run(rstp, p);
	return 0;
}

/* Not only when the link comes up (17.25), but at once: an operator who says so means the port as it is. */
int rstp_port_set_admin_edge(struct rstp *rstp, unsigned port, bool edge)
{
	struct rstp_port *p = find_port(rstp, port);

	if (!p)
		return ENOENT;
	if (p->admin_edge == edge)
		return 0;
	p->admin_edge = p->oper_edge = edge;
	p->detection_state = edge ? BDM_EDGE : BDM_NOT_EDGE;
	p->timer[EDGE_DELAY_WHILE] = MIGRATE_TIME;
	rstp_run(rstp, p);
	return 0;
}

int rstp_port_set_auto_edge(struct rstp *rstp, unsigned port, bool edge)
{
	struct rstp_port *p = find_port(rstp, port);

	if (!p)
		return ENOENT;
	p->auto_edge = edge;
	rstp_run(rstp, p);
	return 0;
}

int rstp_port_set_guard(struct rstp *rstp, unsigned port, enum rstp_guard guard)
{
	struct rstp_port *p = find_port(rstp, port);

	if (!p)
		return ENOENT;
	if (guard != RSTP_GUARD_OFF && guard != RSTP_GUARD_BPDU && guard != RSTP_GUARD_ROOT)
		return EINVAL;
	p->guard = guard;
	p->guarded = p->guarded && guard == RSTP_GUARD_BPDU;
	return reselect(rstp);
}

int rstp_port_mcheck(struct rstp *rstp, unsigned port)
{
	struct rstp_port *p = find_port(rstp, port);

	if (!p)
		return ENOENT;
	p->mcheck = rstp->version >= RSTP_VERSION_RSTP;
	rstp_run(rstp, p);
	return 0;
}

void rstp_get_bridge(const struct rstp *rstp, struct rstp_bridge_info *info)
{
	const struct rstp_port *root_port = rstp->root_port;

	*info = (struct rstp_bridge_info){
		.bridge = rstp_own_id(rstp),
		.root = rstp->root_priority.root,
		.designated = root_port ? root_port->port_priority.bridge : rstp_own_id(rstp),
		.is_root = !root_port,
		.root_port = root_port ? root_port->number : 0,
		.root_cost = rstp->root_priority.cost,
		.times = rstp->root_times,
		.own_times = rstp->times,
		.hold_count = rstp->hold_count,
		.version = rstp->version,
		.topology_changes = rstp->topology_changes,
		.seconds_since_change = rstp->seconds_since_change,
		.ports = rstp->ports,
		.invalid = rstp->invalid,
	};
}

int rstp_get_port(const struct rstp *rstp, unsigned port, struct rstp_port_info *info)
{
	const struct rstp_port *p = find_port(rstp, port);

	if (!p)
		return ENOENT;
	*info = (struct rstp_port_info){
		.port = port, .id = rstp_port_id(p), .role = p->role, .state = p->transition_state,
		.cost = rstp_effective_cost(p), .bonus = p->bonus, .cost_set = p->path_cost,
		.link = p->link, .point_to_point = p->oper_point_to_point, .admin_edge = p->admin_edge,
		.auto_edge = p->auto_edge, .oper_edge = p->oper_edge, .legacy = !p->send_rstp,
		.dialect = p->timer[DIALECT_WHILE] != 0, .guard = p->guard, .guarded = p->guarded, .disputed = p->disputed,
		.designated_root = p->port_priority.root, .designated_bridge = p->port_priority.bridge,
		.designated_cost = p->port_priority.cost, .designated_port = p->port_priority.port,
		.sent = p->sent, .received = p->received, .sent_tcn = p->sent_tcn, .received_tcn = p->received_tcn,
		.sent_tc = p->sent_tc, .received_tc = p->received_tc, .invalid = p->invalid, .looped = p->looped,
	};
	return 0;
}

int rstp_next_port(const struct rstp *rstp, int port)
{
	size_t i = port < 0 ? 0 : port_index(rstp, (unsigned)port + 1);

	return i < rstp->ports ? (int)rstp->port[i]->number : -1;
}

const char *rstp_role_name(enum rstp_role role)
{
	static const char *const name[] = { "Disabled", "Root", "Designated", "Alternate", "Backup" };

	return name[role];
}

const char *rstp_state_name(enum rstp_port_state state)
{
	static const char *const name[] = { "Discarding", "Learning", "Forwarding" };

	return name[state];
}
