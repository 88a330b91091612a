/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vdestream: framing on a byte stream, however it is cut. */
#include <libvdeplug.h>

#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* Everything received, each frame as its length and its bytes. */
struct sink {
	uint8_t bytes[300000];
	size_t length;
	unsigned frames;
};

static ssize_t take(void *opaque, void *frame, size_t length)
{
	struct sink *sink = opaque;

	assert_true(sink->length + 2 + length <= sizeof(sink->bytes));
	sink->bytes[sink->length++] = (uint8_t)(length >> 8);
	sink->bytes[sink->length++] = (uint8_t)length;
	memcpy(sink->bytes + sink->length, frame, length);
	sink->length += length;
	sink->frames++;
	return 0;
}

/* Appends a frame whose bytes are told from those of its neighbours. */
static size_t put(uint8_t *out, size_t length, uint8_t seed)
{
	out[0] = (uint8_t)(length >> 8);
	out[1] = (uint8_t)length;
	for (size_t i = 0; i < length; i++)
		out[2 + i] = (uint8_t)(seed + i);
	return 2 + length;
}

static void test_every_cut(void **state)
{
	static const size_t lengths[] = { 60, 1, 0, 300, 14, 0, 255, 256, 257 };
	uint8_t stream[2000], expected[2000];
	struct sink *sink = malloc(sizeof(*sink));
	size_t length = 0, expected_length = 0;

	(void)state;
	assert_non_null(sink);
	for (size_t i = 0; i < COUNT_OF(lengths); i++) {
		length += put(stream + length, lengths[i], (uint8_t)(i * 31));
		if (lengths[i] > 0)
			expected_length += put(expected + expected_length, lengths[i], (uint8_t)(i * 31));
	}
	for (size_t cut = 0; cut <= length; cut++) {
		VDESTREAM *vdestream = vdestream_open(sink, -1, take, NULL);

		sink->length = sink->frames = 0;
		vdestream_recv(vdestream, stream, cut);
		vdestream_recv(vdestream, stream + cut, length - cut);
		assert_int_equal(sink->length, expected_length);
		assert_memory_equal(sink->bytes, expected, expected_length);
		vdestream_close(vdestream);
	}
	for (size_t step = 1; step < 70; step++) {
		VDESTREAM *vdestream = vdestream_open(sink, -1, take, NULL);

		sink->length = sink->frames = 0;
		for (size_t at = 0; at < length; at += step)
			vdestream_recv(vdestream, stream + at, step < length - at ? step : length - at);
		assert_int_equal(sink->length, expected_length);
		assert_memory_equal(sink->bytes, expected, expected_length);
		vdestream_close(vdestream);
	}
	free(sink);
}

static void test_longest(void **state)
{
	uint8_t *stream = malloc(2 * 65537);
	struct sink *sink = malloc(sizeof(*sink));
	VDESTREAM *vdestream = vdestream_open(sink, -1, take, NULL);
	size_t length;

	(void)state;
	assert_non_null(stream);
	assert_non_null(sink);
	sink->length = sink->frames = 0;
	length = put(stream, 65535, 1);
	length += put(stream + length, 65535, 2);
	vdestream_recv(vdestream, stream, 1);
	vdestream_recv(vdestream, stream + 1, length - 2);
	vdestream_recv(vdestream, stream + length - 1, 1);
	assert_int_equal(sink->frames, 2);
	assert_memory_equal(sink->bytes, stream, length);
	vdestream_close(vdestream);
	free(stream);
	free(sink);
}

static void test_send(void **state)
{
	static const size_t lengths[] = { 60, 1, 0, 9234, 65535 };
	uint8_t *frame = calloc(1, 65536), *bytes = malloc(70000);
	int ends[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	for (size_t i = 0; i < COUNT_OF(lengths); i++) {
		VDESTREAM *vdestream = vdestream_open(NULL, ends[1], take, NULL);

		assert_int_equal(vdestream_send(vdestream, frame, lengths[i]), lengths[i] + 2);
		assert_int_equal(recv(ends[0], bytes, 70000, MSG_DONTWAIT), lengths[i] + 2);
		assert_int_equal(bytes[0] << 8 | bytes[1], lengths[i]);
		vdestream_close(vdestream);
	}
	{
		VDESTREAM *vdestream = vdestream_open(NULL, ends[1], take, NULL);

		assert_int_equal(vdestream_send(vdestream, frame, 65536), 0);
		assert_int_equal(recv(ends[0], bytes, 10, MSG_DONTWAIT), -1);
		vdestream_close(vdestream);
	}
	close(ends[0]);
	close(ends[1]);
	free(frame);
	free(bytes);
}

/* A pipe that takes a frame in pieces gets all of it, blocking or not. */
static void test_short_writes(void **state)
{
	enum { FRAMES = 10, LENGTH = 60000 };
	uint8_t *frame = calloc(1, LENGTH);
	int ends[2];
	pid_t reader;
	int status;

	(void)state;
	assert_int_equal(pipe(ends), 0);
	reader = fork();
	if (reader == 0) {
		uint8_t piece[777];
		size_t total = 0;
		ssize_t n;

		close(ends[1]);
		while ((n = read(ends[0], piece, sizeof(piece))) > 0)
			total += (size_t)n;
		_exit(total == FRAMES * (LENGTH + 2) ? 0 : 1);
	}
	close(ends[0]);
	for (int i = 0; i < FRAMES; i++) {
		VDESTREAM *vdestream = vdestream_open(NULL, ends[1], take, NULL);
		ssize_t n;

		if (i == FRAMES / 2)
			assert_int_equal(fcntl(ends[1], F_SETFL, O_NONBLOCK), 0);
		do
			n = vdestream_send(vdestream, frame, LENGTH);
		while (n < 0 && errno == EAGAIN);
		assert_int_equal(n, LENGTH + 2);
		vdestream_close(vdestream);
	}
	close(ends[1]);
	assert_int_equal(waitpid(reader, &status, 0), reader);
	assert_int_equal(status, 0);
	free(frame);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_cut),
		cmocka_unit_test(test_longest),
		cmocka_unit_test(test_send),
		cmocka_unit_test(test_short_writes),
	};

	return cmocka_run_group_tests_name("stream", tests, NULL, NULL);
}
