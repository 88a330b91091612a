/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rate limit, key store, fragments, path MTU and addresses: the parts under a session. */
#include "vde_cryptcab/address.h"
#include "vde_cryptcab/fragment.h"
#include "vde_cryptcab/keystore.h"
#include "vde_cryptcab/path_mtu.h"
#include "vde_cryptcab/ratelimit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SECOND PROTOCOL_SECOND

/* ---- rate limit ---- */

static void limit_burst_and_rate(void **state)
{
	static struct ratelimit limit;
	uint64_t now = 5000 * SECOND;
	unsigned taken = 0;

	(void)state;
	ratelimit_init(&limit, 42, 20, 40);
	for (unsigned i = 0; i < 100; i++)
		taken += ratelimit_take(&limit, 7, now);
	assert_int_equal(taken, 40);
	assert_true(ratelimit_take(&limit, 8, now));            /* another source is not touched */
	for (unsigned i = 0; i < 1000; i++)                     /* ten seconds of asking too often */
		taken += ratelimit_take(&limit, 7, now + i * SECOND / 100);
	assert_in_range(taken, 40 + 198, 40 + 201);
	now += 60 * SECOND;
	for (taken = 0; ratelimit_take(&limit, 7, now);)
		taken++;
	assert_int_equal(taken, 40);
}

static void limit_survives_many_sources(void **state)
{
	static struct ratelimit limit;
	uint64_t now = SECOND;

	(void)state;
	ratelimit_init(&limit, 0x123456789abcdef, 20, 40);
	while (ratelimit_take(&limit, 1, now))
		;
	for (uint64_t source = 2; source < 200000; source++)
		assert_true(ratelimit_take(&limit, source, now));
	/* An exhausted source stays longest: the newcomers replaced each other. */
	assert_false(ratelimit_take(&limit, 1, now));
}

static void source_keys(void **state)
{
	union address a = { 0 }, b = { 0 }, mapped = { 0 }, plain = { 0 };
	char text[ADDRESS_TEXT_SIZE];

	(void)state;
	a.in6.sin6_family = b.in6.sin6_family = mapped.in6.sin6_family = AF_INET6;
	inet_pton(AF_INET6, "2001:db8:1:2::1", &a.in6.sin6_addr);
	inet_pton(AF_INET6, "2001:db8:1:2:ffff::9", &b.in6.sin6_addr);
	assert_true(address_source_key(&a) == address_source_key(&b));
	inet_pton(AF_INET6, "2001:db8:1:3::1", &b.in6.sin6_addr);
	assert_true(address_source_key(&a) != address_source_key(&b));
	inet_pton(AF_INET6, "::ffff:192.0.2.7", &mapped.in6.sin6_addr);
	mapped.in6.sin6_port = htons(7667);
	plain.in.sin_family = AF_INET;
	inet_pton(AF_INET, "192.0.2.7", &plain.in.sin_addr);
	assert_true(address_source_key(&mapped) == address_source_key(&plain));
	assert_string_equal(address_format(&mapped, text), "192.0.2.7:7667");
	a.in6.sin6_port = htons(9);
	assert_string_equal(address_format(&a, text), "[2001:db8:1:2::1]:9");
	assert_int_equal(address_overhead(&mapped), 28);
	assert_int_equal(address_overhead(&a), 48);
}

/* ---- what follows -c ---- */

static const struct target_row { const char *text, *user, *host; unsigned port; } targets[] = {
	{ "host", "", "host", 7667 },
	{ "user@host", "user", "host", 7667 },
	{ "user@host:12", "user", "host", 12 },
	{ "192.0.2.1:65535", "", "192.0.2.1", 65535 },
	{ "[2001:db8::1]:99", "", "2001:db8::1", 99 },
	{ "u@[::1]", "u", "::1", 7667 },
	{ "fe80::1%eth0", "", "fe80::1%eth0", 7667 },
	{ "::1", "", "::1", 7667 },
	{ "", NULL, NULL, 0 }, { "@h", NULL, NULL, 0 }, { "u@", NULL, NULL, 0 }, { "a@b@c", NULL, NULL, 0 }, { "h:", NULL, NULL, 0 },
	{ "h:0", NULL, NULL, 0 }, { "h:65536", NULL, NULL, 0 }, { "h:7x", NULL, NULL, 0 }, { "[::1", NULL, NULL, 0 },
	{ "[::1]x", NULL, NULL, 0 }, { "[]:7", NULL, NULL, 0 }, { ":7", NULL, NULL, 0 },
	/* what ssh would take for an option */
	{ "-oProxyCommand=id", NULL, NULL, 0 }, { "-l@host", NULL, NULL, 0 }, { "u@-oProxyCommand=id", NULL, NULL, 0 },
	{ "[-x]:1", NULL, NULL, 0 }, { "two words", NULL, NULL, 0 },
};

static void target_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
		struct address_target target;
		int error = address_parse_target(&target, targets[i].text, 7667);

		if ((error == 0) != (targets[i].host != NULL))
			fail_msg("\"%s\" gives %d", targets[i].text, error);
		if (error)
			continue;
		assert_string_equal(target.user, targets[i].user);
		assert_string_equal(target.host, targets[i].host);
		assert_int_equal(target.port, targets[i].port);
	}
}

/* ---- keys ---- */

static void key_lifetimes(void **state)
{
	struct keystore store;
	uint8_t a[KEY_ID_SIZE] = "a", b[KEY_ID_SIZE] = "b", secret[SECRET_SIZE] = "secret";

	(void)state;
	assert_true(keystore_init(&store, 300 * SECOND));
	assert_true(keystore_add(&store, a, secret, true, 0));
	assert_true(keystore_add(&store, b, secret, false, 0));
	assert_non_null(keystore_find(&store, b, 299 * SECOND));
	assert_null(keystore_find(&store, b, 300 * SECOND));
	keystore_touch(&store, b, 200 * SECOND);
	assert_non_null(keystore_find(&store, b, 499 * SECOND));
	keystore_expire(&store, 500 * SECOND);
	assert_int_equal(store.count, 1);
	assert_non_null(keystore_find(&store, a, 100000 * SECOND));
	for (size_t i = 0; i < sizeof(store.keys[1].secret); i++)
		assert_int_equal(store.keys[1].secret[i], 0);   /* wiped */
	keystore_wipe(&store);
}

/* A key id is known to whoever sees it on the wire. */
static void key_keeps_its_secret(void **state)
{
	struct keystore store;
	uint8_t a[KEY_ID_SIZE] = "a", b[KEY_ID_SIZE] = "b", secret[SECRET_SIZE] = "secret", other[SECRET_SIZE] = "other";

	(void)state;
	assert_true(keystore_init(&store, 300 * SECOND));
	assert_true(keystore_add(&store, a, secret, true, 0));
	assert_true(keystore_add(&store, b, secret, false, 0));
	assert_false(keystore_add(&store, a, other, false, SECOND));
	assert_false(keystore_add(&store, b, other, false, SECOND));
	assert_memory_equal(keystore_find(&store, b, SECOND)->secret, secret, SECRET_SIZE);
	assert_true(keystore_add(&store, a, secret, false, SECOND));
	assert_true(keystore_add(&store, b, secret, false, 200 * SECOND));
	assert_non_null(keystore_find(&store, b, 400 * SECOND));
	assert_int_equal(store.permanent, 1);
	assert_true(keystore_add(&store, b, other, false, 500 * SECOND));       /* the first of the name is dead */
	keystore_wipe(&store);
}

static void key_bound(void **state)
{
	struct keystore store;
	uint8_t id[KEY_ID_SIZE] = { 0 }, permanent[KEY_ID_SIZE] = "permanent", secret[SECRET_SIZE] = { 0 };

	(void)state;
	assert_true(keystore_init(&store, 300 * SECOND));
	assert_true(keystore_add(&store, permanent, secret, true, 0));
	for (unsigned i = 0; i < 3 * KEYSTORE_MAX; i++) {
		memcpy(id, &i, sizeof(i));
		id[15] = 1;
		assert_true(keystore_add(&store, id, secret, false, i * SECOND / 100));
	}
	assert_true(store.count <= KEYSTORE_MAX);
	assert_non_null(keystore_find(&store, permanent, SECOND));
	assert_non_null(keystore_find(&store, id, SECOND));
	keystore_wipe(&store);
}

/* ---- fragments ---- */

static size_t make_piece(uint8_t *out, const struct fragment_header *header, const uint8_t *frame)
{
	size_t size, begin = fragment_piece(header, &size);

	fragment_write_header(header, out);
	memcpy(out + FRAGMENT_HEADER_SIZE, frame + begin, size);
	return FRAGMENT_HEADER_SIZE + size;
}

/* Every length and room: cut, shuffled, joined, equal. */
static void fragments_join(void **state)
{
	static const size_t lengths[] = { 14, 60, 100, 1514, 1518, 9014, 65535 }, rooms[] = { 20, 260, 500, 1200, 1439, 60000 };
	static uint8_t frame[65535], piece[65600];
	struct reassembly reassembly = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(frame); i++)
		frame[i] = (uint8_t)(i * 7 + i / 251);
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
		for (size_t j = 0; j < sizeof(rooms) / sizeof(rooms[0]); j++) {
			unsigned count = fragment_count(lengths[i], rooms[j]);
			struct fragment_header header = { (uint32_t)(i * 100 + j), (uint16_t)lengths[i], 0, (uint8_t)count };
			uint8_t *whole = NULL;
			size_t got = 0, size;

			if (count < 2)
				continue;
			for (unsigned k = 0; k < count; k++) {
				header.index = (uint8_t)(count - 1 - k);
				fragment_piece(&header, &size);
				assert_true(size <= rooms[j]);
				if (size == 0)
					continue;
				assert_null(whole);
				size = make_piece(piece, &header, frame);
				whole = reassembly_add(&reassembly, piece, size, SECOND, &got);
				assert_null(reassembly_add(&reassembly, piece, size - 1, SECOND, &got));
			}
			assert_non_null(whole);
			assert_int_equal(got, lengths[i]);
			assert_memory_equal(whole, frame, got);
		}
	assert_int_equal(fragment_count(65535, 256), 0);
	reassembly_free(&reassembly);
}

static void fragments_refused(void **state)
{
	uint8_t frame[100] = { 0 }, piece[200];
	struct reassembly reassembly = { 0 };
	struct fragment_header good = { 1, 100, 0, 3 };
	size_t got, size = make_piece(piece, &good, frame);

	(void)state;
	for (size_t length = 0; length < 60; length++)
		if (length != size)
			assert_null(reassembly_add(&reassembly, piece, length, 0, &got));
	for (size_t i = 0; i < FRAGMENT_SLOTS; i++)
		assert_false(reassembly.slots[i].used);         /* nothing was begun by any of them */
	assert_null(reassembly_add(&reassembly, piece, size, 0, &got));
	assert_null(reassembly_add(&reassembly, piece, size, 0, &got));         /* the same again does not count */
	assert_int_equal(reassembly.slots[0].missing, 2);
	piece[7] = 0;                                           /* of none */
	assert_null(reassembly_add(&reassembly, piece, size, 0, &got));
	piece[7] = 1;                                           /* of one: would have been sent whole */
	assert_null(reassembly_add(&reassembly, piece, size, 0, &got));
	piece[6] = 3, piece[7] = 3;                             /* beyond the last */
	assert_null(reassembly_add(&reassembly, piece, size, 0, &got));
	assert_int_equal(reassembly.slots[0].missing, 2);
	reassembly_free(&reassembly);
}

static void fragments_bounded(void **state)
{
	static uint8_t frame[65535], piece[65600];
	struct reassembly reassembly = { 0 };
	size_t held = 0, got;

	(void)state;
	for (uint32_t number = 0; number < 1000; number++) {
		struct fragment_header header = { number, 65535, 0, 100 };

		assert_null(reassembly_add(&reassembly, piece, make_piece(piece, &header, frame), SECOND, &got));
	}
	for (size_t i = 0; i < FRAGMENT_SLOTS; i++)
		held += reassembly.slots[i].size;
	assert_int_equal(held, FRAGMENT_SLOTS * 65535);
	assert_int_equal(reassembly.dropped, 1000 - FRAGMENT_SLOTS);
	reassembly_expire(&reassembly, SECOND + FRAGMENT_TIME);
	for (size_t i = 0; i < FRAGMENT_SLOTS; i++)
		assert_null(reassembly.slots[i].frame);
}

/* ---- path MTU ---- */

/* Runs the search against a path that carries packets up to `mtu`; returns the size found. */
static size_t search(struct path_mtu *path, unsigned mtu, uint64_t *now)
{
	size_t sizes[PATH_MTU_CANDIDATES];

	for (unsigned second = 0; second < 10; second++, *now += SECOND) {
		size_t count = path_mtu_probes(path, *now, sizes);

		assert_true(count <= PATH_MTU_CANDIDATES);
		for (size_t i = 0; i < count; i++)
			if (sizes[i] + path->overhead <= mtu)
				path_mtu_acknowledged(path, sizes[i], *now);
	}
	return path->size;
}

static void path_found(void **state)
{
	static const struct { unsigned mtu, overhead, ceiling; size_t size; } rows[] = {
		{ 1500, 28, 0, 1472 }, { 1500, 48, 0, 1452 }, { 1492, 28, 0, 1464 }, { 1399, 28, 0, 1332 }, { 9000, 48, 0, 8952 },
		{ 65536, 28, 0, 65507 }, { 1280, 48, 0, 1232 }, { 9000, 28, 1400, 1372 }, { 9000, 28, 576, 548 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct path_mtu path;
		uint64_t now = 1000 * SECOND;

		path_mtu_init(&path, rows[i].overhead, rows[i].ceiling, now);
		assert_true(path.size <= 1252);
		assert_int_equal(search(&path, rows[i].mtu, &now), rows[i].size);
	}
}

static void path_shrinks_and_grows(void **state)
{
	struct path_mtu path;
	uint64_t now = SECOND;

	(void)state;
	path_mtu_init(&path, 28, 0, now);
	assert_int_equal(search(&path, 1500, &now), 1472);
	path_mtu_too_big(&path, 1472, now);                     /* the system knows: a router said so */
	assert_int_equal(path.size, 1464);
	assert_int_equal(search(&path, 1420, &now), 1464);      /* which only keepalives can tell */
	for (unsigned i = 0; i <= PATH_MTU_MISSES; i++)
		path_mtu_keepalive(&path, now += SECOND);
	assert_int_equal(path.size, 548);
	assert_int_equal(search(&path, 1420, &now), 1392);
	path_mtu_too_big(&path, 8000, now);                     /* only a probe */
	assert_int_equal(path.size, 1392);
	path_mtu_keepalive(&path, now);
	path_mtu_acknowledged(&path, 1392, now);
	assert_int_equal(path.misses, 0);
	now += PATH_MTU_SEARCH_TIME;
	assert_int_equal(search(&path, 9000, &now), 8972);
	path_mtu_acknowledged(&path, 65535, now);               /* a peer's lie beyond what can be sent */
	assert_int_equal(path.size, 8972);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(limit_burst_and_rate),
		cmocka_unit_test(limit_survives_many_sources),
		cmocka_unit_test(source_keys),
		cmocka_unit_test(target_rows),
		cmocka_unit_test(key_lifetimes),
		cmocka_unit_test(key_keeps_its_secret),
		cmocka_unit_test(key_bound),
		cmocka_unit_test(fragments_join),
		cmocka_unit_test(fragments_refused),
		cmocka_unit_test(fragments_bounded),
		cmocka_unit_test(path_found),
		cmocka_unit_test(path_shrinks_and_grows),
	};

	return cmocka_run_group_tests_name("cryptcab parts", tests, NULL, NULL);
}
