/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fuzz_endpoint.h"

#include "vde_switch/port.h"
#include "vde_switch/switch.h"

#include <stdlib.h>
#include <unistd.h>

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

	for (unsigned i = 0; i < count; i++) {
		if (!endpoint->offload && offload_is_set(frames[i].offload))
			abort();
		for (unsigned p = 0; p < frames[i].pieces; p++)
			for (size_t at = 0; at < frames[i].piece[p].iov_len; at++)
				sum = (uint8_t)(sum + ((const uint8_t *)frames[i].piece[p].iov_base)[at]);
	}
	return endpoint->port->number % 2 ? count : count / 2;
}

static void free_endpoint(struct endpoint *endpoint)
{
	close(endpoint->fd);
	free(endpoint);
}

static const struct endpoint_ops ops = { "fuzz", no_frames, read_frames, free_endpoint };

struct endpoint *fuzz_plug(struct vde_switch *sw, int fd)
{
	struct endpoint *endpoint = calloc(1, sizeof(*endpoint));
	struct port_user root = { .uid = 0 };
	struct port *port;

	if (!endpoint || endpoint_init(endpoint, &ops, sw, dup(fd), 0, NULL, 0) != 0 || port_acquire(sw, PORT_ANY, &root, &port) != 0 ||
	    port_attach(sw, port, endpoint) != 0)
		abort();
	return endpoint;
}
