/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The text of vdesl:// (first byte even), and the stream on its line, in pieces as they are read. Wrong texts are told on stderr: libFuzzer has -close_fd_mask=2 for that. */
#include "libvdeplug/serial.h"
#include "libvdeplug/stream_in.h"

#include "fuzz.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static void read_text(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	const char *device;
	unsigned speed;

	assert(text != NULL);
	memcpy(text, data, size);
	text[size] = '\0';
	if (serial_parse(text, &device, &speed) == 0)
		assert(device == text && strlen(device) <= size && speed >= 9600 && speed <= 4000000);
	free(text);
}

/* Whole frames come out of it, in order, and no byte is taken twice. */
static void read_stream(const uint8_t *data, size_t size)
{
	static struct stream_in in;
	uint8_t frame[1500];
	size_t frames = 0, bytes = 0;

	in.have = 0;
	for (size_t at = 0; at < size; ) {
		size_t n = stream_in_room(&in);

		assert(n > 0 && in.have + n <= sizeof(in.bytes));
		if (n > size - at)
			n = size - at;
		if (n > 1 && (at & 1) != 0)
			n = 1;
		memcpy(in.bytes + in.have, data + at, n);
		in.have += n;
		at += n;
		while (stream_in_complete(&in)) {
			bytes += stream_in_wanted(&in);
			frames++;
			assert(stream_in_take(&in, frame, sizeof(frame)) <= sizeof(frame));
		}
	}
	assert(bytes + in.have == size && frames <= size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	if (data[0] % 2 == 0)
		read_text(data + 1, size - 1);
	else
		read_stream(data + 1, size - 1);
	return 0;
}
