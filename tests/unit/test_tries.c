/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "unit.h"

#include "common/tries.h"

/* One wake-up with `waiting` frames there. Returns the reads that were made; *found: how many found a frame. */
static unsigned wake_up(struct tries *tries, unsigned waiting, unsigned *found)
{
	unsigned most = tries_now(tries);
	bool in_vain = most > waiting;

	*found = in_vain ? waiting : most;
	tries_done(tries, *found, in_vain);
	return *found + in_vain;
}

static void test_quiet_network_is_read_hardly_ever_in_vain(void **state)
{
	struct tries tries = { 0 };
	unsigned reads = 0, found;

	(void)state;
	for (unsigned i = 0; i < 80; i++)
		reads += wake_up(&tries, 1, &found);
	assert_in_range(reads, 80, 80 + 80 / TRIES_SINGLES);
}

static void test_a_stream_is_read_in_large_batches(void **state)
{
	struct tries tries = { 0 };
	unsigned found = 0, wake_ups = 0;

	(void)state;
	for (unsigned taken = 0; taken < 1000; taken += found, wake_ups++)
		wake_up(&tries, 1000, &found);
	assert_int_equal(found, TRIES_MAX);
	assert_in_range(wake_ups, 1, 24);
}

static void test_what_comes_in_bursts_of_one_size_is_met_whole(void **state)
{
	struct tries tries = { 0 };
	unsigned found;

	(void)state;
	for (unsigned i = 0; i < 10; i++)
		wake_up(&tries, 5, &found);
	assert_int_equal(found, 5);
}

static void test_nothing_found_and_nothing_tried_changes_nothing(void **state)
{
	struct tries tries = { .more = 3 };

	(void)state;
	tries_done(&tries, 0, false);
	assert_int_equal(tries_now(&tries), 4);
	tries_done(&tries, 0, true);
	assert_int_equal(tries_now(&tries), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_quiet_network_is_read_hardly_ever_in_vain),
		cmocka_unit_test(test_a_stream_is_read_in_large_batches),
		cmocka_unit_test(test_what_comes_in_bursts_of_one_size_is_met_whole),
		cmocka_unit_test(test_nothing_found_and_nothing_tried_changes_nothing),
	};

	return cmocka_run_group_tests_name("tries", tests, NULL, NULL);
}
