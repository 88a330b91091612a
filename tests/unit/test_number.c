/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/number.h"

#include "unit.h"

#include <errno.h>
#include <grp.h>
#include <locale.h>
#include <pwd.h>

static void test_u64(void **state)
{
	static const struct { const char *text; uint64_t min, max; int error; uint64_t value; } rows[] = {
		{ "0", 0, 10, 0, 0 }, { "10", 0, 10, 0, 10 }, { "11", 0, 10, ERANGE, 0 }, { "4", 5, 10, ERANGE, 0 },
		{ "0x1f", 0, 100, 0, 31 }, { "0X1F", 0, 100, 0, 31 }, { "017", 0, 100, 0, 15 }, { "08", 0, 100, EINVAL, 0 },
		{ "", 0, 10, EINVAL, 0 }, { "0x", 0, 10, EINVAL, 0 }, { "x", 0, 10, EINVAL, 0 }, { "-1", 0, 10, EINVAL, 0 },
		{ "+1", 0, 10, EINVAL, 0 }, { " 1", 0, 10, EINVAL, 0 }, { "1 ", 0, 10, EINVAL, 0 }, { "1a", 0, 10, EINVAL, 0 },
		{ "18446744073709551615", 0, UINT64_MAX, 0, UINT64_MAX },
		{ "18446744073709551616", 0, UINT64_MAX, ERANGE, 0 },
		{ "99999999999999999999999999", 0, UINT64_MAX, ERANGE, 0 },
		{ "99999999999999999999999999x", 0, UINT64_MAX, EINVAL, 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		uint64_t value = 4711;

		assert_int_equal(number_u64(rows[i].text, rows[i].min, rows[i].max, &value), rows[i].error);
		assert_int_equal(value, rows[i].error ? 4711 : rows[i].value);
	}
}

static void test_int(void **state)
{
	static const struct { const char *text; int error, value; } rows[] = {
		{ "-5", 0, -5 }, { "0x10", 0, 16 }, { "-6", ERANGE, 0 }, { "101", ERANGE, 0 }, { "--1", EINVAL, 0 },
		{ "-", EINVAL, 0 }, { "- 1", EINVAL, 0 }, { "-99999999999", ERANGE, 0 },
	};
	int value, least;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		value = 4711;
		assert_int_equal(number_int(rows[i].text, -5, 100, &value), rows[i].error);
		assert_int_equal(value, rows[i].error ? 4711 : rows[i].value);
	}
	assert_int_equal(number_int("-2147483648", INT32_MIN, INT32_MAX, &least), 0);
	assert_int_equal(least, INT32_MIN);
	assert_int_equal(number_int("2147483648", INT32_MIN, INT32_MAX, &least), ERANGE);
}

static void test_double(void **state)
{
	static const struct { const char *text; int error; double value; } rows[] = {
		{ "1.5", 0, 1.5 }, { "-2e3", 0, -2000 }, { "+.5", 0, 0.5 }, { "5.", 0, 5 }, { "1e-400", 0, 0 },
		{ "1e400", ERANGE, 0 }, { "1000001", ERANGE, 0 }, { "nan", EINVAL, 0 }, { "inf", EINVAL, 0 },
		{ "0x10", EINVAL, 0 }, { "", EINVAL, 0 }, { ".", EINVAL, 0 }, { "e5", EINVAL, 0 }, { "1e", EINVAL, 0 },
		{ "1,5", EINVAL, 0 }, { " 1", EINVAL, 0 }, { "1 ", EINVAL, 0 }, { "1.5N", EINVAL, 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		double value = 4711;

		assert_int_equal(number_double(rows[i].text, -1e6, 1e6, &value), rows[i].error);
		assert_float_equal(value, rows[i].error ? 4711 : rows[i].value, 1e-9);
	}
}

static void test_double_in_a_locale_with_comma(void **state)
{
	double value = 0;

	(void)state;
	if (!setlocale(LC_ALL, "de_DE.UTF-8") && !setlocale(LC_ALL, "it_IT.UTF-8"))
		print_message("no such locale here: the C locale is tested once more\n");
	assert_int_equal(number_double("2.25", 0, 10, &value), 0);
	assert_float_equal(value, 2.25, 1e-9);
	setlocale(LC_ALL, "C");
}

static void test_size(void **state)
{
	static const struct { const char *text; int error; uint64_t value; } rows[] = {
		{ "100", 0, 100 }, { "4k", 0, 4096 }, { "4K", 0, 4096 }, { "2m", 0, 2 << 20 }, { "1G", 0, 1 << 30 },
		{ "2g", ERANGE, 0 }, { "99999999999g", ERANGE, 0 }, { "4kk", EINVAL, 0 }, { "k", EINVAL, 0 },
		{ "4 k", EINVAL, 0 }, { "4t", EINVAL, 0 }, { "-4k", EINVAL, 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		uint64_t value = 4711;

		assert_int_equal(number_size(rows[i].text, 0, 1 << 30, &value), rows[i].error);
		assert_int_equal(value, rows[i].error ? 4711 : rows[i].value);
	}
}

static void test_mode(void **state)
{
	static const struct { const char *text; int error; mode_t value; } rows[] = {
		{ "660", 0, 0660 }, { "0660", 0, 0660 }, { "2700", 0, 02700 }, { "7777", 0, 07777 }, { "10000", ERANGE, 0 },
		{ "8", EINVAL, 0 }, { "0x1", EINVAL, 0 }, { "", EINVAL, 0 }, { "rw", EINVAL, 0 }, { "-1", EINVAL, 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		mode_t mode = 0111;

		assert_int_equal(number_mode(rows[i].text, &mode), rows[i].error);
		assert_int_equal(mode, rows[i].error ? 0111 : rows[i].value);
	}
}

static void test_mac(void **state)
{
	static const char *const bad[] = {
		"", "1:2:3", "1:2:3:4:5:6:7", "1:2:3:4:5:", "1:2:3:4:5:g", "001:2:3:4:5:6", ":1:2:3:4:5:6", "1-2-3-4-5-6", "1:2:3:4:5:6 ",
	};
	const uint8_t expected[6] = { 0x02, 0xAB, 0, 0x0f, 1, 0xff };
	uint8_t mac[6];

	(void)state;
	assert_int_equal(number_mac("02:ab:0:0F:1:fF", mac), 0);
	assert_memory_equal(mac, expected, 6);
	assert_int_equal(number_mac("2.AB.00.f.01.ff", mac), 0);
	assert_memory_equal(mac, expected, 6);
	for (size_t i = 0; i < COUNT_OF(bad); i++)
		assert_int_equal(number_mac(bad[i], mac), EINVAL);
	assert_memory_equal(mac, expected, 6);
}

static void test_names(void **state)
{
	const struct passwd *root = getpwuid(0);
	uid_t uid = 7;
	gid_t gid = 7;

	(void)state;
	if (root) {
		assert_int_equal(number_user(root->pw_name, &uid), 0);
		assert_int_equal(uid, 0);
	}
	assert_int_equal(number_user("123456", &uid), 0);
	assert_int_equal(uid, 123456);
	assert_int_equal(number_group("123456", &gid), 0);
	assert_int_equal(gid, 123456);
	assert_int_equal(number_user("no-such-user-here", &uid), ENOENT);
	assert_int_equal(number_group("12x", &gid), ENOENT);
	assert_int_equal(number_group("", &gid), ENOENT);
	assert_int_equal(number_group("4294967295", &gid), ENOENT);
	assert_int_equal(gid, 123456);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_u64),
		cmocka_unit_test(test_int),
		cmocka_unit_test(test_double),
		cmocka_unit_test(test_double_in_a_locale_with_comma),
		cmocka_unit_test(test_size),
		cmocka_unit_test(test_mode),
		cmocka_unit_test(test_mac),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests_name("number", tests, NULL, NULL);
}
