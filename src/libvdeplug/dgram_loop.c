/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Datagrams where the system takes one message per call. */
#include "dgram.h"

#include <errno.h>
#include <string.h>
#include <sys/uio.h>

void dgram_init(struct dgram *dgram, int fd)
{
	memset(dgram, 0, sizeof(*dgram));
	dgram->fd = fd;
}

void dgram_destroy(struct dgram *dgram)
{
	(void)dgram;
}

bool dgram_never_fragment(int fd, int family)
{
	(void)fd, (void)family;
	return false;
}

bool dgram_accept_unsummed(int fd, int family)
{
	(void)fd;
	return family != AF_INET6;
}

void dgram_ignore_sender(int fd, const union dgram_address *sender)
{
	(void)fd, (void)sender;
}

/* Is there a frame for us in a datagram of `whole` bytes? Stores its length. */
static bool take(struct dgram *dgram, const uint8_t *header, struct vde_frame *frame, size_t whole, union dgram_address *from)
{
	if (whole < dgram->header_size + (dgram->accept == NULL))
		return false;
	frame->length = whole - dgram->header_size;
	if (frame->length > frame->size) {
		frame->length = 0;
		return true;
	}
	if (dgram->accept == NULL)
		return true;
	dgram_normalize(from);
	return dgram->accept(dgram->owner, header, frame->data, frame->length, from);
}

int dgram_recv(struct dgram *dgram, struct vde_frame *frames, unsigned count, int flags)
{
	unsigned filled = 0;

	for (unsigned tried = 0; tried < count; tried++) {
		uint8_t header[DGRAM_HEADER_MAX];
		union dgram_address from;
		struct iovec iov[] = {{header, dgram->header_size}, {frames[filled].data, frames[filled].size}};
		struct msghdr message = {.msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = iov, .msg_iovlen = 2};
		ssize_t n = recvmsg(dgram->fd, &message, flags | MSG_DONTWAIT);

		if (n < 0 && tried == 0)
			return -1;
		if (n < 0)
			break;
		filled += take(dgram, header, &frames[filled], (size_t)n + ((message.msg_flags & MSG_TRUNC) != 0), &from);
	}
	errno = ENOMSG;
	return filled > 0 ? (int)filled : -1;
}

unsigned dgram_pending(const struct dgram *dgram)
{
	(void)dgram;
	return 0;
}

int dgram_send(struct dgram *dgram, const struct vde_frame *frames, const union dgram_address *const *to, unsigned count, int flags)
{
	for (unsigned i = 0; i < count; i++) {
		union { const void *in; void *out; } name = {.in = to != NULL ? to[i] : NULL};
		struct iovec iov[] = {{dgram->header, dgram->header_size}, {frames[i].data, frames[i].length}};
		struct msghdr message = {.msg_name = name.out, .msg_namelen = to != NULL ? dgram_address_size(to[i]) : 0, .msg_iov = iov, .msg_iovlen = 2};

		if (sendmsg(dgram->fd, &message, flags | MSG_NOSIGNAL) < 0)
			return i > 0 ? (int)i : -1;
	}
	return (int)count;
}
