/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vde_autolink/words.h"

#include "unit.h"

#include <errno.h>

static const struct words_variable variables[] = {
	{ "mysock", "/tmp/my sock" }, { "myport", "7" }, { "remotehost", "$h'\"\\ost; x" }, { "empty", "" }, { NULL, NULL },
};

static const struct row {
	const char *text;
	int error;
	const char *words;              /* with | between */
} rows[] = {
	{ "dpipe vde_plug -p $myport $mysock = ssh $remotehost vde_plug", 0,
	  "dpipe|vde_plug|-p|7|/tmp/my sock|=|ssh|$h'\"\\ost; x|vde_plug" },
	{ "  a \t b  ", 0, "a|b" },
	{ "a${myport}b$myport.c -p$myport", 0, "a7b7.c|-p7" },
	{ "'a $myport \\' \"b $myport \\\" \\$x\" c\\ d\\'", 0, "a $myport \\|b 7 \" $x|c d'" },
	{ "a'b'\"c\"d", 0, "abcd" },
	{ "a '' \"\" \"$empty\" $empty b$empty", 0, "a||||b" },
	{ "a ; b | c > d * ~ `e`", 0, "a|;|b|||c|>|d|*|~|`e`" },
	{ "", ENODATA, NULL }, { "   ", ENODATA, NULL }, { "$empty", ENODATA, NULL },
	{ "a 'b", EINVAL, NULL }, { "a \"b", EINVAL, NULL }, { "a\\", EINVAL, NULL }, { "a $", EINVAL, NULL }, { "a $ b", EINVAL, NULL },
	{ "a ${myport", EINVAL, NULL }, { "a ${}", EINVAL, NULL }, { "a $nobody", ENOENT, "nobody" }, { "a $myportx", ENOENT, "myportx" },
};

static void test_rows(void **state)
{
	static struct words words;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		char joined[512] = "";

		assert_int_equal(words_expand(rows[i].text, variables, &words), rows[i].error);
		if (rows[i].error == ENOENT)
			assert_string_equal(words.unknown, rows[i].words);
		if (rows[i].error)
			continue;
		for (unsigned j = 0; j < words.count; j++) {
			strcat(joined, j ? "|" : "");
			strcat(joined, words.word[j]);
		}
		assert_string_equal(joined, rows[i].words);
		assert_null(words.word[words.count]);
	}
}

static void test_bounds(void **state)
{
	static char text[2 * WORDS_BYTES];
	static struct words words;

	(void)state;
	for (unsigned i = 0; i < WORDS_MAX; i++)
		strcat(text, "a ");
	assert_int_equal(words_expand(text, variables, &words), 0);
	assert_int_equal(words.count, WORDS_MAX);
	strcat(text, "a");
	assert_int_equal(words_expand(text, variables, &words), E2BIG);
	memset(text, 'a', WORDS_BYTES - 1);
	text[WORDS_BYTES - 1] = '\0';
	assert_int_equal(words_expand(text, variables, &words), 0);
	assert_int_equal(strlen(words.word[0]), WORDS_BYTES - 1);
	strcat(text, "a");
	assert_int_equal(words_expand(text, variables, &words), E2BIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_rows), cmocka_unit_test(test_bounds) };

	return cmocka_run_group_tests_name("words", tests, NULL, NULL);
}
