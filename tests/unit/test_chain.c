/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dpipe's chains: how words become commands, and which pipe goes where. */
#include "dpipe/chain.h"

#include "unit.h"

#include <fcntl.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WORDS_MAX = 16 };

/* Splits at blanks into words, which live in `copy`. */
static int split(char *copy, char **words)
{
	int count = 0;

	for (char *word = strtok(copy, " "); word != NULL && count < WORDS_MAX; word = strtok(NULL, " "))
		words[count++] = word;
	words[count] = NULL;
	return count;
}

static void test_syntax(void **state)
{
	static const struct { const char *text; unsigned commands; const char *wrong; } rows[] = {
		{ "a = b", 2, NULL }, { "a -x = b y = c", 3, NULL }, { "a =} f }= b", 3, NULL }, { "a ={ f {= b", 3, NULL },
		{ "a =} f }={ g {= b", 4, NULL }, { "a =} f }=} g }= b", 4, NULL }, { "a == b = c", 2, NULL },
		{ "a x=y = b", 2, NULL }, { "a =x = b", 2, NULL }, { "a }= b", 0, "brackets do not match" },
		{ "a =} b", 0, "brackets do not match" }, { "a =} b = c", 0, "brackets do not match" },
		{ "a =} b {= c", 0, "brackets do not match" }, { "a ={ b }= c", 0, "brackets do not match" },
		{ "= b", 0, "a command is missing" }, { "a =", 0, "a command is missing" }, { "a = = b", 0, "a command is missing" },
		{ "", 0, "a command is missing" }, { "a", 0, "there is no '='" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		char copy[100], *words[WORDS_MAX + 1];
		struct chain chain;
		const char *where, *wrong;
		int count;

		snprintf(copy, sizeof(copy), "%s", rows[i].text);
		count = split(copy, words);
		wrong = chain_parse(&chain, words, count, &where);
		assert_int_equal(wrong == NULL, rows[i].wrong == NULL);
		if (wrong == NULL)
			assert_int_equal(chain.count, rows[i].commands);
		else
			assert_string_equal(wrong, rows[i].wrong);
		chain_free(&chain);
	}
}

/* True when what is written to one descriptor can be read from the other: both are the same pipe. */
static bool is_pipe(int out, int in)
{
	struct stat a, b;

	return fstat(out, &a) == 0 && fstat(in, &b) == 0 && a.st_ino == b.st_ino && (fcntl(out, F_GETFL) & O_ACCMODE) == O_WRONLY &&
	       (fcntl(in, F_GETFL) & O_ACCMODE) == O_RDONLY && (fcntl(out, F_GETFD) & FD_CLOEXEC) != 0;
}

struct step { size_t from; enum slot out; size_t to; enum slot in; };

static void check_steps(const char *text, const struct step *steps, size_t count)
{
	char copy[100], *words[WORDS_MAX + 1];
	struct chain chain;
	const char *where;
	size_t used = 0;
	int n;

	snprintf(copy, sizeof(copy), "%s", text);
	n = split(copy, words);
	assert_null(chain_parse(&chain, words, n, &where));
	assert_int_equal(chain_connect(&chain), 0);
	for (size_t i = 0; i < count; i++)
		assert_true(is_pipe(chain.command[steps[i].from].fd[steps[i].out], chain.command[steps[i].to].fd[steps[i].in]));
	for (size_t i = 0; i < chain.count; i++) {
		for (int slot = 0; slot < SLOT_COUNT; slot++)
			used += chain.command[i].fd[slot] >= 0;
	}
	assert_int_equal(used, 2 * count);
	chain_free(&chain);
}

static void test_two(void **state)
{
	static const struct step steps[] = { { 0, SLOT_STDOUT, 1, SLOT_STDIN }, { 1, SLOT_STDOUT, 0, SLOT_STDIN } };

	(void)state;
	check_steps("a = b", steps, COUNT_OF(steps));
}

static void test_middle(void **state)
{
	static const struct step steps[] = {
		{ 0, SLOT_STDOUT, 1, SLOT_STDIN }, { 1, SLOT_ALTERNATE_STDOUT, 2, SLOT_STDIN },
		{ 2, SLOT_STDOUT, 1, SLOT_ALTERNATE_STDIN }, { 1, SLOT_STDOUT, 0, SLOT_STDIN },
	};

	(void)state;
	check_steps("a = b = c", steps, COUNT_OF(steps));
}

static void test_one_way(void **state)
{
	static const struct step right[] = {
		{ 0, SLOT_STDOUT, 1, SLOT_STDIN }, { 1, SLOT_STDOUT, 2, SLOT_STDIN }, { 2, SLOT_STDOUT, 0, SLOT_STDIN },
	};
	static const struct step left[] = {
		{ 0, SLOT_STDOUT, 2, SLOT_STDIN }, { 2, SLOT_STDOUT, 1, SLOT_STDIN }, { 1, SLOT_STDOUT, 0, SLOT_STDIN },
	};
	static const struct step both[] = {
		{ 0, SLOT_STDOUT, 1, SLOT_STDIN }, { 1, SLOT_STDOUT, 3, SLOT_STDIN },
		{ 3, SLOT_STDOUT, 2, SLOT_STDIN }, { 2, SLOT_STDOUT, 0, SLOT_STDIN },
	};
	static const struct step mixed[] = {
		{ 0, SLOT_STDOUT, 1, SLOT_STDIN }, { 1, SLOT_ALTERNATE_STDOUT, 2, SLOT_STDIN }, { 2, SLOT_STDOUT, 3, SLOT_STDIN },
		{ 3, SLOT_STDOUT, 1, SLOT_ALTERNATE_STDIN }, { 1, SLOT_STDOUT, 0, SLOT_STDIN },
	};

	(void)state;
	check_steps("a =} f }= b", right, COUNT_OF(right));
	check_steps("a ={ f {= b", left, COUNT_OF(left));
	check_steps("a =} f }={ g {= b", both, COUNT_OF(both));
	check_steps("a = m =} f }= b", mixed, COUNT_OF(mixed));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_syntax),
		cmocka_unit_test(test_two),
		cmocka_unit_test(test_middle),
		cmocka_unit_test(test_one_way),
	};

	return cmocka_run_group_tests_name("chain", tests, NULL, NULL);
}
