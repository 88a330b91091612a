/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation
 *
 * Entries live in one array and refer to each other by index, so that an entry costs 36 bytes and a lookup touches one bucket and one or two
 * entries. Buckets double while there are more entries than buckets.
 *
 * Each port owns a list of its entries from least to most recently heard; an entry moves to its end at most once per second. To find
 * the port that owns most without walking the ports, ports are kept in lists by the number of entries they own ("ranks"): a count
 * changes by one at a time, so a port moves to the neighbouring list and the highest non-empty rank is known at any time.
 */
#include "vde_switch/fdb.h"

#include "common/frame.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

enum { NONE = 0xffffffff };

/* A port's share of the table. */
struct fdb_owner {
	uint32_t oldest, newest;
	uint32_t count;
	uint32_t rank_next, rank_previous;
};

struct fdb {
	struct fdb_entry *entry;
	uint32_t *bucket;
	uint32_t bucket_mask;
	uint32_t asked_buckets;
	uint32_t free_list;             /* through chain */
	uint32_t never_used;            /* entries from here on were never taken */
	uint32_t count, max;
	struct fdb_owner *owner;
	uint32_t owners;
	uint32_t *rank;                 /* rank[n]: first port that owns n entries */
	uint32_t highest_rank;
	uint64_t secret[2];
	struct fdb_settings settings;
	fdb_change_callback *change;
	void *change_owner;
};

static uint64_t make_key(uint16_t vid, const uint8_t *mac)
{
	return ((uint64_t)vid << 48) | mac_to_u64(mac);
}

/* A keyed multiply-and-fold: 64x64->128 products of secret-masked input; unpredictable without the secret. */
static uint32_t hash_key(const struct fdb *fdb, uint64_t key)
{
	unsigned __int128 product = (unsigned __int128)(key ^ fdb->secret[0]) * fdb->secret[1];
	uint64_t folded = (uint64_t)product ^ (uint64_t)(product >> 64);

	product = (unsigned __int128)(folded ^ fdb->secret[1]) * (fdb->secret[0] | 1);
	return (uint32_t)((uint64_t)product ^ (uint64_t)(product >> 64));
}

static uint32_t round_up_power_of_two(uint32_t value)
{
	uint32_t power = 1;

	while (power < value)
		power <<= 1;
	return power;
}

static void draw_secret(struct fdb *fdb)
{
	if (getrandom(fdb->secret, sizeof(fdb->secret), GRND_NONBLOCK) != (ssize_t)sizeof(fdb->secret)) {
		struct timespec now;

		clock_gettime(CLOCK_MONOTONIC, &now);
		fdb->secret[0] = (uint64_t)now.tv_nsec * 0x9e3779b97f4a7c15u;
		fdb->secret[1] = (uint64_t)(uintptr_t)fdb * 0xbf58476d1ce4e5b9u;
	}
	fdb->secret[1] |= 1;
}

static uint32_t *new_buckets(uint32_t count)
{
	uint32_t *bucket = malloc(count * sizeof(*bucket));

	for (uint32_t i = 0; bucket && i < count; i++)
		bucket[i] = NONE;
	return bucket;
}

/* ---- ports by the number of entries they own ---- */

static void rank_unlink(struct fdb *fdb, uint32_t port)
{
	struct fdb_owner *owner = &fdb->owner[port];

	if (owner->rank_previous != NONE)
		fdb->owner[owner->rank_previous].rank_next = owner->rank_next;
	else
		fdb->rank[owner->count] = owner->rank_next;
	if (owner->rank_next != NONE)
		fdb->owner[owner->rank_next].rank_previous = owner->rank_previous;
}

static void rank_link(struct fdb *fdb, uint32_t port)
{
	struct fdb_owner *owner = &fdb->owner[port];

	owner->rank_previous = NONE;
	owner->rank_next = fdb->rank[owner->count];
	if (owner->rank_next != NONE)
		fdb->owner[owner->rank_next].rank_previous = port;
	fdb->rank[owner->count] = port;
}

/* Ports that own nothing are in no list. */
static void count_change(struct fdb *fdb, uint32_t port, int by)
{
	struct fdb_owner *owner = &fdb->owner[port];

	if (owner->count)
		rank_unlink(fdb, port);
	owner->count += (uint32_t)by;
	if (owner->count)
		rank_link(fdb, port);
	if (owner->count > fdb->highest_rank)
		fdb->highest_rank = owner->count;
	while (fdb->highest_rank && fdb->rank[fdb->highest_rank] == NONE)
		fdb->highest_rank--;
}

/* ---- a port's entries by age ---- */

static void age_unlink(struct fdb *fdb, uint32_t index)
{
	struct fdb_entry *entry = &fdb->entry[index];
	struct fdb_owner *owner = &fdb->owner[entry->port];

	if (entry->older != NONE)
		fdb->entry[entry->older].newer = entry->newer;
	else
		owner->oldest = entry->newer;
	if (entry->newer != NONE)
		fdb->entry[entry->newer].older = entry->older;
	else
		owner->newest = entry->older;
}

static void age_append(struct fdb *fdb, uint32_t index)
{
	struct fdb_entry *entry = &fdb->entry[index];
	struct fdb_owner *owner = &fdb->owner[entry->port];

	entry->newer = NONE;
	entry->older = owner->newest;
	if (owner->newest != NONE)
		fdb->entry[owner->newest].newer = index;
	else
		owner->oldest = index;
	owner->newest = index;
}

/* ---- entries ---- */

static void remove_entry(struct fdb *fdb, uint32_t index)
{
	struct fdb_entry *entry = &fdb->entry[index];
	uint32_t *link = &fdb->bucket[hash_key(fdb, entry->key) & fdb->bucket_mask];

	while (*link != index)
		link = &fdb->entry[*link].chain;
	*link = entry->chain;
	age_unlink(fdb, index);
	count_change(fdb, entry->port, -1);
	entry->in_use = 0;
	fdb->count--;
	if (fdb->change)
		fdb->change(fdb->change_owner, false, entry);
	entry->chain = fdb->free_list;
	fdb->free_list = index;
}

static uint32_t find_index(const struct fdb *fdb, uint64_t key)
{
	uint32_t index = fdb->bucket[hash_key(fdb, key) & fdb->bucket_mask];

	while (index != NONE && fdb->entry[index].key != key)
		index = fdb->entry[index].chain;
	return index;
}

static void rehash(struct fdb *fdb, uint32_t *bucket, uint32_t count)
{
	free(fdb->bucket);
	fdb->bucket = bucket;
	fdb->bucket_mask = count - 1;
	for (uint32_t i = 0; i < fdb->never_used; i++) {
		struct fdb_entry *entry = &fdb->entry[i];

		if (!entry->in_use)
			continue;
		uint32_t *head = &bucket[hash_key(fdb, entry->key) & fdb->bucket_mask];
		entry->chain = *head;
		*head = i;
	}
}

static void grow_if_crowded(struct fdb *fdb)
{
	uint32_t size = fdb->bucket_mask + 1;

	if (fdb->count < size || size >= FDB_MAX_BUCKETS)
		return;
	uint32_t *bucket = new_buckets(size * 2);
	if (bucket)                     /* without memory the chains get longer, nothing worse */
		rehash(fdb, bucket, size * 2);
}

static uint32_t take_entry(struct fdb *fdb)
{
	if (fdb->count == fdb->max)
		remove_entry(fdb, fdb->owner[fdb->rank[fdb->highest_rank]].oldest);
	if (fdb->free_list != NONE) {
		uint32_t index = fdb->free_list;

		fdb->free_list = fdb->entry[index].chain;
		return index;
	}
	return fdb->never_used++;
}

static void add_entry(struct fdb *fdb, uint64_t key, uint32_t port, uint32_t now)
{
	uint32_t index = take_entry(fdb);
	struct fdb_entry *entry = &fdb->entry[index];

	grow_if_crowded(fdb);
	uint32_t *head = &fdb->bucket[hash_key(fdb, key) & fdb->bucket_mask];
	*entry = (struct fdb_entry){ .key = key, .port = port, .last_seen = now, .chain = *head, .in_use = 1 };
	*head = index;
	age_append(fdb, index);
	count_change(fdb, port, 1);
	fdb->count++;
	if (fdb->change)
		fdb->change(fdb->change_owner, true, entry);
}

static bool is_expired(const struct fdb *fdb, const struct fdb_entry *entry, uint32_t now)
{
	return (uint64_t)entry->last_seen + fdb->settings.expire < now;
}

enum fdb_result fdb_learn(struct fdb *fdb, uint16_t vid, const uint8_t *mac, uint32_t port, uint32_t now)
{
	uint64_t key = make_key(vid, mac);
	uint32_t index = find_index(fdb, key);

	if (index == NONE) {
		add_entry(fdb, key, port, now);
		return FDB_NEW;
	}
	struct fdb_entry *entry = &fdb->entry[index];
	if (entry->port == port) {
		if (entry->last_seen != now) {
			entry->last_seen = now;
			age_unlink(fdb, index);
			age_append(fdb, index);
		}
		return FDB_REFRESHED;
	}
	if (now - entry->last_seen <= fdb->settings.min_persistence)
		return FDB_HELD;
	age_unlink(fdb, index);
	count_change(fdb, entry->port, -1);
	entry->port = port;
	entry->last_seen = now;
	age_append(fdb, index);
	count_change(fdb, port, 1);
	return FDB_MOVED;
}

static const struct fdb_entry *find_live(const struct fdb *fdb, uint64_t key, uint32_t now)
{
	uint32_t index = find_index(fdb, key);

	return index == NONE || is_expired(fdb, &fdb->entry[index], now) ? NULL : &fdb->entry[index];
}

const struct fdb_entry *fdb_find(const struct fdb *fdb, uint16_t vid, const uint8_t *mac, uint32_t now, unsigned *bucket)
{
	uint64_t key = make_key(vid, mac);

	*bucket = hash_key(fdb, key) & fdb->bucket_mask;
	return find_live(fdb, key, now);
}

uint32_t fdb_lookup(const struct fdb *fdb, uint16_t vid, const uint8_t *mac, uint32_t now)
{
	const struct fdb_entry *entry = find_live(fdb, make_key(vid, mac), now);

	return entry ? entry->port : FDB_NO_PORT;
}

void fdb_expire(struct fdb *fdb, uint32_t now)
{
	for (uint32_t i = 0; i < fdb->never_used; i++)
		if (fdb->entry[i].in_use && is_expired(fdb, &fdb->entry[i], now))
			remove_entry(fdb, i);
}

void fdb_flush_port(struct fdb *fdb, uint32_t port)
{
	while (fdb->owner[port].oldest != NONE)
		remove_entry(fdb, fdb->owner[port].oldest);
}

void fdb_flush_port_vlan(struct fdb *fdb, uint32_t port, uint16_t vid)
{
	uint32_t next;

	for (uint32_t i = fdb->owner[port].oldest; i != NONE; i = next) {
		next = fdb->entry[i].newer;
		if (fdb_entry_vid(&fdb->entry[i]) == vid)
			remove_entry(fdb, i);
	}
}

void fdb_flush_vlan(struct fdb *fdb, uint16_t vid)
{
	for (uint32_t i = 0; i < fdb->never_used; i++)
		if (fdb->entry[i].in_use && fdb_entry_vid(&fdb->entry[i]) == vid)
			remove_entry(fdb, i);
}

void fdb_walk(const struct fdb *fdb, uint32_t now, void (*call)(void *owner, unsigned bucket, const struct fdb_entry *), void *owner)
{
	for (uint32_t b = 0; b <= fdb->bucket_mask; b++)
		for (uint32_t i = fdb->bucket[b]; i != NONE; i = fdb->entry[i].chain)
			if (!is_expired(fdb, &fdb->entry[i], now))
				call(owner, b, &fdb->entry[i]);
}

/* ---- life ---- */

int fdb_set_buckets(struct fdb *fdb, unsigned buckets)
{
	uint32_t size = round_up_power_of_two(buckets ? buckets : 1);
	uint32_t *bucket = new_buckets(size);

	if (!bucket)
		return ENOMEM;
	for (uint32_t i = 0; i < fdb->never_used; i++)
		if (fdb->entry[i].in_use)
			remove_entry(fdb, i);
	rehash(fdb, bucket, size);
	fdb->asked_buckets = size;
	return 0;
}

int fdb_set_ports(struct fdb *fdb, unsigned ports)
{
	struct fdb_owner *owner = realloc(fdb->owner, ports * sizeof(*owner));

	if (!owner)
		return ENOMEM;
	for (uint32_t i = fdb->owners; i < ports; i++)
		owner[i] = (struct fdb_owner){ .oldest = NONE, .newest = NONE };
	fdb->owner = owner;
	fdb->owners = ports;
	return 0;
}

static bool allocate(struct fdb *fdb, unsigned buckets, unsigned ports)
{
	fdb->entry = calloc(fdb->max, sizeof(*fdb->entry));
	fdb->rank = malloc((fdb->max + 1u) * sizeof(*fdb->rank));
	fdb->bucket = new_buckets(round_up_power_of_two(buckets));
	if (!fdb->entry || !fdb->rank || !fdb->bucket || fdb_set_ports(fdb, ports) != 0)
		return false;
	for (uint32_t i = 0; i <= fdb->max; i++)
		fdb->rank[i] = NONE;
	fdb->asked_buckets = round_up_power_of_two(buckets);
	fdb->bucket_mask = fdb->asked_buckets - 1;
	return true;
}

struct fdb *fdb_create(unsigned buckets, unsigned max_entries, unsigned ports)
{
	struct fdb *fdb = calloc(1, sizeof(*fdb));

	if (!fdb)
		return NULL;
	fdb->max = max_entries;
	fdb->free_list = NONE;
	fdb->settings = (struct fdb_settings){ .expire = 100, .min_persistence = 3 };
	draw_secret(fdb);
	if (!allocate(fdb, buckets ? buckets : 1, ports)) {
		fdb_destroy(fdb);
		errno = ENOMEM;
		return NULL;
	}
	return fdb;
}

void fdb_destroy(struct fdb *fdb)
{
	if (!fdb)
		return;
	free(fdb->entry);
	free(fdb->bucket);
	free(fdb->owner);
	free(fdb->rank);
	free(fdb);
}

void fdb_on_change(struct fdb *fdb, fdb_change_callback *call, void *owner)
{
	fdb->change = call;
	fdb->change_owner = owner;
}

struct fdb_settings *fdb_settings(struct fdb *fdb)
{
	return &fdb->settings;
}

unsigned fdb_buckets(const struct fdb *fdb)
{
	return fdb->asked_buckets;
}

unsigned fdb_count(const struct fdb *fdb)
{
	return fdb->count;
}

unsigned fdb_max(const struct fdb *fdb)
{
	return fdb->max;
}

uint16_t fdb_entry_vid(const struct fdb_entry *entry)
{
	return (uint16_t)(entry->key >> 48);
}

void fdb_entry_mac(const struct fdb_entry *entry, uint8_t mac[6])
{
	write_be16(mac, (uint16_t)(entry->key >> 32));
	write_be32(mac + 2, (uint32_t)entry->key);
}
