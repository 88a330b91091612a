/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vde_switch/parts.h"

#include "common/segment.h"
#include "vde_switch/txqueue.h"

#include <assert.h>
#include <stdlib.h>

void parts_free(struct parts *parts)
{
	parts_forget(parts);
	free(parts->part);
	parts->part = NULL;
}

bool parts_have_room(const struct parts *parts, const struct frame_image *image)
{
	return parts->used + image->offload.segments <= OFFLOAD_SEGMENTS_MAX;
}

/* The image's first bytes in one piece. */
static void gather(const struct frame_image *image, uint32_t size, uint8_t *out)
{
	for (unsigned i = 0; i < image->pieces && size > 0; i++) {
		uint32_t length = image->piece[i].iov_len < size ? (uint32_t)image->piece[i].iov_len : size;

		memcpy(out, image->piece[i].iov_base, length);
		out += length;
		size -= length;
	}
}

static void make_part(const struct segment_plan *plan, const uint8_t *headers, const uint8_t *payload, uint32_t index, struct part *part)
{
	struct frame_image *image = &part->image;
	uint32_t size = segment_payload(plan, index);

	*image = (struct frame_image){ .pieces = 2, .length = plan->header + size };
	segment_write_header(plan, headers, payload, index, part->bytes);
	image->piece[0] = (struct iovec){ part->bytes, plan->header };
	image->piece[1] = (struct iovec){ (uint8_t *)(uintptr_t)payload, size };
	if (image->length >= ETHERNET_MIN_SIZE)
		return;
	memcpy(part->bytes + plan->header, payload, size);
	memset(part->bytes + image->length, 0, ETHERNET_MIN_SIZE - image->length);
	image->length = ETHERNET_MIN_SIZE;
	image->pieces = 1;
	image->piece[0].iov_len = image->length;
}

bool parts_make(struct parts *parts, struct frame_image *image)
{
	const struct iovec *last = &image->piece[image->pieces - 1];
	uint8_t headers[INET_HEADERS_MAX];
	struct segment_plan plan;

	if (!parts->part)
		parts->part = calloc(OFFLOAD_SEGMENTS_MAX, sizeof(*parts->part));
	if (!parts->part)
		return false;
	gather(image, image->offload.header_size, headers);
	bool planned = segment_plan_sized(&plan, headers, image->length, image->offload.segment_size);
	assert(planned && plan.header == image->offload.header_size && segment_count(&plan) == image->offload.segments);
	(void)planned;
	/* counted from the front: behind a short frame there is padding */
	const uint8_t *payload = (const uint8_t *)last->iov_base + (plan.header - (image->length - (uint32_t)last->iov_len));
	image->parts = &parts->part[parts->used];
	for (uint32_t i = 0; i < image->offload.segments; i++)
		make_part(&plan, headers, payload + (size_t)i * plan.size, i, &image->parts[i]);
	parts->used += image->offload.segments;
	return true;
}

void parts_forget(struct parts *parts)
{
	for (unsigned i = 0; i < parts->used; i++)
		packet_release(parts->part[i].image.packet);
	parts->used = 0;
}
