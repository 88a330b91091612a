/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Batches where the system takes one message per call. */
#include "socket_io.h"

#include <sys/socket.h>

int socket_io_recv_batch(VDECONN *conn, struct vde_frame *frames, unsigned count, int flags)
{
	int fd = socket_io_datafd(conn);
	unsigned filled = 0;

	for (; filled < count; filled++) {
		struct iovec iov = {frames[filled].data, frames[filled].size};
		struct msghdr header = {.msg_iov = &iov, .msg_iovlen = 1};
		ssize_t n = recvmsg(fd, &header, flags | MSG_DONTWAIT);

		if (n < 0)
			break;
		frames[filled].length = (header.msg_flags & MSG_TRUNC) != 0 ? 0 : (size_t)n;
	}
	return filled > 0 ? (int)filled : -1;
}

int socket_io_send_batch(VDECONN *conn, const struct vde_frame *frames, unsigned count, int flags)
{
	for (unsigned i = 0; i < count; i++) {
		if (socket_io_send(conn, frames[i].data, frames[i].length, flags | MSG_DONTWAIT) < 0)
			return i > 0 ? (int)i : -1;
	}
	return (int)count;
}
