/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How often to read a descriptor in one wake-up. A read in vain costs as much as one that finds something; a wake-up costs more than either. So as many reads are
 * tried as found something last time, and twice that when all did. On a quiet network, where frames come one by one, every second wake-up would
 * then end with a read in vain: after such a one the next few wake-ups read once only.
 */
#ifndef VDE_COMMON_TRIES_H
#define VDE_COMMON_TRIES_H

#include <stdbool.h>

enum { TRIES_SINGLES = 7, TRIES_MAX = 64 };

struct tries {
	unsigned more;                  /* beyond the first: all zero is a good beginning */
	unsigned singles;               /* wake-ups that still read once */
};

/* How many reads to try in this wake-up, from 1 to TRIES_MAX. */
static inline unsigned tries_now(const struct tries *tries)
{
	return tries->more + 1;
}

/* After a wake-up in which `found` reads found something; in_vain: one more did not. */
static inline void tries_done(struct tries *tries, unsigned found, bool in_vain)
{
	if (in_vain) {
		tries->more = found > 1 ? found - 1 : 0;
		tries->singles = found > 1 ? 0 : TRIES_SINGLES;
	} else if (tries->singles > 0) {
		tries->singles--;
	} else if (found > 0) {
		tries->more = found < TRIES_MAX / 2 ? 2 * found - 1 : TRIES_MAX - 1;
	}
}

#endif
