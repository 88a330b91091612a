/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/segment.h"

#include "unit.h"

enum { PAYLOAD = 5000, ETHERNET = ETHERNET_HEADER_SIZE };

/* The plain way: 16 bits at a time, in network order. */
static uint32_t add_up(const uint8_t *bytes, uint32_t length, uint32_t sum)
{
	for (uint32_t i = 0; i < length; i++)
		sum += i % 2 ? bytes[i] : (uint32_t)bytes[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static uint32_t pseudo_sum(const uint8_t *frame, unsigned version, uint32_t transport, uint32_t length, unsigned protocol)
{
	uint32_t sum = version == 4 ? add_up(frame + ETHERNET + 12, 8, 0) : add_up(frame + ETHERNET + 8, 32, 0);
	uint8_t tail[8] = { 0 };

	write_be32(tail, length - transport);
	tail[7] = (uint8_t)protocol;
	return add_up(tail, 8, sum);
}

static bool sum_is_right(const uint8_t *frame, unsigned version, uint32_t transport, uint32_t length, unsigned protocol)
{
	return add_up(frame + transport, length - transport, pseudo_sum(frame, version, transport, length, protocol)) == 0xffff;
}

/* An IP packet of TCP with options, or UDP, whose checksum is left to the interface. Returns its length; *transport: where TCP begins. */
static uint32_t make(uint8_t *frame, unsigned version, unsigned protocol, uint32_t payload, uint32_t *transport)
{
	uint8_t *ip = frame + ETHERNET;
	uint32_t head = protocol == 6 ? 32 : 8, ip_head = version == 4 ? 20 : 40, length = ETHERNET + ip_head + head + payload;

	memset(frame, 0, length);
	memset(frame, 0x22, 12);
	write_be16(frame + 12, version == 4 ? 0x0800 : 0x86dd);
	*transport = ETHERNET + ip_head;
	if (version == 4) {
		ip[0] = 0x45;
		write_be16(ip + 2, (uint16_t)(length - ETHERNET));
		write_be16(ip + 4, 0xffff);
		ip[8] = 64;
		ip[9] = (uint8_t)protocol;
		memcpy(ip + 12, "\x0a\x09\x00\x01\x0a\x09\x00\x02", 8);
	} else {
		ip[0] = 0x60;
		write_be16(ip + 4, (uint16_t)(head + payload));
		ip[6] = (uint8_t)protocol;
		memset(ip + 8, 0xfd, 32);
	}
	for (uint32_t i = 0; i < payload; i++)
		frame[*transport + head + i] = (uint8_t)(i * 7 + i / 256);
	if (protocol == 6) {
		write_be32(frame + *transport + 4, 0xfffff000);
		frame[*transport + 12] = 8 << 4;
		frame[*transport + 13] = 0x80 | 0x10 | 0x08 | 0x01;
		write_be16(frame + *transport + 16, (uint16_t)pseudo_sum(frame, version, *transport, length, protocol));
	} else {
		write_be16(frame + *transport + 4, (uint16_t)(8 + payload));
		write_be16(frame + *transport + 6, (uint16_t)pseudo_sum(frame, version, *transport, length, protocol));
	}
	return length;
}

static void test_checksum(void **state)
{
	static uint8_t frame[FRAME_MAX_SIZE], before[FRAME_MAX_SIZE];

	(void)state;
	for (unsigned version = 4; version <= 6; version += 2) {
		for (unsigned protocol = 6; protocol <= 17; protocol += 11) {
			for (uint32_t payload = 0; payload < 40; payload++) {
				uint32_t transport, length = make(frame, version, protocol, payload, &transport);

				segment_complete_checksum(frame, length);
				assert_true(sum_is_right(frame, version, transport, length, protocol));
				/* once more changes nothing, nor with padding behind */
				memcpy(before, frame, length + 6);
				segment_complete_checksum(frame, length + 6);
				assert_memory_equal(before, frame, length + 6);
				/* a wrong sum of the sender's stays wrong */
				frame[transport + (protocol == 6 ? 16 : 6)] ^= 0x55;
				memcpy(before, frame, length);
				segment_complete_checksum(frame, length);
				assert_memory_equal(before, frame, length);
			}
		}
	}
}

static void test_what_stays(void **state)
{
	static uint8_t frame[FRAME_MAX_SIZE], before[FRAME_MAX_SIZE];
	struct segment_plan plan;
	uint32_t transport, length = make(frame, 4, 6, PAYLOAD, &transport);

	(void)state;
	write_be16(frame + ETHERNET + 6, 0x2000);       /* a fragment */
	memcpy(before, frame, length);
	segment_complete_checksum(frame, length);
	assert_memory_equal(before, frame, length);
	assert_false(segment_plan(&plan, frame, length, 1500));
	length = make(frame, 4, 17, PAYLOAD, &transport);
	assert_false(segment_plan(&plan, frame, length, 1500));
	length = make(frame, 4, 6, PAYLOAD, &transport);
	assert_false(segment_plan(&plan, frame, length, 9000));
	assert_false(segment_plan(&plan, frame, length, 40));
	for (uint32_t cut = 0; cut < length; cut++)
		segment_complete_checksum(frame, cut);
}

static void check_segments(const uint8_t *frame, uint32_t length, unsigned version, uint32_t transport, uint32_t mtu)
{
	static uint8_t part[FRAME_MAX_SIZE];
	uint32_t head = transport + 32, done = 0;
	struct segment_plan plan;

	assert_true(segment_plan(&plan, frame, length, mtu));
	for (uint32_t i = 0; i < segment_count(&plan); i++) {
		uint32_t size = segment_write(&plan, frame, i, part);
		bool last = i + 1 == segment_count(&plan);

		assert_true(last ? size <= ETHERNET + mtu : size == ETHERNET + mtu);
		assert_memory_equal(part, frame, ETHERNET);
		assert_memory_equal(part + head, frame + head + done, size - head);
		assert_int_equal(read_be32(part + transport + 4), 0xfffff000 + done);
		assert_int_equal(part[transport + 13], 0x10 | (i == 0 ? 0x80 : 0) | (last ? 0x09 : 0));
		assert_true(sum_is_right(part, version, transport, size, 6));
		if (version == 4) {
			assert_int_equal(add_up(part + ETHERNET, 20, 0), 0xffff);
			assert_int_equal(read_be16(part + ETHERNET + 4), (uint16_t)(0xffff + i));
			assert_int_equal(read_be16(part + ETHERNET + 2), size - ETHERNET);
		} else {
			assert_int_equal(read_be16(part + ETHERNET + 4), size - transport);
		}
		done += size - head;
	}
	assert_int_equal(done, length - head);
}

static void test_segments(void **state)
{
	static const uint32_t mtus[] = { 576, 1280, 1500, 1501 };
	static uint8_t frame[FRAME_MAX_SIZE];

	(void)state;
	for (unsigned version = 4; version <= 6; version += 2) {
		for (size_t i = 0; i < COUNT_OF(mtus); i++) {
			uint32_t transport, length = make(frame, version, 6, PAYLOAD, &transport);

			check_segments(frame, length, version, transport, mtus[i]);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_checksum),
		cmocka_unit_test(test_what_stays),
		cmocka_unit_test(test_segments),
	};

	return cmocka_run_group_tests_name("segment", tests, NULL, NULL);
}
