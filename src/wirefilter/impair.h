/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One way through the filter: what happens to the frames between the end they come in by and the end they leave by. No descriptor and no clock: frames
 * are handed in with the time, and handed out through a callback.
 */
#ifndef WIREFILTER_IMPAIR_H
#define WIREFILTER_IMPAIR_H

#include "heap.h"
#include "impairment.h"
#include "rng.h"
#include "trace.h"
#include "value.h"

#include "common/frame.h"

#include <stdbool.h>
#include <stdint.h>

enum {
	IMPAIR_BATCH = 64,              /* frames handed out at most in one call */
	IMPAIR_BATCH_BYTES = 256 << 10, /* nor more than so many, and one frame */
	IMPAIR_COPIES_MAX = 64,         /* of one frame, however high `dup` is */
	IMPAIR_SIZE_EXTRA = 2,          /* every limit and rate counts a frame as this much longer: the length of a vdestream's header */
	IMPAIR_BUFFER_DEFAULT = 64 << 20,       /* bytes waiting in one way when chanbufsize says nothing */
	IMPAIR_MEMORY_FACTOR = 4,       /* times as much memory may short frames take for it, whose buffers are longer than they */
	IMPAIR_SPEED_AHEAD = 10000000,  /* ns before an interface is free that the next frame is asked for: waking up takes time */
	IMPAIR_REORDER_PATIENCE = 100000000,    /* ns that a frame is held back when no other comes */
};

enum drop_reason {
	DROP_BLACKOUT, DROP_MTU, DROP_LOSS, DROP_GEMODEL, DROP_TRACE, DROP_BUFFER, DROP_RATE, DROP_MEMORY, DROP_COUNT
};

/* The names of the reasons as showinfo prints them, DROP_COUNT of them. */
extern const char *const drop_reason_names[];

struct impair_counters {
	uint64_t frames_in, bytes_in, frames_out, bytes_out;
	uint64_t duplicated;            /* copies more than came in */
	uint64_t reordered;             /* frames held back */
	uint64_t truncated;
	uint64_t damaged;               /* frames with at least one bit flipped */
	uint64_t bits_flipped;
	uint64_t dropped[DROP_COUNT];
};

/* A line that carries one frame after the other. */
struct pacer {
	uint64_t end;                   /* when it has carried what it was given */
	double fraction;                /* of a nanosecond, not to be lost at high rates */
};

/* What both ways share. */
struct impair_common {
	bool fifo;                      /* frames leave in the order they came, whatever their delays */
	bool strict_mtu;                /* mtu is the frame's own length */
};

/* Hands frames out; what they point to is the caller's again after it returns. False: no room for more, until impair_unblock. */
typedef bool impair_send(void *owner, const struct frame *frames, unsigned count);

struct impair {
	const struct impair_common *common;
	const struct value *value;      /* IMPAIRMENT_COUNT: of the current node */
	uint32_t on;                    /* a bit for each impairment whose value is on */
	bool active;                    /* one of them is, or there is a trace */
	bool blocked;                   /* nothing may be handed out */
	struct rng rng;
	struct trace trace;

	bool burst_bad, ge_bad;         /* states of the two loss models */
	struct pacer speed, bandwidth;
	uint64_t cycle_begin, dark_begin, dark_end, cycle_end;  /* of blackout; cycle_end 0: not yet begun */

	struct heap heap;
	uint64_t queued_bytes;          /* with IMPAIR_SIZE_EXTRA each; the held frame too */
	uint64_t last_due;              /* the latest time given to a frame while fifo */
	struct heap_frame *held;        /* by reorder */
	uint64_t held_due, held_until;

	struct frame batch[IMPAIR_BATCH];       /* about to be handed out */
	struct heap_frame *batch_frame[IMPAIR_BATCH];   /* to be freed after that; NULL: not ours */
	unsigned batch_count;
	uint64_t batch_bytes;

	impair_send *send;
	void *owner;
	struct impair_counters counters;
};

/* common must outlive it. Values are set before the first frame. */
void impair_init(struct impair *impair, const struct impair_common *common, uint64_t seed, impair_send *send, void *owner);
void impair_free(struct impair *impair);

/* To be called when the current node has become another, or its values or the trace have changed. */
void impair_set_values(struct impair *impair, const struct value *value);
/* A rate or a blackout begins anew with a new value: what the old one did to the line is forgotten. */
void impair_restart(struct impair *impair, enum impairment changed, uint64_t now);

/* Frames came in. Their bytes may be changed. */
void impair_receive(struct impair *impair, struct frame *frames, unsigned count, uint64_t now);
/* Hands out what is due. At most `max` frames; more may be due after. */
void impair_release(struct impair *impair, uint64_t now, unsigned max);
/* When impair_release has something to do; UINT64_MAX: never as it is. */
uint64_t impair_deadline(const struct impair *impair);
/* Frames may be handed out again. */
void impair_unblock(struct impair *impair);
/* Until when `speed` wants no further input: a little before it has sent what it was given. */
uint64_t impair_busy_until(const struct impair *impair);
/* How many frames wait. */
uint64_t impair_waiting(const struct impair *impair);
/* Forgets the frames that wait; they count as dropped from the buffer. */
void impair_flush(struct impair *impair);

#endif
