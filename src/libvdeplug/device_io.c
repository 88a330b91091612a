/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "device_io.h"

#include "socket_io.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

static void wait_for(int fd, short events)
{
	struct pollfd poller = {.fd = fd, .events = events};

	poll(&poller, 1, -1);
}

/* As read(2). Of a frame that is too long a tap gives what there is room for, so there is room for one byte more. */
static ssize_t read_frame(int fd, void *frame, size_t size)
{
	char excess;
	struct iovec iov[] = {{frame, size}, {&excess, 1}};

	return readv(fd, iov, 2);
}

ssize_t device_io_recv(VDECONN *conn, void *frame, size_t size, int flags)
{
	int fd = socket_io_datafd(conn);
	ssize_t n;

	while ((n = read_frame(fd, frame, size)) < 0 && errno == EAGAIN && (flags & MSG_DONTWAIT) == 0)
		wait_for(fd, POLLIN);
	return n > (ssize_t)size ? 1 : n;
}

ssize_t device_io_send(VDECONN *conn, const void *frame, size_t length, int flags)
{
	int fd = socket_io_datafd(conn);
	ssize_t n;

	while ((n = write(fd, frame, length)) < 0 && errno == EAGAIN && (flags & MSG_DONTWAIT) == 0)
		wait_for(fd, POLLOUT);
	return n;
}

int device_io_recv_batch(VDECONN *conn, struct vde_frame *frames, unsigned count, int flags)
{
	unsigned filled = 0;

	(void)flags;
	while (filled < count) {
		ssize_t n = read_frame(socket_io_datafd(conn), frames[filled].data, frames[filled].size);

		if (n <= 0)
			return filled > 0 ? (int)filled : (int)n;
		frames[filled].length = (size_t)n <= frames[filled].size ? (size_t)n : 0;
		filled++;
	}
	return (int)filled;
}

int device_io_send_batch(VDECONN *conn, const struct vde_frame *frames, unsigned count, int flags)
{
	unsigned sent = 0;

	while (sent < count && device_io_send(conn, frames[sent].data, frames[sent].length, flags | MSG_DONTWAIT) >= 0)
		sent++;
	return sent > 0 || count == 0 ? (int)sent : -1;
}
