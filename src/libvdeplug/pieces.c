/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pieces.h"

#include <stdlib.h>
#include <string.h>

/* ---- the stash ---- */

/* What the stash has no memory for is lost, as on any wire. */
static void stash_put(struct stash *stash, const uint8_t *frame, uint32_t length)
{
	size_t needed = stash->end + sizeof(length) + length;

	if (needed > stash->size) {
		uint8_t *bytes = realloc(stash->bytes, 2 * needed);

		if (bytes == NULL)
			return;
		stash->bytes = bytes;
		stash->size = 2 * needed;
	}
	memcpy(stash->bytes + stash->end, &length, sizeof(length));
	memcpy(stash->bytes + stash->end + sizeof(length), frame, length);
	stash->end = needed;
	stash->frames++;
}

unsigned stash_take(struct stash *stash, struct vde_frame *frames, unsigned count)
{
	unsigned filled = 0;

	for (; filled < count && stash->begin < stash->end; filled++) {
		uint32_t length;

		memcpy(&length, stash->bytes + stash->begin, sizeof(length));
		frames[filled].length = length <= frames[filled].size ? length : 0;
		memcpy(frames[filled].data, stash->bytes + stash->begin + sizeof(length), frames[filled].length);
		stash->begin += sizeof(length) + length;
	}
	stash->frames -= filled;
	if (stash->begin == stash->end)
		stash->begin = stash->end = 0;
	return filled;
}

/* ---- pieces ---- */

void pieces_start(struct pieces *pieces, struct vde_frame *frames, unsigned room, struct stash *stash)
{
	pieces->frames = frames;
	pieces->stash = stash;
	pieces->count = 0;
	pieces->room = room < PIECES_MAX ? room : PIECES_MAX;
}

void pieces_add(struct pieces *pieces, const uint8_t *data, size_t length, unsigned buffer)
{
	if (pieces->count < pieces->room)
		pieces->piece[pieces->count++] = (struct piece){data, length, buffer};
	else
		stash_put(pieces->stash, data, (uint32_t)length);
}

static void move_piece(const struct pieces *pieces, unsigned place)
{
	const struct piece *piece = &pieces->piece[place];
	struct vde_frame *frame = &pieces->frames[place];

	frame->length = piece->length <= frame->size ? piece->length : 0;
	if (frame->data != piece->data)
		memmove(frame->data, piece->data, frame->length);
}

/*
 * Pieces lie in the order of their buffers; so those that move to a later buffer, from the last to the first, and those that move to an earlier one, from the
 * first to the last, never overwrite each other. Those in their buffer come at the end.
 */
unsigned pieces_place(struct pieces *pieces)
{
	for (unsigned i = pieces->count; i-- > 0; ) {
		if (pieces->piece[i].buffer < i)
			move_piece(pieces, i);
	}
	for (unsigned i = 0; i < pieces->count; i++) {
		if (pieces->piece[i].buffer > i)
			move_piece(pieces, i);
	}
	for (unsigned i = 0; i < pieces->count; i++) {
		if (pieces->piece[i].buffer == i)
			move_piece(pieces, i);
	}
	return pieces->count;
}
