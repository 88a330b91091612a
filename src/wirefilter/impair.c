/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation
 *
 * A frame passes these stations in this order; at each it may be dropped, and the drop is counted with its reason:
 *
 *      blackout        the cable is dead for a while, again and again
 *      mtu             longer frames are dropped
 *      loss            independently, or in bursts (Gilbert: a good state that loses nothing and a bad one that loses all)
 *      gemodel         Gilbert and Elliott's model: two states, each with a loss of its own
 *      trace           the loss of the trace's row
 *      dup             more copies; each goes on by itself
 *      chanbufsize     dropped when the frames waiting, and it, are more than this
 *      speed           the interface: takes size/speed, and takes no other frame meanwhile (impair_busy_until)
 *      bandwidth       the line: begins when it has finished the frame before
 *      delay, trace    added to that
 *      reorder         held back until the next one has been given its time
 *      the queue       until it is due
 *      truncate, noise on the way out
 *
 * A frame that needs no waiting is handed out from the buffer it came in; one that waits is copied into a heap of deadlines. When nothing is on,
 * whole batches pass untouched.
 *
 * `size` in this file is the length that rates and limits count: the frame and IMPAIR_SIZE_EXTRA.
 */
#include "impair_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double nanoseconds_per_second = 1e9, nanoseconds_per_ms = 1e6, bits_per_megabyte = 8 * 1048576.0;

void impair_init(struct impair *impair, const struct impair_common *common, uint64_t seed, impair_send *send, void *owner)
{
	memset(impair, 0, sizeof *impair);
	impair->common = common;
	impair->send = send;
	impair->owner = owner;
	rng_seed(&impair->rng, seed);
	heap_init(&impair->heap);
}

void impair_free(struct impair *impair)
{
	free(impair->held);
	impair->held = NULL;
	heap_clear(&impair->heap);
	trace_free(&impair->trace);
}

void impair_set_values(struct impair *impair, const struct value *value)
{
	impair->value = value;
	impair->on = 0;
	for (unsigned i = 0; i < IMPAIRMENT_COUNT; i++)
		impair->on |= (uint32_t)value_is_on(&value[i]) << i;
	impair->active = impair->on || impair->trace.row;
}

void impair_restart(struct impair *impair, enum impairment changed, uint64_t now)
{
	if (changed == SPEED)
		impair->speed = (struct pacer){ 0 };
	if (changed == BANDWIDTH)
		impair->bandwidth = (struct pacer){ 0 };
	if (changed == BLACKOUT)
		impair->cycle_begin = impair->cycle_end = now;
}

/* ---- copies ---- */

/* One more copy for each success: a geometric distribution. From 100 on, where that has no end, each frame comes exactly twice. */
static unsigned copies(struct impair *impair)
{
	double percent;
	unsigned count = 1;

	if (!impair_is_on(impair, DUPLICATE))
		return 1;
	percent = impair_sample(impair, DUPLICATE);
	if (percent >= 100)
		return 2;
	while (count < IMPAIR_COPIES_MAX && rng_chance(&impair->rng, percent))
		count++;
	return count;
}

/* ---- when a frame is due ---- */

/* When the line has carried `size` bytes more, beginning at `now` or when it is free. */
static uint64_t pacer_carry(struct pacer *pacer, uint64_t now, uint32_t size, double rate)
{
	double duration;

	if (pacer->end < now)
		*pacer = (struct pacer){ .end = now };
	duration = size * nanoseconds_per_second / rate + pacer->fraction;
	pacer->end = impair_later(pacer->end, duration);
	pacer->fraction = duration < IMPAIR_FAR_AWAY ? duration - floor(duration) : 0;
	return pacer->end;
}

/* Moves *due past what the line needs. False: a rate below nothing was drawn, the frame is dropped. */
static bool carry(struct impair *impair, enum impairment which, struct pacer *pacer, uint32_t size, uint64_t *due)
{
	double rate;

	if (!impair_is_on(impair, which))
		return true;
	rate = impair_sample(impair, which);
	if (!(rate > 0))
		return false;
	*due = pacer_carry(pacer, *due, size, rate);
	return true;
}

static bool finds_no_room(struct impair *impair, uint32_t size)
{
	double limit = impair_is_on(impair, BUFFER_SIZE) ? impair_sample(impair, BUFFER_SIZE) : IMPAIR_BUFFER_DEFAULT;
	double memory = (limit > IMPAIR_BUFFER_DEFAULT ? limit : IMPAIR_BUFFER_DEFAULT) * IMPAIR_MEMORY_FACTOR;

	return (double)impair->queued_bytes + size > limit || (double)impair->heap.memory > memory;
}

/* Sets *due, or returns the reason to drop the copy. */
static enum drop_reason schedule(struct impair *impair, uint32_t size, const struct trace_row *row, uint64_t now, uint64_t *due)
{
	if (finds_no_room(impair, size))
		return DROP_BUFFER;
	*due = now;
	if (!carry(impair, SPEED, &impair->speed, size, due) || !carry(impair, BANDWIDTH, &impair->bandwidth, size, due))
		return DROP_RATE;
	if (impair_is_on(impair, DELAY))
		*due = impair_later(*due, impair_sample(impair, DELAY) * nanoseconds_per_ms);
	if (row)
		*due = impair_later(*due, row->delay);
	if (impair->common->fifo && impair_waiting(impair))
		*due = impair_latest(*due, impair->last_due);
	impair->last_due = *due;
	return DROP_COUNT;
}

/* ---- the way out ---- */

static void batch_flush(struct impair *impair)
{
	if (!impair->batch_count)
		return;
	if (!impair->send(impair->owner, impair->batch, impair->batch_count))
		impair->blocked = true;
	for (unsigned i = 0; i < impair->batch_count; i++)
		heap_frame_free(&impair->heap, impair->batch_frame[i]);
	impair->batch_count = 0;
	impair->batch_bytes = 0;
}

/* Flips every bit with the same chance; walks from one flipped bit to the next, the gaps being geometric. */
static void damage(struct impair *impair, struct frame *frame)
{
	double chance = impair_sample(impair, NOISE) / bits_per_megabyte;
	double bits = frame->length * 8.0, at = 0;
	double scale = chance < 1 ? 1 / log1p(-chance) : 0;
	uint64_t flipped = 0;

	if (!(chance > 0))
		return;
	for (;;) {
		size_t bit;

		/* log of (0, 1] */
		at += floor(log(1 - rng_unit(&impair->rng)) * scale);
		if (!(at < bits))
			break;
		bit = (size_t)at;
		frame->data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
		flipped++;
		at++;
	}
	impair->counters.bits_flipped += flipped;
	impair->counters.damaged += flipped > 0;
}

static void cut(struct impair *impair, struct frame *frame)
{
	if (frame->length <= ETHERNET_HEADER_SIZE || !rng_chance(&impair->rng, impair_sample(impair, TRUNCATE)))
		return;
	frame->length = ETHERNET_HEADER_SIZE + (uint32_t)rng_below(&impair->rng, frame->length - ETHERNET_HEADER_SIZE);
	impair->counters.truncated++;
}

static bool changes_bytes(const struct impair *impair)
{
	return impair_is_on(impair, NOISE) || impair_is_on(impair, TRUNCATE);
}

/* `owned`: what to free once it is sent, or NULL. */
static void put_out(struct impair *impair, struct frame frame, struct heap_frame *owned)
{
	if (impair_is_on(impair, TRUNCATE))
		cut(impair, &frame);
	if (impair_is_on(impair, NOISE))
		damage(impair, &frame);
	impair->counters.frames_out++;
	impair->counters.bytes_out += frame.length;
	impair->batch[impair->batch_count] = frame;
	impair->batch_frame[impair->batch_count++] = owned;
	impair->batch_bytes += frame.length;
	if (impair->batch_count == IMPAIR_BATCH || impair->batch_bytes >= IMPAIR_BATCH_BYTES)
		batch_flush(impair);
}

/* ---- the queue ---- */

static void queue(struct impair *impair, struct heap_frame *frame, uint64_t due)
{
	if (heap_push(&impair->heap, frame, due))
		return;
	impair->queued_bytes -= impair_size_of(frame->length);
	impair->counters.dropped[DROP_MEMORY]++;
	heap_frame_free(&impair->heap, frame);
}

static struct heap_frame *copy(struct impair *impair, const struct frame *frame)
{
	struct heap_frame *own = heap_frame_new(&impair->heap, frame->data, frame->length);

	if (own)
		impair->queued_bytes += impair_size_of(frame->length);
	else
		impair->counters.dropped[DROP_MEMORY]++;
	return own;
}

/* The held frame follows one that is due at `due`. */
static void let_go(struct impair *impair, uint64_t due)
{
	struct heap_frame *frame = impair->held;

	if (!frame)
		return;
	impair->held = NULL;
	queue(impair, frame, impair_latest(due, impair->held_due));
}

static bool hold(struct impair *impair, const struct frame *frame, uint64_t due)
{
	if (impair->held || !impair_is_on(impair, REORDER) || !rng_chance(&impair->rng, impair_sample(impair, REORDER)))
		return false;
	impair->held = copy(impair, frame);
	impair->held_due = due;
	impair->held_until = impair_later(due, IMPAIR_REORDER_PATIENCE);
	if (impair->held)
		impair->counters.reordered++;
	return true;
}

/* May leave from the buffer it came in: due, nothing before it in the queue, and no other copy needs the bytes as they are. */
static bool passes_at_once(const struct impair *impair, uint64_t due, uint64_t now, bool last_copy)
{
	if (due > now || impair->blocked || (heap_count(&impair->heap) && impair->common->fifo))
		return false;
	return last_copy || !changes_bytes(impair);
}

static void pass_copy(struct impair *impair, const struct frame *frame, const struct trace_row *row, uint64_t now, bool last_copy)
{
	uint64_t due;
	enum drop_reason reason = schedule(impair, impair_size_of(frame->length), row, now, &due);

	if (reason != DROP_COUNT) {
		impair->counters.dropped[reason]++;
		return;
	}
	if (hold(impair, frame, due))
		return;
	if (passes_at_once(impair, due, now, last_copy)) {
		put_out(impair, *frame, NULL);
	} else {
		struct heap_frame *own = copy(impair, frame);

		if (own)
			queue(impair, own, due);
	}
	let_go(impair, due);
}

static void pass(struct impair *impair, const struct frame *frame, uint64_t now)
{
	const struct trace_row *row = trace_at(&impair->trace, now);
	enum drop_reason reason = impair_drops(impair, frame, row, now);
	unsigned count;

	if (reason != DROP_COUNT) {
		impair->counters.dropped[reason]++;
		return;
	}
	count = copies(impair);
	impair->counters.duplicated += count - 1;
	while (count--)
		pass_copy(impair, frame, row, now, count == 0);
}

static void pass_untouched(struct impair *impair, const struct frame *frames, unsigned count, uint64_t bytes)
{
	impair->counters.frames_out += count;
	impair->counters.bytes_out += bytes;
	if (!impair->send(impair->owner, frames, count))
		impair->blocked = true;
}

void impair_receive(struct impair *impair, struct frame *frames, unsigned count, uint64_t now)
{
	uint64_t bytes = 0;

	for (unsigned i = 0; i < count; i++)
		bytes += frames[i].length;
	impair->counters.frames_in += count;
	impair->counters.bytes_in += bytes;
	if (!impair->active && !impair->blocked && !impair_waiting(impair) && bytes < IMPAIR_BATCH_BYTES) {
		pass_untouched(impair, frames, count, bytes);
		return;
	}
	for (unsigned i = 0; i < count; i++)
		pass(impair, &frames[i], now);
	batch_flush(impair);
	impair_release(impair, now, IMPAIR_BATCH);
}

void impair_release(struct impair *impair, uint64_t now, unsigned max)
{
	if (impair->held && now >= impair->held_until)
		let_go(impair, now);
	while (max-- && !impair->blocked && heap_deadline(&impair->heap) <= now) {
		struct heap_frame *own = heap_pop(&impair->heap);

		impair->queued_bytes -= impair_size_of(own->length);
		put_out(impair, (struct frame){ .data = own->data, .length = own->length }, own);
	}
	batch_flush(impair);
}

uint64_t impair_deadline(const struct impair *impair)
{
	uint64_t queue_deadline = heap_deadline(&impair->heap);

	if (impair->blocked)
		return UINT64_MAX;
	return impair->held && impair->held_until < queue_deadline ? impair->held_until : queue_deadline;
}

void impair_unblock(struct impair *impair)
{
	impair->blocked = false;
}

uint64_t impair_busy_until(const struct impair *impair)
{
	uint64_t end = impair_is_on(impair, SPEED) ? impair->speed.end : 0;

	return end > IMPAIR_SPEED_AHEAD ? end - IMPAIR_SPEED_AHEAD : 0;
}

uint64_t impair_waiting(const struct impair *impair)
{
	return heap_count(&impair->heap) + (impair->held != NULL);
}

void impair_flush(struct impair *impair)
{
	impair->counters.dropped[DROP_BUFFER] += impair_waiting(impair);
	heap_clear(&impair->heap);
	free(impair->held);
	impair->held = NULL;
	impair->queued_bytes = 0;
	impair->last_due = 0;
	impair->speed = impair->bandwidth = (struct pacer){ 0 };
}
