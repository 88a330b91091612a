/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The filter: both ways through it, the Markov chain with the values of each of its nodes, and what the user may set. No
 * descriptor; the clock is a function that the caller gives.
 */
#ifndef WIREFILTER_FILTER_H
#define WIREFILTER_FILTER_H

#include "impair.h"
#include "markov.h"
#include "presets.h"
#include "value.h"

#include <stdbool.h>
#include <stdint.h>

struct filter_node {
	char *name;                     /* NULL: none */
	struct value value[WAY_COUNT][IMPAIRMENT_COUNT];
};

struct filter_callbacks {
	uint64_t (*clock)(void);        /* nanoseconds */
	impair_send *send[WAY_COUNT];   /* frames come out */
	/* The chain went from one node to another, or stayed; may be NULL. */
	void (*stepped)(void *owner, unsigned from, unsigned to);
	/* What filter_deadline says may have changed by something that was set; may be NULL. */
	void (*rescheduled)(void *owner);
	void *owner;
};

struct filter {
	bool bidirectional;             /* for showinfo */
	struct impair_common common;
	struct filter_callbacks callbacks;
	struct markov markov;
	struct filter_node **node;      /* markov.count of them; a node stays where it is */
	double markov_ms;
	uint64_t markov_next;           /* when the next step is due, while there are nodes to step between */
	struct rng markov_rng;
	struct impair way[WAY_COUNT];
	char *trace_path[WAY_COUNT];    /* NULL: none */
};

enum {
	FILTER_NAME_MAX = 64,           /* bytes of a node's name */
	FILTER_MARKOV_MS = 100,
};

/* Returns 0 or ENOMEM. The filter must not be moved afterwards. */
int filter_init(struct filter *filter, const struct filter_callbacks *callbacks, uint64_t seed);
void filter_free(struct filter *filter);

/* Each returns 0 or an errno value and changes nothing when it fails: EINVAL for wrong text or a node that does not exist. */
int filter_set(struct filter *filter, enum impairment which, const struct value_setting *setting);
/* text: what the row's command takes: a value, "MS every MS" for blackout, "P [R [1-H [1-K]]]" for gemodel. */
int filter_set_text(struct filter *filter, enum impairment which, const char *text);
int filter_set_preset(struct filter *filter, const struct preset *preset);
/* "[LR|RL] FILE [repeat]", or "off" in place of FILE. *line: the wrong line of the file, or 0. */
int filter_set_trace(struct filter *filter, const char *text, unsigned *line);
/* Forgets the frames that wait. */
void filter_flush(struct filter *filter);
void filter_set_fifo(struct filter *filter, bool fifo);

int filter_resize(struct filter *filter, unsigned nodes);
int filter_set_node(struct filter *filter, unsigned node);
/* An empty name clears it. */
int filter_set_name(struct filter *filter, unsigned node, const char *name);
int filter_set_markov_ms(struct filter *filter, double ms);
/* "" when it has none. */
const char *filter_name(const struct filter *filter, unsigned node);

/* When filter_run has something to do; UINT64_MAX: never. */
uint64_t filter_deadline(const struct filter *filter);
/* Takes the steps of the chain that are due, and hands out what is due, at most IMPAIR_BATCH frames each way. */
void filter_run(struct filter *filter, uint64_t now);

#endif
