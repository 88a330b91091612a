/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation. A turn of the loop receives one batch (recvmmsg of UDP_RECEIVES buffers; with GRO each may hold many
 * datagrams of one size and source) and ends with one flush. Buffers are of the largest size UDP knows, because probes of the path
 * are; memory is only touched as far as datagrams reach.
 *
 * Path MTU: IP_PMTUDISC_DO sets Don't Fragment and makes the system refuse (EMSGSIZE) what it knows to be too large. A segmented send that
 * is refused is repeated datagram by datagram, so that the one to blame is found.
 */
#include "udp.h"

#include "protocol.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	UDP_RECEIVES = 8,               /* with what waits already, a batch must find room in a plug's queue (WIRE_FULL_BYTES) */
	UDP_RECEIVE_SIZE = 65536,
	UDP_QUEUE = 256,                /* datagrams that wait for the flush */
	UDP_ARENA = 512 << 10,
	UDP_EARLY = 60000,              /* so much is sent before the flush: the peer opens it meanwhile, and what follows finds the caches warm */
	UDP_SEGMENTS_MAX = 64,          /* the kernel's bound, UDP_MAX_SEGMENTS */
	UDP_SOCKET_BUFFER = 4 << 20,
};

struct queued {
	union address to;
	uint8_t *datagram;
	size_t length;
};

/* A control message that carries one number, aligned as the system wants it. */
union control {
	char bytes[CMSG_SPACE(sizeof(int))];
	struct cmsghdr align;
};

struct udp {
	struct loop *loop;
	struct log *log;
	int fd, family;
	struct loop_io *io;
	const struct udp_callbacks *callbacks;
	void *owner;
	bool segments;                  /* UDP GSO works */
	struct udp_counters counters;

	uint8_t *arena;
	size_t used;
	unsigned count;
	struct queued queue[UDP_QUEUE];
	struct mmsghdr out[UDP_QUEUE];
	struct iovec out_vector[UDP_QUEUE];
	union control out_control[UDP_QUEUE];
	unsigned run_start[UDP_QUEUE + 1];

	uint8_t *buffers;
	struct mmsghdr in[UDP_RECEIVES];
	struct iovec in_vector[UDP_RECEIVES];
	union control in_control[UDP_RECEIVES];
	union address in_from[UDP_RECEIVES];
};

/* ---- receiving ---- */

static void prepare_receive(struct udp *udp, unsigned i)
{
	struct msghdr *message = &udp->in[i].msg_hdr;

	udp->in_vector[i] = (struct iovec){ udp->buffers + (size_t)i * UDP_RECEIVE_SIZE, UDP_RECEIVE_SIZE };
	message->msg_name = &udp->in_from[i];
	message->msg_namelen = sizeof(udp->in_from[i]);
	message->msg_iov = &udp->in_vector[i];
	message->msg_iovlen = 1;
	message->msg_control = &udp->in_control[i];
	message->msg_controllen = sizeof(udp->in_control[i]);
	message->msg_flags = 0;
}

/* Size of the datagrams that were coalesced into one buffer; the whole length when they were not. */
static size_t segment_size(struct msghdr *message, size_t length)
{
	int size;

	for (struct cmsghdr *control = CMSG_FIRSTHDR(message); control; control = CMSG_NXTHDR(message, control))
		if (control->cmsg_level == IPPROTO_UDP && control->cmsg_type == UDP_GRO && control->cmsg_len >= CMSG_LEN(sizeof(size))) {
			memcpy(&size, CMSG_DATA(control), sizeof(size));
			if (size > 0)
				return (size_t)size;
		}
	return length;
}

static void take_message(struct udp *udp, unsigned i)
{
	size_t length = udp->in[i].msg_len, segment = segment_size(&udp->in[i].msg_hdr, length);
	uint8_t *datagram = udp->in_vector[i].iov_base;

	if (udp->in[i].msg_hdr.msg_flags & MSG_TRUNC)
		return;
	while (length) {
		size_t size = segment < length ? segment : length;

		udp->counters.datagrams_in++;
		udp->callbacks->receive(udp->owner, &udp->in_from[i], datagram, size);
		datagram += size;
		length -= size;
	}
}

static void readable(void *owner, int fd, unsigned events)
{
	struct udp *udp = owner;
	int got;

	(void)events;
	for (unsigned i = 0; i < UDP_RECEIVES; i++)
		prepare_receive(udp, i);
	got = recvmmsg(fd, udp->in, UDP_RECEIVES, MSG_DONTWAIT, NULL);
	udp->counters.receives++;
	for (int i = 0; i < got; i++)
		take_message(udp, (unsigned)i);
	udp->callbacks->batch_end(udp->owner);
	udp_flush(udp);
}

void udp_pause(struct udp *udp, bool paused)
{
	loop_set_events(udp->io, paused ? 0 : LOOP_READ);
}

/* ---- sending ---- */

uint8_t *udp_buffer(struct udp *udp, size_t size)
{
	if (udp->count == UDP_QUEUE || UDP_ARENA - udp->used < size)
		udp_flush(udp);
	return udp->arena + udp->used;
}

void udp_queue(struct udp *udp, const union address *to, uint8_t *datagram, size_t length)
{
	udp->queue[udp->count++] = (struct queued){ *to, datagram, length };
	udp->used = (size_t)(datagram - udp->arena) + length;
	if (udp->used >= UDP_EARLY)
		udp_flush(udp);
}

/* How many datagrams from `first` on can be one segmented send: one address, one size (the last may be shorter). */
static unsigned run_length(const struct udp *udp, unsigned first)
{
	const struct queued *queue = udp->queue;
	size_t total = queue[first].length;
	unsigned n = 1;

	if (!udp->segments)
		return 1;
	while (first + n < udp->count && n < UDP_SEGMENTS_MAX && queue[first + n - 1].length == queue[first].length) {
		const struct queued *next = &queue[first + n];

		if (next->length > queue[first].length || total + next->length > UDP_PAYLOAD_MAX ||
		    next->datagram != queue[first].datagram + total || !address_equal(&next->to, &queue[first].to))
			break;
		total += next->length;
		n++;
	}
	return n;
}

static void prepare_send(struct udp *udp, unsigned message, unsigned first, unsigned n)
{
	struct queued *start = &udp->queue[first], *end = &udp->queue[first + n - 1];
	struct msghdr *header = &udp->out[message].msg_hdr;
	uint16_t size = (uint16_t)start->length;
	struct cmsghdr *control;

	udp->out_vector[message] = (struct iovec){ start->datagram, (size_t)(end->datagram - start->datagram) + end->length };
	*header = (struct msghdr){ .msg_name = &start->to, .msg_namelen = address_length(&start->to),
				   .msg_iov = &udp->out_vector[message], .msg_iovlen = 1 };
	if (n == 1)
		return;
	header->msg_control = &udp->out_control[message];
	header->msg_controllen = CMSG_SPACE(sizeof(size));
	control = CMSG_FIRSTHDR(header);
	control->cmsg_level = IPPROTO_UDP;
	control->cmsg_type = UDP_SEGMENT;
	control->cmsg_len = CMSG_LEN(sizeof(size));
	memcpy(CMSG_DATA(control), &size, sizeof(size));
}

static void send_failed(struct udp *udp, const struct queued *item, int error)
{
	if (error == EMSGSIZE)
		udp->callbacks->too_big(udp->owner, &item->to, item->length);
	else if (error == EAGAIN || error == ENOBUFS)
		udp->counters.dropped_busy++;
	else
		udp->counters.errors++;
}

/* A segmented send was refused: each datagram by itself. */
static void send_singly(struct udp *udp, unsigned first, unsigned n, int error)
{
	if (error == EIO || error == EOPNOTSUPP)
		udp->segments = false;          /* the device cannot, after all */
	for (unsigned i = first; i < first + n; i++) {
		struct queued *item = &udp->queue[i];

		if (sendto(udp->fd, item->datagram, item->length, MSG_DONTWAIT, &item->to.sa, address_length(&item->to)) < 0)
			send_failed(udp, item, errno);
		else
			udp->counters.datagrams_out++;
		udp->counters.sends++;
	}
}

/* Message `message` was refused with `error`. */
static void handle_refusal(struct udp *udp, unsigned message, int error)
{
	unsigned first = udp->run_start[message], n = udp->run_start[message + 1] - first;

	if (n > 1 && error != EAGAIN && error != ENOBUFS) {
		send_singly(udp, first, n, error);
		return;
	}
	for (unsigned i = first; i < first + n; i++)
		send_failed(udp, &udp->queue[i], error);
}

static unsigned prepare_messages(struct udp *udp)
{
	unsigned messages = 0;

	for (unsigned first = 0; first < udp->count;) {
		unsigned n = run_length(udp, first);

		prepare_send(udp, messages, first, n);
		udp->run_start[messages++] = first;
		first += n;
	}
	udp->run_start[messages] = udp->count;
	return messages;
}

void udp_flush(struct udp *udp)
{
	unsigned messages = prepare_messages(udp);

	for (unsigned done = 0; done < messages;) {
		int sent = sendmmsg(udp->fd, udp->out + done, messages - done, MSG_DONTWAIT);

		udp->counters.sends++;
		if (sent > 0) {
			udp->counters.datagrams_out += udp->run_start[done + (unsigned)sent] - udp->run_start[done];
			done += (unsigned)sent;
		} else if (errno != EINTR) {
			handle_refusal(udp, done++, errno);
		}
	}
	udp->count = 0;
	udp->used = 0;
}

/* ---- opening ---- */

static void set_option(int fd, int level, int name, int value)
{
	/* Each is an improvement where the system has it; none is needed. */
	(void)setsockopt(fd, level, name, &value, sizeof(value));
}

static void set_buffers(int fd)
{
	set_option(fd, SOL_SOCKET, SO_RCVBUF, UDP_SOCKET_BUFFER);
	set_option(fd, SOL_SOCKET, SO_SNDBUF, UDP_SOCKET_BUFFER);
	set_option(fd, SOL_SOCKET, SO_RCVBUFFORCE, UDP_SOCKET_BUFFER);
	set_option(fd, SOL_SOCKET, SO_SNDBUFFORCE, UDP_SOCKET_BUFFER);
}

static bool knows_segments(int fd)
{
	int value;
	socklen_t size = sizeof(value);

	return getsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &value, &size) == 0;
}

static int bind_to(int fd, int family, unsigned port)
{
	union address address = { 0 };

	address.sa.sa_family = (sa_family_t)family;
	if (family == AF_INET6)
		address.in6.sin6_port = htons((uint16_t)port);
	else
		address.in.sin_port = htons((uint16_t)port);
	return bind(fd, &address.sa, address_length(&address));
}

/* One socket for both families; IPv4 alone where there is no IPv6. */
static int open_socket(struct udp *udp, unsigned port)
{
	static const int families[] = { AF_INET6, AF_INET };

	for (unsigned i = 0; i < 2; i++) {
		int fd = socket(families[i], SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), error;

		if (fd < 0)
			continue;
		if (families[i] == AF_INET6) {
			set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
			set_option(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DO);
		}
		set_option(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO);
		if (bind_to(fd, families[i], port) == 0) {
			udp->family = families[i];
			return fd;
		}
		error = errno;
		close(fd);
		errno = error;
		if (error != EADDRNOTAVAIL && error != EAFNOSUPPORT)
			return -1;
	}
	return -1;
}

struct udp *udp_open(struct loop *loop, struct log *log, unsigned port, const struct udp_callbacks *callbacks, void *owner)
{
	struct udp *udp = calloc(1, sizeof(*udp));
	int error;

	if (!udp)
		return NULL;
	udp->loop = loop;
	udp->log = log;
	udp->callbacks = callbacks;
	udp->owner = owner;
	udp->fd = open_socket(udp, port);
	udp->arena = malloc(UDP_ARENA);
	udp->buffers = malloc((size_t)UDP_RECEIVES * UDP_RECEIVE_SIZE);
	if (udp->fd >= 0 && udp->arena && udp->buffers) {
		set_buffers(udp->fd);
		set_option(udp->fd, IPPROTO_UDP, UDP_GRO, 1);
		udp->segments = knows_segments(udp->fd);
		udp->io = loop_add_io(loop, udp->fd, LOOP_READ, readable, udp);
		if (udp->io)
			return udp;
	}
	error = errno;
	udp_close(udp);
	errno = error;
	return NULL;
}

void udp_close(struct udp *udp)
{
	if (!udp)
		return;
	loop_remove_io(udp->io);
	if (udp->fd >= 0)
		close(udp->fd);
	free(udp->arena);
	free(udp->buffers);
	free(udp);
}

int udp_resolve(const struct udp *udp, const char *host, unsigned port, union address *address)
{
	struct addrinfo hints = { .ai_family = udp->family, .ai_socktype = SOCK_DGRAM, .ai_flags = AI_ADDRCONFIG | AI_NUMERICSERV };
	struct addrinfo *list;
	char service[8];
	int error;

	if (udp->family == AF_INET6)
		hints.ai_flags = AI_V4MAPPED | AI_ALL | AI_NUMERICSERV;
	snprintf(service, sizeof(service), "%u", port);
	error = getaddrinfo(host, service, &hints, &list);
	if (error)
		return error;
	memset(address, 0, sizeof(*address));
	memcpy(address, list->ai_addr, list->ai_addrlen < sizeof(*address) ? list->ai_addrlen : sizeof(*address));
	freeaddrinfo(list);
	return 0;
}

const struct udp_counters *udp_counters(const struct udp *udp)
{
	return &udp->counters;
}
