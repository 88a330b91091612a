/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Frames on the sockets of a network of multi:// or bonding://: the first byte is the mode, then a sequence of (port, length, bytes...). They come through
 * real datagram sockets, as from nodes.
 */
#include "vde_switch/endpoint.h"
#include "vde_switch/endpoint_unix.h"
#include "vde_switch/forward.h"
#include "vde_switch/port.h"
#include "vde_switch/switch.h"

#include "fuzz.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PORTS = 4, READS = 64 };

struct world {
	struct log log;
	struct loop *loop;
	struct vde_switch *sw;
	int node[PORTS];
};

static void plug(struct world *world, int i)
{
	struct unix_endpoint_config config = { .aggregates = i == 1, .description = "fuzz", .description_length = 4 };
	struct port_user root = { .uid = 0 };
	struct endpoint *endpoint;
	struct port *port;
	int pair[2];

	assert(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) == 0);
	world->node[i] = pair[0];
	assert(endpoint_unix_adopt(world->sw, pair[1], &config, &endpoint) == 0);
	assert(port_acquire(world->sw, PORT_ANY, &root, &port) == 0 && port_attach(world->sw, port, endpoint) == 0);
}

/* What is sent to a node is a frame of the least length at least. Every other node does not read, so that queues are used. */
static void read_frames(struct world *world)
{
	char frame[2048];

	for (int i = 0; i < PORTS; i += 2)
		for (int reads = 0; reads < READS; reads++) {
			ssize_t n = recv(world->node[i], frame, sizeof(frame), MSG_TRUNC);

			if (n < 0)
				break;
			assert(n >= ETHERNET_MIN_SIZE);
		}
}

static void run(struct world *world, const uint8_t *data, size_t size)
{
	while (size >= 2) {
		int from = data[0] % PORTS;
		size_t length = data[1] < size - 2 ? data[1] : size - 2;

		send(world->node[from], data + 2, length, MSG_NOSIGNAL);
		loop_turn(world->loop, 0);
		read_frames(world);
		data += 2 + length;
		size -= 2 + length;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct switch_config config = { .numports = PORTS, .hash_size = 2, .hub = true };
	struct world world;

	if (size == 0)
		return 0;
	log_init(&world.log, "fuzz");
	world.loop = loop_create();
	assert(world.loop != NULL);
	world.sw = switch_create(world.loop, &world.log, &config);
	assert(world.sw != NULL);
	for (int i = 0; i < PORTS; i++)
		plug(&world, i);
	world.sw->uplink = (struct uplink){ .mode = (enum uplink_mode)(data[0] % (UPLINK_FLOW + 1)), .port = 1 };
	run(&world, data + 1, size - 1);
	switch_destroy(world.sw);
	loop_destroy(world.loop);
	for (int i = 0; i < PORTS; i++)
		close(world.node[i]);
	return 0;
}
