/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "wire_internal.h"

#include "common/aggregate.h"
#include "common/offload.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { QUEUE_FIRST_SIZE = 1 << 16 };

size_t wire_queue_length(const struct wire_queue *queue)
{
	return queue->end - queue->start;
}

/* Makes room for `need` bytes behind the end. */
static bool make_room(struct wire_queue *queue, size_t need)
{
	size_t size = queue->size;
	uint8_t *bytes;

	if (wire_queue_length(queue) + need > WIRE_QUEUE_BYTES)
		return false;
	if (queue->end + need <= queue->size)
		return true;
	if (queue->start > 0 && queue->start >= queue->size / 2) {
		memmove(queue->bytes, queue->bytes + queue->start, wire_queue_length(queue));
		queue->end -= queue->start;
		queue->start = 0;
	}
	while (size < queue->end + need)
		size = size > 0 ? size * 2 : QUEUE_FIRST_SIZE;
	if (size == queue->size)
		return true;
	bytes = realloc(queue->bytes, size);
	if (bytes == NULL)
		return false;
	queue->bytes = bytes;
	queue->size = size;
	return true;
}

bool wire_queue_append_bytes(struct wire_queue *queue, const void *bytes, size_t length)
{
	if (!make_room(queue, length))
		return false;
	memcpy(queue->bytes + queue->end, bytes, length);
	queue->end += length;
	return true;
}

bool wire_queue_append(struct wire_queue *queue, const struct frame *frame)
{
	uint32_t prefix = frame->offload.segments > 0 ? UNCUT_PREFIX_SIZE : 0;
	uint8_t *record;

	if (!make_room(queue, WIRE_RECORD_HEADER + prefix + frame->length))
		return false;
	record = queue->bytes + queue->end;
	write_be16(record, (uint16_t)(prefix + frame->length));
	if (prefix > 0) {
		memcpy(record + WIRE_RECORD_HEADER, UNCUT_MARK, AGGREGATE_MARK_SIZE);
		offload_write(&frame->offload, record + WIRE_RECORD_HEADER + AGGREGATE_MARK_SIZE);
	}
	memcpy(record + WIRE_RECORD_HEADER + prefix, frame->data, frame->length);
	queue->end += WIRE_RECORD_HEADER + prefix + frame->length;
	return true;
}

bool wire_queue_next(const struct wire_queue *queue, size_t *offset, uint8_t **data, uint32_t *length)
{
	uint8_t *record = queue->bytes + queue->start + *offset;

	if (queue->start + *offset >= queue->end)
		return false;
	*length = read_be16(record);
	*data = record + WIRE_RECORD_HEADER;
	*offset += WIRE_RECORD_HEADER + *length;
	return true;
}

void wire_queue_remove(struct wire_queue *queue, size_t length)
{
	queue->start += length;
	if (queue->start == queue->end)
		queue->start = queue->end = 0;
}

/*
 * One slot after the other, each WIRE_SLOT_SIZE + 1 bytes (the last one shows that a frame is too long) with its rooms. Only the pages that
 * frames reach are ever touched; the distance is no multiple of a page, so that the beginnings do not fight for one cache line.
 */
enum { SLOT_DISTANCE = WIRE_HEADROOM + WIRE_SLOT_SIZE + 1 + WIRE_TAILROOM + 64 };

uint8_t *wire_slots_create(void)
{
	void *slots = mmap(NULL, (size_t)SLOT_DISTANCE * WIRE_BATCH, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return slots != MAP_FAILED ? slots : NULL;
}

uint8_t *wire_slot(uint8_t *slots, unsigned i)
{
	return slots + (size_t)i * SLOT_DISTANCE + WIRE_HEADROOM;
}

void wire_slots_free(uint8_t *slots)
{
	if (slots != NULL)
		munmap(slots, (size_t)SLOT_DISTANCE * WIRE_BATCH);
}
