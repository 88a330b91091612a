/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fragment.h"

#include "common/frame.h"

#include <stdlib.h>
#include <string.h>

unsigned fragment_count(size_t length, size_t room)
{
	size_t count = room ? (length + room - 1) / room : 0;

	return count <= FRAGMENT_COUNT_MAX ? (unsigned)count : 0;
}

size_t fragment_piece(const struct fragment_header *header, size_t *size)
{
	size_t chunk = ((size_t)header->length + header->count - 1) / header->count;
	size_t start = chunk * header->index;
	size_t rest = start < header->length ? header->length - start : 0;

	*size = rest < chunk ? rest : chunk;
	return start;
}

void fragment_write_header(const struct fragment_header *header, uint8_t out[FRAGMENT_HEADER_SIZE])
{
	write_be32(out, header->number);
	write_be16(out + 4, header->length);
	out[6] = header->index;
	out[7] = header->count;
}

/* Reads the header and checks that the piece has the one size it may have. */
static bool read_header(struct fragment_header *header, const uint8_t *payload, size_t length)
{
	size_t size;

	if (length < FRAGMENT_HEADER_SIZE)
		return false;
	header->number = read_be32(payload);
	header->length = read_be16(payload + 4);
	header->index = payload[6];
	header->count = payload[7];
	if (header->count < 2 || header->index >= header->count || header->length < ETHERNET_HEADER_SIZE)
		return false;
	fragment_piece(header, &size);
	return size > 0 && size == length - FRAGMENT_HEADER_SIZE;
}

void reassembly_free(struct reassembly *reassembly)
{
	for (unsigned i = 0; i < FRAGMENT_SLOTS; i++) {
		free(reassembly->slots[i].frame);
		reassembly->slots[i] = (struct fragment_slot){ 0 };
	}
}

static struct fragment_slot *find_slot(struct reassembly *reassembly, uint32_t number)
{
	for (unsigned i = 0; i < FRAGMENT_SLOTS; i++)
		if (reassembly->slots[i].used && reassembly->slots[i].number == number)
			return &reassembly->slots[i];
	return NULL;
}

/* A free slot; when there is none, the oldest frame's. */
static struct fragment_slot *free_slot(struct reassembly *reassembly)
{
	struct fragment_slot *oldest = &reassembly->slots[0];

	for (unsigned i = 0; i < FRAGMENT_SLOTS; i++) {
		struct fragment_slot *slot = &reassembly->slots[i];

		if (!slot->used)
			return slot;
		if (slot->started_ns < oldest->started_ns ||
		    (slot->started_ns == oldest->started_ns && (int32_t)(slot->number - oldest->number) < 0))
			oldest = slot;
	}
	reassembly->dropped++;
	return oldest;
}

static struct fragment_slot *begin_frame(struct reassembly *reassembly, const struct fragment_header *header, uint64_t now_ns)
{
	struct fragment_slot *slot = free_slot(reassembly);

	slot->used = false;
	if (slot->size < header->length) {
		uint8_t *frame = realloc(slot->frame, header->length);

		if (!frame)
			return NULL;
		slot->frame = frame;
		slot->size = header->length;
	}
	slot->used = true;
	slot->number = header->number;
	slot->length = header->length;
	slot->count = slot->missing = header->count;
	slot->started_ns = now_ns;
	memset(slot->seen, 0, sizeof(slot->seen));
	return slot;
}

uint8_t *reassembly_add(struct reassembly *reassembly, const uint8_t *payload, size_t length, uint64_t now_ns, size_t *frame_length)
{
	struct fragment_header header;
	struct fragment_slot *slot;
	uint8_t bit;
	size_t start, size;

	if (!read_header(&header, payload, length)) {
		reassembly->dropped++;
		return NULL;
	}
	slot = find_slot(reassembly, header.number);
	if (!slot)
		slot = begin_frame(reassembly, &header, now_ns);
	bit = (uint8_t)(1u << (header.index % 8));
	if (!slot || slot->length != header.length || slot->count != header.count || (slot->seen[header.index / 8] & bit)) {
		reassembly->dropped++;
		return NULL;
	}
	start = fragment_piece(&header, &size);
	memcpy(slot->frame + start, payload + FRAGMENT_HEADER_SIZE, size);
	slot->seen[header.index / 8] |= bit;
	if (--slot->missing)
		return NULL;
	slot->used = false;
	*frame_length = slot->length;
	return slot->frame;
}

void reassembly_expire(struct reassembly *reassembly, uint64_t now_ns)
{
	for (unsigned i = 0; i < FRAGMENT_SLOTS; i++) {
		struct fragment_slot *slot = &reassembly->slots[i];

		if (slot->used && now_ns - slot->started_ns >= FRAGMENT_TIME) {
			slot->used = false;
			reassembly->dropped++;
		}
		if (!slot->used && slot->frame) {
			free(slot->frame);
			slot->frame = NULL;
			slot->size = 0;
		}
	}
}
