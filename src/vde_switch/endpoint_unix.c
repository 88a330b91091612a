/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Endpoints that are clients' datagram sockets: one frame per datagram, whole batches per system call; with clients that agreed to it,
 * several frames per datagram (common/aggregate.h).
 */
#include "vde_switch/endpoint_unix.h"

#include "common/aggregate.h"
#include "common/tries.h"
#include "common/unixsock.h"
#include "libvdeplug/plug_protocol.h"
#include "vde_switch/endpoint.h"
#include "vde_switch/switch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	SEND_BUFFER = 1 << 20,          /* asked of the kernel, which may give less */
	FEWEST = 4,                     /* messages prepared for at least */
	SINGLES = 7,                    /* frames taken one by one after a batch of one */
};

struct endpoint_unix {
	struct endpoint endpoint;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	void (*closed)(void *owner);
	void *closed_owner;
	unsigned expected;              /* twice what came last: how many messages are worth preparing for */
	unsigned singles;               /* frames still to be taken one by one */
	struct tries tries;             /* with aggregates: datagrams */
};

/* One frame by the cheapest call. */
static unsigned receive_one(struct endpoint *endpoint, struct frame *frame)
{
	ssize_t length = recv(endpoint->fd, frame->data, FRAME_MAX_SIZE, MSG_DONTWAIT | MSG_TRUNC);

	if (length > FRAME_MAX_SIZE)
		endpoint->oversize++;
	if (length <= 0 || length > FRAME_MAX_SIZE)
		return 0;
	frame->length = (uint32_t)length;
	return 1;
}

/* Puts the frames that count together; their buffers change places. */
static unsigned keep_frames(struct endpoint *endpoint, const struct mmsghdr *message, struct frame *frames, unsigned count)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < count; i++) {
		uint8_t *data = frames[i].data;

		if (message[i].msg_hdr.msg_flags & MSG_TRUNC)
			endpoint->oversize++;
		else if (message[i].msg_len > 0) {      /* none: an old client's goodbye */
			frames[i].data = frames[kept].data;
			frames[kept].data = data;
			frames[kept++].length = message[i].msg_len;
		}
	}
	return kept;
}

static unsigned receive_batch(struct endpoint_unix *self, struct frame *frames, unsigned max)
{
	struct mmsghdr message[ENDPOINT_BATCH];
	struct iovec piece[ENDPOINT_BATCH];

	for (unsigned i = 0; i < max; i++) {
		piece[i] = (struct iovec){ frames[i].data, FRAME_MAX_SIZE };
		message[i].msg_hdr = (struct msghdr){ .msg_iov = &piece[i], .msg_iovlen = 1 };
	}
	int count = recvmmsg(self->endpoint.fd, message, max, MSG_DONTWAIT, NULL);
	if (count < 0)
		count = 0;
	self->expected = 2 * (unsigned)count + FEWEST;
	if (count <= 1)
		self->singles = SINGLES;
	return keep_frames(&self->endpoint, message, frames, (unsigned)count);
}

/*
 * Preparing for a batch costs something even when a single frame is there, as it is on a quiet network: after a batch of one, the next few
 * frames are taken singly.
 */
static unsigned unix_receive(struct endpoint *endpoint, struct frame *frames, unsigned max)
{
	struct endpoint_unix *self = (struct endpoint_unix *)endpoint;

	if (self->singles > 0) {
		self->singles--;
		return receive_one(endpoint, frames);
	}
	return receive_batch(self, frames, max < self->expected ? max : self->expected);
}

/* One call; how many it sent, or -1. A single frame in one piece, the most frequent of all, goes the shortest way. */
static int send_once(const struct endpoint *endpoint, const struct egress *frames, unsigned count)
{
	struct mmsghdr message[ENDPOINT_BATCH];

	if (count == 1 && frames->pieces == 1)
		return send(endpoint->fd, frames->piece->iov_base, frames->length, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -1 : 1;
	for (unsigned i = 0; i < count; i++)
		message[i].msg_hdr = (struct msghdr){ .msg_iov = (struct iovec *)(uintptr_t)frames[i].piece,
						      .msg_iovlen = frames[i].pieces };
	return sendmmsg(endpoint->fd, message, count, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* A frame that is refused for good must not keep those behind it. */
static unsigned unix_transmit(struct endpoint *endpoint, const struct egress *frames, unsigned count)
{
	unsigned done = 0;

	while (done < count) {
		int sent = send_once(endpoint, frames + done, count - done);

		if (sent > 0) {
			done += (unsigned)sent;
		} else if (errno == EAGAIN || errno == ENOBUFS) {
			break;
		} else {
			endpoint->errors++;
			done++;
		}
	}
	return done;
}

static void unix_close(struct endpoint *endpoint)
{
	struct endpoint_unix *self = (struct endpoint_unix *)endpoint;

	close(endpoint->fd);
	if (self->path[0])
		unlink(self->path);
	if (self->closed)
		self->closed(self->closed_owner);
	free(self);
}

/* ---- with aggregates ---- */

/* Takes apart what lies in the first of `frames`; how many there are then. */
static unsigned spread(struct endpoint *endpoint, struct frame *frames)
{
	uint8_t *slot[AGGREGATE_FRAMES];
	uint32_t length[AGGREGATE_FRAMES];
	unsigned count;

	for (unsigned i = 0; i < AGGREGATE_FRAMES; i++)
		slot[i] = frames[i].data;
	count = aggregate_spread(slot, frames->length, length);
	if (count == 0)
		endpoint->oversize++;
	for (unsigned i = 0; i < count; i++)
		frames[i].length = length[i];
	return count;
}

/*
 * What lies in the buffer of `frame` begins with UNCUT_MARK: a request for such frames, or one of them, which then begins behind the prefix. How many
 * frames it is.
 */
static unsigned accept_uncut(struct endpoint *endpoint, struct frame *frame, size_t length)
{
	if (length == AGGREGATE_MARK_SIZE) {
		endpoint->offload = endpoint->only_uncut = true;
		return 0;
	}
	if (!endpoint->offload || length < UNCUT_PREFIX_SIZE) {
		endpoint->invalid++;
		return 0;
	}
	frame->data += UNCUT_PREFIX_SIZE;
	frame->length = (uint32_t)length - UNCUT_PREFIX_SIZE;
	if (offload_read(frame->data - OFFLOAD_HEADER_SIZE, frame) && (frame->length <= FRAME_MAX_SIZE || frame->offload.segments))
		return 1;
	frame->data -= UNCUT_PREFIX_SIZE;
	frame->offload = (struct offload){ .checksum_start = 0 };
	endpoint->invalid++;
	return 0;
}

static unsigned aggregates_receive(struct endpoint *endpoint, struct frame *frames, unsigned max)
{
	struct endpoint_unix *self = (struct endpoint_unix *)endpoint;
	unsigned count = 0, reads = 0, most = tries_now(&self->tries);
	ssize_t length = 0;

	for (; reads < most && count + AGGREGATE_FRAMES <= max; reads++) {
		length = recv(endpoint->fd, frames[count].data, UNCUT_PREFIX_SIZE + ENDPOINT_FRAME_ROOM, MSG_DONTWAIT | MSG_TRUNC);
		if (length < 0)
			break;
		frames[count].length = (uint32_t)length;
		if (length <= UNCUT_PREFIX_SIZE + ENDPOINT_FRAME_ROOM && uncut_is(frames[count].data, (size_t)length))
			count += accept_uncut(endpoint, &frames[count], (size_t)length);
		else if (length > FRAME_MAX_SIZE)
			endpoint->oversize++;
		else if (aggregate_is(frames[count].data, (size_t)length))
			count += spread(endpoint, frames + count);
		else if (length > 0)
			count++;
	}
	if (length < 0 || reads == most)
		tries_done(&self->tries, reads, length < 0);
	return count;
}

static ssize_t send_uncut(const struct endpoint *endpoint, const struct egress *frame)
{
	uint8_t header[OFFLOAD_HEADER_SIZE];
	struct iovec piece[2 + AGGREGATE_PIECES] = { { (void *)(uintptr_t)UNCUT_MARK, AGGREGATE_MARK_SIZE }, { header, sizeof(header) } };
	struct msghdr message = { .msg_iov = piece, .msg_iovlen = 2 + frame->pieces };

	offload_write(frame->offload, header);
	memcpy(piece + 2, frame->piece, frame->pieces * sizeof(piece[0]));
	return sendmsg(endpoint->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* One datagram: a frame, uncut or not, or an aggregate. How many frames are in it; *sent as send(2). */
static unsigned send_datagram(const struct endpoint *endpoint, const struct egress *frames, unsigned count, ssize_t *sent)
{
	struct aggregate aggregate;
	unsigned n = 0;

	if (frames->offload->segments) {
		*sent = send_uncut(endpoint, frames);
		return 1;
	}
	for (aggregate_start(&aggregate); n < count && !frames[n].offload->segments; n++)
		if (!aggregate_add(&aggregate, frames[n].piece, frames[n].pieces, frames[n].length))
			break;
	*sent = aggregate_send(&aggregate, endpoint->fd);
	return n;
}

static unsigned aggregates_transmit(struct endpoint *endpoint, const struct egress *frames, unsigned count)
{
	unsigned done = 0;

	while (done < count) {
		ssize_t sent;
		unsigned n = send_datagram(endpoint, frames + done, count - done, &sent);

		if (sent < 0) {
			if (errno == EAGAIN || errno == ENOBUFS)
				break;
			endpoint->errors += n;
		}
		done += n;
	}
	return done;
}

static const struct endpoint_ops aggregates_ops = {
	.kind = "unix prog", .receive = aggregates_receive, .transmit = aggregates_transmit, .close = unix_close,
};

static const struct endpoint_ops unix_ops = {
	.kind = "unix prog", .receive = unix_receive, .transmit = unix_transmit, .close = unix_close,
};

/* The client must be able to reach the socket, nobody else needs to. */
static int give_to_client(const char *path, const struct unix_endpoint_config *config)
{
	if (config->owner == (uid_t)-1 && config->group == (gid_t)-1)
		return 0;
	return lchown(path, config->owner, config->group) == 0 ? 0 : errno;
}

static int bind_data_socket(struct endpoint_unix *self, int fd, const struct unix_endpoint_config *config,
			    struct sockaddr_un *address)
{
	char path[sizeof(address->sun_path) + 32];

	snprintf(path, sizeof(path), "%s/%03u.%d", config->directory, config->port_number, fd);
	int error = unixsock_address(address, path);
	if (error)
		return error;
	unlink(path);                   /* a leftover: the directory is ours and the number in use by nobody else */
	error = unixsock_bind(fd, address, config->mode);
	if (error)
		return error;
	memcpy(self->path, address->sun_path, sizeof(self->path));
	return give_to_client(path, config);
}

static void set_send_buffer(int fd)
{
	int size = SEND_BUFFER;

	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
}

static int open_socket(struct endpoint_unix *self, const struct unix_endpoint_config *config, struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return errno;
	self->endpoint.fd = fd;
	set_send_buffer(fd);
	int error = bind_data_socket(self, fd, config, address);
	if (error)
		return error;
	/* The whole structure: an abstract name is as long as it was bound. */
	return connect(fd, (const struct sockaddr *)&config->client, sizeof(config->client)) == 0 ? 0 : errno;
}

static struct endpoint_unix *create(int fd)
{
	struct endpoint_unix *self = calloc(1, sizeof(*self));

	if (!self)
		return NULL;
	self->endpoint.fd = fd;
	self->expected = FEWEST;
	return self;
}

/* Closes it when it fails, or when `error` says that something else has. */
static int init(struct endpoint_unix *self, struct vde_switch *sw, const struct unix_endpoint_config *config, int error)
{
	if (!error)
		error = endpoint_init(&self->endpoint, config->aggregates ? &aggregates_ops : &unix_ops, sw, self->endpoint.fd, config->control_fd,
				      config->description, config->description_length);
	if (error) {
		self->endpoint.ops = &unix_ops;
		self->endpoint.sw = sw;
		endpoint_close(&self->endpoint);
		return error;
	}
	self->endpoint.user = config->user;
	return 0;
}

int endpoint_unix_open(struct vde_switch *sw, const struct unix_endpoint_config *config, struct endpoint **endpoint,
		       struct sockaddr_un *address)
{
	struct endpoint_unix *self = create(-1);
	struct unix_endpoint_config agreed = *config;

	if (!self)
		return ENOMEM;
	int error = open_socket(self, config, address);
	if (agreed.aggregates)          /* where there is no room to say so, the client would take them for frames */
		agreed.aggregates = error == 0 && plug_offer_aggregates(address);
	error = init(self, sw, &agreed, error);
	if (error)
		return error;
	*endpoint = &self->endpoint;
	return 0;
}

int endpoint_unix_adopt(struct vde_switch *sw, int fd, const struct unix_endpoint_config *config, struct endpoint **endpoint)
{
	struct endpoint_unix *self = create(fd);

	if (!self) {
		close(fd);
		return ENOMEM;
	}
	set_send_buffer(fd);
	int error = init(self, sw, config, 0);
	if (!error)
		*endpoint = &self->endpoint;
	return error;
}

void endpoint_unix_on_close(struct endpoint *endpoint, void (*closed)(void *owner), void *owner)
{
	struct endpoint_unix *self = (struct endpoint_unix *)endpoint;

	self->closed = closed;
	self->closed_owner = owner;
}
