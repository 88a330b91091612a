/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "wheel.h"

#include <assert.h>
#include <stdlib.h>

enum { NONE = -1, FIRST_NODES = 64 };

static uint64_t tick_of(uint64_t due)
{
	return due >> WHEEL_TICK_BITS;
}

static unsigned digit(uint64_t tick, int level)
{
	return tick >> (level * WHEEL_DIGIT_BITS) & (WHEEL_SLOTS - 1);
}

bool wheel_keeps(const struct wheel *wheel, uint64_t due)
{
	return tick_of(due) > wheel->tick;
}

/* ---- nodes ---- */

static bool make_nodes(struct wheel *wheel)
{
	uint32_t count = wheel->node_count ? wheel->node_count * 2 : FIRST_NODES;
	struct wheel_node *node;

	if (wheel->unused)
		return true;
	node = count > wheel->node_count ? realloc(wheel->node, count * sizeof *node) : NULL;
	if (!node)
		return false;
	for (uint32_t i = wheel->node_count; i < count; i++)
		node[i].next = i + 1 < count ? i + 2 : 0;
	wheel->unused = wheel->node_count + 1;
	wheel->node = node;
	wheel->node_count = count;
	return true;
}

static void give_back(struct wheel *wheel, uint32_t index)
{
	wheel->node[index - 1].next = wheel->unused;
	wheel->unused = index;
	wheel->count--;
}

/* ---- slots ---- */

static void place(struct wheel *wheel, uint32_t index)
{
	struct wheel_node *node = &wheel->node[index - 1];
	uint64_t tick = tick_of(node->entry.due);
	int highest = 63 - __builtin_clzll(tick ^ wheel->tick);
	struct wheel_level *level = &wheel->level[highest / WHEEL_DIGIT_BITS];
	unsigned slot = digit(tick, highest / WHEEL_DIGIT_BITS);

	if (!level->first[slot] || node->entry.due < level->earliest[slot])
		level->earliest[slot] = node->entry.due;
	node->next = level->first[slot];
	level->first[slot] = index;
	level->used[slot / 64] |= UINT64_C(1) << slot % 64;
	wheel->moves++;
}

/* The first used slot, or NONE. */
static int first_used(const struct wheel_level *level)
{
	for (int word = 0; word < WHEEL_WORDS; word++)
		if (level->used[word])
			return word * 64 + __builtin_ctzll(level->used[word]);
	return NONE;
}

static bool find_earliest(const struct wheel *wheel, int *level, int *slot)
{
	if (!wheel->count)
		return false;
	for (*level = 0; *level < WHEEL_LEVELS; ++*level)
		if ((*slot = first_used(&wheel->level[*level])) != NONE)
			return true;
	assert(false);
	return false;
}

/* The list of a slot, which is empty afterwards. */
static uint32_t empty_slot(struct wheel_level *level, unsigned slot)
{
	uint32_t first = level->first[slot];

	level->first[slot] = 0;
	level->used[slot / 64] &= ~(UINT64_C(1) << slot % 64);
	return first;
}

/* ---- entries ---- */

bool wheel_push(struct wheel *wheel, struct heap_entry entry)
{
	uint32_t index;

	assert(wheel_keeps(wheel, entry.due));
	if (!make_nodes(wheel))
		return false;
	index = wheel->unused;
	wheel->unused = wheel->node[index - 1].next;
	wheel->node[index - 1].entry = entry;
	wheel->count++;
	place(wheel, index);
	return true;
}

uint64_t wheel_deadline(const struct wheel *wheel)
{
	int level, slot;

	return find_earliest(wheel, &level, &slot) ? wheel->level[level].earliest[slot] : UINT64_MAX;
}

void wheel_turn(struct wheel *wheel, void (*take)(void *owner, struct heap_entry entry), void *owner)
{
	int level, slot;
	bool found = find_earliest(wheel, &level, &slot);
	uint32_t next;

	assert(found);
	(void)found;
	wheel->tick = tick_of(wheel->level[level].earliest[slot]);
	for (uint32_t index = empty_slot(&wheel->level[level], (unsigned)slot); index; index = next) {
		struct heap_entry entry = wheel->node[index - 1].entry;

		next = wheel->node[index - 1].next;
		if (wheel_keeps(wheel, entry.due)) {
			place(wheel, index);
			continue;
		}
		give_back(wheel, index);
		take(owner, entry);
	}
}

void wheel_clear(struct wheel *wheel, void (*take)(void *owner, struct heap_entry entry), void *owner)
{
	int level, slot;

	while (find_earliest(wheel, &level, &slot)) {
		uint32_t next;

		for (uint32_t index = empty_slot(&wheel->level[level], (unsigned)slot); index; index = next) {
			next = wheel->node[index - 1].next;
			take(owner, wheel->node[index - 1].entry);
			give_back(wheel, index);
		}
	}
	free(wheel->node);
	*wheel = (struct wheel){ .tick = wheel->tick, .moves = wheel->moves };
}
