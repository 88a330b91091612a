/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A Markov chain in discrete time: states, the weights of the edges between them in percent, and which state is the current one.
 *
 * The weight of a state's edge to itself is what the others leave of 100. When they leave less than nothing there is no such edge, and they
 * share the chance in proportion.
 */
#ifndef WIREFILTER_MARKOV_H
#define WIREFILTER_MARKOV_H

#include "rng.h"

enum { MARKOV_STATES_MAX = 1024 };      /* 8 MB of weights */

struct markov {
	unsigned count;
	unsigned current;
	double *weight;                 /* count * count; from a row to a column; the diagonal is not used */
};

/* One state. Returns 0 or ENOMEM. */
int markov_init(struct markov *markov);
void markov_free(struct markov *markov);
/*
 * New states have only the edge to themselves; what led to a removed state goes back to the edge to oneself. When the current state is
 * removed state 0 becomes it. Returns 0, EINVAL (0 or more than MARKOV_STATES_MAX) or ENOMEM.
 */
int markov_resize(struct markov *markov, unsigned count);
/* Returns 0 or EINVAL (no such state, or a negative weight). An edge to oneself is not stored, being what is left. */
int markov_set_edge(struct markov *markov, unsigned from, unsigned to, double weight);
/* The weight; on the diagonal what the others leave of 100, which may be less than nothing. */
double markov_edge(const struct markov *markov, unsigned from, unsigned to);
/* Draws the next state, makes it the current one and returns it. */
unsigned markov_step(struct markov *markov, struct rng *rng);

#endif
