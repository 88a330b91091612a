/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The reading half of a vdestream on a descriptor, for modules: with the last bytes of a frame the header of the next one is read, but nothing behind
 * that. So the descriptor is readable as long as a frame may be there, and one read serves for one frame.
 */
#ifndef VDE_STREAM_IN_H
#define VDE_STREAM_IN_H

#include "common/frame.h"

enum { STREAM_HEADER = 2 };

struct stream_in {
	size_t have;                    /* bytes of the frame that is coming, header included */
	uint8_t bytes[STREAM_HEADER + FRAME_MAX_SIZE + STREAM_HEADER];
};

static inline size_t stream_in_wanted(const struct stream_in *in)
{
	return in->have < STREAM_HEADER ? STREAM_HEADER : STREAM_HEADER + (size_t)read_be16(in->bytes);
}

/* How many bytes to read now, to bytes + have. */
static inline size_t stream_in_room(const struct stream_in *in)
{
	return stream_in_wanted(in) + (in->have < STREAM_HEADER ? 0 : STREAM_HEADER) - in->have;
}

static inline bool stream_in_complete(const struct stream_in *in)
{
	return in->have >= STREAM_HEADER && in->have >= stream_in_wanted(in);
}

/* Copies the frame that is complete; a longer one than `size` is dropped (0). Keeps what came of the next header. */
static inline size_t stream_in_take(struct stream_in *in, void *frame, size_t size)
{
	size_t whole = stream_in_wanted(in), length = whole - STREAM_HEADER;

	if (length <= size)
		memcpy(frame, in->bytes + STREAM_HEADER, length);
	in->have -= whole;
	memmove(in->bytes, in->bytes + whole, in->have);
	return length <= size ? length : 0;
}

#endif
