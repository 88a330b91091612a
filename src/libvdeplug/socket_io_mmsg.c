/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Batches by recvmmsg and sendmmsg. */
#include "socket_io.h"

#include <string.h>
#include <sys/socket.h>

struct messages {
	struct mmsghdr header[SOCKET_IO_BATCH];
	struct iovec iov[SOCKET_IO_BATCH];
};

static void set_message(struct messages *messages, unsigned i, void *data, size_t size)
{
	struct mmsghdr *header = &messages->header[i];

	messages->iov[i].iov_base = data;
	messages->iov[i].iov_len = size;
	memset(header, 0, sizeof(*header));
	header->msg_hdr.msg_iov = &messages->iov[i];
	header->msg_hdr.msg_iovlen = 1;
}

/* A batch of one goes the shorter way. */
static int recv_one(VDECONN *conn, struct vde_frame *frame, int flags)
{
	ssize_t n = recv(socket_io_datafd(conn), frame->data, frame->size, flags | MSG_DONTWAIT | MSG_TRUNC);

	if (n < 0)
		return -1;
	frame->length = (size_t)n > frame->size ? 0 : (size_t)n;
	return 1;
}

int socket_io_recv_batch(VDECONN *conn, struct vde_frame *frames, unsigned count, int flags)
{
	struct messages messages;
	int n;

	if (count == 1)
		return recv_one(conn, frames, flags);
	if (count > SOCKET_IO_BATCH)
		count = SOCKET_IO_BATCH;
	for (unsigned i = 0; i < count; i++)
		set_message(&messages, i, frames[i].data, frames[i].size);
	n = recvmmsg(socket_io_datafd(conn), messages.header, count, flags | MSG_DONTWAIT, NULL);
	for (int i = 0; i < n; i++) {
		struct mmsghdr *header = &messages.header[i];

		frames[i].length = (header->msg_hdr.msg_flags & MSG_TRUNC) != 0 ? 0 : header->msg_len;
	}
	return n;
}

int socket_io_send_batch(VDECONN *conn, const struct vde_frame *frames, unsigned count, int flags)
{
	struct messages messages;

	if (count == 1)
		return send(socket_io_datafd(conn), frames->data, frames->length, flags | MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -1 : 1;
	if (count > SOCKET_IO_BATCH)
		count = SOCKET_IO_BATCH;
	for (unsigned i = 0; i < count; i++)
		set_message(&messages, i, frames[i].data, frames[i].length);
	return sendmmsg(socket_io_datafd(conn), messages.header, count, flags | MSG_DONTWAIT | MSG_NOSIGNAL);
}
