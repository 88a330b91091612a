/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The filtering database against what 802.1D clause 7.9 and its own bounds promise. */
#include "vde_switch/fdb.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
/* cmocka needs the four above */
#include <cmocka.h>

static const uint8_t *mac(uint32_t n)
{
	static uint8_t out[4][6];
	static unsigned turn;
	uint8_t *m = out[turn++ % 4];

	memcpy(m, "\x02\x00", 2);
	for (int i = 0; i < 4; i++)
		m[2 + i] = (uint8_t)(n >> (24 - 8 * i));
	return m;
}

static void learns_and_finds_per_vlan(void **state)
{
	struct fdb *fdb = fdb_create(128, 100, 10);

	(void)state;
	assert_int_equal(fdb_learn(fdb, 0, mac(1), 3, 50), FDB_NEW);
	assert_int_equal(fdb_learn(fdb, 7, mac(1), 4, 50), FDB_NEW);
	assert_int_equal(fdb_learn(fdb, 0, mac(1), 3, 51), FDB_REFRESHED);
	assert_int_equal(fdb_lookup(fdb, 0, mac(1), 51), 3);
	assert_int_equal(fdb_lookup(fdb, 7, mac(1), 51), 4);
	assert_int_equal(fdb_lookup(fdb, 8, mac(1), 51), FDB_NO_PORT);
	assert_int_equal(fdb_lookup(fdb, 0, mac(2), 51), FDB_NO_PORT);
	fdb_destroy(fdb);
}

/* A row: seconds after the address was heard on port 1 that it is heard on port 2, and what must come of it. */
static void moves_only_after_the_minimum_persistence(void **state)
{
	static const struct { unsigned after; enum fdb_result result; uint32_t port; } table[] = {
		{ 0, FDB_HELD, 1 }, { 3, FDB_HELD, 1 }, { 4, FDB_MOVED, 2 }, { 90, FDB_MOVED, 2 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct fdb *fdb = fdb_create(128, 100, 10);

		fdb_learn(fdb, 0, mac(1), 1, 100);
		assert_int_equal(fdb_learn(fdb, 0, mac(1), 2, 100 + table[i].after), table[i].result);
		assert_int_equal(fdb_lookup(fdb, 0, mac(1), 100 + table[i].after), table[i].port);
		fdb_destroy(fdb);
	}
}

static void forgets_after_the_expiry_time(void **state)
{
	struct fdb *fdb = fdb_create(128, 100, 10);

	(void)state;
	fdb_settings(fdb)->expire = 10;
	fdb_learn(fdb, 0, mac(1), 1, 100);
	assert_int_equal(fdb_lookup(fdb, 0, mac(1), 110), 1);
	assert_int_equal(fdb_lookup(fdb, 0, mac(1), 111), FDB_NO_PORT);
	fdb_expire(fdb, 110);
	assert_int_equal(fdb_count(fdb), 1);
	fdb_expire(fdb, 111);
	assert_int_equal(fdb_count(fdb), 0);
	fdb_destroy(fdb);
}

static void flushes_only_what_is_asked(void **state)
{
	struct fdb *fdb = fdb_create(128, 100, 10);

	(void)state;
	fdb_learn(fdb, 0, mac(1), 1, 1);
	fdb_learn(fdb, 5, mac(2), 1, 1);
	fdb_learn(fdb, 5, mac(3), 2, 1);
	fdb_flush_port_vlan(fdb, 1, 5);
	assert_int_equal(fdb_lookup(fdb, 5, mac(2), 1), FDB_NO_PORT);
	assert_int_equal(fdb_lookup(fdb, 0, mac(1), 1), 1);
	fdb_flush_port(fdb, 1);
	assert_int_equal(fdb_lookup(fdb, 0, mac(1), 1), FDB_NO_PORT);
	assert_int_equal(fdb_lookup(fdb, 5, mac(3), 1), 2);
	fdb_flush_vlan(fdb, 5);
	assert_int_equal(fdb_count(fdb), 0);
	fdb_destroy(fdb);
}

/* A port that invents addresses loses its own, not those of others. */
static void flooder_evicts_only_its_own(void **state)
{
	struct fdb *fdb = fdb_create(128, 1000, 10);

	(void)state;
	for (uint32_t i = 0; i < 20; i++)
		fdb_learn(fdb, 0, mac(i), 1, 1);
	for (uint32_t i = 0; i < 100000; i++)
		fdb_learn(fdb, 0, mac(0x1000000 + i), 2, 2);
	assert_int_equal(fdb_count(fdb), 1000);
	for (uint32_t i = 0; i < 20; i++)
		assert_int_equal(fdb_lookup(fdb, 0, mac(i), 2), 1);
	assert_int_equal(fdb_lookup(fdb, 0, mac(0x1000000 + 99999), 2), 2);
	assert_int_equal(fdb_lookup(fdb, 0, mac(0x1000000), 2), FDB_NO_PORT);
	fdb_destroy(fdb);
}

static void evicts_the_longest_unheard(void **state)
{
	struct fdb *fdb = fdb_create(1, 3, 2);

	(void)state;
	fdb_learn(fdb, 0, mac(1), 1, 1);
	fdb_learn(fdb, 0, mac(2), 1, 2);
	fdb_learn(fdb, 0, mac(3), 1, 3);
	fdb_learn(fdb, 0, mac(1), 1, 4);
	fdb_learn(fdb, 0, mac(4), 1, 5);
	assert_int_equal(fdb_lookup(fdb, 0, mac(2), 5), FDB_NO_PORT);
	assert_int_equal(fdb_lookup(fdb, 0, mac(1), 5), 1);
	fdb_destroy(fdb);
}

/* Random operations against the simplest table there is. */
static void agrees_with_a_naive_table(void **state)
{
	enum { ADDRESSES = 64, PORTS = 5 };
	struct { bool known; uint32_t port, seen; } naive[2][ADDRESSES] = { 0 };
	struct fdb *fdb = fdb_create(2, 1000, PORTS);
	uint32_t now = 1000;

	(void)state;
	srand(7);
	for (int step = 0; step < 200000; step++) {
		unsigned vid = (unsigned)rand() % 2, address = (unsigned)rand() % ADDRESSES, port = (unsigned)rand() % PORTS;

		now += rand() % 50 == 0;
		switch (rand() % 40) {
		case 0:
			fdb_flush_port(fdb, port);
			for (unsigned i = 0; i < 2 * ADDRESSES; i++)
				if (naive[i / ADDRESSES][i % ADDRESSES].port == port)
					naive[i / ADDRESSES][i % ADDRESSES].known = false;
			break;
		case 1:
			fdb_expire(fdb, now);
			for (unsigned i = 0; i < 2 * ADDRESSES; i++)
				if (naive[i / ADDRESSES][i % ADDRESSES].seen + 100 < now)
					naive[i / ADDRESSES][i % ADDRESSES].known = false;
			break;
		default:
			if (!naive[vid][address].known || naive[vid][address].port == port ||
			    now - naive[vid][address].seen > 3) {
				naive[vid][address].known = true;
				naive[vid][address].port = port;
				naive[vid][address].seen = now;
			}
			fdb_learn(fdb, (uint16_t)vid, mac(address), port, now);
		}
		address = (unsigned)rand() % ADDRESSES;
		bool known = naive[vid][address].known && naive[vid][address].seen + 100 >= now;
		assert_int_equal(fdb_lookup(fdb, (uint16_t)vid, mac(address), now),
				 known ? naive[vid][address].port : FDB_NO_PORT);
	}
	fdb_destroy(fdb);
}

static void count_changes(void *owner, bool added, const struct fdb_entry *entry)
{
	int *balance = owner;

	(void)entry;
	*balance += added ? 1 : -1;
}

static void tells_of_every_coming_and_going(void **state)
{
	struct fdb *fdb = fdb_create(4, 50, 10);
	int balance = 0;

	(void)state;
	fdb_on_change(fdb, count_changes, &balance);
	for (uint32_t i = 0; i < 500; i++) {
		fdb_learn(fdb, 0, mac(i), i % 10, i);
		assert_int_equal(balance, fdb_count(fdb));
	}
	fdb_set_buckets(fdb, 64);
	assert_int_equal(balance, 0);
	fdb_destroy(fdb);
}

static void bucket_counts_are_powers_of_two(void **state)
{
	static const unsigned table[][2] = { { 1, 1 }, { 2, 2 }, { 3, 4 }, { 100, 128 }, { 128, 128 }, { 129, 256 } };
	struct fdb *fdb = fdb_create(128, 50, 2);

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		assert_int_equal(fdb_set_buckets(fdb, table[i][0]), 0);
		assert_int_equal(fdb_buckets(fdb), table[i][1]);
	}
	fdb_destroy(fdb);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(learns_and_finds_per_vlan),
		cmocka_unit_test(moves_only_after_the_minimum_persistence),
		cmocka_unit_test(forgets_after_the_expiry_time),
		cmocka_unit_test(flushes_only_what_is_asked),
		cmocka_unit_test(flooder_evicts_only_its_own),
		cmocka_unit_test(evicts_the_longest_unheard),
		cmocka_unit_test(agrees_with_a_naive_table),
		cmocka_unit_test(tells_of_every_coming_and_going),
		cmocka_unit_test(bucket_counts_are_powers_of_two),
	};

	return cmocka_run_group_tests_name("fdb", tests, NULL, NULL);
}
