/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "libvdeplug/agno.h"

#include "unit.h"

#include <errno.h>

enum { NOW = 1700000000, ROOM = 2000 };

static const uint8_t test_key[AGNO_KEY] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 };

static void test_read_key(void **state)
{
	static const struct {
		const char *text;
		int error;
		uint8_t key[AGNO_KEY];
	} rows[] = {
		{ "000102030405060708090a0b0c0d0e0f\n", 0, { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 } },
		{ "12", 0, { 0x12 } }, { "123", 0, { 0x12, 0x30 } }, { "1 2", 0, { 0x12 } }, { "ab:c", 0, { 0xab, 0xc0 } },
		{ "ABCDEF", 0, { 0xab, 0xcd, 0xef } }, { "ffffffffffffffffffffffffffffffff00", 0, { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
		  0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } },
		{ "", EINVAL, { 0 } }, { "1", EINVAL, { 0 } }, { "zz", EINVAL, { 0 } },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		uint8_t key[AGNO_KEY];

		assert_int_equal(agno_read_key(key, rows[i].text, strlen(rows[i].text)), rows[i].error);
		if (rows[i].error == 0)
			assert_memory_equal(key, rows[i].key, AGNO_KEY);
	}
}

static void test_read_type(void **state)
{
	static const struct {
		const char *text;
		int error;
		uint16_t type;
	} rows[] = {
		{ "", 0, AGNO_TYPE_DEFAULT }, { "0", 0, AGNO_TYPE_DEFAULT }, { "copy", 0, AGNO_TYPE_COPY }, { "rand", 0, AGNO_TYPE_RANDOM },
		{ "ipv4", 0, 0x0800 }, { "ipv6", 0, 0x86dd }, { "0x600", 0, 0x600 }, { "65534", 0, 0xfffe },
		{ "65535", EINVAL, 0 }, { "5", EINVAL, 0 }, { "x", EINVAL, 0 }, { "ipv5", EINVAL, 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		uint16_t type = 0;

		assert_int_equal(agno_read_type(&type, rows[i].text), rows[i].error);
		assert_int_equal(type, rows[i].type);
	}
}

/* What another implementation of AES made of a frame of this format. */
static void test_known_frame(void **state)
{
	static const uint8_t encrypted[] = {
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02, 0x00, 0x00, 0x00, 0x00, 0x01, 0xa6, 0xde, 0x5a, 0x01,
		0x55, 0x4c, 0xf9, 0xd3, 0xea, 0x6a, 0x52, 0x23, 0xcc, 0x37, 0x50, 0x43, 0xa5, 0x52, 0x29, 0x34,
		0x90, 0x7d, 0x73, 0x81, 0xdc, 0x81, 0x92, 0x61, 0x4a, 0x99, 0x5a, 0xca, 0x24, 0x1e, 0x7e, 0x7a,
		0x79, 0x6a, 0x8d, 0xff, 0xc2, 0xd0, 0x1f, 0x46, 0x73, 0x55, 0xaf, 0x32, 0xff, 0x9f, 0x30, 0xa4,
		0xbe, 0x02, 0x1e, 0x76, 0xff, 0x06, 0xd2, 0x67, 0x28, 0x37, 0x24, 0x13, 0xc0, 0x2c,
	};
	struct agno agno;
	uint8_t frame[sizeof(encrypted)];

	(void)state;
	assert_int_equal(agno_init(&agno, test_key, AGNO_TYPE_DEFAULT), 0);
	memcpy(frame, encrypted, sizeof(frame));
	assert_int_equal(agno_decrypt(&agno, frame, sizeof(frame), NOW), 60);
	assert_int_equal(read_be16(frame + 12), 0x88b5);
	for (int i = 14; i < 60; i++)
		assert_int_equal(frame[i], 'P');
	agno_finish(&agno);
}

static void fill(uint8_t *frame, size_t length)
{
	for (size_t i = 0; i < length; i++)
		frame[i] = (uint8_t)(i * 7);
}

/* Every length comes back, the short ones padded as on a real Ethernet; and two encryptions are never the same. */
static void test_lengths(void **state)
{
	struct agno agno;
	uint8_t frame[ROOM], one[ROOM], two[ROOM];

	(void)state;
	assert_int_equal(agno_init(&agno, test_key, AGNO_TYPE_DEFAULT), 0);
	for (size_t length = ETHERNET_HEADER_SIZE; length < 400; length++) {
		size_t whole = length < ETHERNET_MIN_SIZE ? ETHERNET_MIN_SIZE : length, size;

		fill(frame, length);
		size = agno_encrypt(&agno, frame, length, NOW, one);
		assert_int_equal(size, 30 + (whole - 14 + 15) / 16 * 16);
		assert_true(size <= length + AGNO_GROWTH);
		assert_memory_equal(one, frame, 12);
		assert_int_equal(read_be16(one + 12), AGNO_TYPE_DEFAULT);
		assert_int_equal(agno_encrypt(&agno, frame, length, NOW, two), size);
		assert_memory_not_equal(one + 14, two + 14, 16);
		/* padding behind it, as a switch may add, is no matter */
		memset(one + size, 0, 15);
		assert_int_equal(agno_decrypt(&agno, one, size + length % 16, NOW), whole);
		assert_memory_equal(one, frame, length);
	}
	agno_finish(&agno);
}

static void test_types(void **state)
{
	struct agno agno;
	uint8_t frame[60], out[ROOM];
	uint16_t first = 0;
	bool differ = false;

	(void)state;
	fill(frame, sizeof(frame));
	write_be16(frame + 12, 0x1234);
	assert_int_equal(agno_init(&agno, test_key, AGNO_TYPE_COPY), 0);
	assert_int_equal(agno_encrypt(&agno, frame, sizeof(frame), NOW, out), 78);
	assert_int_equal(read_be16(out + 12), 0x1234);
	agno.type = AGNO_TYPE_RANDOM;
	for (int i = 0; i < 1000; i++) {
		agno_encrypt(&agno, frame, sizeof(frame), NOW, out);
		assert_in_range(read_be16(out + 12), 0x600, 0xfffe);
		differ = differ || (i > 0 && read_be16(out + 12) != first);
		first = read_be16(out + 12);
	}
	assert_true(differ);
	agno_finish(&agno);
}

static void test_time(void **state)
{
	static const struct {
		uint32_t sent, now;
		bool accepted;
	} rows[] = {
		{ NOW, NOW, true }, { NOW, NOW + 2, true }, { NOW, NOW + 3, false }, { NOW + 1, NOW, true }, { NOW + 2, NOW, false },
		{ UINT32_MAX, 1, true }, { UINT32_MAX, 2, false }, { 0, UINT32_MAX, true }, { NOW, 0, false },
	};
	struct agno agno;
	uint8_t frame[60], out[ROOM];

	(void)state;
	fill(frame, sizeof(frame));
	assert_int_equal(agno_init(&agno, test_key, AGNO_TYPE_DEFAULT), 0);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		size_t size = agno_encrypt(&agno, frame, sizeof(frame), rows[i].sent, out);

		assert_int_equal(agno_decrypt(&agno, out, size, rows[i].now), rows[i].accepted ? 60 : 0);
	}
	agno_finish(&agno);
}

/* A frame cut anywhere, in memory of just that length; and with another key. */
static void test_cut(void **state)
{
	struct agno agno, other;
	uint8_t frame[100], out[ROOM], wrong[AGNO_KEY] = { 1 };
	size_t size;

	(void)state;
	fill(frame, sizeof(frame));
	assert_int_equal(agno_init(&agno, test_key, AGNO_TYPE_DEFAULT), 0);
	assert_int_equal(agno_init(&other, wrong, AGNO_TYPE_DEFAULT), 0);
	size = agno_encrypt(&agno, frame, sizeof(frame), NOW, out);
	for (size_t length = 0; length <= size; length++) {
		uint8_t *exact = malloc(length > 0 ? length : 1);
		size_t got;

		assert_non_null(exact);
		memcpy(exact, out, length);
		assert_int_equal(agno_decrypt(&other, exact, length, NOW), 0);
		got = agno_decrypt(&agno, exact, length, NOW);
		assert_true(length < 30 + 16 ? got == 0 : got >= 14 && got < length);
		free(exact);
	}
	agno_finish(&agno);
	agno_finish(&other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read_key), cmocka_unit_test(test_read_type), cmocka_unit_test(test_known_frame), cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_types), cmocka_unit_test(test_time), cmocka_unit_test(test_cut),
	};

	return cmocka_run_group_tests_name("agno", tests, NULL, NULL);
}
