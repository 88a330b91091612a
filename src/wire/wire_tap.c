/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A wire over a tap with offload (offload.h). Theory of operation: the kernel hands over TCP segments of up to 64 KB with their checksums to be done; they are cut and
 * finished here, so that a wire carries frames as a network does. Segments of one stream that are sent in one call are joined (join.h) and written as one.
 *
 * One frame may become many, but never more than OFFLOAD_SEGMENTS_MAX. They go on in batches, all of them, even when the peer is full after the first: its
 * queue has room for what is on the way, and drops and counts beyond.
 */
#include "wire_internal.h"

#include "common/join.h"
#include "common/segment.h"
#include "common/tap.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

_Static_assert((int)WIRE_HEADROOM >= (int)OFFLOAD_HEADER_SIZE && WIRE_SLOT_SIZE + WIRE_TAILROOM >= (int)OFFLOAD_FRAME_MAX,
	       "a slot takes what a tap gives");


struct wire_tap {
	struct wire wire;
	struct tries tries;
	uint8_t *slots, *spare_slots;
	uint8_t *slot[WIRE_BATCH];      /* a place for each frame of a batch, */
	uint8_t *spare;                 /* and the one that is read into; they change places */
	struct frame frames[WIRE_BATCH];
	unsigned count;
	struct join join;
};

static struct wire_tap *tap_of(struct wire *wire)
{
	return (struct wire_tap *)(void *)wire;
}

/* ---- from the tap ---- */

static void deliver(struct wire_tap *tap)
{
	unsigned count = tap->count;

	tap->count = 0;
	if (count > 0 && !tap->wire.closed)
		wire_deliver(&tap->wire, tap->frames, count);
}

static void add(struct wire_tap *tap, uint32_t length)
{
	tap->frames[tap->count] = (struct frame){ .data = tap->slot[tap->count], .length = length };
	if (++tap->count == WIRE_BATCH)
		deliver(tap);
}

static void add_segments(struct wire_tap *tap, const struct frame *frame)
{
	struct segment_plan plan;

	if (!segment_plan_sized(&plan, frame->data, frame->length, frame->offload.segment_size))
		return;
	for (uint32_t i = 0; i < segment_count(&plan); i++)
		add(tap, segment_write(&plan, frame->data, i, tap->slot[tap->count]));
}

/* The frame in the spare place: checked, finished, added. */
static void accept_frame(struct wire_tap *tap, uint32_t length)
{
	struct frame frame = { .data = tap->spare, .length = length };

	if (length < ETHERNET_HEADER_SIZE || !offload_read(frame.data - OFFLOAD_HEADER_SIZE, &frame) ||
	    (length > FRAME_MAX_SIZE && frame.offload.segments == 0)) {
		tap->wire.counters.dropped_size++;
		return;
	}
	if (frame.offload.segments > 0) {
		add_segments(tap, &frame);
		return;
	}
	if (offload_is_set(&frame.offload))
		offload_complete_checksum(&frame);
	tap->spare = tap->slot[tap->count];
	tap->slot[tap->count] = frame.data;
	add(tap, length);
}

/* False: nothing more now. *end as in wire_device.c: an errno value, -1 for the end of file, 0: just no more. */
static bool read_frame(struct wire_tap *tap, int *end)
{
	ssize_t n = read(tap->wire.in_fd, tap->spare - OFFLOAD_HEADER_SIZE, OFFLOAD_HEADER_SIZE + OFFLOAD_FRAME_MAX);

	*end = 0;
	if (n == 0)
		*end = -1;
	else if (n < 0 && errno != EAGAIN && errno != EINTR)
		*end = errno;
	if (n <= 0)
		return false;
	accept_frame(tap, n > OFFLOAD_HEADER_SIZE ? (uint32_t)n - OFFLOAD_HEADER_SIZE : 0);
	return true;
}

static void tap_receive(struct wire *wire)
{
	struct wire_tap *tap = tap_of(wire);
	unsigned reads = 0, most = wire_reads(wire, &tap->tries);
	bool found = true;
	int end = 0;

	while (found && reads < most && wire_is_reading(wire)) {
		found = read_frame(tap, &end);
		reads += found;
	}
	tries_done(&tap->tries, reads, !found);
	deliver(tap);
	if (end != 0 && !wire->closed)
		wire_end(wire, end > 0 ? end : 0);
}

/* ---- to the tap ---- */

/* What is to be done about a write that failed. False: it is to be tried again when there is room. */
static bool refused_for_good(struct wire *wire)
{
	if (errno == EAGAIN)
		return false;
	if (errno == EMSGSIZE || errno == EINVAL)
		wire->counters.dropped_size++;
	else
		wire->counters.errors++;        /* EIO: the interface is down */
	return true;
}

static ssize_t write_pieces(struct wire *wire, const struct iovec *piece, unsigned count)
{
	ssize_t n;

	do
		n = writev(wire->out_fd, piece, (int)count);
	while (n < 0 && errno == EINTR);
	return n;
}

static unsigned write_frames(struct wire *wire, const struct frame *frames, unsigned count)
{
	uint8_t header[OFFLOAD_HEADER_SIZE] = { 0 };

	for (unsigned i = 0; i < count; i++) {
		struct iovec piece[2] = { { header, sizeof(header) }, { frames[i].data, frames[i].length } };

		if (write_pieces(wire, piece, 2) < 0 && !refused_for_good(wire))
			return i;
	}
	return count;
}

static bool add_frame(struct join *join, const struct frame *frame, bool first)
{
	struct iovec piece = { frame->data, frame->length };

	return first ? join_begin(join, &piece, 1, frame->length) : join_add(join, &piece, 1, frame->length);
}

static unsigned join_frames(struct join *join, const struct frame *frames, unsigned count)
{
	unsigned joined = 1;

	if (count == 1 || !add_frame(join, frames, true))
		return 1;
	while (joined < count && add_frame(join, &frames[joined], false))
		joined++;
	return joined;
}

static unsigned tap_transmit(struct wire *wire, const struct frame *frames, unsigned count)
{
	struct join *join = &tap_of(wire)->join;
	unsigned done = 0;

	while (done < count) {
		unsigned joined = join_frames(join, frames + done, count - done), written = joined;

		if (joined == 1 || write_pieces(wire, join->piece, join_finish(join)) < 0)
			written = joined > 1 && errno == EAGAIN ? 0 : write_frames(wire, frames + done, joined);
		done += written;
		if (written < joined)
			break;
	}
	return done;
}

static void free_memory(struct wire_tap *tap)
{
	wire_slots_free(tap->slots);
	wire_slots_free(tap->spare_slots);
	free(tap);
}

static void tap_destroy(struct wire *wire)
{
	if (wire->out_fd >= 0)
		tap_close(wire->out_fd);
	free_memory(tap_of(wire));
}

static const struct wire_kind tap_kind = {
	.receive = tap_receive,
	.transmit = tap_transmit,
	.destroy = tap_destroy,
};

struct wire *wire_open_tap(struct loop *loop, int fd, const struct wire_callbacks *callbacks, void *owner)
{
	struct wire_tap *tap;
	int error;

	if (!tap_has_offload(fd))
		return wire_open_device(loop, fd, callbacks, owner);
	tap = calloc(1, sizeof(*tap));
	if (tap == NULL)
		return NULL;
	tap->slots = wire_slots_create();
	tap->spare_slots = wire_slots_create();
	if (tap->slots == NULL || tap->spare_slots == NULL) {
		free_memory(tap);
		errno = ENOMEM;
		return NULL;
	}
	for (unsigned i = 0; i < WIRE_BATCH; i++)
		tap->slot[i] = wire_slot(tap->slots, i);
	tap->spare = wire_slot(tap->spare_slots, 0);
	error = wire_init(&tap->wire, &tap_kind, loop, fd, fd, callbacks, owner);
	if (error == 0)
		return &tap->wire;
	tap->wire.out_fd = -1;          /* the caller keeps it */
	wire_close(&tap->wire);
	errno = error;
	return NULL;
}
