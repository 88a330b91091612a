/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Token buckets: how much handshake work a source, and all sources together, may cause.
 *
 * The table is bounded: RATELIMIT_SETS sets of RATELIMIT_WAYS buckets, placed by a keyed hash of the source. A full set gives its
 * fullest bucket (the source that was quiet longest) to the newcomer, so a flood of forged sources wears out neither memory nor
 * time; what it can still cause is bounded by the one bucket for all.
 */
#ifndef VDE_CRYPTCAB_RATELIMIT_H
#define VDE_CRYPTCAB_RATELIMIT_H

#include <stdbool.h>
#include <stdint.h>

enum {
	RATELIMIT_SETS = 256,
	RATELIMIT_WAYS = 8,
};

struct bucket {
	uint64_t source;
	uint64_t empty_at_ns;           /* when it would be full again; a bucket of zeros is full */
};

struct ratelimit {
	uint64_t secret;
	uint64_t interval_ns;           /* one token comes back each */
	uint64_t depth_ns;              /* burst * interval */
	struct bucket buckets[RATELIMIT_SETS][RATELIMIT_WAYS];
};

/* A bucket by itself: `burst` at once, `per_second` after. */
bool bucket_take(struct bucket *bucket, uint64_t interval_ns, uint64_t depth_ns, uint64_t now_ns);

void ratelimit_init(struct ratelimit *limit, uint64_t secret, unsigned per_second, unsigned burst);
/* Takes a token of `source`; false: it has none left. */
bool ratelimit_take(struct ratelimit *limit, uint64_t source, uint64_t now_ns);

#endif
