/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation. A wire has a descriptor to read from and one to write to, often the same. Received frames go to the owner or,
 * joined, straight into the peer. Frames to send are offered to the system at once while nothing waits; the rest is appended to the
 * queue, which is sent when the descriptor is writable. Above WIRE_FULL_BYTES the wire is "full" until the queue is below
 * WIRE_DRAINED_BYTES; a joined peer stops reading meanwhile.
 *
 * Every call from the loop is bracketed by enter and leave, so that a wire closed in its own callback lives until the call is over.
 * A hang-up cannot be masked: a wire that hangs up while it is paused is not watched ("parked") until it reads again, or has something to
 * send: that finds out whether it was only an error that passes.
 */
#include "wire_internal.h"

#include "common/aggregate.h"
#include "common/segment.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>

static void enter(struct wire *wire)
{
	wire->busy++;
}

static void leave(struct wire *wire)
{
	if (--wire->busy > 0 || !wire->closed)
		return;
	free(wire->queue.bytes);
	wire->kind->destroy(wire);
}

bool wire_is_reading(const struct wire *wire)
{
	return !wire->closed && !wire->lost && !wire->paused && !wire->paused_by_peer;
}

unsigned wire_reads(const struct wire *wire, const struct tries *usual)
{
	return wire->moderation.rested ? WIRE_BATCH : tries_now(usual);
}

static void remove_events(struct wire *wire)
{
	loop_remove_io(wire->in_io);
	loop_remove_io(wire->out_io);
	loop_remove_timer(wire->kick);
	wire->in_io = wire->out_io = NULL;
	wire->kick = NULL;
}

static void set_full(struct wire *wire)
{
	size_t waiting = wire_queue_length(&wire->queue);
	bool was_full = wire->full;

	if (waiting >= WIRE_FULL_BYTES)
		wire->full = true;
	else if (waiting <= WIRE_DRAINED_BYTES)
		wire->full = false;
	if (!was_full || wire->full || wire->closed)
		return;
	if (wire->peer != NULL && wire->peer->paused_by_peer) {
		wire->peer->paused_by_peer = false;
		wire_update(wire->peer);
	}
	if (wire->callbacks->drained != NULL)
		wire->callbacks->drained(wire->owner);
}

static void flush_frames(struct wire *wire)
{
	unsigned count, done;

	do {
		struct frame frames[WIRE_BATCH];
		size_t offset = 0, ends[WIRE_BATCH];

		for (count = 0; count < WIRE_BATCH; count++) {
			frames[count] = (struct frame){.data = NULL};
			if (!wire_queue_next(&wire->queue, &offset, &frames[count].data, &frames[count].length))
				break;
			ends[count] = offset;
		}
		done = wire->kind->transmit(wire, frames, count);
		if (done > 0)
			wire_queue_remove(&wire->queue, ends[done - 1]);
	} while (count > 0 && done == count);
}

static void flush(struct wire *wire)
{
	bool waiting = !wire->out_gone && wire_queue_length(&wire->queue) > 0;

	if (waiting && wire->kind->flush != NULL)
		wire->kind->flush(wire);
	else if (waiting)
		flush_frames(wire);
	set_full(wire);
}

/* Hung up, and nobody wants to read: to be asked again when somebody does. */
static void park(struct wire *wire)
{
	loop_remove_io(wire->in_io);
	wire->in_io = NULL;
	wire->parked = true;
}

/*
 * After a rest that brought few frames, as it is when each frame answers one of ours, the next rest comes after twice as many wake-ups
 * as before; after one that was worth while, with the next.
 */
static void choose_rest(struct wire *wire, uint64_t came)
{
	struct wire_moderation *moderation = &wire->moderation;
	uint64_t now = loop_now(wire->loop), pause = now - moderation->last_ns;

	moderation->last_ns = now;
	if (pause >= WIRE_SILENCE_NS)
		moderation->average_ns = WIRE_SILENCE_NS;
	else if (came < WIRE_AVERAGE_FRAMES)
		moderation->average_ns = (moderation->average_ns * (WIRE_AVERAGE_FRAMES - came) + pause) / WIRE_AVERAGE_FRAMES;
	else
		moderation->average_ns = pause / came;
	if (moderation->rested && came >= WIRE_REST_FRAMES && pause < WIRE_REST_LATE_NS) {
		moderation->patience = 1;
		moderation->skip = 0;
	} else if (moderation->rested) {
		moderation->skip = moderation->patience;
		moderation->patience = moderation->patience < WIRE_PATIENCE_MAX ? moderation->patience * 2 : WIRE_PATIENCE_MAX;
	}
	moderation->rested = moderation->average_ns < WIRE_BUSY_NS && came < WIRE_BATCH / 2 && moderation->skip == 0;
	if (moderation->rested)
		loop_rest(wire->loop, WIRE_REST_NS);
	else if (moderation->skip > 0)
		moderation->skip--;
}

static void on_in_event(void *owner, int fd, unsigned events)
{
	struct wire *wire = owner;
	uint64_t before = wire->counters.frames_in;

	(void)fd;
	enter(wire);
	if ((events & (LOOP_WRITE | LOOP_HANGUP)) != 0 && wire->in_fd == wire->out_fd)
		flush(wire);
	wire->announced = true;
	if ((events & (LOOP_READ | LOOP_HANGUP)) != 0 && wire_is_reading(wire))
		wire->kind->receive(wire);
	else if ((events & LOOP_HANGUP) != 0 && !wire->closed)
		park(wire);
	wire_update(wire);
	if (wire->moderation.on && wire->counters.frames_in != before)
		choose_rest(wire, wire->counters.frames_in - before);
	leave(wire);
}

static void on_out_event(void *owner, int fd, unsigned events)
{
	struct wire *wire = owner;

	(void)fd;
	enter(wire);
	if ((events & LOOP_WRITE) != 0)
		flush(wire);
	if ((events & LOOP_HANGUP) != 0 && !wire->closed) {
		wire_out_gone(wire);
		wire->kind->out_lost(wire);
	}
	wire_update(wire);
	leave(wire);
}

static void on_kick(void *owner)
{
	struct wire *wire = owner;

	enter(wire);
	wire->announced = false;
	if (wire->pending && wire_is_reading(wire)) {
		wire->pending = false;
		wire->kind->receive(wire);
	}
	wire_update(wire);
	leave(wire);
}

int wire_init(struct wire *wire, const struct wire_kind *kind, struct loop *loop, int in_fd, int out_fd,
	      const struct wire_callbacks *callbacks, void *owner)
{
	wire->kind = kind;
	wire->loop = loop;
	wire->callbacks = callbacks;
	wire->owner = owner;
	wire->in_fd = in_fd;
	wire->out_fd = out_fd;
	wire->kick = loop_add_timer(loop, on_kick, wire);
	wire->in_io = loop_add_io(loop, in_fd, LOOP_READ, on_in_event, wire);
	if (out_fd != in_fd)
		wire->out_io = loop_add_io(loop, out_fd, 0, on_out_event, wire);
	if (wire->kick == NULL || wire->in_io == NULL || (out_fd != in_fd && wire->out_io == NULL))
		return errno != 0 ? errno : ENOMEM;
	return 0;
}

/* The reading descriptor is watched while somebody reads, or while it is also the one to write and something waits. */
static void update_in(struct wire *wire, bool want_write)
{
	unsigned events = 0;

	if (wire_is_reading(wire)) {
		events |= LOOP_READ;
		wire->parked = false;
	}
	if (want_write && wire->in_fd == wire->out_fd)
		events |= LOOP_WRITE;
	if (wire->in_io != NULL && wire->lost && events == 0) {
		loop_remove_io(wire->in_io);
		wire->in_io = NULL;
	} else if (wire->in_io != NULL) {
		loop_set_events(wire->in_io, events);
	} else if (events != 0 && (!wire->parked || (events & LOOP_WRITE) != 0)) {
		wire->in_io = loop_add_io(wire->loop, wire->in_fd, events, on_in_event, wire);
	}
}

void wire_update(struct wire *wire)
{
	bool want_write = !wire->out_gone && wire_queue_length(&wire->queue) > 0;

	if (wire->closed)
		return;
	update_in(wire, want_write);
	if (wire->out_io != NULL)
		loop_set_events(wire->out_io, want_write ? LOOP_WRITE : 0);
	if (wire->pending && wire_is_reading(wire) && !loop_timer_running(wire->kick))
		loop_timer_set(wire->kick, 0);
}

void wire_deliver(struct wire *wire, struct frame *frames, unsigned count)
{
	if (count == 0)
		return;
	wire->counters.frames_in += count;
	for (unsigned i = 0; i < count; i++)
		wire->counters.bytes_in += frames[i].length;
	if (wire->peer == NULL) {
		wire->callbacks->receive(wire->owner, frames, count);
		return;
	}
	wire_send(wire->peer, frames, count);
	wire->paused_by_peer = wire_is_full(wire->peer);
}

void wire_end(struct wire *wire, int error)
{
	if (wire->lost || wire->closed)
		return;
	wire->lost = true;
	wire_update(wire);
	if (wire->callbacks->lost != NULL)
		wire->callbacks->lost(wire->owner, error);
}

void wire_out_gone(struct wire *wire)
{
	wire->out_gone = true;
	wire_queue_remove(&wire->queue, wire_queue_length(&wire->queue));
	loop_remove_io(wire->out_io);
	wire->out_io = NULL;
	set_full(wire);
}

void wire_close(struct wire *wire)
{
	if (wire == NULL || wire->closed)
		return;
	enter(wire);
	wire->closed = true;
	remove_events(wire);
	if (wire->peer != NULL) {
		wire->peer->peer = NULL;
		wire->peer->paused_by_peer = false;
		wire_update(wire->peer);
	}
	leave(wire);
}

/* A frame that begins like an uncut one would be taken for that in the queue; no bridge passes such a one. */
static bool is_valid(const struct wire *wire, const struct frame *frame)
{
	if (frame->offload.segments > 0)
		return wire->uncut && frame->length <= FRAME_MAX_SIZE - UNCUT_PREFIX_SIZE;
	return frame->length >= ETHERNET_HEADER_SIZE && frame->length <= FRAME_MAX_SIZE && !(wire->uncut && uncut_is(frame->data, frame->length));
}

/* Sends or queues frames of valid size, at most WIRE_BATCH. */
static void send_run(struct wire *wire, const struct frame *frames, unsigned count)
{
	unsigned done = 0;

	if (wire_queue_length(&wire->queue) == 0)
		done = wire->kind->transmit(wire, frames, count);
	for (unsigned i = 0; i < count; i++) {
		if (i >= done && !wire_queue_append(&wire->queue, &frames[i])) {
			wire->counters.dropped_full++;
			continue;
		}
		wire->counters.frames_out++;
		wire->counters.bytes_out += frames[i].length;
	}
}

/* The segments of a frame that the other side does not take uncut, a few at a time. */
static void send_cut(struct wire *wire, const struct frame *frame)
{
	enum { PART = 16 };
	struct frame segments[PART];
	struct segment_plan plan;
	uint8_t *room;
	unsigned filled = 0;

	if (!segment_plan_sized(&plan, frame->data, frame->length, frame->offload.segment_size))
		return;
	room = malloc((size_t)PART * (plan.header + plan.size));
	if (room == NULL) {
		wire->counters.dropped_full += segment_count(&plan);
		return;
	}
	for (uint32_t i = 0; i < segment_count(&plan); i++) {
		uint8_t *out = room + (size_t)filled * (plan.header + plan.size);

		segments[filled++] = (struct frame){.data = out, .length = segment_write(&plan, frame->data, i, out)};
		if (filled == PART || i + 1 == segment_count(&plan)) {
			send_run(wire, segments, filled);
			filled = 0;
		}
	}
	free(room);
}

bool wire_take_uncut(struct wire *wire)
{
	if (!wire->uncut && wire->kind->take_uncut != NULL)
		wire->uncut = wire->kind->take_uncut(wire);
	return wire->uncut;
}

void wire_send(struct wire *wire, const struct frame *frames, unsigned count)
{
	if (wire->closed || wire->out_gone) {
		wire->counters.errors += count;
		return;
	}
	for (unsigned i = 0; i < count && !wire->out_gone; ) {
		unsigned run = 0;

		while (i + run < count && run < WIRE_BATCH && is_valid(wire, &frames[i + run]))
			run++;
		if (run > 0)
			send_run(wire, frames + i, run);
		else if (frames[i].offload.segments > 0)
			send_cut(wire, &frames[i]);
		else
			wire->counters.dropped_size++;
		i += run > 0 ? run : 1;
	}
	wire->full = wire->full || wire_queue_length(&wire->queue) >= WIRE_FULL_BYTES;
	if (wire_queue_length(&wire->queue) > 0 || wire->pending)
		wire_update(wire);
}

bool wire_is_full(const struct wire *wire)
{
	return wire->full;
}

void wire_pause(struct wire *wire, bool paused)
{
	if (wire->paused == paused)
		return;
	wire->paused = paused;
	wire_update(wire);
}

void wire_moderate(struct wire *wire)
{
	wire->moderation = (struct wire_moderation){.on = true, .average_ns = WIRE_SILENCE_NS, .patience = 1};
}

void wire_flush(struct wire *wire, uint64_t timeout_ns)
{
	uint64_t deadline = loop_clock() + timeout_ns;

	enter(wire);
	for (;;) {
		uint64_t now = loop_clock();
		struct pollfd entry = {.fd = wire->out_fd, .events = POLLOUT};
		uint64_t wait_ms = now < deadline ? (deadline - now) / 1000000 + 1 : 0;

		flush(wire);
		if (wire->closed || wire_queue_length(&wire->queue) == 0 || wait_ms == 0)
			break;
		poll(&entry, 1, wait_ms < 100 ? (int)wait_ms : 100);
	}
	if (!wire->closed && !wire->out_gone && wire->kind->settle != NULL)
		wire->kind->settle(wire, deadline);
	wire_update(wire);
	leave(wire);
}

const struct wire_counters *wire_counters(const struct wire *wire)
{
	return &wire->counters;
}

void wire_join(struct wire *a, struct wire *b)
{
	a->peer = b;
	b->peer = a;
}
