/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation. A bucket is kept as the time at which it would be full again (the virtual scheduling algorithm of
 * ITU-T I.371, annex A): taking a token moves that time on by one interval, and is refused when it would lie more than the burst ahead.
 */
#include "ratelimit.h"

#include <string.h>

bool bucket_take(struct bucket *bucket, uint64_t interval_ns, uint64_t depth_ns, uint64_t now_ns)
{
	uint64_t full = bucket->empty_at_ns > now_ns ? bucket->empty_at_ns : now_ns;

	if (full + interval_ns - now_ns > depth_ns)
		return false;
	bucket->empty_at_ns = full + interval_ns;
	return true;
}

void ratelimit_init(struct ratelimit *limit, uint64_t secret, unsigned per_second, unsigned burst)
{
	memset(limit, 0, sizeof(*limit));
	limit->secret = secret;
	limit->interval_ns = UINT64_C(1000000000) / per_second;
	limit->depth_ns = limit->interval_ns * burst;
}

/* Murmur3's finaliser over the keyed source: spreads well, and which sources share a set cannot be known from outside. */
static unsigned set_of(const struct ratelimit *limit, uint64_t source)
{
	uint64_t hash = source ^ limit->secret;

	hash = (hash ^ (hash >> 33)) * UINT64_C(0xff51afd7ed558ccd);
	hash = (hash ^ (hash >> 33)) * (UINT64_C(0xc4ceb9fe1a85ec53) ^ (limit->secret << 1));
	return (unsigned)(hash >> 40) % RATELIMIT_SETS;
}

bool ratelimit_take(struct ratelimit *limit, uint64_t source, uint64_t now_ns)
{
	struct bucket *set = limit->buckets[set_of(limit, source)], *oldest = &set[0];

	for (unsigned i = 0; i < RATELIMIT_WAYS; i++) {
		if (set[i].source == source && set[i].empty_at_ns)
			return bucket_take(&set[i], limit->interval_ns, limit->depth_ns, now_ns);
		if (set[i].empty_at_ns < oldest->empty_at_ns)
			oldest = &set[i];
	}
	oldest->source = source;
	oldest->empty_at_ns = 0;
	return bucket_take(oldest, limit->interval_ns, limit->depth_ns, now_ns);
}
