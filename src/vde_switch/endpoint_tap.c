/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Endpoints that are tap interfaces: one frame per read and write. */
#include "vde_switch/endpoint_tap.h"

#include "common/tap.h"
#include "vde_switch/endpoint.h"
#include "vde_switch/port.h"
#include "vde_switch/switch.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static unsigned tap_receive(struct endpoint *endpoint, struct frame *frames, unsigned max)
{
	unsigned count = 0;

	while (count < max) {
		ssize_t length = read(endpoint->fd, frames[count].data, FRAME_MAX_SIZE);

		if (length <= 0)
			break;
		frames[count++].length = (uint32_t)length;
	}
	return count;
}

static unsigned tap_transmit(struct endpoint *endpoint, const struct egress *frames, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		if (writev(endpoint->fd, frames[i].piece, (int)frames[i].pieces) >= 0)
			continue;
		if (errno == EAGAIN || errno == ENOBUFS)
			return i;
		endpoint->errors++;     /* EIO: the interface is down */
	}
	return count;
}

static void tap_close(struct endpoint *endpoint)
{
	close(endpoint->fd);
	free(endpoint);
}

static const struct endpoint_ops tap_ops = {
	.kind = "tuntap", .receive = tap_receive, .transmit = tap_transmit, .close = tap_close,
};

static int attach(struct vde_switch *sw, int fd, const char *name)
{
	struct endpoint *endpoint = calloc(1, sizeof(*endpoint));
	struct port_user user = { .uid = 0 };
	struct port *port;
	int error;

	if (!endpoint) {
		close(fd);
		return ENOMEM;
	}
	error = endpoint_init(endpoint, &tap_ops, sw, fd, fd, name, strlen(name));
	if (!error)
		error = port_acquire(sw, PORT_ANY, &user, &port);
	if (!error)
		error = port_attach(sw, port, endpoint);
	if (error)
		endpoint_close(endpoint);
	return error;
}

int endpoint_tap_open(struct vde_switch *sw, const char *name)
{
	char actual[TAP_NAME_SIZE];
	int fd = tap_open(name, actual);

	return fd < 0 ? errno : attach(sw, fd, actual);
}
