/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/offload.h"

#include "common/segment.h"

enum { NEEDS_CHECKSUM = 1, DATA_VALID = 2 };            /* flags */
enum { NOT_SEGMENTED = 0 };                             /* segment type */

struct header {
	uint8_t flags, segment_type;
	uint16_t header_size, segment_size, checksum_start, checksum_offset;
};

_Static_assert(sizeof(struct header) == OFFLOAD_HEADER_SIZE, "the fields stand without gaps");

/* A checksum, no cutting. */
static bool read_checksum(const struct header *header, struct frame *frame)
{
	if (!(header->flags & NEEDS_CHECKSUM))
		return true;
	/* a tag is not summed: it may be popped */
	uint32_t least = ETHERNET_HEADER_SIZE + (frame_outer_type(frame) == ETHERTYPE_VLAN ? ETHERNET_TAG_SIZE : 0);
	if (header->checksum_start < least ||
	    (uint32_t)header->checksum_start + header->checksum_offset + 2 > frame->length)
		return false;
	frame->offload.checksum_start = header->checksum_start;
	frame->offload.checksum_offset = header->checksum_offset;
	return true;
}

static bool is_known_type(const struct header *header, const struct inet_packet *packet)
{
	int type = header->segment_type & ~OFFLOAD_CONGESTION_NOTIFIED;

	return type == (packet->version == 4 ? OFFLOAD_TCP_IPV4 : OFFLOAD_TCP_IPV6);
}

/* Whoever leaves a segment uncut either leaves its checksum too, or knows that it is right (it came so from an interface). */
static bool is_checksum_known(const struct header *header, const struct inet_packet *packet)
{
	if (header->flags & NEEDS_CHECKSUM)
		return header->checksum_start == packet->transport && header->checksum_offset == TCP_SUM;
	return (header->flags & DATA_VALID) != 0;
}

/* One that says 0 leaves it to the frame's end (inet.c), which changes when the frame is padded; none that fits in here needs to. */
static bool is_length_told(const uint8_t *data, const struct inet_packet *packet)
{
	return read_be16(data + packet->network + (packet->version == 4 ? 2 : 4)) != 0;
}

static bool read_segments(const struct header *header, struct frame *frame)
{
	struct segment_plan plan;
	uint32_t count;
	uint16_t sum;

	if (header->segment_size == 0 || !segment_plan_sized(&plan, frame->data, frame->length, header->segment_size))
		return false;
	count = segment_count(&plan);
	if (!is_known_type(header, &plan.packet) || !is_checksum_known(header, &plan.packet) ||
	    !is_length_told(frame->data, &plan.packet) || plan.packet.end != frame->length ||
	    plan.packet.network > ETHERNET_HEADER_SIZE + OFFLOAD_TAGS_MAX * ETHERNET_TAG_SIZE || count > OFFLOAD_SEGMENTS_MAX ||
	    plan.header + segment_payload(&plan, 0) + ETHERNET_TAG_SIZE > FRAME_MAX_SIZE)
		return false;
	sum = inet_fold(inet_pseudo_sum(frame->data, &plan.packet));
	memcpy(frame->data + plan.packet.transport + TCP_SUM, &sum, 2);
	frame->offload = (struct offload){ .checksum_start = (uint16_t)plan.packet.transport, .checksum_offset = TCP_SUM };
	if (count == 1)
		return true;
	frame->offload.segment_size = header->segment_size;
	frame->offload.segment_type = header->segment_type;
	frame->offload.header_size = (uint16_t)plan.header;
	frame->offload.segments = (uint16_t)count;
	return true;
}

bool offload_read(const uint8_t *bytes, struct frame *frame)
{
	struct header header;

	memcpy(&header, bytes, sizeof(header));
	frame->offload = (struct offload){ .checksum_start = 0 };
	if (frame->length < ETHERNET_HEADER_SIZE)
		return false;
	return header.segment_type == NOT_SEGMENTED ? read_checksum(&header, frame) : read_segments(&header, frame);
}

bool offload_set_segments(struct frame *frame, uint8_t type, uint16_t size)
{
	struct header header = { .flags = DATA_VALID, .segment_type = type, .segment_size = size };

	frame->offload = (struct offload){ .checksum_start = 0 };
	return frame->length >= ETHERNET_HEADER_SIZE && read_segments(&header, frame) && frame->offload.segments > 0;
}

void offload_write(const struct offload *offload, uint8_t *bytes)
{
	struct header header = {
		.flags = offload_is_set(offload) ? NEEDS_CHECKSUM : 0,
		.segment_type = (uint8_t)offload->segment_type,
		.header_size = offload->header_size,
		.segment_size = offload->segment_size,
		.checksum_start = offload->checksum_start,
		.checksum_offset = offload->checksum_offset,
	};

	memcpy(bytes, &header, sizeof(header));
}

void offload_complete_checksum(struct frame *frame)
{
	uint32_t start = frame->offload.checksum_start;
	uint16_t sum = (uint16_t)~inet_fold(inet_sum(frame->data + start, frame->length - start, 0));

	/* Zero and this are the same number, and to UDP (RFC 768) zero means that there is none. */
	if (sum == 0)
		sum = 0xffff;
	memcpy(frame->data + start + frame->offload.checksum_offset, &sum, 2);
	frame->offload = (struct offload){ .checksum_start = 0 };
}

void offload_shift(struct offload *offload, int bytes)
{
	if (!offload_is_set(offload))
		return;
	offload->checksum_start = (uint16_t)(offload->checksum_start + bytes);
	if (offload->segments)
		offload->header_size = (uint16_t)(offload->header_size + bytes);
}
