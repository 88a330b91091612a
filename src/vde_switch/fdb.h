/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The filtering database (802.1D clause 7.9): which port an address was last heard on, per VLAN.
 *
 * Bounded: at most `max_entries`, all memory of the entries is reserved at creation. At the bound a new address takes the place of the least
 * recently heard address of the port that owns most entries, so that a port which floods addresses loses its own.
 * The hash is keyed with a random secret: nobody outside can choose addresses that collide. Knows no port but its number, and no clock: times are
 * seconds, given by the caller.
 */
#ifndef VDE_FDB_H
#define VDE_FDB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	FDB_DEFAULT_BUCKETS = 128,
	FDB_MAX_ENTRIES = 65536,
	FDB_MAX_BUCKETS = 1 << 20,
	FDB_NO_PORT = 0xffffffff,
};

struct fdb_entry {
	uint64_t key;                   /* VLAN in bits 48..59, address in the low 48 bits */
	uint32_t port;
	uint32_t last_seen;             /* seconds */
	uint32_t chain;                 /* next entry in the same bucket */
	uint32_t older, newer;          /* the port's entries from least to most recently heard */
	uint32_t in_use;
};

enum fdb_result {
	FDB_REFRESHED,                  /* known on this port */
	FDB_NEW,
	FDB_MOVED,                      /* was on another port, is on this one now */
	FDB_HELD,                       /* is on another port and was heard there too recently to move */
};

struct fdb_settings {
	unsigned expire;                /* seconds without a frame until an address is forgotten */
	unsigned min_persistence;       /* seconds an address stays on a port before another one may claim it */
};

/* Told of each address that comes (added) or goes, when not NULL. */
typedef void fdb_change_callback(void *owner, bool added, const struct fdb_entry *entry);

struct fdb;

/* ports: port numbers are 0..ports-1. NULL with errno when memory is short. */
struct fdb *fdb_create(unsigned buckets, unsigned max_entries, unsigned ports);
void fdb_destroy(struct fdb *fdb);
void fdb_on_change(struct fdb *fdb, fdb_change_callback *call, void *owner);

struct fdb_settings *fdb_settings(struct fdb *fdb);
unsigned fdb_buckets(const struct fdb *fdb);            /* as set, not as grown */
unsigned fdb_count(const struct fdb *fdb);
unsigned fdb_max(const struct fdb *fdb);

/* Forgets all and starts with `buckets` (rounded up to a power of two). 0 or ENOMEM. */
int fdb_set_buckets(struct fdb *fdb, unsigned buckets);
/* After the number of ports changed; no entry may be on a port that is gone. 0 or ENOMEM. */
int fdb_set_ports(struct fdb *fdb, unsigned ports);

enum fdb_result fdb_learn(struct fdb *fdb, uint16_t vid, const uint8_t *mac, uint32_t port, uint32_t now);
/* The port, or FDB_NO_PORT when the address is unknown or has expired. */
uint32_t fdb_lookup(const struct fdb *fdb, uint16_t vid, const uint8_t *mac, uint32_t now);
/* The entry, and the bucket it is in, for printing; NULL when unknown or expired. */
const struct fdb_entry *fdb_find(const struct fdb *fdb, uint16_t vid, const uint8_t *mac, uint32_t now, unsigned *bucket);

void fdb_expire(struct fdb *fdb, uint32_t now);
void fdb_flush_port(struct fdb *fdb, uint32_t port);
void fdb_flush_port_vlan(struct fdb *fdb, uint32_t port, uint16_t vid);
void fdb_flush_vlan(struct fdb *fdb, uint16_t vid);

/* Calls for every entry that has not expired, bucket by bucket. */
void fdb_walk(const struct fdb *fdb, uint32_t now, void (*call)(void *owner, unsigned bucket, const struct fdb_entry *), void *owner);

uint16_t fdb_entry_vid(const struct fdb_entry *entry);
void fdb_entry_mac(const struct fdb_entry *entry, uint8_t mac[6]);

#endif
