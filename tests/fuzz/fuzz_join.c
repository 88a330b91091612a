/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Offload from a tap's door to the end: any header before any frame is refused, or what it says is true and the frame can be cut. Then joining: the input is taken as
 * records of two bytes of length and a frame; what is joined is accepted at the door, and cut it gives the same segments again.
 */
#include "common/join.h"
#include "common/segment.h"

#include "fuzz.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static void cut(const struct frame *frame)
{
	struct segment_plan plan;
	bool planned = segment_plan_sized(&plan, frame->data, frame->length, frame->offload.segment_size);

	assert(planned && plan.header == frame->offload.header_size && segment_count(&plan) == frame->offload.segments);
	assert(frame->offload.segments <= OFFLOAD_SEGMENTS_MAX && plan.header <= INET_HEADERS_MAX);
	for (uint32_t i = 0; i < segment_count(&plan); i++) {
		uint8_t *part = malloc(plan.header + plan.size);

		assert(part && segment_write(&plan, frame->data, i, part) <= plan.header + plan.size);
		free(part);
	}
}

static void at_the_door(const uint8_t *data, size_t size)
{
	struct frame frame = { .length = (uint32_t)size - OFFLOAD_HEADER_SIZE };

	frame.data = malloc(frame.length ? frame.length : 1);
	assert(frame.data);
	memcpy(frame.data, data + OFFLOAD_HEADER_SIZE, frame.length);
	if (offload_read(data, &frame)) {
		if (frame.offload.segments)
			cut(&frame);
		else if (offload_is_set(&frame.offload))
			offload_complete_checksum(&frame);
	}
	free(frame.data);
}

/* The next record: its frame in memory of its own, or NULL. */
static uint8_t *next_frame(const uint8_t **data, size_t *size, uint32_t *length)
{
	uint8_t *frame;

	if (*size < 2)
		return NULL;
	*length = read_be16(*data);
	*data += 2;
	*size -= 2;
	if (*length > *size)
		*length = (uint32_t)*size;
	frame = malloc(*length ? *length : 1);
	assert(frame);
	memcpy(frame, *data, *length);
	*data += *length;
	*size -= *length;
	return frame;
}

static void check_segment(const uint8_t *frame, const uint8_t *part, uint32_t length, const struct join *join)
{
	uint32_t network = join->packet.network;

	if (!join->fixed_id) {
		assert(memcmp(frame, part, network + 10) == 0);
		/* zero and its complement are one number */
		assert(memcmp(frame + join->packet.transport, part + join->packet.transport, TCP_SUM) == 0);
	}
	assert(memcmp(frame + join->header, part + join->header, length - join->header) == 0);
}

static void check_join(struct join *join, uint8_t *const *frames)
{
	uint8_t *whole = malloc(OFFLOAD_HEADER_SIZE + OFFLOAD_FRAME_MAX), *part = malloc(FRAME_MAX_SIZE);
	unsigned pieces = join_finish(join);
	struct frame joined = { .data = whole + OFFLOAD_HEADER_SIZE };
	struct segment_plan plan;
	uint32_t size = 0;

	assert(whole && part);
	for (unsigned i = 0; i < pieces; i++) {
		memcpy(whole + size, join->piece[i].iov_base, join->piece[i].iov_len);
		size += (uint32_t)join->piece[i].iov_len;
	}
	joined.length = size - OFFLOAD_HEADER_SIZE;
	bool accepted = offload_read(whole, &joined), planned;
	assert(accepted && joined.offload.segments == join->segments);
	planned = segment_plan_sized(&plan, joined.data, joined.length, joined.offload.segment_size);
	assert(planned && segment_count(&plan) == join->segments);
	for (uint32_t i = 0; i < join->segments; i++)
		check_segment(frames[i], part, segment_write(&plan, joined.data, i, part), join);
	free(whole);
	free(part);
}

static void join_records(const uint8_t *data, size_t size)
{
	uint8_t *frames[JOIN_SEGMENTS_MAX + 1], *frame;
	unsigned count = 0;
	struct join join;
	uint32_t length;

	while ((frame = next_frame(&data, &size, &length)) != NULL) {
		struct iovec piece[2] = { { frame, length < 16 ? length : 16 }, { frame + (length < 16 ? length : 16), length < 16 ? 0 : length - 16 } };

		if (count == 0 ? join_begin(&join, piece, 2, length) : join_add(&join, piece, 2, length)) {
			frames[count++] = frame;
			continue;
		}
		if (count > 1)
			check_join(&join, frames);
		while (count > 0)
			free(frames[--count]);
		free(frame);
	}
	if (count > 1)
		check_join(&join, frames);
	while (count > 0)
		free(frames[--count]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size >= OFFLOAD_HEADER_SIZE && size <= OFFLOAD_HEADER_SIZE + OFFLOAD_FRAME_MAX)
		at_the_door(data, size);
	if (size <= 1 << 17)
		join_records(data, size);
	return 0;
}
