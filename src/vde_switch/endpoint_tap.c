/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Endpoints that are tap interfaces: one frame per read and write. With offload a frame may be a TCP segment of up to 64 KB, with its checksum to be done, and has a header in
 * front (offload.h); so it passes from tap to tap, at one pass through each kernel's network stack. Endpoints of other kinds get it finished (forward.c).
 *
 * The other way, segments that come from other endpoints are joined to such a frame (join.h) when they are of one batch: nothing ever waits for more.
 */
#include "vde_switch/endpoint_tap.h"

#include "common/join.h"
#include "common/tap.h"
#include "common/tries.h"
#include "vde_switch/endpoint.h"
#include "vde_switch/port.h"
#include "vde_switch/switch.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	/*
	 * Bytes after which a batch is complete: long frames do not push each other out of the caches, and become no more frames than the queues behind can take.
	 */
	BATCH_BYTES = 128 << 10,
};

struct endpoint_tap {
	struct endpoint endpoint;
	struct tries tries;
	struct join join;               /* in use while transmitting only */
};

static bool is_full(void)
{
	return errno == EAGAIN || errno == ENOBUFS;
}

static unsigned tap_transmit(struct endpoint *endpoint, const struct egress *frames, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		const struct egress *frame = &frames[i];
		ssize_t n = frame->pieces == 1 ? write(endpoint->fd, frame->piece->iov_base, frame->length)
					       : writev(endpoint->fd, frame->piece, (int)frame->pieces);

		if (n >= 0)
			continue;
		if (is_full())
			return i;
		endpoint->errors++;     /* EIO: the interface is down */
	}
	return count;
}

/* What was read, with offload header first, as a frame. False: it is dropped, and counted; nothing of it stays in the frame. */
static bool accept_frame(struct endpoint *endpoint, struct frame *frame, uint32_t length)
{
	unsigned header = endpoint->offload ? OFFLOAD_HEADER_SIZE : 0;

	if (length < header)
		return false;
	frame->length = length - header;
	if (header && !offload_read(frame->data - OFFLOAD_HEADER_SIZE, frame)) {
		endpoint->invalid++;
	} else if (frame->length > FRAME_MAX_SIZE && frame->offload.segments == 0) {
		endpoint->oversize++;
	} else {
		return true;
	}
	frame->offload = (struct offload){ .checksum_start = 0 };
	return false;
}

static unsigned tap_receive(struct endpoint *endpoint, struct frame *frames, unsigned max)
{
	struct endpoint_tap *self = (struct endpoint_tap *)endpoint;
	unsigned header = endpoint->offload ? OFFLOAD_HEADER_SIZE : 0;
	unsigned count = 0, reads = 0, most = tries_now(&self->tries) < max ? tries_now(&self->tries) : max;
	uint32_t bytes = 0;

	for (; reads < most && bytes < BATCH_BYTES; reads++) {
		/* also where no frame may be so long, which else would come cut and unnoticed */
		ssize_t length = read(endpoint->fd, frames[count].data - header, header + ENDPOINT_FRAME_ROOM);

		if (length <= 0) {
			endpoint->gone = length < 0 && tap_is_gone(errno);
			most = 0;
			break;
		}
		bytes += (uint32_t)length;
		count += accept_frame(endpoint, &frames[count], (uint32_t)length);
	}
	tries_done(&self->tries, reads, most == 0);
	return count;
}

static void expect_answer(struct endpoint *endpoint)
{
	endpoint->sw->answering = endpoint;
}

static ssize_t write_frame(struct endpoint *endpoint, const struct egress *frame)
{
	uint8_t header[OFFLOAD_HEADER_SIZE];
	struct iovec piece[3] = { { header, sizeof(header) } };

	if (frame->offload->segments)
		expect_answer(endpoint);
	offload_write(frame->offload, header);
	memcpy(piece + 1, frame->piece, frame->pieces * sizeof(piece[0]));
	return writev(endpoint->fd, piece, (int)frame->pieces + 1);
}

/* How many frames from the first on make one joined frame; 1: it goes alone. */
static unsigned join_frames(struct join *join, const struct egress *frames, unsigned count)
{
	unsigned joined = 1;

	if (count == 1 || offload_is_set(frames->offload) || !join_begin(join, frames->piece, frames->pieces, frames->length))
		return 1;
	while (joined < count && !offload_is_set(frames[joined].offload) &&
	       join_add(join, frames[joined].piece, frames[joined].pieces, frames[joined].length))
		joined++;
	return joined;
}

static unsigned write_frames(struct endpoint *endpoint, const struct egress *frames, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		if (write_frame(endpoint, &frames[i]) >= 0)
			continue;
		if (is_full())
			return i;
		endpoint->errors++;     /* EIO: the interface is down */
	}
	return count;
}

static unsigned offload_transmit(struct endpoint *endpoint, const struct egress *frames, unsigned count)
{
	struct join *join = &((struct endpoint_tap *)endpoint)->join;
	unsigned done = 0;

	while (done < count) {
		unsigned joined = join_frames(join, frames + done, count - done), written = joined;

		if (joined > 1)
			expect_answer(endpoint);
		if (joined == 1 || writev(endpoint->fd, join->piece, (int)join_finish(join)) < 0)
			written = joined > 1 && is_full() ? 0 : write_frames(endpoint, frames + done, joined);
		done += written;
		if (written < joined)
			break;
	}
	return done;
}

static void close_tap(struct endpoint *endpoint)
{
	tap_close(endpoint->fd);
	free(endpoint);
}

static const struct endpoint_ops tap_ops = {
	.kind = "tuntap", .receive = tap_receive, .transmit = tap_transmit, .close = close_tap,
};

static const struct endpoint_ops offload_ops = {
	.kind = "tuntap", .receive = tap_receive, .transmit = offload_transmit, .close = close_tap,
};

static int attach(struct vde_switch *sw, int fd, const char *name, bool offload)
{
	struct endpoint_tap *self = calloc(1, sizeof(*self));
	struct port_user user = { .uid = 0 };
	struct port *port;
	int error;

	if (!self) {
		tap_close(fd);
		return ENOMEM;
	}
	struct endpoint *endpoint = &self->endpoint;
	error = endpoint_init(endpoint, offload ? &offload_ops : &tap_ops, sw, fd, fd, name, strlen(name));
	endpoint->offload = offload;
	if (!error)
		error = port_acquire(sw, PORT_ANY, &user, &port);
	if (!error)
		error = port_attach(sw, port, endpoint);
	if (error)
		endpoint_close(endpoint);
	return error;
}

int endpoint_tap_open(struct vde_switch *sw, const char *name, bool offload)
{
	char actual[TAP_NAME_SIZE];
	int fd = offload ? tap_open_offload(name, actual, &offload) : tap_open(name, actual);

	return fd < 0 ? errno : attach(sw, fd, actual, offload);
}
