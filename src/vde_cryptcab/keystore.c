/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "keystore.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

bool keystore_init(struct keystore *store, uint64_t lifetime_ns)
{
	store->count = store->permanent = 0;
	store->lifetime_ns = lifetime_ns;
	store->keys = calloc(KEYSTORE_MAX, sizeof(*store->keys));
	return store->keys != NULL;
}

void keystore_wipe(struct keystore *store)
{
	if (store->keys)
		OPENSSL_cleanse(store->keys, KEYSTORE_MAX * sizeof(*store->keys));
	free(store->keys);
	store->keys = NULL;
	store->count = store->permanent = 0;
}

static bool is_dead(const struct key *key, uint64_t now_ns)
{
	return !key->permanent && now_ns >= key->expires_ns;
}

/* Key ids travel in the clear: their comparison need not take constant time. */
static struct key *find(const struct keystore *store, const uint8_t id[KEY_ID_SIZE])
{
	for (size_t i = 0; i < store->count; i++)
		if (memcmp(store->keys[i].id, id, KEY_ID_SIZE) == 0)
			return &store->keys[i];
	return NULL;
}

static void remove_key(struct keystore *store, struct key *key)
{
	struct key *last = &store->keys[--store->count];

	if (key != last)
		*key = *last;
	OPENSSL_cleanse(last, sizeof(*last));
}

/* A place for one more: at the end, or that of the introduced key which will die first. */
static struct key *make_room(struct keystore *store)
{
	struct key *first = NULL;

	if (store->count < KEYSTORE_MAX)
		return &store->keys[store->count++];
	for (size_t i = 0; i < store->count; i++)
		if (!store->keys[i].permanent && (!first || store->keys[i].expires_ns < first->expires_ns))
			first = &store->keys[i];
	return first;
}

bool keystore_add(struct keystore *store, const uint8_t id[KEY_ID_SIZE], const uint8_t secret[SECRET_SIZE], bool permanent,
		  uint64_t now_ns)
{
	struct key *key;

	keystore_expire(store, now_ns);
	key = find(store, id);
	if (key && CRYPTO_memcmp(key->secret, secret, SECRET_SIZE) != 0)
		return false;           /* ids can be read on the wire: knowing one is no right to its place */
	if (key && key->permanent)
		return true;
	if (!key)
		key = make_room(store);
	if (!key)
		return false;
	store->permanent += permanent;
	memcpy(key->id, id, KEY_ID_SIZE);
	memcpy(key->secret, secret, SECRET_SIZE);
	key->permanent = permanent;
	key->expires_ns = now_ns + store->lifetime_ns;
	return true;
}

const struct key *keystore_find(const struct keystore *store, const uint8_t id[KEY_ID_SIZE], uint64_t now_ns)
{
	const struct key *key = find(store, id);

	return key && !is_dead(key, now_ns) ? key : NULL;
}

void keystore_touch(struct keystore *store, const uint8_t id[KEY_ID_SIZE], uint64_t now_ns)
{
	struct key *key = find(store, id);

	if (key)
		key->expires_ns = now_ns + store->lifetime_ns;
}

void keystore_expire(struct keystore *store, uint64_t now_ns)
{
	for (size_t i = 0; i < store->count;) {
		if (is_dead(&store->keys[i], now_ns))
			remove_key(store, &store->keys[i]);
		else
			i++;
	}
}

void keystore_remove(struct keystore *store, const uint8_t id[KEY_ID_SIZE])
{
	struct key *key = find(store, id);

	if (key)
		remove_key(store, key);
}
