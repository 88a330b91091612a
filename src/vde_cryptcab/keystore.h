/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The secrets a server knows, by key id. A permanent one (-P, -x) stays; an introduced one dies when no session has used it for the
 * store's lifetime. Every secret is wiped when it goes.
 */
#ifndef VDE_CRYPTCAB_KEYSTORE_H
#define VDE_CRYPTCAB_KEYSTORE_H

#include "protocol.h"

#include <stdbool.h>
#include <stddef.h>

enum { KEYSTORE_MAX = 1024 };   /* a further key replaces the one that will die first; permanent ones are never replaced */

struct key {
	uint8_t id[KEY_ID_SIZE];
	uint8_t secret[SECRET_SIZE];
	bool permanent;
	uint64_t expires_ns;
};

struct keystore {
	struct key *keys;
	size_t count, permanent;
	uint64_t lifetime_ns;
};

bool keystore_init(struct keystore *store, uint64_t lifetime_ns);
void keystore_wipe(struct keystore *store);

/* Adds a key, or begins its lifetime anew. False: another secret has this id, or the store is full of permanent ones. */
bool keystore_add(struct keystore *store, const uint8_t id[KEY_ID_SIZE], const uint8_t secret[SECRET_SIZE], bool permanent,
		  uint64_t now_ns);
/* NULL when unknown or dead. Valid until the store changes. */
const struct key *keystore_find(const struct keystore *store, const uint8_t id[KEY_ID_SIZE], uint64_t now_ns);
/* A session of this key lives: its lifetime begins anew. */
void keystore_touch(struct keystore *store, const uint8_t id[KEY_ID_SIZE], uint64_t now_ns);
/* Wipes and removes what is dead. */
void keystore_expire(struct keystore *store, uint64_t now_ns);
void keystore_remove(struct keystore *store, const uint8_t id[KEY_ID_SIZE]);

#endif
