/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vde_switch/txqueue.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_RING_SIZE = 16 };

static size_t packet_cost(uint32_t length)
{
	return sizeof(struct packet) + length;
}

static struct packet *packet_create(const struct frame_image *image, struct txbudget *budget)
{
	size_t cost = packet_cost(image->length);
	struct packet *packet = malloc(cost);

	if (!packet)
		return NULL;
	uint8_t *end = packet->data;
	for (unsigned i = 0; i < image->pieces; i++) {
		memcpy(end, image->piece[i].iov_base, image->piece[i].iov_len);
		end += image->piece[i].iov_len;
	}
	packet->references = 1;
	packet->length = image->length;
	packet->budget = budget;
	packet->piece = (struct iovec){ packet->data, image->length };
	packet->offload = image->offload;
	budget->used += cost;
	return packet;
}

void packet_release(struct packet *packet)
{
	if (!packet || --packet->references)
		return;
	packet->budget->used -= packet_cost(packet->length);
	free(packet);
}

void txqueue_init(struct txqueue *queue, unsigned max)
{
	*queue = (struct txqueue){ .max = max };
}

void txqueue_clear(struct txqueue *queue)
{
	txqueue_pop(queue, queue->count);
	free(queue->ring);
	queue->ring = NULL;
	queue->ring_size = 0;
}

/* A queue that is long already leaves room to those that are not: whoever reads nothing cannot take it all from those who do. */
static bool has_room(const struct txqueue *queue, uint32_t length, const struct txbudget *budget)
{
	return queue->count < queue->max && queue->bytes + packet_cost(length) <= budget->max - budget->used;
}

static struct packet **slot(const struct txqueue *queue, unsigned position)
{
	return &queue->ring[(queue->head + position) & (queue->ring_size - 1)];
}

void txqueue_set_max(struct txqueue *queue, unsigned max)
{
	queue->max = max;
	while (queue->count > max) {
		struct packet *last = *slot(queue, --queue->count);

		queue->bytes -= packet_cost(last->length);
		packet_release(last);
	}
}

static bool grow(struct txqueue *queue)
{
	unsigned size = queue->ring_size ? queue->ring_size * 2 : FIRST_RING_SIZE;
	struct packet **ring = malloc(size * sizeof(struct packet *));

	if (!ring)
		return false;
	for (unsigned i = 0; i < queue->count; i++)
		ring[i] = *slot(queue, i);
	free(queue->ring);
	queue->ring = ring;
	queue->ring_size = size;
	queue->head = 0;
	return true;
}

bool txqueue_push(struct txqueue *queue, struct frame_image *image, struct txbudget *budget)
{
	if (!has_room(queue, image->length, budget))
		return false;
	if (queue->count == queue->ring_size && !grow(queue))
		return false;
	if (!image->packet)
		image->packet = packet_create(image, budget);
	if (!image->packet)
		return false;
	image->packet->references++;
	queue->bytes += packet_cost(image->length);
	*slot(queue, queue->count++) = image->packet;
	return true;
}

unsigned txqueue_peek(const struct txqueue *queue, struct packet **packets, unsigned max)
{
	unsigned count = queue->count < max ? queue->count : max;

	for (unsigned i = 0; i < count; i++)
		packets[i] = *slot(queue, i);
	return count;
}

void txqueue_pop(struct txqueue *queue, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		queue->bytes -= packet_cost((*slot(queue, i))->length);
		packet_release(*slot(queue, i));
	}
	if (queue->ring_size)
		queue->head = (queue->head + count) & (queue->ring_size - 1);
	queue->count -= count;
}
