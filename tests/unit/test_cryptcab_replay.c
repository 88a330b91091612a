/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The window as a table: counters in order, each with whether it must be accepted. */
#include "vde_cryptcab/protocol.h"
#include "vde_cryptcab/replay.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define W ((uint64_t)REPLAY_WINDOW)
#define LIMIT REJECT_AFTER_MESSAGES

static const struct row { uint64_t counter; bool accepted; } table[] = {
	{ 0, true }, { 0, false }, { 1, true }, { 1, false }, { 9, true }, { 8, true }, { 7, true }, { 7, false }, { 9, false },
	{ W, true }, { W, false }, { W - 1, true }, { W - 1, false },
	{ 2, true }, { 2, false },                              /* W - 2 behind: inside */
	{ W + 1, true }, { 3, true },
	{ W + 3, true }, { 4, true }, { 4, false },             /* exactly the last number of the window: W - 1 behind */
	{ 3, false },                                           /* W behind: outside */
	{ 2 * W, true }, { W + 1, false }, { W, false }, { 2 * W - 1, true },
	{ 100 * W, true }, { 2 * W + 1, false }, { 99 * W + 1, true }, { 99 * W, false }, { 100 * W - 64, true },
	{ 100 * W - 64, false },
	{ LIMIT - 2, true }, { LIMIT - 1, true }, { LIMIT - 1, false }, { LIMIT - 2, false }, { LIMIT, false }, { LIMIT + 1, false },
	{ UINT64_MAX, false }, { 0, false }, { LIMIT - W, true }, { LIMIT - W - 1, false },
};

static void rows(void **state)
{
	struct replay window = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		assert_int_equal(replay_is_fresh(&window, table[i].counter), table[i].accepted);
		if (replay_accept(&window, table[i].counter) != table[i].accepted)
			fail_msg("row %zu: counter %llu", i, (unsigned long long)table[i].counter);
	}
}

static void forwards(void **state)
{
	struct replay window = { 0 };

	(void)state;
	for (uint64_t i = 0; i < 5 * W; i++)
		assert_true(replay_accept(&window, i));
	for (uint64_t i = 0; i < 5 * W; i++)
		assert_false(replay_accept(&window, i));
}

static void backwards(void **state)
{
	struct replay window = { 0 };

	(void)state;
	for (uint64_t i = W; i-- > 0;)
		assert_true(replay_accept(&window, i));
	for (uint64_t i = W; i-- > 0;)
		assert_false(replay_accept(&window, i));
	assert_true(replay_accept(&window, W));
}

/* Against a memory of every number: a long random walk forwards, with late ones up to and beyond the window. */
static void random_walk(void **state)
{
	enum { NUMBERS = 200000 };
	struct replay window = { 0 };
	bool *seen = calloc(NUMBERS, sizeof(*seen));
	uint64_t highest = 0, random = 88172645463325252u;
	bool any = false;

	(void)state;
	assert_non_null(seen);
	for (unsigned i = 0; i < 300000; i++) {
		uint64_t counter;
		bool expected;

		random ^= random << 13, random ^= random >> 7, random ^= random << 17;
		counter = highest + 40 > random % (W + 200) ? highest + 40 - random % (W + 200) : random % 50;
		if (random % 1000 == 0)
			counter = highest + random % 3000;
		if (counter >= NUMBERS)
			break;
		expected = !seen[counter] && (!any || counter + W > highest);
		if (replay_accept(&window, counter) != expected)
			fail_msg("counter %llu, highest %llu", (unsigned long long)counter, (unsigned long long)highest);
		if (expected && (!any || counter > highest))
			highest = counter;
		any = true;
		seen[counter] = seen[counter] || expected;
	}
	assert_true(highest > 5 * W);
	free(seen);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows),
		cmocka_unit_test(forwards),
		cmocka_unit_test(backwards),
		cmocka_unit_test(random_walk),
	};

	return cmocka_run_group_tests_name("cryptcab replay", tests, NULL, NULL);
}
