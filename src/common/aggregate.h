/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Several frames in one datagram, between two sides that agreed on it (libvdeplug/plug_protocol.h). What a datagram costs, its memory, its
 * wake-up, its two system calls, is then paid once for up to AGGREGATE_FRAMES frames.
 *
 * An aggregate is AGGREGATE_MARK and then, for each frame, its length in two bytes, the higher first, and the frame. The mark is what no
 * plain datagram of such a connection begins with: a frame that does, be it this or UNCUT_MARK, is sent as an aggregate of one. All other lone frames go plain.
 * libvdeplug's ptp:// has longer marks, which nobody can guess who is not one of the two sides.
 */
/*
 * Between the same two sides a frame that is to be segmented (common/offload.h) may go uncut, alone in its datagram: UNCUT_MARK, its offload header, the
 * frame. It goes only to the switch, and to a plug that has asked for such frames, by a datagram of UNCUT_MARK alone.
 */
#ifndef VDE_AGGREGATE_H
#define VDE_AGGREGATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

/* As addresses: to 01:80:c2:00:00:01, which bridges never pass on, from one that begins with 76:64. */
#define AGGREGATE_MARK "\x01\x80\xc2\x00\x00\x01vd"
#define UNCUT_MARK "\x01\x80\xc2\x00\x00\x01vu"

enum {
	AGGREGATE_FRAMES = 32,          /* in one datagram */
	AGGREGATE_BYTES = 32768,        /* of a datagram, its mark and lengths too */
	AGGREGATE_PIECES = 3,           /* of one frame, at most */
	AGGREGATE_MARK_SIZE = 8,
	AGGREGATE_LENGTH_SIZE = 2,
	UNCUT_PREFIX_SIZE = AGGREGATE_MARK_SIZE + 10,   /* mark and offload header */
};

/* A datagram in the making. What the pieces point to must stay until it is sent. */
struct aggregate {
	unsigned frames;
	size_t bytes;                   /* were it sent as an aggregate */
	unsigned pieces;
	struct iovec piece[1 + AGGREGATE_FRAMES * (1 + AGGREGATE_PIECES)];
	uint8_t length[AGGREGATE_FRAMES][AGGREGATE_LENGTH_SIZE];
};

void aggregate_start(struct aggregate *aggregate);
/* With another mark than AGGREGATE_MARK, which begins with it. It must stay until the aggregate is sent. */
void aggregate_start_as(struct aggregate *aggregate, const void *mark, size_t size);
/* One frame more, of at most AGGREGATE_PIECES pieces, the first with at least AGGREGATE_MARK_SIZE bytes. False: it belongs to the next
 * datagram. The first one is always taken. */
bool aggregate_add(struct aggregate *aggregate, const struct iovec *piece, unsigned pieces, uint32_t length);
/* Sends it on a connected datagram socket, without blocking. As send(2). */
ssize_t aggregate_send(const struct aggregate *aggregate, int fd);

/* slot[0] holds a datagram of `length` bytes that came in. True: it is an aggregate, see aggregate_spread. */
bool aggregate_is(const uint8_t *datagram, size_t length);
/*
 * Takes an aggregate in slot[0] apart: each of its n frames lies at the beginning of slot[0] to slot[n - 1] then, and lengths tells how
 * long each is. There are AGGREGATE_FRAMES slots of FRAME_MAX_SIZE bytes each, and length is no more. Returns n; 0 when it is not well-formed,
 * nothing of it being used.
 */
unsigned aggregate_spread(uint8_t *const slot[AGGREGATE_FRAMES], size_t length, uint32_t lengths[AGGREGATE_FRAMES]);

/* Where each frame of an aggregate begins, and how long it is, behind a mark of mark_size bytes. Returns how many there are; 0 when it is not well-formed. */
unsigned aggregate_locate(const uint8_t *datagram, size_t length, size_t mark_size, size_t at[AGGREGATE_FRAMES], uint32_t lengths[AGGREGATE_FRAMES]);

/* Whether a datagram begins with UNCUT_MARK. */
bool uncut_is(const uint8_t *datagram, size_t length);

#endif
