/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Frames that guests may send: the input is a sequence of (port, length high, length low, bytes...). */
#include "vde_switch/endpoint.h"
#include "vde_switch/forward.h"
#include "vde_switch/port.h"
#include "vde_switch/switch.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PORTS = 4, HEADER = 3 };

static unsigned no_frames(struct endpoint *endpoint, struct frame *frames, unsigned max)
{
	(void)endpoint;
	(void)frames;
	(void)max;
	return 0;
}

/* Touches every byte, so that a piece outside its buffer is seen; takes every other frame, so that queues are used. */
static unsigned read_frames(struct endpoint *endpoint, const struct egress *frames, unsigned count)
{
	volatile uint8_t sum = 0;

	for (unsigned i = 0; i < count; i++)
		for (unsigned p = 0; p < frames[i].pieces; p++)
			for (size_t at = 0; at < frames[i].piece[p].iov_len; at++)
				sum = (uint8_t)(sum + ((const uint8_t *)frames[i].piece[p].iov_base)[at]);
	return endpoint->port->number % 2 ? count : count / 2;
}

static void free_endpoint(struct endpoint *endpoint)
{
	close(endpoint->fd);
	free(endpoint);
}

static const struct endpoint_ops ops = { "fuzz", no_frames, read_frames, free_endpoint };

static void plug(struct vde_switch *sw, int fd)
{
	struct endpoint *endpoint = calloc(1, sizeof(*endpoint));
	struct port_user root = { .uid = 0 };
	struct port *port;

	if (endpoint_init(endpoint, &ops, sw, dup(fd), 0, NULL, 0) != 0 || port_acquire(sw, PORT_ANY, &root, &port) != 0 ||
	    port_attach(sw, port, endpoint) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct switch_config config = { .numports = PORTS, .hash_size = 2 };
	struct log log;
	struct loop *loop = loop_create();
	uint8_t *buffer = malloc(FRAME_MAX_SIZE + 1 + 128);
	int fds[2];

	log_init(&log, "fuzz");
	if (!loop || !buffer || pipe(fds) != 0)
		abort();
	struct vde_switch *sw = switch_create(loop, &log, &config);
	vlan_create(sw, 5);
	for (int i = 0; i < PORTS; i++)
		plug(sw, fds[0]);
	vlan_set_untagged(sw, 1, 5);
	vlan_add_port(sw, 5, 2);
	while (size > HEADER) {
		size_t length = read_be16(data + 1);
		struct port *port = port_get(sw, 1 + data[0] % PORTS);

		sw->hub = (data[0] & 0x80) != 0;
		data += HEADER;
		size -= HEADER;
		if (length > size)
			length = size;
		memcpy(buffer + 64, data, length);
		struct frame frame = { .data = buffer + 64, .length = (uint32_t)length };
		forward_batch(sw, port, &frame, 1);
		data += length;
		size -= length;
	}
	switch_destroy(sw);
	loop_destroy(loop);
	close(fds[0]);
	close(fds[1]);
	free(buffer);
	return 0;
}
