/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "markov.h"

#include <errno.h>
#include <stdlib.h>

int markov_init(struct markov *markov)
{
	*markov = (struct markov){ .count = 1 };
	markov->weight = calloc(1, sizeof *markov->weight);
	return markov->weight ? 0 : ENOMEM;
}

void markov_free(struct markov *markov)
{
	free(markov->weight);
	markov->weight = NULL;
}

int markov_resize(struct markov *markov, unsigned count)
{
	unsigned kept = count < markov->count ? count : markov->count;
	double *weight;

	if (count == 0 || count > MARKOV_STATES_MAX)
		return EINVAL;
	weight = calloc((size_t)count * count, sizeof *weight);
	if (!weight)
		return ENOMEM;
	for (unsigned from = 0; from < kept; from++)
		for (unsigned to = 0; to < kept; to++)
			weight[from * count + to] = markov->weight[from * markov->count + to];
	free(markov->weight);
	markov->weight = weight;
	markov->count = count;
	if (markov->current >= count)
		markov->current = 0;
	return 0;
}

int markov_set_edge(struct markov *markov, unsigned from, unsigned to, double weight)
{
	if (from >= markov->count || to >= markov->count || !(weight >= 0))
		return EINVAL;
	if (from != to)
		markov->weight[from * markov->count + to] = weight;
	return 0;
}

static double sum_of_others(const struct markov *markov, unsigned from)
{
	double sum = 0;

	for (unsigned to = 0; to < markov->count; to++)
		if (to != from)
			sum += markov->weight[from * markov->count + to];
	return sum;
}

double markov_edge(const struct markov *markov, unsigned from, unsigned to)
{
	if (from == to)
		return 100 - sum_of_others(markov, from);
	return markov->weight[from * markov->count + to];
}

unsigned markov_step(struct markov *markov, struct rng *rng)
{
	unsigned from = markov->current;
	double sum = sum_of_others(markov, from);
	double drawn = rng_unit(rng) * (sum > 100 ? sum : 100);

	if (drawn >= sum)
		return from;
	for (unsigned i = 1; i < markov->count; i++) {
		unsigned to = (from + i) % markov->count;

		drawn -= markov->weight[from * markov->count + to];
		if (drawn < 0) {
			markov->current = to;
			return to;
		}
	}
	return from;
}
