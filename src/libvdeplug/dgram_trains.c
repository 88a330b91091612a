/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Datagrams in batches and trains (Linux).
 *
 * Theory of operation. Most of a datagram's cost is its way through the kernel. A train is a run of datagrams of one length (the last one may be
 * shorter) to one address, which goes that way as one (UDP_SEGMENT) and is divided as late as possible: by the network card, before a cable
 * that cannot, or never, when the receiver has asked for trains (UDP_GRO). On the wire nothing is different.
 *
 * Sending. A batch is cut into trains, which go in one call. A datagram that would have to be fragmented, or an interface without checksums, is no
 * good for trains: then the same goes out one by one, and such lengths are not tried again.
 *
 * Receiving. Messages are received straight into the caller's buffers, one each. One that is a train is then spread over the buffers behind
 * it, so that nothing is overwritten that is still to be moved. What has no place goes to the stash. How many messages are asked
 * for follows from how long trains have been, so that this is rare.
 */
#include "dgram.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <linux/filter.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

enum {
	TRAIN_LENGTH = 64,              /* datagrams at most, as older systems have it */
	TRAIN_BYTES = 65000,            /* headers and all: fits both versions of IP */
	DATAGRAM_MAX = 65535,
};

static_assert((int)DGRAM_BATCH == (int)PIECES_MAX, "a buffer for each piece");

union control {
	struct cmsghdr header;
	char bytes[CMSG_SPACE(sizeof(int))];
};

void dgram_init(struct dgram *dgram, int fd)
{
	memset(dgram, 0, sizeof(*dgram));
	dgram->fd = fd;
	dgram->train_max = DATAGRAM_MAX;
	dgram->messages = 1;
}

void dgram_destroy(struct dgram *dgram)
{
	free(dgram->stash.bytes);
}

bool dgram_never_fragment(int fd, int family)
{
	int always = IP_PMTUDISC_DO, always6 = IPV6_PMTUDISC_DO;

	if (family == AF_INET6)
		return setsockopt(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &always6, sizeof(always6)) == 0;
	return setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &always, sizeof(always)) == 0;
}

bool dgram_accept_unsummed(int fd, int family)
{
	int on = 1;

	return family != AF_INET6 || setsockopt(fd, IPPROTO_UDP, UDP_NO_CHECK6_RX, &on, sizeof(on)) == 0;
}

enum { IP4_SOURCE = 12, IP6_SOURCE = 8, FILTER_MAX = 12, EVERYTHING = 0xffff };

/* A socket filter: at its offset 0 is the UDP header, whose first field is the sender's port. */
void dgram_ignore_sender(int fd, const union dgram_address *sender)
{
	bool is_ip6 = sender->any.sa_family == AF_INET6;
	unsigned words = is_ip6 ? 4 : 1, n = 0;
	struct sock_filter code[FILTER_MAX];
	struct sock_fprog program = {.filter = code};
	uint32_t address[4];

	memcpy(address, is_ip6 ? (const void *)&sender->ip6.sin6_addr : &sender->ip4.sin_addr, words * sizeof(address[0]));
	code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 0);
	code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ntohs(is_ip6 ? sender->ip6.sin6_port : sender->ip4.sin_port), 0,
						 (uint8_t)(2 * words + 1));
	for (unsigned i = 0; i < words; i++) {
		uint32_t at = (uint32_t)(SKF_NET_OFF + (is_ip6 ? IP6_SOURCE : IP4_SOURCE)) + 4 * i;

		code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, at);
		code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ntohl(address[i]), 0, (uint8_t)(2 * (words - i) - 1));
	}
	code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, 0);
	code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, EVERYTHING);
	program.len = (unsigned short)n;
	setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program));
}

/* ---- sending ---- */

struct out {
	struct mmsghdr message[DGRAM_BATCH];
	struct iovec iov[2 * DGRAM_BATCH];
	union control control[DGRAM_BATCH];
	unsigned messages, frames;
	size_t segment, bytes;          /* of the last message: its first datagram's length, and all */
	bool closed;                    /* a shorter datagram was its last */
};

static void begin_message(struct out *out, const union dgram_address *to)
{
	union { const void *in; void *out; } name = {.in = to};
	struct msghdr *header = &out->message[out->messages].msg_hdr;

	memset(header, 0, sizeof(*header));
	header->msg_name = name.out;
	header->msg_namelen = to != NULL ? dgram_address_size(to) : 0;
	header->msg_iov = &out->iov[2 * out->frames];
	out->messages++;
	out->bytes = 0;
}

/* The last message gets to know that it is a train. */
static void mark_train(struct out *out)
{
	union control *control = &out->control[out->messages - 1];
	struct msghdr *header = &out->message[out->messages - 1].msg_hdr;
	uint16_t segment = (uint16_t)out->segment;

	control->header.cmsg_level = IPPROTO_UDP;
	control->header.cmsg_type = UDP_SEGMENT;
	control->header.cmsg_len = CMSG_LEN(sizeof(segment));
	memcpy(CMSG_DATA(&control->header), &segment, sizeof(segment));
	header->msg_control = control;
	header->msg_controllen = CMSG_SPACE(sizeof(segment));
}

/* May a datagram of `length` bytes to `to` follow in the last message? */
static bool fits_train(const struct dgram *dgram, const struct out *out, const union dgram_address *to, size_t length)
{
	const struct msghdr *header;

	if (out->messages == 0 || out->closed || length == 0 || length > out->segment || out->segment > dgram->train_max)
		return false;
	header = &out->message[out->messages - 1].msg_hdr;
	return header->msg_iovlen < 2 * TRAIN_LENGTH && out->bytes + length <= TRAIN_BYTES &&
	       (header->msg_name == to || memcmp(header->msg_name, to, sizeof(*to)) == 0);
}

static void add_frame(struct dgram *dgram, struct out *out, const struct vde_frame *frame, const union dgram_address *to)
{
	size_t length = dgram->header_size + frame->length;
	struct iovec *iov = &out->iov[2 * out->frames];
	struct msghdr *header;

	if (!fits_train(dgram, out, to, length)) {
		begin_message(out, to);
		out->segment = length;
		out->closed = length == 0;      /* which does not count in a train */
	} else if (out->bytes == out->segment) {
		mark_train(out);
	}
	out->closed = out->closed || length < out->segment;
	out->bytes += length;
	header = &out->message[out->messages - 1].msg_hdr;
	header->msg_iovlen += 2;
	iov[0] = (struct iovec){dgram->header, dgram->header_size};
	iov[1] = (struct iovec){frame->data, frame->length};
	out->frames++;
}

/* The first message was a train and has failed. Returns true when it should go one by one. */
static bool give_up_trains(struct dgram *dgram, const struct out *out, int error)
{
	const struct msghdr *first = &out->message[0].msg_hdr;

	if (first->msg_control == NULL)
		return false;
	if (error == EMSGSIZE || error == EINVAL)
		dgram->train_max = first->msg_iov[0].iov_len + first->msg_iov[1].iov_len - 1;
	else if (error == EIO || error == ENOPROTOOPT || error == EOPNOTSUPP)
		dgram->train_max = 0;
	else
		return false;
	return true;
}

/* A lone frame goes the shorter way. */
static bool is_plain(const struct dgram *dgram)
{
	return dgram->header_size == 0 && dgram->accept == NULL;
}

int dgram_send(struct dgram *dgram, const struct vde_frame *frames, const union dgram_address *const *to, unsigned count, int flags)
{
	struct out out;
	unsigned done = 0;
	int n;

	if (count == 1 && to == NULL && is_plain(dgram))
		return send(dgram->fd, frames->data, frames->length, flags | MSG_NOSIGNAL) < 0 ? -1 : 1;
	if (count > DGRAM_BATCH)
		count = DGRAM_BATCH;
	do {
		out.messages = out.frames = 0;
		for (unsigned i = 0; i < count; i++)
			add_frame(dgram, &out, &frames[i], to != NULL ? to[i] : NULL);
		n = out.messages == 1 ? (sendmsg(dgram->fd, &out.message[0].msg_hdr, flags | MSG_NOSIGNAL) < 0 ? -1 : 1) :
		    sendmmsg(dgram->fd, out.message, out.messages, flags | MSG_NOSIGNAL);
	} while (n < 0 && give_up_trains(dgram, &out, errno));
	for (int i = 0; i < n; i++)
		done += (unsigned)out.message[i].msg_hdr.msg_iovlen / 2;
	return n < 0 ? -1 : (int)done;
}

/* ---- receiving ---- */

struct in {
	struct dgram *dgram;
	struct pieces pieces;
	unsigned longest;               /* datagrams of the longest train */
	struct mmsghdr message[DGRAM_BATCH];
	struct iovec iov[2 * DGRAM_BATCH];
	union control control[DGRAM_BATCH];
	union dgram_address from[DGRAM_BATCH];
	uint8_t header[DGRAM_BATCH][DGRAM_HEADER_MAX];
};

static void prepare_message(struct in *in, unsigned i)
{
	struct msghdr *header = &in->message[i].msg_hdr;

	in->iov[2 * i] = (struct iovec){in->header[i], in->dgram->header_size};
	in->iov[2 * i + 1] = (struct iovec){in->pieces.frames[i].data, in->pieces.frames[i].size};
	memset(header, 0, sizeof(*header));
	header->msg_iov = &in->iov[2 * i];
	header->msg_iovlen = 2;
	if (in->dgram->accept != NULL) {
		header->msg_name = &in->from[i];
		header->msg_namelen = sizeof(in->from[i]);
	}
	if (in->dgram->trains) {
		header->msg_control = &in->control[i];
		header->msg_controllen = sizeof(in->control[i]);
	}
}

/* Length of each datagram but the last; all of it when it is no train. */
static size_t segment_of(struct msghdr *header, size_t whole)
{
	int segment;

	for (struct cmsghdr *item = CMSG_FIRSTHDR(header); item != NULL; item = CMSG_NXTHDR(header, item)) {
		if (item->cmsg_level != IPPROTO_UDP || item->cmsg_type != UDP_GRO || item->cmsg_len != CMSG_LEN(sizeof(segment)))
			continue;
		memcpy(&segment, CMSG_DATA(item), sizeof(segment));
		if (segment > 0 && (size_t)segment < whole)
			return (size_t)segment;
	}
	return whole;
}

/* The datagrams of message i, of which `whole` bytes are there; `cut` says that there were more. */
static void divide(struct in *in, unsigned i, size_t whole, bool cut)
{
	struct dgram *dgram = in->dgram;
	const uint8_t *data = in->pieces.frames[i].data;
	size_t segment = segment_of(&in->message[i].msg_hdr, whole), skip = dgram->header_size;
	unsigned number = 0;

	for (size_t at = 0; at < whole; at += segment, number++) {
		size_t length = whole - at < segment ? whole - at : segment;
		const uint8_t *header = at == 0 ? in->header[i] : data + at - skip;

		if (length < skip + (dgram->accept == NULL))
			continue;
		if (cut && at + segment >= whole)
			pieces_add(&in->pieces, data, 0, i);        /* too long */
		else if (dgram->accept == NULL || dgram->accept(dgram->owner, header, data + at, length - skip, &in->from[i]))
			pieces_add(&in->pieces, data + at, length - skip, i);
	}
	if (number > in->longest)
		in->longest = number;
}

/* recvmmsg, or for a lone message what costs less. */
static int receive(int fd, struct mmsghdr *messages, unsigned count, int flags)
{
	ssize_t n;

	if (count > 1)
		return recvmmsg(fd, messages, count, flags, NULL);
	n = recvmsg(fd, &messages->msg_hdr, flags);
	messages->msg_len = n > 0 ? (unsigned)n : 0;
	return n < 0 ? -1 : 1;
}

/* A caller who wants few frames gets those of one train: there are more behind them, or not. */
static unsigned messages_for(const struct dgram *dgram, unsigned count)
{
	if (!dgram->trains)
		return count;
	return count < DGRAM_BATCH ? 1 : dgram->messages;
}

static int recv_messages(struct in *in, unsigned count, int flags)
{
	struct dgram *dgram = in->dgram;
	unsigned messages = messages_for(dgram, count);
	int n;

	for (unsigned i = 0; i < messages; i++)
		prepare_message(in, i);
	n = receive(dgram->fd, in->message, messages, flags | MSG_DONTWAIT);
	if (n < 0)
		return -1;
	for (unsigned i = 0; i < (unsigned)n; i++) {
		if (dgram->accept != NULL)
			dgram_normalize(&in->from[i]);
		divide(in, i, in->message[i].msg_len, (in->message[i].msg_hdr.msg_flags & MSG_TRUNC) != 0);
	}
	if (in->longest > 1)
		dgram->messages = in->longest < DGRAM_BATCH ? DGRAM_BATCH / in->longest : 1;
	else if ((unsigned)n == messages)
		dgram->messages = dgram->messages < DGRAM_BATCH ? 2 * dgram->messages : DGRAM_BATCH;
	if (pieces_place(&in->pieces) > 0)
		return (int)in->pieces.count;
	errno = ENOMSG;
	return -1;
}

unsigned dgram_pending(const struct dgram *dgram)
{
	return dgram->stash.frames;
}

static int recv_plain(struct dgram *dgram, struct vde_frame *frame, int flags)
{
	ssize_t n = recv(dgram->fd, frame->data, frame->size, flags | MSG_DONTWAIT | MSG_TRUNC);

	if (n == 0)
		errno = ENOMSG;
	frame->length = n > 0 && (size_t)n <= frame->size ? (size_t)n : 0;
	return n > 0 ? 1 : -1;
}

int dgram_recv(struct dgram *dgram, struct vde_frame *frames, unsigned count, int flags)
{
	struct in in;
	unsigned stashed = stash_take(&dgram->stash, frames, count);
	int on = 1;

	if (stashed > 0)
		return (int)stashed;
	if (count == 1 && !dgram->trains && is_plain(dgram))
		return recv_plain(dgram, frames, flags);
	if (!dgram->trains_tried && count >= DGRAM_BATCH && frames[0].size >= DATAGRAM_MAX) {
		dgram->trains_tried = true;
		dgram->trains = setsockopt(dgram->fd, IPPROTO_UDP, UDP_GRO, &on, sizeof(on)) == 0;
	}
	in.dgram = dgram;
	in.longest = 0;
	pieces_start(&in.pieces, frames, count, &dgram->stash);
	return recv_messages(&in, in.pieces.room, flags);
}
