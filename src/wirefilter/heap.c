/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "heap.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { CHILDREN = 4, FIRST_SIZE = 64, PREFETCH = 4 };

static const uint32_t class_room[HEAP_CLASSES] = { 192, 2048 };

/* ---- frames ---- */

/* The smallest class that holds so much, or HEAP_CLASSES. */
static int class_for(uint32_t length)
{
	int class = 0;

	while (class < HEAP_CLASSES && class_room[class] < length)
		class++;
	return class;
}

static struct heap_frame *allocate(struct heap *heap, uint32_t length)
{
	int class = class_for(length);
	uint32_t room = class < HEAP_CLASSES ? class_room[class] : length;
	struct heap_frame *frame;

	if (class < HEAP_CLASSES && heap->spare[class]) {
		frame = heap->spare[class];
		heap->spare[class] = frame->next;
		heap->spare_count[class]--;
		return frame;
	}
	frame = malloc(sizeof *frame + room);
	if (frame)
		frame->room = room;
	return frame;
}

struct heap_frame *heap_frame_new(struct heap *heap, const uint8_t *data, uint32_t length)
{
	struct heap_frame *frame = allocate(heap, length);

	if (!frame)
		return NULL;
	heap->memory += HEAP_FRAME_COST + frame->room;
	frame->length = length;
	memcpy(frame->data, data, length);
	return frame;
}

void heap_frame_free(struct heap *heap, struct heap_frame *frame)
{
	int class;

	if (!frame)
		return;
	heap->memory -= HEAP_FRAME_COST + frame->room;
	class = class_for(frame->room);
	if (class == HEAP_CLASSES || heap->spare_count[class] == HEAP_SPARE_MAX) {
		free(frame);
		return;
	}
	frame->next = heap->spare[class];
	heap->spare[class] = frame;
	heap->spare_count[class]++;
}

static void free_spare(struct heap *heap)
{
	for (int class = 0; class < HEAP_CLASSES; class++) {
		while (heap->spare[class]) {
			struct heap_frame *frame = heap->spare[class];

			heap->spare[class] = frame->next;
			free(frame);
		}
	}
}

/* ---- the ring ---- */

static struct heap_entry *ring_at(const struct heap *heap, size_t i)
{
	return &heap->ring[(heap->ring_first + i) & (heap->ring_size - 1)];
}

static bool ring_make_room(struct heap *heap)
{
	size_t size = heap->ring_size ? heap->ring_size * 2 : FIRST_SIZE;
	struct heap_entry *grown;

	if (heap->ring_count < heap->ring_size)
		return true;
	grown = malloc(size * sizeof *grown);
	if (!grown)
		return false;
	for (size_t i = 0; i < heap->ring_count; i++)
		grown[i] = *ring_at(heap, i);
	free(heap->ring);
	heap->ring = grown;
	heap->ring_first = 0;
	heap->ring_size = size;
	return true;
}

static bool ring_takes(const struct heap *heap, uint64_t due)
{
	return heap->ring_count == 0 || ring_at(heap, heap->ring_count - 1)->due <= due;
}

/* ---- the tree ---- */

static bool earlier(const struct heap_entry *a, const struct heap_entry *b)
{
	return a->due < b->due || (a->due == b->due && a->sequence < b->sequence);
}

static bool tree_make_room(struct heap *heap)
{
	size_t size = heap->tree_size ? heap->tree_size * 2 : FIRST_SIZE;
	struct heap_entry *grown;

	if (heap->tree_count + heap->wheel.count < heap->tree_size)
		return true;
	grown = realloc(heap->tree, size * sizeof *grown);
	if (!grown)
		return false;
	heap->tree = grown;
	heap->tree_size = size;
	return true;
}

static void tree_push(struct heap *heap, struct heap_entry new)
{
	size_t i;

	for (i = heap->tree_count++; i > 0; i = (i - 1) / CHILDREN) {
		const struct heap_entry *parent = &heap->tree[(i - 1) / CHILDREN];

		if (!earlier(&new, parent))
			break;
		heap->tree[i] = *parent;
		heap->moves++;
	}
	heap->tree[i] = new;
}

static void take_from_wheel(void *owner, struct heap_entry entry)
{
	tree_push(owner, entry);
}

static size_t earliest_child(const struct heap *heap, size_t parent)
{
	size_t first = parent * CHILDREN + 1;
	size_t end = first + CHILDREN < heap->tree_count ? first + CHILDREN : heap->tree_count;
	size_t best = first;

	for (size_t i = first + 1; i < end; i++)
		if (earlier(&heap->tree[i], &heap->tree[best]))
			best = i;
	return best;
}

static struct heap_frame *tree_pop(struct heap *heap)
{
	struct heap_frame *frame = heap->tree[0].frame;
	const struct heap_entry *last = &heap->tree[--heap->tree_count];
	size_t i = 0;

	while (i * CHILDREN + 1 < heap->tree_count) {
		size_t child = earliest_child(heap, i);

		if (!earlier(&heap->tree[child], last))
			break;
		heap->tree[i] = heap->tree[child];
		heap->moves++;
		i = child;
	}
	heap->tree[i] = *last;
	/* The next frame is the root's, and the one after it stands right below: on their way while this one is handled. */
	for (i = 0; i <= CHILDREN && i < heap->tree_count; i++)
		__builtin_prefetch(heap->tree[i].frame);
	return frame;
}

/* ---- both ---- */

void heap_init(struct heap *heap)
{
	*heap = (struct heap){ .tree = NULL };
}

static void free_frame(void *owner, struct heap_entry entry)
{
	(void)owner;
	free(entry.frame);
}

void heap_clear(struct heap *heap)
{
	wheel_clear(&heap->wheel, free_frame, NULL);
	for (size_t i = 0; i < heap->tree_count; i++)
		free(heap->tree[i].frame);
	for (size_t i = 0; i < heap->ring_count; i++)
		free(ring_at(heap, i)->frame);
	free(heap->tree);
	free(heap->ring);
	free_spare(heap);
	heap_init(heap);
}

bool heap_push(struct heap *heap, struct heap_frame *frame, uint64_t due)
{
	struct heap_entry new = { due, heap->next_sequence, frame };

	if (ring_takes(heap, due)) {
		if (!ring_make_room(heap))
			return false;
		*ring_at(heap, heap->ring_count) = new;
		heap->ring_count++;
	} else {
		if (!tree_make_room(heap))
			return false;
		if (!wheel_keeps(&heap->wheel, due))
			tree_push(heap, new);
		else if (!wheel_push(&heap->wheel, new))
			return false;
	}
	heap->next_sequence++;
	return true;
}

size_t heap_count(const struct heap *heap)
{
	return heap->tree_count + heap->wheel.count + heap->ring_count;
}

/* The earliest of ring and tree stands in the ring. There is one. */
static bool ring_is_first(const struct heap *heap)
{
	if (!heap->tree_count || !heap->ring_count)
		return heap->ring_count > 0;
	return earlier(ring_at(heap, 0), &heap->tree[0]);
}

/* Of ring and tree. */
static uint64_t front_deadline(const struct heap *heap)
{
	if (heap->tree_count + heap->ring_count == 0)
		return UINT64_MAX;
	return ring_is_first(heap) ? ring_at(heap, 0)->due : heap->tree[0].due;
}

uint64_t heap_deadline(const struct heap *heap)
{
	uint64_t front = front_deadline(heap), wheel = wheel_deadline(&heap->wheel);

	return wheel < front ? wheel : front;
}

struct heap_frame *heap_pop(struct heap *heap)
{
	struct heap_frame *frame;

	assert(heap_count(heap) > 0);
	if (heap->wheel.count && wheel_deadline(&heap->wheel) <= front_deadline(heap))
		wheel_turn(&heap->wheel, take_from_wheel, heap);
	if (!ring_is_first(heap))
		return tree_pop(heap);
	frame = ring_at(heap, 0)->frame;
	heap->ring_first = (heap->ring_first + 1) & (heap->ring_size - 1);
	heap->ring_count--;
	/* Frames have been out of the caches for long: those that are likely to be next are on their way while this one is handled. */
	if (heap->ring_count > PREFETCH)
		__builtin_prefetch(ring_at(heap, PREFETCH)->frame);
	return frame;
}
