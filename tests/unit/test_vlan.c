/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "libvdeplug/vlan.h"

#include "unit.h"

#include <errno.h>

enum { ROOM = 200, NO = -1 };

/* A tag control of NO: without a tag; else priority and VID. */
struct way {
	int app, net;
};

static size_t build(uint8_t *frame, uint16_t tpid, int control)
{
	size_t at = 12;

	memset(frame, 0xee, ROOM);
	for (uint8_t i = 0; i < 12; i++)
		frame[i] = (uint8_t)(0x10 + i);
	if (control != NO) {
		write_be16(frame + at, tpid);
		write_be16(frame + at + 2, (uint16_t)control);
		at += 4;
	}
	write_be16(frame + at, 0x0800);
	memset(frame + at + 2, 0x55, 46);
	return at + 2 + 46;
}

static void check_same(const uint8_t *got, size_t length, uint16_t tpid, int control)
{
	uint8_t wanted[ROOM];
	size_t size = build(wanted, tpid, control);

	assert_int_equal(length, size);
	assert_memory_equal(got, wanted, size);
}

static void check_way(const struct vlan_map *map, const struct way *way)
{
	uint8_t in[ROOM], out[ROOM];

	check_same(out, vlan_outward(map, in, build(in, map->tpid, way->app), out), map->tpid, way->net);
	check_same(in, vlan_inward(map, in, build(in, map->tpid, way->net), ROOM), map->tpid, way->app);
}

static void test_ways(void **state)
{
	static const struct {
		const char *text;
		struct way ways[6];
		unsigned count;
	} rows[] = {
		{ "", { { NO, NO } }, 1 },
		{ "0", { { NO, NO } }, 1 },
		{ "3", { { NO, 3 } }, 1 },
		{ "3/qinq", { { NO, 3 } }, 1 },
		{ "3/untag=4", { { NO, 3 }, { 4, NO } }, 2 },
		{ "3/u=3", { { NO, 3 }, { 3, NO } }, 2 },
		{ "/untag=4/x", { { 4, NO }, { 2, 2 }, { 0xa005, 0xa005 } }, 3 },
		{ "3[untag=4/tag=10:11-12:12-11]", { { NO, 3 }, { 4, NO }, { 10, 10 }, { 0xf00b, 0xf00c }, { 12, 11 } }, 5 },
		{ "3/tag=7", { { NO, 3 }, { 7, 7 } }, 2 },
		{ "/t=1.4094", { { NO, NO }, { 1, 1 }, { 4094, 4094 } }, 3 },
		{ "/t=:5:", { { 5, 5 } }, 1 },
		{ "1[ad/trunk]", { { NO, 1 }, { 2, 2 }, { 4094, 4094 } }, 3 },
		{ "3/trunk/tag=4-5:5-4", { { 4, 5 }, { 5, 4 }, { 6, 6 } }, 3 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct vlan_map map;
		char text[100];

		strcpy(text, rows[i].text);
		assert_int_equal(vlan_parse(&map, text), 0);
		for (unsigned k = 0; k < rows[i].count; k++)
			check_way(&map, &rows[i].ways[k]);
	}
}

static void test_dropped(void **state)
{
	static const struct {
		const char *text;
		int app, net;           /* each without the other's way */
	} rows[] = {
		{ "3", 3, NO }, { "3", 4, 4 }, { "", 1, 1 }, { "/untag=4", NO, 4 }, { "3/trunk", 3, NO }, { "/trunk/tag=4-5", 5, 4 },
		{ "/trunk", 1, 1 }, { "/trunk", 4095, 4095 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct vlan_map map;
		uint8_t in[ROOM], out[ROOM];
		char text[100];

		strcpy(text, rows[i].text);
		assert_int_equal(vlan_parse(&map, text), 0);
		assert_int_equal(vlan_outward(&map, in, build(in, map.tpid, rows[i].app), out), 0);
		assert_int_equal(vlan_inward(&map, in, build(in, map.tpid, rows[i].net), ROOM), 0);
	}
}

/* VID 0 is a priority only: it becomes the VLAN's, and goes where there is no tag. */
static void test_priority_tag(void **state)
{
	struct vlan_map map;
	uint8_t in[ROOM], out[ROOM];
	char text[] = "3";

	(void)state;
	assert_int_equal(vlan_parse(&map, text), 0);
	check_same(out, vlan_outward(&map, in, build(in, 0x8100, 0xe000), out), 0x8100, 0xe003);
	check_same(in, vlan_inward(&map, in, build(in, 0x8100, 0xe003), ROOM), 0x8100, NO);
	/* another TPID is no tag */
	assert_int_equal(vlan_outward(&map, in, build(in, 0x88a8, 3), out), 14 + 46 + 8);
	assert_int_equal(read_be16(out + 12), 0x8100);
	assert_int_equal(read_be16(out + 16), 0x88a8);
}

/* A second tag does not come to the front. */
static void test_double_tag(void **state)
{
	struct vlan_map map;
	uint8_t frame[ROOM], out[ROOM];
	char text[] = "3/untag=4/trunk";

	(void)state;
	assert_int_equal(vlan_parse(&map, text), 0);
	build(frame, 0x8100, 4);
	write_be16(frame + 16, 0x8100);
	assert_int_equal(vlan_outward(&map, frame, 60, out), 0);
	write_be16(frame + 14, 3);
	assert_int_equal(vlan_inward(&map, frame, 60, ROOM), 0);
	write_be16(frame + 14, 0);
	assert_int_equal(vlan_outward(&map, frame, 60, out), 0);
	write_be16(frame + 14, 5);
	assert_int_equal(vlan_outward(&map, frame, 60, out), 60);
	assert_int_equal(vlan_inward(&map, frame, 60, ROOM), 60);
}

/* Frames that end within the tag, and buffers without room for one. */
static void test_short(void **state)
{
	struct vlan_map map;
	uint8_t frame[ROOM];
	char text[] = "/untag=4/trunk";

	(void)state;
	assert_int_equal(vlan_parse(&map, text), 0);
	for (size_t length = 0; length < 18; length++) {
		build(frame, 0x8100, 9);
		assert_int_equal(vlan_inward(&map, frame, length, ROOM), 0);
		build(frame, 0x8100, NO);
		assert_int_equal(vlan_inward(&map, frame, length, ROOM), length < 14 ? 0 : length + 4);
	}
	build(frame, 0x8100, NO);
	assert_int_equal(vlan_inward(&map, frame, 60, 63), 0);
	assert_int_equal(vlan_inward(&map, frame, 60, 64), 64);
}

static void test_wrong(void **state)
{
	static const char *const texts[] = {
		"x", "4095", "-1", "3x", "/untag=4095", "/untag=x", "/tag=0", "/tag=4095", "/tag=4-", "/tag=-4", "/tag=1-2-3", "/tag=1-2:1-3",
		"/tag=1-3:2-3", "3/tag=3", "3/tag=4-3", "/untag=4/tag=4", "/nosuch", "3[nosuch=1]", "/tag=1 2",
		"/tag=11111111111111111111111111111111111111111111111111",
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		struct vlan_map map;
		char text[100];

		strcpy(text, texts[i]);
		assert_int_equal(vlan_parse(&map, text), EINVAL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ways), cmocka_unit_test(test_dropped), cmocka_unit_test(test_priority_tag), cmocka_unit_test(test_short), cmocka_unit_test(test_double_tag),
		cmocka_unit_test(test_wrong),
	};

	return cmocka_run_group_tests_name("vlan", tests, NULL, NULL);
}
