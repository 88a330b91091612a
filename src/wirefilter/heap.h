/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Frames that wait for their time, the earliest first; among equal times the one that was pushed first.
 *
 * Frames that come with times in rising order, as in a cable without jitter or one that keeps the order, stand in a ring. Those that are due before the
 * ring's last one lie in a timing wheel, and when their microsecond has come in a heap of four children per node, which is
 * small therefore. So each frame costs the same at any depth. The entries carry the times, so that looking for the next one touches no frame.
 */
#ifndef WIREFILTER_HEAP_H
#define WIREFILTER_HEAP_H

#include "wheel.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	HEAP_CLASSES = 2,               /* sizes of frames whose memory is kept for the next one */
	HEAP_SPARE_MAX = 8192,          /* of each size: at most 18 MB in all */
	HEAP_FRAME_COST = 64,           /* bytes that a frame takes beside its room */
};

/* A frame's own copy. */
struct heap_frame {
	struct heap_frame *next;        /* among the spare ones */
	uint32_t length;
	uint32_t room;                  /* bytes that data has */
	uint8_t data[];
};

struct heap {
	struct heap_entry *tree;        /* tree[0] is the earliest of the heap */
	size_t tree_count, tree_size;   /* there is always room for what the wheel has */
	struct wheel wheel;
	uint64_t moves;                 /* entries moved in the tree so far */
	struct heap_entry *ring;
	size_t ring_first, ring_count, ring_size;       /* the size is a power of two */
	uint64_t next_sequence;
	struct heap_frame *spare[HEAP_CLASSES];
	unsigned spare_count[HEAP_CLASSES];
	size_t memory;                  /* bytes that frames which are not spare take; those in the heap and those taken out of it */
};

void heap_init(struct heap *heap);
/* Frees the frames too. */
void heap_clear(struct heap *heap);

/* A copy of the bytes, or NULL; not yet in the heap. */
struct heap_frame *heap_frame_new(struct heap *heap, const uint8_t *data, uint32_t length);
/* NULL is accepted. */
void heap_frame_free(struct heap *heap, struct heap_frame *frame);

/* The heap owns the frame from here on. Returns false, the frame still the caller's, when memory is refused. */
bool heap_push(struct heap *heap, struct heap_frame *frame, uint64_t due);
size_t heap_count(const struct heap *heap);
/* When the earliest is due; UINT64_MAX when there is none. */
uint64_t heap_deadline(const struct heap *heap);
/*
 * Takes the earliest out, to be freed by the caller; the heap must not be empty. What is pushed later and due before it costs more,
 * so it should be due.
 */
struct heap_frame *heap_pop(struct heap *heap);

#endif
