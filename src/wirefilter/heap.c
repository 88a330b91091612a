/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "heap.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { CHILDREN = 4, FIRST_SIZE = 64 };

struct heap_frame *heap_frame_new(const uint8_t *data, uint32_t length)
{
	struct heap_frame *frame = malloc(sizeof *frame + length);

	if (!frame)
		return NULL;
	frame->length = length;
	memcpy(frame->data, data, length);
	return frame;
}

void heap_init(struct heap *heap)
{
	*heap = (struct heap){ .entry = NULL };
}

void heap_clear(struct heap *heap)
{
	for (size_t i = 0; i < heap->count; i++)
		free(heap->entry[i].frame);
	free(heap->entry);
	heap_init(heap);
}

static bool earlier(const struct heap_entry *a, const struct heap_entry *b)
{
	return a->due < b->due || (a->due == b->due && a->sequence < b->sequence);
}

static bool make_room(struct heap *heap)
{
	size_t size = heap->size ? heap->size * 2 : FIRST_SIZE;
	struct heap_entry *grown;

	if (heap->count < heap->size)
		return true;
	grown = realloc(heap->entry, size * sizeof *grown);
	if (!grown)
		return false;
	heap->entry = grown;
	heap->size = size;
	return true;
}

bool heap_push(struct heap *heap, struct heap_frame *frame, uint64_t due)
{
	struct heap_entry new;
	size_t i;

	if (!make_room(heap))
		return false;
	new = (struct heap_entry){ due, heap->next_sequence++, frame };
	for (i = heap->count++; i > 0; i = (i - 1) / CHILDREN) {
		const struct heap_entry *parent = &heap->entry[(i - 1) / CHILDREN];

		if (!earlier(&new, parent))
			break;
		heap->entry[i] = *parent;
	}
	heap->entry[i] = new;
	return true;
}

uint64_t heap_deadline(const struct heap *heap)
{
	return heap->count ? heap->entry[0].due : UINT64_MAX;
}

static size_t earliest_child(const struct heap *heap, size_t parent)
{
	size_t first = parent * CHILDREN + 1;
	size_t end = first + CHILDREN < heap->count ? first + CHILDREN : heap->count;
	size_t best = first;

	for (size_t i = first + 1; i < end; i++)
		if (earlier(&heap->entry[i], &heap->entry[best]))
			best = i;
	return best;
}

struct heap_frame *heap_pop(struct heap *heap)
{
	struct heap_frame *frame;
	const struct heap_entry *last;
	size_t i = 0;

	assert(heap->count > 0);
	frame = heap->entry[0].frame;
	last = &heap->entry[--heap->count];
	while (i * CHILDREN + 1 < heap->count) {
		size_t child = earliest_child(heap, i);

		if (!earlier(&heap->entry[child], last))
			break;
		heap->entry[i] = heap->entry[child];
		i = child;
	}
	heap->entry[i] = *last;
	return frame;
}
