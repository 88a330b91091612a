/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Frames for a spanning tree: the input is a sequence of (what, length, bytes...). What: the low bits a port, or a second that passes, or a link that
 * changes. After each the tree must still hold together.
 */
#include "fuzz.h"

#include "vde_switch/rstp.h"
#include "vde_switch/rstp_bpdu.h"

#include <stdlib.h>

enum { PORTS = 4, TICK = 0x40, LINK = 0x80 };

static void check_send(void *owner, unsigned port, const uint8_t *bpdu, size_t length)
{
	struct bpdu decoded;

	(void)owner;
	/* What goes out is valid, but for age, which only who hears it can judge. */
	if (port < 1 || port > PORTS || (bpdu_decode(&decoded, bpdu, length) != 0 && decoded.type != BPDU_CONFIG))
		abort();
}

static void check_state(void *owner, unsigned port, enum rstp_port_state state)
{
	unsigned *states = owner;

	if (states[port] == (unsigned)state)
		abort();
	states[port] = state;
}

static void flush(void *owner, unsigned port)
{
	(void)owner;
	(void)port;
}

static void check_tree(const struct rstp *rstp, const unsigned *states)
{
	struct rstp_bridge_info bridge;
	struct rstp_port_info port;
	unsigned roots = 0;

	rstp_get_bridge(rstp, &bridge);
	for (unsigned i = 1; i <= PORTS; i++) {
		if (rstp_get_port(rstp, i, &port) != 0 || (unsigned)port.state != states[i])
			abort();
		roots += port.role == RSTP_ROOT;
		if (!port.link && port.state != RSTP_DISCARDING)
			abort();
		if (port.role != RSTP_ROOT && port.role != RSTP_DESIGNATED && port.state != RSTP_DISCARDING)
			abort();
	}
	if (roots != !bridge.is_root || bridge.root > bridge.bridge)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct rstp_callbacks callbacks = { .send = check_send, .set_state = check_state, .flush = flush };
	static const uint8_t mac[6] = { 2, 0, 0, 0, 0, 1 };
	unsigned states[PORTS + 1] = { 0 };
	struct rstp *rstp = rstp_create(mac, 0x8000, &callbacks, states);
	bool up[PORTS + 1] = { false };

	for (unsigned i = 1; i <= PORTS; i++) {
		if (rstp_port_add(rstp, i, RSTP_COST_DEFAULT, i < PORTS) != 0)
			abort();
		rstp_port_link(rstp, i, up[i] = true);
	}
	while (size > 2) {
		unsigned port = 1 + data[0] % PORTS;
		size_t length = data[1] < size - 2 ? data[1] : size - 2, bpdu_length;
		const uint8_t *bpdu = data + 2;

		if (data[0] & LINK)
			rstp_port_link(rstp, port, up[port] = !up[port]);
		else if (data[0] & TICK)
			rstp_tick(rstp);
		else if (bpdu_frame_parse(data + 2, length, &bpdu, &bpdu_length) == 0)
			rstp_receive(rstp, port, bpdu, bpdu_length);
		else
			rstp_receive(rstp, port, data + 2, length);
		check_tree(rstp, states);
		data += 2 + length;
		size -= 2 + length;
	}
	rstp_destroy(rstp);
	return 0;
}
