/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/pcapng.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static uint32_t word_at(const uint8_t *bytes, size_t offset)
{
	uint32_t value;

	memcpy(&value, bytes + offset, sizeof(value));
	return value;
}

/* Walks the blocks; returns how many there are and stores the types. */
static size_t walk(const uint8_t *bytes, size_t size, uint32_t *type, size_t max)
{
	size_t count = 0, at = 0;

	while (at < size) {
		uint32_t length = word_at(bytes, at + 4);

		assert_true(count < max);
		assert_int_equal(length % 4, 0);
		assert_true(length >= 12 && at + length <= size);
		assert_int_equal(word_at(bytes, at + length - 4), length);
		type[count++] = word_at(bytes, at);
		at += length;
	}
	return count;
}

static void test_blocks(void **state)
{
	FILE *file = tmpfile();
	uint8_t bytes[4096], data[100] = { 0xff };
	uint32_t type[16];
	struct pcapng pcapng;

	(void)state;
	assert_int_equal(pcapng_open(&pcapng, fileno(file), 64, "test"), 0);
	assert_int_equal(pcapng_interface(&pcapng, "port 1"), 0);
	assert_int_equal(pcapng_interface(&pcapng, "port 2"), 1);
	for (uint32_t length = 60; length < 68; length++)
		assert_true(pcapng_packet(&pcapng, 1, 0x0102030405060708, data, length, PCAPNG_OUT));
	pcapng_close(&pcapng);
	rewind(file);
	size_t size = fread(bytes, 1, sizeof(bytes), file);
	fclose(file);
	assert_int_equal(size, pcapng.bytes);
	assert_int_equal(walk(bytes, size, type, 16), 11);
	assert_int_equal(type[0], 0x0a0d0d0a);
	assert_int_equal(type[1], 1);
	assert_int_equal(type[3], 6);
	size_t last = size - word_at(bytes, size - 4);
	assert_int_equal(word_at(bytes, last + 8), 1);
	assert_int_equal(word_at(bytes, last + 12), 0x01020304);
	assert_int_equal(word_at(bytes, last + 16), 0x05060708);
	assert_int_equal(word_at(bytes, last + 20), 64);
	assert_int_equal(word_at(bytes, last + 24), 67);
	assert_int_equal(word_at(bytes, last + 28 + 64 + 4), PCAPNG_OUT);
}

/* A reader that does not read: packets are left out whole, and what was written before stays readable. */
static void test_slow_reader(void **state)
{
	int fd[2];
	uint8_t data[1500] = { 0 }, *bytes = malloc(PCAPNG_BUFFER + 200000);
	uint32_t *type = calloc(4096, sizeof(*type));
	size_t size = 0;
	struct pcapng pcapng;

	(void)state;
	assert_int_equal(pipe2(fd, O_NONBLOCK), 0);
	assert_int_equal(pcapng_open(&pcapng, fd[1], 0, "test"), 0);
	assert_int_equal(pcapng_interface(&pcapng, "x"), 0);
	for (int i = 0; i < 2000; i++)
		pcapng_packet(&pcapng, 0, 0, data, sizeof(data), PCAPNG_IN);
	assert_true(pcapng.dropped > 0);
	assert_int_equal(pcapng.dropped + pcapng.packets, 2000);
	for (;;) {
		int left = pcapng_flush(&pcapng);
		ssize_t count = read(fd[0], bytes + size, PCAPNG_BUFFER + 200000 - size);

		assert_true(left == 0 || left == EAGAIN);
		if (count <= 0)
			break;
		size += (size_t)count;
	}
	assert_int_equal(size, pcapng.bytes);
	assert_int_equal(walk(bytes, size, type, 4096), 2 + pcapng.packets);
	pcapng_close(&pcapng);
	close(fd[0]);
	close(fd[1]);
	free(bytes);
	free(type);
}

static void test_write_error(void **state)
{
	int fd = open("/dev/full", O_WRONLY);
	struct pcapng pcapng;

	(void)state;
	if (fd < 0)
		skip();
	assert_int_equal(pcapng_open(&pcapng, fd, 0, "test"), 0);
	assert_int_equal(pcapng_flush(&pcapng), ENOSPC);
	assert_false(pcapng_packet(&pcapng, 0, 0, "x", 1, PCAPNG_IN));
	pcapng_close(&pcapng);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_blocks),
		cmocka_unit_test(test_slow_reader),
		cmocka_unit_test(test_write_error),
	};

	return cmocka_run_group_tests_name("pcapng", tests, NULL, NULL);
}
