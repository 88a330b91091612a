/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A random quantity as the user writes it:
 *
 *      [LR|RL] BASE[+VARIATION] [k|m|g] [u|n] [\[NODE\]]
 *
 * Letters in either case. Without LR or RL both directions are meant. The unit is a power of 1024 and counts for both numbers. u (the default): uniform
 * between BASE-VARIATION and BASE+VARIATION; n: normal around BASE with a standard deviation of a third of VARIATION. NODE is a state of the Markov chain.
 */
#ifndef WIREFILTER_VALUE_H
#define WIREFILTER_VALUE_H

#include "rng.h"

#include <stdbool.h>
#include <stddef.h>

/* The two ways through the filter: in on the left and out on the right, or the other way. */
enum way { WAY_LR, WAY_RL, WAY_COUNT };

enum value_distribution { VALUE_UNIFORM, VALUE_NORMAL };

struct value {
	double base;
	double variation;
	enum value_distribution distribution;
};

struct value_setting {
	bool way[WAY_COUNT];            /* which ways are meant */
	unsigned node;
	bool has_node;                  /* false: node is 0, because nothing was said */
	struct value value;
};

enum { VALUE_TEXT_SIZE = 64 };

/* Fills setting and returns 0, or EINVAL: not of that form, something follows, a negative number; ERANGE: too large a number. */
int value_parse(const char *text, struct value_setting *setting);

/* The parts of it, for other texts that carry a way, a number or a node. Each moves *text past what it took, and past blanks. */
void value_parse_way(const char **text, bool way[WAY_COUNT]);
int value_parse_number(const char **text, struct value *value);
int value_parse_node(const char **text, struct value_setting *setting);

/* "10240+5N", which value_parse understands. Returns out, which has VALUE_TEXT_SIZE bytes. */
char *value_print(char *out, const struct value *value);

/* The largest value reaches above zero. */
bool value_is_on(const struct value *value);
/* A number drawn; it may lie below zero. */
double value_sample(const struct value *value, struct rng *rng);

#endif
