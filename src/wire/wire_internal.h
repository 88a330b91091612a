/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the kinds of wires share: the core is wire.c, a kind is one file. */
#ifndef VDE_WIRE_INTERNAL_H
#define VDE_WIRE_INTERNAL_H

#include "wire.h"

#include "common/tries.h"

#include <stddef.h>

enum {
	WIRE_RECORD_HEADER = 2,                         /* as in a vdestream: the length, higher byte first */
	WIRE_FULL_BYTES = WIRE_QUEUE_BYTES / 4,         /* from here on wire_is_full; the rest is room for batches on the way */
	WIRE_DRAINED_BYTES = WIRE_QUEUE_BYTES / 16,
	WIRE_BUSY_NS = 100000,                          /* moderated: when frames are this close together in the mean */
	WIRE_SILENCE_NS = 10000000,                     /* a pause after which they are not */
	WIRE_AVERAGE_FRAMES = 32,
	WIRE_REST_FRAMES = 4,                           /* as many must have come within a rest to make it worth while: waking by a timer costs */
	WIRE_REST_LATE_NS = 4 * WIRE_REST_NS,           /* what came later than this did not come within it */
	WIRE_PATIENCE_MAX = 1024,
};

/*
 * Frames that wait, as records of a vdestream: a stream writes the bytes as they are, the other kinds take the
 * records apart. Contents are contiguous and at most WIRE_QUEUE_BYTES; the memory is at most twice that, so that moving the contents to the
 * front happens once for as many bytes appended.
 */
struct wire_queue {
	uint8_t *bytes;
	size_t size, start, end;
};

struct wire_kind {
	/* The descriptor is readable, at its end, or `pending` was set: reads once, passes frames to wire_deliver, or calls wire_end. */
	void (*receive)(struct wire *wire);
	/* Sends frames of valid size while the queue is empty. Returns how many are done with, be it sent, refused or put in the queue. */
	unsigned (*transmit)(struct wire *wire, const struct frame *frames, unsigned count);
	/* Asks the other side for frames that are to be segmented, uncut; true: it will take such ones too. NULL: it cannot. */
	bool (*take_uncut)(struct wire *wire);
	/* Sends from the queue what goes now. NULL: the queue's records are frames (or what transmit knows as more than one), given to transmit. */
	void (*flush)(struct wire *wire);
	/* Waits until what was sent has arrived at the peer, no longer than the deadline. NULL: nothing to wait for. */
	void (*settle)(struct wire *wire, uint64_t deadline_ns);
	/* The descriptor that is only written reports an error or hang-up. NULL: the kind has none. */
	void (*out_lost)(struct wire *wire);
	/* Frees what the kind added, and the wire. Events are removed already. */
	void (*destroy)(struct wire *wire);
};

/* Reading a wire less often under load: wire_moderate. */
struct wire_moderation {
	bool on;
	bool rested;                    /* before the current wake-up */
	uint64_t last_ns;               /* the wake-up before */
	uint64_t average_ns;            /* between frames, over the last WIRE_AVERAGE_FRAMES or so */
	unsigned skip;                  /* wake-ups without a rest to come */
	unsigned patience;              /* how many there are after a rest that brought nothing */
};

/* First member of each kind's struct. */
struct wire {
	const struct wire_kind *kind;
	struct loop *loop;
	const struct wire_callbacks *callbacks;
	void *owner;
	struct wire *peer;              /* joined with; NULL: frames go to callbacks->receive */
	int in_fd, out_fd;              /* may be the same */
	struct loop_io *in_io;          /* of in_fd, and of out_fd when it is the same */
	struct loop_io *out_io;         /* of out_fd when it is another one */
	struct loop_timer *kick;        /* goes on with what is pending */
	struct wire_queue queue;
	struct wire_counters counters;
	unsigned busy;                  /* depth of callbacks: the wire is freed when it is back at 0 */
	bool paused, paused_by_peer;
	bool parked;                    /* hung up while paused: not watched until reading goes on */
	bool pending;                   /* there is something to receive that no descriptor will announce */
	bool announced;                 /* the descriptor to read from has announced what is received now */
	bool full;
	bool lost;                      /* the end was reached and told */
	bool out_gone;                  /* nothing can be sent any more */
	bool uncut;                     /* frames to be segmented go uncut, both ways */
	bool closed;
	struct wire_moderation moderation;
};

/* Sets up what all kinds share. Returns 0 or an errno value; after it, in either case, only wire_close. */
int wire_init(struct wire *wire, const struct wire_kind *kind, struct loop *loop, int in_fd, int out_fd,
	      const struct wire_callbacks *callbacks, void *owner);
/* Passes up to WIRE_BATCH received frames on. After it the wire may be paused or closed: see wire_is_reading. */
void wire_deliver(struct wire *wire, struct frame *frames, unsigned count);
/* The end: tells callbacks->lost once. */
void wire_end(struct wire *wire, int error);
bool wire_is_reading(const struct wire *wire);
/* How many reads are worth trying: as usual, or after a rest as many as there may be frames. */
unsigned wire_reads(const struct wire *wire, const struct tries *usual);
/* Nothing can be sent any more: what waits is thrown away. */
void wire_out_gone(struct wire *wire);
/* Makes the events asked for agree with the state. */
void wire_update(struct wire *wire);

size_t wire_queue_length(const struct wire_queue *queue);
/* Returns false when the bound or memory does not allow it. A frame that is to be segmented has the prefix of an uncut one (common/aggregate.h) in its record. */
bool wire_queue_append(struct wire_queue *queue, const struct frame *frame);
bool wire_queue_append_bytes(struct wire_queue *queue, const void *bytes, size_t length);
/* The record at *offset from the start, which is moved behind it; false at the end. */
bool wire_queue_next(const struct wire_queue *queue, size_t *offset, uint8_t **data, uint32_t *length);
void wire_queue_remove(struct wire_queue *queue, size_t length);

/* Buffers for a batch of frames that are read one by one, each with its head and tail room. NULL with ENOMEM. */
uint8_t *wire_slots_create(void);
uint8_t *wire_slot(uint8_t *slots, unsigned i);
void wire_slots_free(uint8_t *slots);
enum { WIRE_SLOT_SIZE = FRAME_MAX_SIZE };

#endif
