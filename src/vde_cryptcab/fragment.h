/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Frames longer than a datagram may be cross in pieces, each sealed by itself.
 *
 *      header (8 bytes, big endian): frame number 4 | frame's length 2 | index 1 | count 1
 *
 * The frame's length and the count fix the geometry: every piece is ceil(length / count) bytes, the last what remains. A piece of any
 * other size is dropped, so that pieces never overlap. Reassembly is bounded: FRAGMENT_SLOTS frames at once; a further one takes the place of
 * the oldest, and one that is not complete after FRAGMENT_TIME is dropped.
 */
#ifndef VDE_CRYPTCAB_FRAGMENT_H
#define VDE_CRYPTCAB_FRAGMENT_H

#include "protocol.h"

#include <stdbool.h>
#include <stddef.h>

enum {
	FRAGMENT_SLOTS = 8,
	FRAGMENT_COUNT_MAX = 255,
};

#define FRAGMENT_TIME (2 * PROTOCOL_SECOND)

struct fragment_header {
	uint32_t number;
	uint16_t length;
	uint8_t index, count;
};

/* Into how many pieces a frame goes when a piece may have at most `room` bytes. 0: too many. */
unsigned fragment_count(size_t length, size_t room);
/* Where piece `index` begins, and its size. */
size_t fragment_piece(const struct fragment_header *header, size_t *size);
void fragment_write_header(const struct fragment_header *header, uint8_t out[FRAGMENT_HEADER_SIZE]);

struct fragment_slot {
	bool used;
	uint32_t number;
	uint16_t length;
	uint8_t count, missing;
	uint64_t started_ns;
	uint8_t seen[(FRAGMENT_COUNT_MAX + 8) / 8];
	uint8_t *frame;
	size_t size;                    /* allocated */
};

struct reassembly {
	struct fragment_slot slots[FRAGMENT_SLOTS];
	uint64_t dropped;               /* frames given up incomplete, and pieces that fit nothing */
};

/* A struct of zeros is empty. */
void reassembly_free(struct reassembly *reassembly);
/*
 * Takes header and piece as they were sealed. Returns the whole frame when this piece completes it (valid until the next call; `*frame_length` set), else
 * NULL.
 */
uint8_t *reassembly_add(struct reassembly *reassembly, const uint8_t *payload, size_t length, uint64_t now_ns, size_t *frame_length);
/* Drops what waits too long. */
void reassembly_expire(struct reassembly *reassembly, uint64_t now_ns);

#endif
