/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Frames that came several in one message (dgram_trains.c, ptp_frames.c): messages are received straight into the caller's buffers, one each; their
 * frames are then spread over the buffers, one each, so that nothing is overwritten that is still to be moved. What has no place goes to a stash.
 */
#ifndef VDE_PIECES_H
#define VDE_PIECES_H

#include <libvdeplug.h>
#include <stddef.h>
#include <stdint.h>

enum { PIECES_MAX = 64 };

/* Frames that have been received, and had no room with the caller. All zero: none. Who has one frees `bytes` in the end. */
struct stash {
	uint8_t *bytes;                 /* each: its length, then itself */
	size_t size, begin, end;
	unsigned frames;                /* how many */
};

/* A frame where it was received. */
struct piece {
	const uint8_t *data;
	size_t length;
	unsigned buffer;                /* whose data it lies in */
};

struct pieces {
	struct vde_frame *frames;       /* the caller's buffers */
	struct stash *stash;
	unsigned count, room;           /* how many there are, and may be */
	struct piece piece[PIECES_MAX];
};

/* For so many buffers; 0: everything goes to the stash. More than PIECES_MAX are not used. */
void pieces_start(struct pieces *pieces, struct vde_frame *frames, unsigned room, struct stash *stash);
/* One more frame, in order: one that lies in a later buffer than another comes after it. */
void pieces_add(struct pieces *pieces, const uint8_t *data, size_t length, unsigned buffer);
/* Moves each frame into the buffer of its number, and sets its length: 0 when it is too long. Returns how many there are. */
unsigned pieces_place(struct pieces *pieces);

/* Fills buffers from the stash; returns how many. */
unsigned stash_take(struct stash *stash, struct vde_frame *frames, unsigned count);

#endif
