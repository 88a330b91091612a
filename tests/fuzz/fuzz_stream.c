/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vdestream: any bytes in any pieces give the same frames as in one piece, and never more bytes than went in. */
#include <libvdeplug.h>

#include "fuzz.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct sum {
	size_t frames, bytes;
	uint64_t hash;
};

static ssize_t take(void *opaque, void *frame, size_t length)
{
	struct sum *sum = opaque;
	const uint8_t *bytes = frame;

	assert(length > 0 && length <= 65535);
	sum->frames++;
	sum->bytes += length;
	for (size_t i = 0; i < length; i++)
		sum->hash = (sum->hash ^ bytes[i]) * 1099511628211ULL;
	return 0;
}

/* Feeds pieces of `step` bytes, each in memory of its own so that reading past it shows. */
static struct sum feed(const uint8_t *data, size_t size, size_t step)
{
	struct sum sum = { 0 };
	VDESTREAM *stream = vdestream_open(&sum, -1, take, NULL);

	assert(stream != NULL);
	for (size_t at = 0; at < size; at += step) {
		size_t length = step < size - at ? step : size - at;
		uint8_t *piece = malloc(length);

		assert(piece != NULL);
		memcpy(piece, data + at, length);
		vdestream_recv(stream, piece, length);
		free(piece);
	}
	vdestream_close(stream);
	return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sum whole, pieces;

	if (size < 2)
		return 0;
	whole = feed(data + 1, size - 1, size - 1);
	pieces = feed(data + 1, size - 1, 1 + data[0] % 64);
	assert(whole.bytes + 2 * whole.frames <= size - 1);
	assert(whole.frames == pieces.frames && whole.bytes == pieces.bytes && whole.hash == pieces.hash);
	return 0;
}
