/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What an endpoint has not taken yet: a bounded first-in first-out queue of frames.
 *
 * A frame that waits for several endpoints is stored once and shared by reference count. Two bounds hold: frames per
 * queue, and bytes of all queues of a switch together (struct txbudget), of which one queue may have no more than it leaves free. At either bound the
 * newest frame is dropped (tail drop), as the kernel's own socket queue does.
 */
#ifndef VDE_TXQUEUE_H
#define VDE_TXQUEUE_H

#include "vde_switch/image.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	TXQUEUE_DEFAULT_LENGTH = 128,           /* frames */
	TXQUEUE_MAX_LENGTH = 65536,
	TXBUDGET_DEFAULT_BYTES = 64 << 20,      /* of all queues of a switch */
};

/* A stored frame. */
struct packet {
	unsigned references;
	uint32_t length;
	struct txbudget *budget;
	struct iovec piece;             /* the whole frame, as transmit wants it */
	struct offload offload;
	uint8_t data[];
};

struct txbudget {
	size_t used, max;               /* bytes */
};

struct txqueue {
	struct packet **ring;           /* allocated with the first frame that waits */
	unsigned ring_size;             /* slots; a power of two */
	unsigned head, count;
	unsigned max;                   /* frames */
	size_t bytes;                   /* of its frames, those included that wait in other queues, too */
};

void txqueue_init(struct txqueue *queue, unsigned max);
void txqueue_clear(struct txqueue *queue);
/* Fewer than are waiting: those in excess are dropped from the end. */
void txqueue_set_max(struct txqueue *queue, unsigned max);

static inline bool txqueue_is_empty(const struct txqueue *queue)
{
	return queue->count == 0;
}

/* Stores the image's frame (once for all queues that take it). False: dropped at a bound. */
bool txqueue_push(struct txqueue *queue, struct frame_image *image, struct txbudget *budget);
/* The first `max` waiting frames; returns how many. They stay in the queue until txqueue_pop. */
unsigned txqueue_peek(const struct txqueue *queue, struct packet **packets, unsigned max);
void txqueue_pop(struct txqueue *queue, unsigned count);

/* Gives up one reference; NULL is accepted. */
void packet_release(struct packet *packet);

#endif
