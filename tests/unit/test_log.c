/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/log.h"

#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static void test_escape(void **state)
{
	static const struct { const char *text; size_t length, size; const char *result; } rows[] = {
		{ "plain", 5, 64, "plain" },
		{ "a\nb", 3, 64, "a\\x0ab" },
		{ "a\0b", 3, 64, "a\\x00b" },
		{ "\033[2J", 4, 64, "\\x1b[2J" },
		{ "\x7f\xc3\xa4", 3, 64, "\\x7f\\xc3\\xa4" },
		{ "back\\slash", 10, 64, "back\\\\slash" },
		{ "toolong", 7, 5, "tool" },
		{ "ab\n", 3, 6, "ab" },         /* an escape is written whole or not at all */
		{ "ab\n", 3, 7, "ab\\x0a" },
		{ "x", 1, 1, "" },
	};
	char out[64];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		assert_ptr_equal(log_escape(out, rows[i].size, rows[i].text, rows[i].length), out);
		assert_string_equal(out, rows[i].result);
	}
	out[0] = 'z';
	log_escape(out, 0, "x", 1);
	assert_int_equal(out[0], 'z');
}

/* Calls `write_log` with stderr in a file, and returns what was written. */
static char *capture(void (*write_log)(struct log *), struct log *log)
{
	static char text[65536];
	int saved = dup(STDERR_FILENO);
	FILE *file = tmpfile();

	assert_non_null(file);
	dup2(fileno(file), STDERR_FILENO);
	write_log(log);
	dup2(saved, STDERR_FILENO);
	close(saved);
	rewind(file);
	text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
	fclose(file);
	return text;
}

static void write_each(struct log *log)
{
	log_error(log, "one %d", 1);
	log_debug(log, "not shown");
	log_errno(log, ENOENT, "file '%s'", "x");
	log_warn(log, "evil\r\033[2J");
	log->verbose = true;
	log_debug(log, "shown");
}

static void test_lines(void **state)
{
	struct log log;

	(void)state;
	log_init(&log, "/usr/bin/prog");
	assert_string_equal(capture(write_each, &log),
			    "prog: one 1\nprog: file 'x': No such file or directory\nprog: evil??[2J\nprog: shown\n");
}

static void write_many(struct log *log)
{
	struct log_limit limit = { 0 };

	for (int i = 0; i < 1000; i++)
		log_limited(log, &limit, "again");
	assert_int_equal(limit.suppressed, 990);
	limit.window_start_ns -= 10000000000u;
	log_limited(log, &limit, "later");
}

static void test_limit(void **state)
{
	struct log log;
	const char *text;
	int lines = 0;

	(void)state;
	log_init(&log, "p");
	text = capture(write_many, &log);
	for (const char *p = text; (p = strstr(p, "again\n")); p++)
		lines++;
	assert_int_equal(lines, 10);
	assert_non_null(strstr(text, "p: (990 such messages suppressed)\np: later\n"));
}

static void write_long(struct log *log)
{
	char text[5000];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	log_error(log, "%s", text);
}

static void test_long_line_is_cut(void **state)
{
	struct log log;
	const char *text;

	(void)state;
	log_init(&log, "p");
	text = capture(write_long, &log);
	assert_in_range(strlen(text), 2000, 2100);
	assert_int_equal(text[strlen(text) - 1], '\n');
}

/* A program that started this one and never reads what it says. */
static void test_full_pipe_holds_up_nobody(void **state)
{
	int saved = dup(STDERR_FILENO), ends[2];
	struct log log;
	char byte = 'x';

	(void)state;
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(fcntl(ends[1], F_SETFL, O_NONBLOCK), 0);
	while (write(ends[1], &byte, 1) == 1)
		;
	assert_int_equal(fcntl(ends[1], F_SETFL, 0), 0);
	dup2(ends[1], STDERR_FILENO);
	log_init(&log, "test");
	alarm(20);
	log_error(&log, "nobody reads this");
	alarm(0);
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(ends[0]);
	close(ends[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_escape),
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_long_line_is_cut),
		cmocka_unit_test(test_full_pipe_holds_up_nobody),
	};

	return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
