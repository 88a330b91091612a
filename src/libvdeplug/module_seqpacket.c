/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * seqpacket://FD: a SOCK_SEQPACKET socket that was inherited, one frame per packet. User-mode Linux starts vde_plug so. A packet
 * of no length is the end, so none is sent.
 */
#include "common/number.h"
#include "socket_io.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

static VDECONN *seqpacket_open(char *arguments, char *description, int interface_version, struct vde_open_args *args)
{
	struct socket_conn *conn;
	int fd, type, error = number_int(arguments, 0, INT_MAX, &fd);
	socklen_t size = sizeof(type);

	(void)description, (void)interface_version, (void)args;
	if (error != 0) {
		fprintf(stderr, "libvdeplug: seqpacket:// needs the number of a descriptor, not: %s\n", arguments);
		errno = EINVAL;
		return NULL;
	}
	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) != 0)
		return NULL;
	if (type == SOCK_STREAM) {
		fprintf(stderr, "libvdeplug: seqpacket://%d: a stream, which does not keep frames apart\n", fd);
		errno = EPROTOTYPE;
		return NULL;
	}
	conn = calloc(1, sizeof(*conn));
	if (conn == NULL)
		return NULL;
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	conn->data_fd = fd;
	conn->control_fd = -1;
	return (VDECONN *)(void *)conn;
}

static ssize_t seqpacket_send(VDECONN *conn, const void *frame, size_t length, int flags)
{
	return length > 0 ? socket_io_send(conn, frame, length, flags) : 0;
}

/* After the end every receive gives a packet of no length at once. */
static int seqpacket_recv_batch(VDECONN *conn, struct vde_frame *frames, unsigned count, int flags)
{
	ssize_t first = socket_io_recv(conn, frames[0].data, frames[0].size, flags | MSG_DONTWAIT);
	unsigned filled = 0;

	for (; first > 0 && filled < count; ) {
		frames[filled++].length = (size_t)first;
		if (filled < count)
			first = socket_io_recv(conn, frames[filled].data, frames[filled].size, flags | MSG_DONTWAIT);
	}
	return filled > 0 ? (int)filled : (int)first;
}

struct builtin_module module_seqpacket = {
	.module = {0, seqpacket_open, socket_io_recv, seqpacket_send, socket_io_datafd, socket_io_ctlfd, socket_io_close},
	.name = "seqpacket",
	.recv_batch = seqpacket_recv_batch,
	.send_batch = socket_io_send_batch,
};
