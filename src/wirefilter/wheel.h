/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Entries far from being due, kept without an order among those of the same moment, so that one more costs the same however many there are:
 * a hierarchical timing wheel (Varghese and Lauck, 1987).
 *
 * Theory of operation. Time is counted in ticks. A tick's number has WHEEL_LEVELS digits of WHEEL_DIGIT_BITS bits; an entry lies at the level of
 * the highest digit in which its tick differs from the wheel's, in the slot which that digit names. So the entries of a lower level are all due
 * before those of a higher one, and within a level those of a lower slot before those of a higher one: the first used slot of the
 * lowest used level holds the earliest. To take that out, the wheel's tick becomes the earliest's, and the rest of its slot is placed anew,
 * each entry at a lower level. So an entry moves once per level at most; nanoseconds that are an hour apart differ in five.
 */
#ifndef WIREFILTER_WHEEL_H
#define WIREFILTER_WHEEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	WHEEL_TICK_BITS = 10,           /* of nanoseconds in a tick: about a microsecond */
	WHEEL_DIGIT_BITS = 8,
	WHEEL_SLOTS = 1 << WHEEL_DIGIT_BITS,
	WHEEL_LEVELS = 7,               /* for all 64 bits */
	WHEEL_WORDS = WHEEL_SLOTS / 64,
};

struct heap_frame;

struct heap_entry {
	uint64_t due;                   /* nanoseconds */
	uint64_t sequence;
	struct heap_frame *frame;
};

struct wheel_node {
	struct heap_entry entry;
	uint32_t next;                  /* of the slot, or of the unused ones; an index and 1, 0: none */
};

struct wheel_level {
	uint64_t used[WHEEL_WORDS];     /* a bit for each slot that has entries */
	uint32_t first[WHEEL_SLOTS];
	uint64_t earliest[WHEEL_SLOTS]; /* due, in a used slot */
};

struct wheel {
	uint64_t tick;                  /* of what was taken out last; all entries are of later ones */
	size_t count;
	struct wheel_node *node;        /* all entries */
	uint32_t node_count, unused;
	struct wheel_level level[WHEEL_LEVELS];
	uint64_t moves;                 /* entries placed in a slot so far */
};

/* Whether the entry is of a tick that the wheel keeps; the others are its owner's. */
bool wheel_keeps(const struct wheel *wheel, uint64_t due);
/* For an entry that it keeps. False: memory is refused. */
bool wheel_push(struct wheel *wheel, struct heap_entry entry);
/* When the earliest is due; UINT64_MAX: there is none. */
uint64_t wheel_deadline(const struct wheel *wheel);
/* Takes out all entries of the earliest one's tick, which the wheel keeps no more: take() gets each, in no order. There is one. */
void wheel_turn(struct wheel *wheel, void (*take)(void *owner, struct heap_entry entry), void *owner);
/* Calls take() for every entry, and forgets them. */
void wheel_clear(struct wheel *wheel, void (*take)(void *owner, struct heap_entry entry), void *owner);

#endif
