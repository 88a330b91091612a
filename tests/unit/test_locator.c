/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "libvdeplug/locator.h"

#include "unit.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

static char *directory;

static int set_up(void **state)
{
	(void)state;
	directory = make_directory();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	remove_directory(directory);
	return 0;
}

/* A file of this text in the private directory; returns its path in a static buffer. */
static const char *make_file(const char *name, const char *text, size_t length)
{
	static char path[300];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, length, file), length);
	fclose(file);
	return path;
}

static void check(const char *name, const char *home, int error, const char *module, const char *arguments)
{
	struct locator locator;

	assert_int_equal(locator_resolve(&locator, name, home), error);
	if (error == 0) {
		assert_string_equal(locator.module, module);
		assert_string_equal(locator.arguments, arguments);
	}
	locator_free(&locator);
}

static void test_names(void **state)
{
	static const struct { const char *name; int error; const char *module, *arguments; } rows[] = {
		{ "/tmp/nosuch", 0, "vde", "/tmp/nosuch" }, { "/tmp/nosuch/", 0, "vde", "/tmp/nosuch/" },
		{ "nosuch[7]", 0, "vde", "nosuch[7]" }, { "[6]", 0, "vde", "[6]" },
		{ "vde://", 0, "vde", "" }, { "vde:///tmp/s[port=3]", 0, "vde", "/tmp/s[port=3]" },
		{ "vxvde://239.0.0.1/port=1", 0, "vxvde", "239.0.0.1/port=1" },
		{ "cmd://ssh host vde_plug vde://x", 0, "cmd", "ssh host vde_plug vde://x" },
		{ "a_b+c-9://", 0, "a_b+c-9", "" }, { "agno://k{vde:///s}", 0, "agno", "k{vde:///s}" },
		{ "://x", EINVAL, NULL, NULL }, { "x/evil://", EINVAL, NULL, NULL }, { "../x://", EINVAL, NULL, NULL },
		{ "a b://", EINVAL, NULL, NULL }, { "/tmp/a://b", EINVAL, NULL, NULL }, { "a.so://", EINVAL, NULL, NULL },
		{ "vde:/x", 0, "vde", "vde:/x" },
		{ "5000->host:6000", 0, "udp", "5000->host:6000" }, { "[::1]:1->[::1]:2", 0, "udp", "[::1]:1->[::1]:2" },
		{ "/tmp/a->b", 0, "vde", "/tmp/a->b" }, { "a->b:1[]", 0, "udp", "a->b:1[]" },
		{ "/tmp/p[]", 0, "ptp", "/tmp/p" }, { "p[]", 0, "ptp", "p" }, { "[]", 0, "vde", "[]" }, { "/tmp/p[ ]", 0, "vde", "/tmp/p[ ]" },
		{ "vde:///tmp/p[]", 0, "vde", "/tmp/p[]" },
	};
	char long_name[LOCATOR_MAX + 10];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		check(rows[i].name, NULL, rows[i].error, rows[i].module, rows[i].arguments);
	memset(long_name, 'x', sizeof(long_name) - 1);
	long_name[sizeof(long_name) - 1] = '\0';
	check(long_name, NULL, ENAMETOOLONG, NULL, NULL);
	memcpy(long_name + 100, "://", 3);
	check(long_name, NULL, ENAMETOOLONG, NULL, NULL);
	memcpy(long_name + 70, "://", 3);
	long_name[200] = '\0';
	check(long_name, NULL, EINVAL, NULL, NULL);     /* a name of 70 letters */
}

static void test_caller_keeps_the_string(void **state)
{
	char name[] = "vde:///tmp/s[7]";
	struct locator locator;

	(void)state;
	assert_int_equal(locator_resolve(&locator, name, NULL), 0);
	locator.arguments[0] = 'X';
	locator_free(&locator);
	assert_string_equal(name, "vde:///tmp/s[7]");
}

static void test_files(void **state)
{
	static const struct { const char *text; size_t length; int error; const char *module, *arguments; } rows[] = {
#define TEXT(t) t, sizeof(t) - 1
		{ TEXT("vxvde://239.1.2.3\n"), 0, "vxvde", "239.1.2.3" },
		{ TEXT("vxvde://239.1.2.3"), 0, "vxvde", "239.1.2.3" },
		{ TEXT("/tmp/sw[4]\nsecond line\n"), 0, "vde", "/tmp/sw[4]" },
		{ TEXT("/tmp/sw[4]"), 0, "vde", "/tmp/sw[4]" },
		{ TEXT("null://\r\n"), 0, "null", "" },
		{ TEXT(""), 0, "vde", "" }, { TEXT("\n"), 0, "vde", "" }, { TEXT("x/y://\n"), EINVAL, NULL, NULL },
		{ TEXT("a\0b\n"), EINVAL, NULL, NULL },
	};
	char *large = calloc(1, LOCATOR_MAX + 1), first[300];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		check(make_file("f", rows[i].text, rows[i].length), NULL, rows[i].error, rows[i].module, rows[i].arguments);
	assert_non_null(large);
	memset(large, 'y', LOCATOR_MAX);
	check(make_file("large", large, LOCATOR_MAX), NULL, ENAMETOOLONG, NULL, NULL);
	free(large);
	/* A file that names a file is not followed twice. */
	snprintf(first, sizeof(first), "%s", make_file("f", "null://\n", 8));
	check(make_file("g", first, strlen(first)), NULL, 0, "vde", first);
}

static void test_default(void **state)
{
	char path[300], text[300];

	(void)state;
	check(NULL, NULL, 0, "vde", "");
	check("", directory, 0, "vde", "");
	snprintf(path, sizeof(path), "%s/.vde2", directory);
	assert_int_equal(mkdir(path, 0700), 0);
	strcat(path, "/stdsock");
	assert_int_equal(symlink("/tmp/third", path), 0);
	check("", directory, 0, "vde", path);
	snprintf(path, sizeof(path), "%s/.vde2/default.switch", directory);
	assert_int_equal(symlink("/tmp/nosuch", path), 0);      /* a link to nothing counts */
	check("", directory, 0, "vde", path);
	snprintf(text, sizeof(text), "%s/.vdeplug", directory);
	assert_int_equal(mkdir(text, 0700), 0);
	make_file(".vdeplug/default", "null://x\n", 9);
	check(NULL, directory, 0, "null", "x");
	check("vde://", directory, 0, "vde", "");               /* asks for the system's own */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_caller_keeps_the_string),
		cmocka_unit_test_setup_teardown(test_files, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_default, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("locator", tests, NULL, NULL);
}
