/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What both kinds of batches need. */
#include "dgram.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>

socklen_t dgram_address_size(const union dgram_address *address)
{
	return address->any.sa_family == AF_INET6 ? sizeof(address->ip6) : sizeof(address->ip4);
}

void dgram_normalize(union dgram_address *address)
{
	union dgram_address clean;

	memset(&clean, 0, sizeof(clean));
	clean.any.sa_family = address->any.sa_family;
	if (address->any.sa_family == AF_INET6) {
		clean.ip6.sin6_addr = address->ip6.sin6_addr;
		clean.ip6.sin6_port = address->ip6.sin6_port;
		clean.ip6.sin6_scope_id = address->ip6.sin6_scope_id;
	} else {
		clean.ip4.sin_addr = address->ip4.sin_addr;
		clean.ip4.sin_port = address->ip4.sin_port;
	}
	*address = clean;
}

void dgram_set_rcvbuf(int fd, uint64_t bytes)
{
	int size = bytes < INT_MAX ? (int)bytes : INT_MAX;

	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
}

ssize_t dgram_recv_one(VDECONN *conn, int (*recv_batch)(VDECONN *, struct vde_frame *, unsigned, int), int poll_fd, void *data, size_t size, int flags)
{
	struct vde_frame frame = {.data = data, .size = size};
	int n = recv_batch(conn, &frame, 1, 0);

	if (n < 0 && errno == EAGAIN && (flags & MSG_DONTWAIT) == 0) {
		poll(&(struct pollfd){.fd = poll_fd, .events = POLLIN}, 1, -1);
		n = recv_batch(conn, &frame, 1, 0);
		if (n < 0 && errno == EAGAIN)
			return 1;
	}
	if (n < 0)
		return errno == ENOMSG ? 1 : -1;
	return frame.length > 0 ? (ssize_t)frame.length : 1;
}

int dgram_batch_result(int result)
{
	if (result < 0 && errno == ENOMSG)
		errno = EAGAIN;
	return result;
}
