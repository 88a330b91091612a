/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "libvdeplug/cmd_words.h"

#include "unit.h"

#include <errno.h>

static void test_split(void **state)
{
	static const struct { const char *text; int error; const char *words[4]; } rows[] = {
		{ "a", 0, { "a" } }, { " a  b\tc\n", 0, { "a", "b", "c" } }, { "'a b' \"c d\"", 0, { "a b", "c d" } },
		{ "a\\ b", 0, { "a b" } }, { "x'y'\"z\"", 0, { "xyz" } }, { "''", 0, { "" } }, { "a '' b", 0, { "a", "", "b" } },
		{ "'\\'", 0, { "\\" } }, { "\"\\\"\\\\\\n\"", 0, { "\"\\\\n" } }, { "\\'a", 0, { "'a" } },
		{ "$a;b|c", 0, { "$a;b|c" } }, { "", EINVAL, { NULL } }, { "  ", EINVAL, { NULL } }, { "'a", EINVAL, { NULL } },
		{ "a \"", EINVAL, { NULL } }, { "a\\", EINVAL, { NULL } }, { "1 2 3 4", E2BIG, { NULL } },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		char text[100], *words[4];

		strcpy(text, rows[i].text);
		assert_int_equal(cmd_words_split(text, words, 4), rows[i].error);
		for (int k = 0; rows[i].error == 0 && k < 4; k++) {
			if (rows[i].words[k] == NULL) {
				assert_null(words[k]);
				break;
			}
			assert_string_equal(words[k], rows[i].words[k]);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_split) };

	return cmocka_run_group_tests_name("cmd_words", tests, NULL, NULL);
}
