/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation
 *
 * Time is a number of milliseconds. What is to come is in two places: BPDUs on their way, a heap by arrival; and each
 * bridge's next second, at its own phase. The earliest happens, the rest waits.
 *
 * A frame is duplicated, sooner or later, exactly when bridges and segments, joined by the ports that forward, hold a
 * circle. That is asked of a union-find structure: a port whose bridge and segment are already together closes one.
 */
#include "network.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void check_loops(struct network *n)
{
	if (!network_has_loop(n))
		return;
	if (n->loops++ == 0)
		n->first_loop = n->now;
	if (n->trace)
		printf("%6lu LOOP\n", (unsigned long)n->now);
}

/* ---- messages on their way */

static bool earlier(const struct sim_message *a, const struct sim_message *b)
{
	return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void swap(struct sim_message *a, struct sim_message *b)
{
	struct sim_message c = *a;

	*a = *b;
	*b = c;
}

static void push(struct network *n, const struct sim_message *m)
{
	size_t i = n->messages;

	if (n->messages == n->size) {
		n->size = n->size ? 2 * n->size : 64;
		n->message = realloc(n->message, n->size * sizeof(*n->message));
		assert(n->message);
	}
	n->message[n->messages++] = *m;
	for (; i > 0 && earlier(&n->message[i], &n->message[(i - 1) / 2]); i = (i - 1) / 2)
		swap(&n->message[i], &n->message[(i - 1) / 2]);
}

static void pop(struct network *n)
{
	size_t i = 0;

	n->message[0] = n->message[--n->messages];
	for (;;) {
		size_t child = 2 * i + 1;

		if (child + 1 < n->messages && earlier(&n->message[child + 1], &n->message[child]))
			child++;
		if (child >= n->messages || !earlier(&n->message[child], &n->message[i]))
			return;
		swap(&n->message[i], &n->message[child]);
		i = child;
	}
}

/* ---- what the bridges ask for */

static void on_send(void *owner, unsigned port, const uint8_t *bpdu, size_t length)
{
	struct sim_bridge *b = owner;
	struct network *n = b->network;
	struct sim_port *p = &b->port[port];
	struct sim_segment *s = &n->segment[p->segment];

	p->sent++;
	if (n->trace) {
		printf("%6lu %s.%u sends ", (unsigned long)n->now, b->name, port);
		for (size_t i = 3; i < length; i++)
			printf(i == 5 || i == 13 || i == 17 || i == 25 || i == 27 ? " %02x" : "%02x", bpdu[i]);
		printf("\n");
	}
	if (!s->up || p->mute)
		return;
	for (unsigned i = 0; i < s->ports; i++) {
		struct sim_message m = { .at = n->now + s->delay, .order = n->order++, .length = length };

		m.bridge = s->end[i].bridge;
		m.port = s->end[i].port;
		if (&n->bridge[m.bridge] == b && m.port == port)
			continue;
		memcpy(m.bytes, bpdu, length);
		push(n, &m);
	}
}

static void on_state(void *owner, unsigned port, enum rstp_port_state state)
{
	struct sim_bridge *b = owner;

	if (b->network->trace)
		printf("%6lu %s.%u is %s\n", (unsigned long)b->network->now, b->name, port, rstp_state_name(state));
	b->port[port].state = state;
	if (state == RSTP_FORWARDING)
		check_loops(b->network);
}

static void on_flush(void *owner, unsigned port)
{
	struct sim_bridge *b = owner;

	b->port[port].flushes++;
}

static void on_role(void *owner, unsigned port, enum rstp_role role)
{
	struct sim_bridge *b = owner;

	if (b->network->trace)
		printf("%6lu %s.%u is %s\n", (unsigned long)b->network->now, b->name, port, rstp_role_name(role));
}

static struct rstp *make_rstp(struct sim_bridge *b)
{
	static const struct rstp_callbacks callbacks = {
		.send = on_send, .set_state = on_state, .flush = on_flush, .role = on_role,
	};
	struct rstp *rstp = rstp_create(b->mac, b->priority, &callbacks, b);

	assert(rstp);
	return rstp;
}

/* ---- building */

void network_init(struct network *n)
{
	memset(n, 0, sizeof(*n));
}

void network_free(struct network *n)
{
	for (unsigned i = 0; i < n->bridges; i++)
		rstp_destroy(n->bridge[i].rstp);
	free(n->message);
	memset(n, 0, sizeof(*n));
}

int network_add_bridge(struct network *n, const char *name, unsigned priority)
{
	struct sim_bridge *b = &n->bridge[n->bridges];

	if (n->bridges == NETWORK_BRIDGES)
		return -1;
	memset(b, 0, sizeof(*b));
	b->network = n;
	snprintf(b->name, sizeof(b->name), "%s", name);
	b->priority = priority;
	b->mac[0] = 2;
	b->mac[5] = (uint8_t)(n->bridges + 1);
	b->phase = (n->bridges * 377 + 13) % 1000;
	for (unsigned i = 0; i < NETWORK_PORTS; i++)
		b->port[i].segment = -1;
	b->rstp = make_rstp(b);
	return (int)n->bridges++;
}

int network_add_segment(struct network *n, const char *name, unsigned delay)
{
	struct sim_segment *s = &n->segment[n->segments];

	if (n->segments == NETWORK_SEGMENTS)
		return -1;
	memset(s, 0, sizeof(*s));
	snprintf(s->name, sizeof(s->name), "%s", name);
	s->up = true;
	s->delay = delay;
	return (int)n->segments++;
}

int network_join(struct network *n, unsigned segment, unsigned bridge, unsigned port, bool point_to_point)
{
	struct sim_segment *s = &n->segment[segment];
	struct sim_bridge *b = &n->bridge[bridge];

	if (s->ports == NETWORK_SEGMENT_PORTS || port >= NETWORK_PORTS || b->port[port].segment >= 0)
		return -1;
	s->end[s->ports].bridge = bridge;
	s->end[s->ports].port = port;
	s->ports++;
	b->port[port].segment = (int)segment;
	if (rstp_port_add(b->rstp, port, RSTP_COST_DEFAULT, point_to_point) != 0)
		return -1;
	return rstp_port_link(b->rstp, port, s->up);
}

int network_find_bridge(const struct network *n, const char *name)
{
	for (unsigned i = 0; i < n->bridges; i++)
		if (strcmp(n->bridge[i].name, name) == 0)
			return (int)i;
	return -1;
}

int network_find_segment(const struct network *n, const char *name)
{
	for (unsigned i = 0; i < n->segments; i++)
		if (strcmp(n->segment[i].name, name) == 0)
			return (int)i;
	return -1;
}

/* ---- changing */

/* A cut wire carries nothing, not even what was on its way. */
static void lose_messages(struct network *n, unsigned segment)
{
	size_t kept = 0;
	struct sim_message *old = n->message;
	size_t count = n->messages;

	n->message = NULL;
	n->messages = n->size = 0;
	for (size_t i = 0; i < count; i++)
		if (n->bridge[old[i].bridge].port[old[i].port].segment != (int)segment) {
			push(n, &old[i]);
			kept++;
		}
	assert(kept == n->messages);
	free(old);
}

void network_set_link(struct network *n, unsigned segment, bool up)
{
	struct sim_segment *s = &n->segment[segment];

	if (s->up == up)
		return;
	s->up = up;
	lose_messages(n, segment);
	for (unsigned i = 0; i < s->ports; i++)
		if (n->bridge[s->end[i].bridge].rstp)
			rstp_port_link(n->bridge[s->end[i].bridge].rstp, s->end[i].port, up);
	check_loops(n);
}

void network_power(struct network *n, unsigned bridge, bool on)
{
	struct sim_bridge *b = &n->bridge[bridge];

	if ((b->rstp != NULL) == on)
		return;
	if (!on) {
		rstp_destroy(b->rstp);
		b->rstp = NULL;
	} else {
		b->rstp = make_rstp(b);
	}
	for (unsigned i = 0; i < NETWORK_PORTS; i++) {
		b->port[i].state = RSTP_DISCARDING;
		if (b->port[i].segment < 0)
			continue;
		if (on)
			rstp_port_add(b->rstp, i, RSTP_COST_DEFAULT, true);
		network_set_link(n, (unsigned)b->port[i].segment, on);
	}
}

/* ---- time */

static uint64_t next_tick(const struct network *n, const struct sim_bridge *b)
{
	uint64_t at = n->now - n->now % 1000 + b->phase;

	return at > n->now ? at : at + 1000;
}

static void deliver(struct network *n)
{
	struct sim_message m = n->message[0];

	pop(n);
	n->now = m.at;
	if (n->bridge[m.bridge].rstp)
		rstp_receive(n->bridge[m.bridge].rstp, m.port, m.bytes, m.length);
	check_loops(n);
}

static void tick(struct network *n, uint64_t at)
{
	uint64_t before = n->now;

	for (unsigned i = 0; i < n->bridges; i++) {
		struct sim_bridge *b = &n->bridge[i];

		n->now = before;
		if (next_tick(n, b) != at)
			continue;
		n->now = at;
		if (b->rstp)
			rstp_tick(b->rstp);
		check_loops(n);
	}
	n->now = at;
}

void network_run(struct network *n, uint64_t milliseconds)
{
	uint64_t end = n->now + milliseconds;

	for (;;) {
		uint64_t second = UINT64_MAX;

		for (unsigned i = 0; i < n->bridges; i++)
			if (next_tick(n, &n->bridge[i]) < second)
				second = next_tick(n, &n->bridge[i]);
		if (n->messages && n->message[0].at <= end && n->message[0].at <= second)
			deliver(n);
		else if (second <= end)
			tick(n, second);
		else
			break;
	}
	n->now = end;
}

int network_inject(struct network *n, unsigned bridge, unsigned port, const uint8_t *bytes, size_t length)
{
	int result = rstp_receive(n->bridge[bridge].rstp, port, bytes, length);

	check_loops(n);
	return result;
}

/* ---- looking */

static unsigned find(unsigned *parent, unsigned i)
{
	while (parent[i] != i)
		i = parent[i] = parent[parent[i]];
	return i;
}

/* Joins bridges and segments by their ports: those that forward, or all that have a wire. Returns whether a circle was found. */
static bool join_all(const struct network *n, unsigned *parent, bool only_forwarding)
{
	bool circle = false;

	for (unsigned i = 0; i < NETWORK_BRIDGES + NETWORK_SEGMENTS; i++)
		parent[i] = i;
	for (unsigned i = 0; i < n->segments; i++) {
		const struct sim_segment *s = &n->segment[i];

		for (unsigned e = 0; s->up && e < s->ports; e++) {
			const struct sim_bridge *b = &n->bridge[s->end[e].bridge];
			unsigned x = find(parent, s->end[e].bridge), y = find(parent, NETWORK_BRIDGES + i);

			if (!b->rstp || (only_forwarding && b->port[s->end[e].port].state != RSTP_FORWARDING))
				continue;
			circle |= x == y;
			parent[x] = y;
		}
	}
	return circle;
}

bool network_has_loop(const struct network *n)
{
	unsigned parent[NETWORK_BRIDGES + NETWORK_SEGMENTS];

	return join_all(n, parent, true);
}

bool network_is_connected(const struct network *n)
{
	unsigned wires[NETWORK_BRIDGES + NETWORK_SEGMENTS], paths[NETWORK_BRIDGES + NETWORK_SEGMENTS];

	join_all(n, wires, false);
	join_all(n, paths, true);
	for (unsigned i = 0; i < n->bridges; i++)
		if (n->bridge[i].rstp && find(paths, i) != find(paths, find(wires, i)))
			return false;
	for (unsigned i = NETWORK_BRIDGES; i < NETWORK_BRIDGES + n->segments; i++)
		if (n->segment[i - NETWORK_BRIDGES].up && find(paths, i) != find(paths, find(wires, i)))
			return false;
	return true;
}
