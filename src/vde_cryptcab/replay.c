/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation (RFC 6479). Bit `c mod 8192` stands for counter c. When the highest counter moves on, the words it
 * passes over are cleared instead of the whole map being shifted. `highest` holds one more than the highest counter, so that counter
 * 0 needs no special case and an empty window is all zeros; counters stop at REJECT_AFTER_MESSAGES, far below the wrap.
 */
#include "replay.h"
#include "protocol.h"

#include <stddef.h>

static size_t word_of(uint64_t counter)
{
	return (size_t)(counter / REPLAY_WORD_BITS) % REPLAY_WORDS;
}

static uint64_t bit_of(uint64_t counter)
{
	return UINT64_C(1) << (counter % REPLAY_WORD_BITS);
}

bool replay_is_fresh(const struct replay *replay, uint64_t counter)
{
	if (counter >= REJECT_AFTER_MESSAGES)
		return false;
	if (counter >= replay->highest)
		return true;
	if (replay->highest - counter > REPLAY_WINDOW)
		return false;
	return (replay->bits[word_of(counter)] & bit_of(counter)) == 0;
}

/* Clears the words for the numbers from the old highest to the new one. */
static void advance(struct replay *replay, uint64_t counter)
{
	uint64_t last = replay->highest ? (replay->highest - 1) / REPLAY_WORD_BITS : 0;
	uint64_t words = counter / REPLAY_WORD_BITS - last;

	if (words > REPLAY_WORDS)
		words = REPLAY_WORDS;
	for (uint64_t i = 1; i <= words; i++)
		replay->bits[(size_t)(last + i) % REPLAY_WORDS] = 0;
	replay->highest = counter + 1;
}

bool replay_accept(struct replay *replay, uint64_t counter)
{
	if (!replay_is_fresh(replay, counter))
		return false;
	if (counter >= replay->highest)
		advance(replay, counter);
	replay->bits[word_of(counter)] |= bit_of(counter);
	return true;
}
