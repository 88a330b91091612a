/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which counters were already seen: the sliding window of RFC 6479, 8128 numbers wide. A number is accepted once; one that lies more than
 * the window behind the highest accepted is refused.
 */
#ifndef VDE_CRYPTCAB_REPLAY_H
#define VDE_CRYPTCAB_REPLAY_H

#include <stdbool.h>
#include <stdint.h>

enum {
	REPLAY_WORD_BITS = 64,
	REPLAY_WORDS = 128,             /* a power of two */
	/* One word is always being cleared for the numbers to come (RFC 6479, clause 2). */
	REPLAY_WINDOW = (REPLAY_WORDS - 1) * REPLAY_WORD_BITS,
};

struct replay {
	uint64_t highest;               /* highest accepted, plus one; 0: none yet */
	uint64_t bits[REPLAY_WORDS];
};

/* A window of zeros is empty. */

/* Could `counter` be accepted? Changes nothing: for the cheap test before the seal is checked. */
bool replay_is_fresh(const struct replay *replay, uint64_t counter);
/* Accepts `counter`, or returns false because it was seen or is too old. Only after the seal was found genuine. */
bool replay_accept(struct replay *replay, uint64_t counter);

#endif
