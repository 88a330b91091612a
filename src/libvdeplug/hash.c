/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The address table of libvdeplug_mod.h: direct mapped, so its memory is fixed and a lookup is one comparison. */
#include "common/frame.h"

#include <libvdeplug_mod.h>
#include <stdlib.h>
#include <string.h>

enum { HASH_SIZE_MAX = 1 << 24 };

struct hash_entry {
	uint64_t key;
	time_t last_seen;
	unsigned char value[];
};

struct vde_hashtable {
	uint64_t seed;
	size_t mask;
	size_t value_size;
	size_t entry_size;              /* rounded up for the alignment of the entries */
	unsigned char entries[] __attribute__((aligned(16)));
};

struct vde_hashtable *_vde_hash_init(size_t value_size, unsigned int size, uint64_t seed)
{
	struct vde_hashtable *table;
	size_t places = 1, entry_size;

	if (size == 0 || size > HASH_SIZE_MAX || value_size > 1 << 16)
		return NULL;
	while (places < size)
		places *= 2;
	entry_size = (sizeof(struct hash_entry) + value_size + 15) & ~(size_t)15;
	if (entry_size > (SIZE_MAX - sizeof(*table)) / places)
		return NULL;
	table = calloc(1, sizeof(*table) + places * entry_size);
	if (table == NULL)
		return NULL;
	table->seed = seed;
	table->mask = places - 1;
	table->value_size = value_size;
	table->entry_size = entry_size;
	return table;
}

void vde_hash_fini(struct vde_hashtable *table)
{
	free(table);
}

static struct hash_entry *entry_at(struct vde_hashtable *table, size_t place)
{
	return (struct hash_entry *)(void *)(table->entries + place * table->entry_size);
}

/* The VLAN stands above the address, with a bit that makes every key other than zero: a zero key is an empty place. */
static uint64_t make_key(const unsigned char *mac, int vlan)
{
	return mac_to_u64(mac) | (uint64_t)(vlan & 0x7fff) << 48 | (uint64_t)1 << 63;
}

/* The finishing steps of a well mixing 64-bit hash: every bit of the key reaches every bit of the place. */
static struct hash_entry *find_place(struct vde_hashtable *table, uint64_t key)
{
	uint64_t h = key ^ table->seed;

	h = (h ^ h >> 33) * 0xff51afd7ed558ccdULL;
	h = (h ^ h >> 33) * 0xc4ceb9fe1a85ec53ULL;
	return entry_at(table, (h ^ h >> 33) & table->mask);
}

void *vde_find_in_hash(struct vde_hashtable *table, unsigned char *mac, int vlan, time_t too_old)
{
	uint64_t key;
	struct hash_entry *entry;

	if (table == NULL || mac_is_group(mac))
		return NULL;
	key = make_key(mac, vlan);
	entry = find_place(table, key);
	return entry->key == key && entry->last_seen >= too_old ? entry->value : NULL;
}

void vde_find_in_hash_update(struct vde_hashtable *table, unsigned char *mac, int vlan, void *value, time_t now)
{
	uint64_t key;
	struct hash_entry *entry;

	if (table == NULL || mac_is_group(mac))
		return;
	key = make_key(mac, vlan);
	entry = find_place(table, key);
	entry->key = key;
	entry->last_seen = now;
	memcpy(entry->value, value, table->value_size);
}

void vde_hash_delete(struct vde_hashtable *table, void *value)
{
	if (table == NULL)
		return;
	for (size_t place = 0; place <= table->mask; place++) {
		struct hash_entry *entry = entry_at(table, place);

		if (entry->key != 0 && memcmp(entry->value, value, table->value_size) == 0) {
			entry->key = 0;
			entry->last_seen = 0;
		}
	}
}
