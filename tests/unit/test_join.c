/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Joining TCP segments: what is joined, what is not, and that cutting gives back what was joined. */
#include "common/join.h"
#include "common/segment.h"

#include "unit.h"

enum { FRAMES = 80, SPACE = 9300, ETHERNET = ETHERNET_HEADER_SIZE };

/* How a segment is made. */
struct shape {
	unsigned version, tags, options;        /* options: bytes, a multiple of 4 */
	uint32_t payload, sequence;
	uint16_t id;
	uint8_t flags;
	bool may_fragment;
};

struct buffer { uint32_t length; uint8_t data[SPACE]; };

static struct buffer frame[FRAMES];
static uint8_t whole[OFFLOAD_HEADER_SIZE + OFFLOAD_FRAME_MAX];

static uint32_t network_of(const struct shape *shape)
{
	return ETHERNET + shape->tags * ETHERNET_TAG_SIZE;
}

static uint32_t transport_of(const struct shape *shape)
{
	return network_of(shape) + (shape->version == 4 ? IPV4_MIN_SIZE : IPV6_FIXED_SIZE);
}

/* Checksums of a frame whose other fields are set. */
static void seal(struct buffer *out)
{
	struct inet_packet packet;
	uint16_t sum;

	assert_true(inet_locate(out->data, out->length, &packet));
	if (packet.version == 4) {
		uint8_t *ip = out->data + packet.network;

		memset(ip + 10, 0, 2);
		sum = (uint16_t)~inet_fold(inet_sum(ip, IPV4_MIN_SIZE, 0));
		memcpy(ip + 10, &sum, 2);
	}
	memset(out->data + packet.transport + TCP_SUM, 0, 2);
	sum = (uint16_t)~inet_fold(inet_sum(out->data + packet.transport, packet.end - packet.transport, inet_pseudo_sum(out->data, &packet)));
	memcpy(out->data + packet.transport + TCP_SUM, &sum, 2);
}

static void make(struct buffer *out, const struct shape *shape)
{
	uint32_t network = network_of(shape), transport = transport_of(shape);
	uint32_t header = transport + TCP_MIN_SIZE + shape->options, length = header + shape->payload;
	uint8_t *ip = out->data + network, *tcp = out->data + transport;

	assert_true(length <= SPACE);
	memset(out->data, 0, length < ETHERNET_MIN_SIZE ? ETHERNET_MIN_SIZE : length);
	memset(out->data, 0x22, 12);
	for (unsigned tag = 0; tag < shape->tags; tag++)
		write_be32(out->data + 12 + tag * ETHERNET_TAG_SIZE, 0x81000005 + tag);
	write_be16(out->data + network - 2, shape->version == 4 ? 0x0800 : 0x86dd);
	if (shape->version == 4) {
		ip[0] = 0x45;
		write_be16(ip + 2, (uint16_t)(length - network));
		write_be16(ip + 4, shape->id);
		ip[6] = shape->may_fragment ? 0 : 0x40;
		ip[8] = 64;
		ip[9] = INET_TCP;
		memcpy(ip + 12, "\x0a\x09\x00\x01\x0a\x09\x00\x02", 8);
	} else {
		ip[0] = 0x60;
		write_be16(ip + 4, (uint16_t)(length - transport));
		ip[6] = INET_TCP;
		ip[7] = 64;
		memset(ip + 8, 0xfd, 32);
	}
	write_be32(tcp, 0x30391f90);
	write_be32(tcp + 4, shape->sequence);
	write_be32(tcp + 8, 77);
	tcp[12] = (uint8_t)((TCP_MIN_SIZE + shape->options) / 4 << 4);
	tcp[13] = shape->flags;
	write_be16(tcp + 14, 500);
	memset(tcp + TCP_MIN_SIZE, 1, shape->options);
	for (uint32_t i = 0; i < shape->payload; i++)
		tcp[TCP_MIN_SIZE + shape->options + i] = (uint8_t)((shape->sequence + i) * 7 + (shape->sequence + i) / 253);
	out->length = length < ETHERNET_MIN_SIZE ? ETHERNET_MIN_SIZE : length;
	seal(out);
}

/* A stream of `count` full segments; the last with PSH. */
static void make_stream(struct shape shape, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		shape.flags = i + 1 == count ? TCP_FLAG_ACK | TCP_FLAG_PSH : TCP_FLAG_ACK;
		make(&frame[i], &shape);
		shape.sequence += shape.payload;
		shape.id++;
	}
}

static bool begin_or_add(struct join *join, const struct buffer *one, unsigned split, bool begin)
{
	struct iovec piece[2] = { { (uint8_t *)(uintptr_t)one->data, split }, { (uint8_t *)(uintptr_t)one->data + split, one->length - split } };

	if (split == 0)
		piece[0].iov_len = one->length;
	return begin ? join_begin(join, piece, split ? 2 : 1, one->length) : join_add(join, piece, split ? 2 : 1, one->length);
}

/* How many of the frames from `from` on are joined; 0: not even begun with. */
static unsigned join_from(struct join *join, unsigned from, unsigned count, unsigned split)
{
	unsigned joined = 1;

	if (!begin_or_add(join, &frame[from], split, true))
		return 0;
	while (from + joined < count && begin_or_add(join, &frame[from + joined], split, false))
		joined++;
	assert_int_equal(join->segments, joined);
	return joined;
}

/* Goes through a device's door, and is cut: the same frames must come out, but for the identification of packets that have it all the same. */
static void check_cut(struct join *join, unsigned from)
{
	static uint8_t part[SPACE];
	unsigned pieces = join_finish(join), count = join->segments;
	struct frame joined = { .data = whole + OFFLOAD_HEADER_SIZE };
	struct segment_plan plan;
	uint32_t size = 0;

	for (unsigned i = 0; i < pieces; i++) {
		assert_true(size + join->piece[i].iov_len <= sizeof(whole));
		memcpy(whole + size, join->piece[i].iov_base, join->piece[i].iov_len);
		size += (uint32_t)join->piece[i].iov_len;
	}
	joined.length = size - OFFLOAD_HEADER_SIZE;
	assert_true(offload_read(whole, &joined));
	assert_int_equal(joined.offload.segments, count);
	assert_int_equal(joined.offload.header_size, join->header);
	assert_true(segment_plan_sized(&plan, joined.data, joined.length, joined.offload.segment_size));
	assert_int_equal(segment_count(&plan), count);
	uint32_t bytes = 0;
	for (unsigned i = 0; i < count; i++) {
		struct buffer *expected = &frame[from + i];
		uint32_t length = segment_write(&plan, joined.data, i, part);

		bytes += length;
		if (length < ETHERNET_MIN_SIZE)
			memset(part + length, 0, ETHERNET_MIN_SIZE - length);
		assert_int_equal(length < ETHERNET_MIN_SIZE ? ETHERNET_MIN_SIZE : length, expected->length);
		if (join->fixed_id) {
			write_be16(expected->data + join->packet.network + 4, read_be16(part + join->packet.network + 4));
			seal(expected);
		}
		assert_memory_equal(part, expected->data, length);
	}
	assert_int_equal(bytes, offload_bytes(&joined.offload, joined.length));
}

static void test_streams_come_back(void **state)
{
	struct join join;

	(void)state;
	for (unsigned version = 4; version <= 6; version += 2)
		for (unsigned tags = 0; tags <= 2; tags++)
			for (unsigned options = 0; options <= 40; options += 4)
				for (unsigned split = 0; split <= 16; split += 4) {
					struct shape shape = { .version = version, .tags = tags, .options = options, .payload = 100 + options + split + 1,
							       .sequence = 0xfffffff0, .id = 0xfffe };

					if (split == 4 || split == 8)
						continue;
					make_stream(shape, 10);
					assert_int_equal(join_from(&join, 0, 10, split), 10);
					assert_false(join.open);
					check_cut(&join, 0);
				}
}

static void test_bounds(void **state)
{
	struct shape shape = { .version = 4, .payload = 10, .sequence = 1 };
	struct join join;

	(void)state;
	make_stream(shape, FRAMES);
	assert_int_equal(join_from(&join, 0, FRAMES, 0), JOIN_SEGMENTS_MAX);
	check_cut(&join, 0);
	for (unsigned version = 4; version <= 6; version += 2) {
		shape.version = version;
		shape.payload = 8960;
		make_stream(shape, 10);
		assert_int_equal(join_from(&join, 0, 10, 0), 7);
		check_cut(&join, 0);
		shape.payload = 1448;
		shape.options = 12;
		make_stream(shape, 60);
		assert_int_equal(join_from(&join, 0, 60, 0), 45);
		check_cut(&join, 0);
	}
}

/* The second frame of a stream, changed in one byte and sealed again: joined or not. `at`: N network, T transport, E Ethernet. */
static void test_what_is_not_joined(void **state)
{
	static const struct { const char *what; unsigned version; char base; unsigned offset; uint8_t flip; bool joined; } table[] = {
		{ "nothing", 4, 'T', 0, 0, true }, { "nothing", 6, 'T', 0, 0, true },
		{ "destination", 4, 'E', 1, 1, false }, { "source", 4, 'E', 11, 1, false },
		{ "class", 4, 'N', 1, 4, false }, { "congestion experienced", 4, 'N', 1, 3, false }, { "id", 4, 'N', 5, 8, false },
		{ "don't fragment", 4, 'N', 6, 0x40, false }, { "reserved", 4, 'N', 6, 0x80, false }, { "more fragments", 4, 'N', 6, 0x20, false },
		{ "fragment", 4, 'N', 7, 1, false }, { "TTL", 4, 'N', 8, 1, false }, { "address", 4, 'N', 15, 1, false },
		{ "address", 4, 'N', 19, 1, false },
		{ "class", 6, 'N', 1, 0x10, false }, { "flow", 6, 'N', 3, 1, false }, { "hops", 6, 'N', 7, 1, false },
		{ "address", 6, 'N', 23, 1, false }, { "address", 6, 'N', 39, 1, false }, { "protocol", 6, 'N', 6, 1, false },
		{ "port", 4, 'T', 1, 1, false }, { "port", 4, 'T', 3, 1, false }, { "sequence", 4, 'T', 7, 1, false },
		{ "acknowledgement", 4, 'T', 11, 1, false }, { "reserved", 4, 'T', 12, 1, false }, { "option", 4, 'T', 21, 1, false },
		{ "window", 4, 'T', 15, 1, false }, { "urgent pointer", 4, 'T', 19, 1, false },
		{ "PSH", 4, 'T', 13, 0x08, true }, { "FIN", 4, 'T', 13, 0x01, true }, { "SYN", 4, 'T', 13, 0x02, false }, { "RST", 4, 'T', 13, 0x04, false },
		{ "ACK", 4, 'T', 13, 0x10, false }, { "URG", 4, 'T', 13, 0x20, false }, { "ECE", 4, 'T', 13, 0x40, false }, { "CWR", 4, 'T', 13, 0x80, false },
	};
	struct join join;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(table); i++) {
		struct shape shape = { .version = table[i].version, .options = 12, .payload = 200, .sequence = 1000, .id = 0x10 };
		uint32_t base = table[i].base == 'E' ? 0 : table[i].base == 'N' ? network_of(&shape) : transport_of(&shape);
		struct inet_packet packet;

		make_stream(shape, 3);
		frame[1].data[base + table[i].offset] ^= table[i].flip;
		if (inet_locate(frame[1].data, frame[1].length, &packet))
			seal(&frame[1]);
		if ((join_from(&join, 0, 2, 0) == 2) != table[i].joined)
			fail_msg("IPv%u, %s", table[i].version, table[i].what);
		/* what ends a join, and what is not plain, does not begin one */
		if (join.segments == 2)
			assert_int_equal(join.open, table[i].flip == 0);
		if (table[i].base == 'T' && table[i].offset == 13)
			assert_false(begin_or_add(&join, &frame[1], 0, true));
	}
}

static void test_damage_is_passed_alone(void **state)
{
	struct join join;

	(void)state;
	for (unsigned version = 4; version <= 6; version += 2) {
		struct shape shape = { .version = version, .payload = 300, .sequence = 5 };

		make_stream(shape, 4);
		frame[2].data[250] ^= 0x10;
		assert_int_equal(join_from(&join, 0, 4, 0), 2);
		assert_int_equal(join_from(&join, 2, 4, 0), 1);
		make_stream(shape, 4);
		frame[0].data[250] ^= 0x10;
		assert_int_equal(join_from(&join, 0, 4, 0), 1);
		assert_false(join.open);
		if (version == 6)
			continue;
		make_stream(shape, 4);
		frame[1].data[ETHERNET + 10] ^= 1;      /* checksum of the header */
		assert_int_equal(join_from(&join, 0, 4, 0), 1);
		assert_int_equal(join_from(&join, 1, 4, 0), 0);
	}
}

static void test_sizes(void **state)
{
	struct shape first = { .version = 4, .payload = 100, .sequence = 0, .flags = TCP_FLAG_ACK }, second = first;
	struct join join;

	(void)state;
	second.sequence = 100;
	second.id = 1;
	for (uint32_t payload = 0; payload <= 102; payload++) {
		second.payload = payload;
		make(&frame[0], &first);
		make(&frame[1], &second);
		assert_int_equal(join_from(&join, 0, 2, 0), payload > 0 && payload <= 100 ? 2 : 1);
		assert_int_equal(join.open, payload == 0 || payload >= 100);
		if (join.segments == 2)
			check_cut(&join, 0);
	}
	/* the same identification in all, and no way to fragment */
	second.payload = 100;
	second.id = 0;
	make(&frame[1], &second);
	second.sequence = 200;
	make(&frame[2], &second);
	assert_int_equal(join_from(&join, 0, 3, 0), 3);
	check_cut(&join, 0);
	first.may_fragment = second.may_fragment = true;
	second.sequence = 100;
	make(&frame[0], &first);
	make(&frame[1], &second);
	assert_int_equal(join_from(&join, 0, 2, 0), 1);
}

/* Streams of random shape, with random flaws: whatever is joined comes back as it was, and nothing is lost in between. */
static void test_random(void **state)
{
	uint32_t random = 12345, all = 0;
	struct join join;

	(void)state;
	for (unsigned round = 0; round < 3000; round++) {
		unsigned count = 2 + random % 60, joined;
		struct shape shape = { .version = random & 1 ? 4 : 6, .tags = (random >> 3) % 3, .options = (random >> 5) % 11 * 4,
				       .payload = 1 + (random >> 8) % 1448, .sequence = random * 77, .id = (uint16_t)(random >> 4) };

		for (unsigned i = 0; i < count; i++) {
			struct shape one = shape;

			random = random * 1664525 + 1013904223;
			one.flags = TCP_FLAG_ACK | ((random >> 20) % 16 == 0 ? TCP_FLAG_PSH : 0) | ((random >> 10) % 64 == 0 ? TCP_FLAG_FIN : 0);
			if ((random >> 12) % 16 == 0)
				one.payload = 1 + (random >> 17) % shape.payload;
			make(&frame[i], &one);
			shape.sequence += one.payload;
			shape.id += (random >> 25) % 32 != 0;
			if ((random >> 7) % 32 == 0)
				frame[i].data[(random >> 13) % frame[i].length] ^= (uint8_t)(1 + random % 255);
		}
		for (unsigned at = 0; at < count; at += joined) {
			joined = join_from(&join, at, count, (random >> at % 8) & 1 ? 16 : 0);
			if (joined > 1)
				check_cut(&join, at);
			all += joined > 1 ? joined : 0;
			if (joined == 0)
				joined = 1;
		}
	}
	assert_true(all > 3000 * 10);
}

/* ---- the door ---- */

struct fields { uint8_t flags, type; uint16_t header, size, start, offset; };

static bool read_fields(const struct fields *fields, struct frame *one)
{
	uint8_t header[OFFLOAD_HEADER_SIZE];

	memcpy(header, fields, sizeof(header));
	return offload_read(header, one);
}

static void test_door(void **state)
{
	struct shape shape = { .version = 4, .payload = 1000, .sequence = 1, .flags = TCP_FLAG_ACK };
	const uint16_t transport = (uint16_t)transport_of(&shape);
	const struct { struct fields fields; bool good; unsigned segments; } table[] = {
		{ { 0, 0, 0, 0, 0, 0 }, true, 0 },
		{ { 2, 0, 0, 0, 0, 0 }, true, 0 },
		{ { 1, 0, 0, 0, transport, 16 }, true, 0 },
		{ { 1, 0, 0, 0, 13, 16 }, false, 0 },
		{ { 1, 0, 0, 0, 0, 0 }, false, 0 },
		{ { 1, 0, 0, 0, 1000, 52 }, true, 0 },
		{ { 1, 0, 0, 0, 1000, 53 }, false, 0 },
		{ { 1, 0, 0, 0, 65535, 65535 }, false, 0 },
		{ { 1, 1, 0, 100, transport, 16 }, true, 10 },
		{ { 2, 1, 0, 100, 0, 0 }, true, 10 },
		{ { 1, 0x81, 0, 100, transport, 16 }, true, 10 },
		{ { 1, 1, 65535, 999, transport, 16 }, true, 2 },
		{ { 1, 1, 0, 1000, transport, 16 }, true, 0 },
		{ { 1, 1, 0, 65535, transport, 16 }, true, 0 },
		{ { 1, 1, 0, 1, transport, 16 }, true, 1000 },
		{ { 1, 1, 0, 0, transport, 16 }, false, 0 },
		{ { 0, 1, 0, 100, 0, 0 }, false, 0 },
		{ { 1, 1, 0, 100, transport, 6 }, false, 0 },
		{ { 1, 1, 0, 100, (uint16_t)(transport + 1), 16 }, false, 0 },
		{ { 1, 4, 0, 100, transport, 16 }, false, 0 },  /* IPv6 it is not */
		{ { 1, 3, 0, 100, transport, 16 }, false, 0 },  /* nor UDP */
		{ { 1, 5, 0, 100, transport, 16 }, false, 0 },
		{ { 1, 0xff, 0, 100, transport, 16 }, false, 0 },
		{ { 1, 0x80, 0, 100, transport, 16 }, false, 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(table); i++) {
		struct frame one = { .data = frame[0].data };

		make(&frame[0], &shape);
		one.length = frame[0].length;
		const uint16_t made = read_be16(one.data + transport + TCP_SUM);
		if (read_fields(&table[i].fields, &one) != table[i].good)
			fail_msg("row %u", (unsigned)i);
		assert_int_equal(one.offload.segments, table[i].segments);
		if (!table[i].good)
			continue;
		assert_int_equal(offload_frames(&one.offload), table[i].segments ? table[i].segments : 1);
		assert_int_equal(offload_is_set(&one.offload), table[i].fields.flags == 1 || table[i].fields.type != 0);
		if (one.offload.segments || !offload_is_set(&one.offload) || one.offload.checksum_start != transport)
			continue;
		/* completed, it is as it was made */
		struct inet_packet packet;

		assert_true(inet_locate(one.data, one.length, &packet));
		uint16_t pseudo = inet_fold(inet_pseudo_sum(one.data, &packet));
		memcpy(one.data + transport + TCP_SUM, &pseudo, 2);
		offload_complete_checksum(&one);
		assert_int_equal(read_be16(frame[0].data + transport + TCP_SUM), made);
		assert_false(offload_is_set(&one.offload));
	}
}

/* More segments than are allowed; trailing bytes; a tag in the way of the checksum. */
static void test_door_bounds(void **state)
{
	struct shape shape = { .version = 6, .payload = OFFLOAD_SEGMENTS_MAX + 1, .sequence = 1, .flags = TCP_FLAG_ACK };
	struct fields fields = { 1, 4, 0, 1, (uint16_t)transport_of(&shape), 16 };
	struct frame one = { .data = frame[0].data };

	(void)state;
	make(&frame[0], &shape);
	one.length = frame[0].length;
	assert_false(read_fields(&fields, &one));
	fields.size = 2;
	assert_true(read_fields(&fields, &one));
	assert_int_equal(one.offload.segments, OFFLOAD_SEGMENTS_MAX / 2 + 1);
	one.length++;
	assert_false(read_fields(&fields, &one));
	shape.tags = 3;
	make(&frame[0], &shape);
	one.length = frame[0].length;
	fields.start = (uint16_t)transport_of(&shape);
	assert_false(read_fields(&fields, &one));
	shape.tags = 1;
	make(&frame[0], &shape);
	fields = (struct fields){ 1, 0, 0, 0, 14, 2 };
	assert_false(read_fields(&fields, &one));
	fields.start = 18;
	assert_true(read_fields(&fields, &one));
	for (one.length = 0; one.length < ETHERNET_HEADER_SIZE; one.length++)
		assert_false(read_fields(&fields, &one));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_streams_come_back),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_what_is_not_joined),
		cmocka_unit_test(test_damage_is_passed_alone),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_door),
		cmocka_unit_test(test_door_bounds),
	};

	return cmocka_run_group_tests_name("join", tests, NULL, NULL);
}
