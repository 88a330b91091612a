/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/command.h"

#include "unit.h"

#include <errno.h>

static void test_split(void **state)
{
	static const struct { const char *line, *path, *text; unsigned count; const char *last; } rows[] = {
		{ "port/create 9", "port/create", "9", 1, "9" },
		{ "  \tport/create\t 9  10 \r", "port/create", "9  10", 2, "10" },
		{ "showinfo", "showinfo", "", 0, NULL },
		{ "", "", "", 0, NULL },
		{ "  ", "", "", 0, NULL },
		{ "# a comment", "", "", 0, NULL },
		{ "1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3", "1",
		  "2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3", 32, "3" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		char line[256], copy[256];
		struct args args;

		snprintf(line, sizeof(line), "%s", rows[i].line);
		assert_string_equal(command_split(line, copy, &args), rows[i].path);
		assert_string_equal(args.text, rows[i].text);
		assert_int_equal(args.count, rows[i].count);
		if (rows[i].last)
			assert_string_equal(args.word[args.count - 1], rows[i].last);
	}
}

static void test_too_many_words(void **state)
{
	const struct command row = { .path = "x", .max_args = 1000 };
	char line[256] = "x", copy[256];
	struct args args;

	(void)state;
	for (int i = 0; i < COMMAND_MAX_WORDS + 1; i++)
		strcat(line, " y");
	command_split(line, copy, &args);
	assert_int_equal(args.count, COMMAND_MAX_WORDS + 1);
	assert_int_equal(command_check_args(&row, &args), EINVAL);
}

static void test_check_args(void **state)
{
	static const struct { unsigned min, max, flags; const char *line; int error; } rows[] = {
		{ 0, 0, 0, "x", 0 }, { 0, 0, 0, "x y", EINVAL }, { 1, 2, 0, "x", EINVAL }, { 1, 2, 0, "x y", 0 },
		{ 1, 2, 0, "x y z", 0 }, { 1, 2, 0, "x y z w", EINVAL },
		{ 1, 1, COMMAND_RAW, "x y  z w", 0 }, { 1, 1, COMMAND_RAW, "x", EINVAL }, { 0, 1, COMMAND_RAW, "x", 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const struct command row = { "x", "", "", rows[i].min, rows[i].max, NULL, rows[i].flags };
		char line[64], copy[64];
		struct args args;

		snprintf(line, sizeof(line), "%s", rows[i].line);
		command_split(line, copy, &args);
		assert_int_equal(command_check_args(&row, &args), rows[i].error);
		if (rows[i].flags & COMMAND_RAW && args.count)
			assert_string_equal(args.word[0], "y  z w");
	}
}

static void test_expand(void **state)
{
	const char *const arguments[] = { "a", "bb", NULL };
	static const struct { const char *format, *result; } rows[] = {
		{ "%s|%s|%s|", "a|bb||" }, { "%-4s%-3s%s.", "a   bb ." }, { "100%% %s", "100% a" }, { "%d %s", "%d a" },
		{ "%s%s%s%s", "abb%s" }, { "%", "%" }, { "none", "none" }, { "%n", "%n" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct reply reply;

		reply_init(&reply);
		reply_expand(&reply, rows[i].format, arguments, 3);
		assert_string_equal(reply.text, rows[i].result);
		reply_free(&reply);
	}
}

static void test_reply_bound(void **state)
{
	char block[65536];
	struct reply reply;

	(void)state;
	memset(block, 'x', sizeof(block));
	reply_init(&reply);
	while (!reply.truncated)
		reply_append(&reply, block, sizeof(block));
	assert_int_equal(reply.length, REPLY_MAX);
	reply_printf(&reply, "more");
	assert_int_equal(reply.length, REPLY_MAX);
	reply_free(&reply);
	reply_printf(&reply, "%s %d", "again", 1);
	assert_string_equal(reply.text, "again 1");
	reply_free(&reply);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_split),
		cmocka_unit_test(test_too_many_words),
		cmocka_unit_test(test_check_args),
		cmocka_unit_test(test_expand),
		cmocka_unit_test(test_reply_bound),
	};

	return cmocka_run_group_tests_name("command", tests, NULL, NULL);
}
