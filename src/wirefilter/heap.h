/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Frames that wait for their time, the earliest first; among equal times the one that was pushed first. A heap of four children per node
 * whose entries carry the times, so that looking for the next one touches no frame: with frames pushed in the order of their
 * times, as a cable without jitter does, a push costs the same at any depth and a pop grows with the logarithm.
 */
#ifndef WIREFILTER_HEAP_H
#define WIREFILTER_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A frame's own copy. */
struct heap_frame {
	uint32_t length;
	uint8_t data[];
};

struct heap_entry {
	uint64_t due;                   /* nanoseconds */
	uint64_t sequence;
	struct heap_frame *frame;
};

struct heap {
	struct heap_entry *entry;       /* entry[0] is the earliest */
	size_t count, size;
	uint64_t next_sequence;
};

/* A copy of the bytes, or NULL; freed with free. */
struct heap_frame *heap_frame_new(const uint8_t *data, uint32_t length);

void heap_init(struct heap *heap);
/* Frees the frames too. */
void heap_clear(struct heap *heap);
/* The heap owns the frame from here on. Returns false, the frame still the caller's, when memory is refused. */
bool heap_push(struct heap *heap, struct heap_frame *frame, uint64_t due);
/* When the earliest is due; UINT64_MAX when the heap is empty. */
uint64_t heap_deadline(const struct heap *heap);
/* Takes the earliest out, to be freed by the caller; the heap must not be empty. */
struct heap_frame *heap_pop(struct heap *heap);

#endif
