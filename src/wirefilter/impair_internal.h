/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Shared by impair.c and impair_drop.c only. */
#ifndef WIREFILTER_IMPAIR_INTERNAL_H
#define WIREFILTER_IMPAIR_INTERNAL_H

#include "impair.h"

/* No later deadline is ever computed: three centuries, and far from where a uint64_t overflows. */
#define IMPAIR_FAR_AWAY 1e19

/* The reason to drop the frame, or DROP_COUNT. To be asked once for each frame: the models move on. */
enum drop_reason impair_drops(struct impair *impair, const struct frame *frame, const struct trace_row *row, uint64_t now);

static inline uint64_t impair_later(uint64_t time, double nanoseconds)
{
	if (!(nanoseconds > 0))
		return time;
	return (double)time + nanoseconds >= IMPAIR_FAR_AWAY ? (uint64_t)IMPAIR_FAR_AWAY : time + (uint64_t)nanoseconds;
}

static inline uint64_t impair_latest(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static inline uint32_t impair_size_of(uint32_t length)
{
	return length + IMPAIR_SIZE_EXTRA;
}

static inline bool impair_is_on(const struct impair *impair, enum impairment which)
{
	return impair->on >> which & 1;
}

static inline double impair_sample(struct impair *impair, enum impairment which)
{
	return value_sample(&impair->value[which], &impair->rng);
}

#endif
