/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What modules are given: parameters, numbers, groups, the address table. */
#include <libvdeplug_mod.h>

#include "unit.h"

#include <errno.h>
#include <limits.h>
#include <unistd.h>

/* What a parse found: the head, the values of "", port, portgroup and mode. */
struct expected {
	int result;
	const char *head, *word, *port, *portgroup, *mode;
};

static void check_parse(int (*parse)(char *, struct vdeparms *), const char *text, const struct expected *expected)
{
	char copy[200], empty[] = "", port_tag[] = "port", group_tag[] = "portgroup", mode_tag[] = "mode";
	char *word = NULL, *port = NULL, *portgroup = NULL, *mode = NULL;
	struct vdeparms parms[] = {
		{ empty, &word }, { port_tag, &port }, { group_tag, &portgroup }, { mode_tag, &mode }, { NULL, NULL },
	};
	const char *const wanted[] = { expected->word, expected->port, expected->portgroup, expected->mode };
	const char *found[4];

	snprintf(copy, sizeof(copy), "%s", text);
	errno = 0;
	assert_int_equal(parse(copy, parms), expected->result);
	if (expected->result != 0) {
		assert_int_equal(errno, EINVAL);
		return;
	}
	assert_string_equal(copy, expected->head);
	found[0] = word, found[1] = port, found[2] = portgroup, found[3] = mode;
	for (size_t i = 0; i < COUNT_OF(wanted); i++) {
		assert_int_equal(wanted[i] == NULL, found[i] == NULL);
		if (wanted[i] != NULL)
			assert_string_equal(found[i], wanted[i]);
	}
}

static void test_path_parameters(void **state)
{
	static const struct { const char *text; struct expected expected; } rows[] = {
		{ "/tmp/s", { 0, "/tmp/s", NULL, NULL, NULL, NULL } },
		{ "/tmp/s[7]", { 0, "/tmp/s", "7", NULL, NULL, NULL } },
		{ "/tmp/s[7", { 0, "/tmp/s", "7", NULL, NULL, NULL } },
		{ "/tmp/s[]", { 0, "/tmp/s", NULL, NULL, NULL, NULL } },
		{ "/tmp/s[port=9/mode=666]", { 0, "/tmp/s", NULL, "9", NULL, "666" } },
		{ "/tmp/s[p=5/m=7]tail", { 0, "/tmp/s", NULL, "5", NULL, "7" } },
		{ "s[portg=x//1/2/]", { 0, "s", "2", NULL, "x", NULL } },
		{ "s[mode]", { 0, "s", NULL, NULL, NULL, "" } },
		{ "s[mode=]", { 0, "s", NULL, NULL, NULL, "" } },
		{ "s[mode=1/mode=2]", { 0, "s", NULL, NULL, NULL, "2" } },
		{ "s[mode='a/b]c'/3]", { 0, "s", "3", NULL, NULL, "a/b]c" } },
		{ "s[mode=\"x'y\"]", { 0, "s", NULL, NULL, NULL, "x'y" } },
		{ "s[mode=a%2Fb\\/c]", { 0, "s", NULL, NULL, NULL, "a/b/c" } },
		{ "s[mode=%zz%]", { 0, "s", NULL, NULL, NULL, "%zz%" } },
		{ "a\\[b[1]", { 0, "a[b", "1", NULL, NULL, NULL } },
		{ "'a[b'[1]", { 0, "a[b", "1", NULL, NULL, NULL } },
		{ "s[a[b]c]", { 0, "s", "a[b]c", NULL, NULL, NULL } },
		{ "s[bad=3]", { -1, NULL, NULL, NULL, NULL, NULL } },
		{ "s[=3]", { -1, NULL, NULL, NULL, NULL, NULL } },
		{ "s['7]", { -1, NULL, NULL, NULL, NULL, NULL } },
		{ "s[mode=\"7]", { -1, NULL, NULL, NULL, NULL, NULL } },
		{ "'s", { -1, NULL, NULL, NULL, NULL, NULL } },
		{ "s[7\\", { -1, NULL, NULL, NULL, NULL, NULL } },
		{ "", { 0, "", NULL, NULL, NULL, NULL } },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		check_parse(vde_parsepathparms, rows[i].text, &rows[i].expected);
}

static void test_network_parameters(void **state)
{
	static const struct { const char *text; struct expected expected; } rows[] = {
		{ "239.0.0.1", { 0, "239.0.0.1", NULL, NULL, NULL, NULL } },
		{ "239.0.0.1/port=1/mode=2", { 0, "239.0.0.1", NULL, "1", NULL, "2" } },
		{ "/port=1", { 0, "", NULL, "1", NULL, NULL } },
		{ "a//mode//", { 0, "a", NULL, NULL, NULL, "" } },
		{ "a/mode='10.0.0.1/24'", { 0, "a", NULL, NULL, NULL, "10.0.0.1/24" } },
		{ "a/mode=10.0.0.1%2f24", { 0, "a", NULL, NULL, NULL, "10.0.0.1/24" } },
		{ "a/nosuch=1", { -1, NULL, NULL, NULL, NULL, NULL } },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		check_parse(vde_parseparms, rows[i].text, &rows[i].expected);
}

static void test_nested_parameters(void **state)
{
	static const struct { const char *text, *head, *nested; } rows[] = {
		{ "key{vde:///s}", "key", "vde:///s" }, { "key", "key", NULL }, { "a{b", "a", "b" }, { "a{b}{c}d", "a", "b}{c" },
		{ "'a{'b{c}", "'a{'b", "c" }, { "a\\{b{'x}'}", "a\\{b", "'x}'" }, { "{}", "", "" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		char copy[100], *nested;

		snprintf(copy, sizeof(copy), "%s", rows[i].text);
		nested = vde_parsenestparms(copy);
		assert_string_equal(copy, rows[i].head);
		assert_int_equal(nested == NULL, rows[i].nested == NULL);
		if (nested != NULL)
			assert_string_equal(nested, rows[i].nested);
	}
}

static void test_numbers(void **state)
{
	static const struct { const char *text; unsigned long long value; } rows[] = {
		{ "0", 0 }, { "17", 17 }, { "0x10", 16 }, { "010", 8 }, { "1k", 1024 }, { "2M", 2 << 20 }, { "1g", 1 << 30 },
		{ "1T", 1ULL << 40 }, { "1kk", 1 << 20 }, { "3x", 3 }, { "3kB", 3072 }, { "", 0 }, { "k", 0 }, { " 5", 5 },
		{ "99999999999999999999", ULLONG_MAX }, { "999999999t", ULLONG_MAX }, { "0x", 0 },
	};
	char text[32];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		assert_int_equal(strtoullm(rows[i].text), rows[i].value);
	assert_int_equal(vde_grnam2gid(NULL), (gid_t)-1);
	assert_int_equal(vde_grnam2gid(""), getegid());
	assert_int_equal(vde_grnam2gid("4711"), 4711);
	assert_int_equal(vde_grnam2gid("no such group"), (gid_t)-1);
	snprintf(text, sizeof(text), "%s", "root");
	assert_int_equal(vde_grnam2gid(text), 0);
}

static void test_table(void **state)
{
	unsigned char a[] = { 2, 0, 0, 0, 0, 1 }, b[] = { 2, 0, 0, 0, 0, 2 }, group[] = { 3, 0, 0, 0, 0, 1 };
	struct vde_hashtable *table = vde_hash_init(int, 1000, 42);
	int one = 1, two = 2;
	int *found;

	(void)state;
	assert_non_null(table);
	assert_null(vde_find_in_hash(table, a, 0, 0));
	vde_find_in_hash_update(table, a, 0, &one, 100);
	vde_find_in_hash_update(table, group, 0, &one, 100);
	found = vde_find_in_hash(table, a, 0, 100);
	assert_non_null(found);
	assert_int_equal(*found, 1);
	assert_null(vde_find_in_hash(table, a, 0, 101));        /* too old */
	assert_null(vde_find_in_hash(table, a, 1, 0));          /* another VLAN */
	assert_null(vde_find_in_hash(table, b, 0, 0));
	assert_null(vde_find_in_hash(table, group, 0, 0));
	vde_find_in_hash_update(table, b, 4094, &two, 100);
	vde_hash_delete(table, &one);
	assert_null(vde_find_in_hash(table, a, 0, 0));
	found = vde_find_in_hash(table, b, 4094, 0);
	assert_non_null(found);
	assert_int_equal(*found, 2);
	vde_hash_fini(table);
}

static void test_table_bounds(void **state)
{
	unsigned char mac[] = { 2, 0, 0, 0, 0, 1 };
	struct vde_hashtable *table = vde_hash_init(char, 1, 0);
	char value = 7;

	(void)state;
	assert_non_null(table);
	for (int i = 0; i < 1000; i++) {
		mac[4] = (unsigned char)i;
		vde_find_in_hash_update(table, mac, i, &value, 1);
	}
	assert_non_null(vde_find_in_hash(table, mac, 999, 0));
	vde_hash_fini(table);
	assert_null(vde_hash_init(int, 0, 0));
	assert_null(vde_hash_init(int, UINT_MAX, 0));
	vde_find_in_hash_update(NULL, mac, 0, &value, 1);
	assert_null(vde_find_in_hash(NULL, mac, 0, 0));
	vde_hash_delete(NULL, &value);
	vde_hash_fini(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_path_parameters),
		cmocka_unit_test(test_network_parameters),
		cmocka_unit_test(test_nested_parameters),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_table_bounds),
	};

	return cmocka_run_group_tests_name("vdeplug_mod", tests, NULL, NULL);
}
