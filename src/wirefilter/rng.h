/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Random numbers that a seed makes repeatable: xoshiro256++ (Blackman and Vigna), seeded through splitmix64. Not for secrets. */
#ifndef WIREFILTER_RNG_H
#define WIREFILTER_RNG_H

#include <stdbool.h>
#include <stdint.h>

struct rng {
	uint64_t state[4];
	double spare;                   /* the second of a pair of normal numbers */
	bool has_spare;
};

void rng_seed(struct rng *rng, uint64_t seed);
uint64_t rng_u64(struct rng *rng);
/* Uniform in [0, 1), 53 bits. */
double rng_unit(struct rng *rng);
/* Uniform in 0 .. bound-1; bound > 0. */
uint64_t rng_below(struct rng *rng, uint64_t bound);
/* Normal, mean 0, standard deviation 1. */
double rng_normal(struct rng *rng);
/* True with the given percentage; 0 and less never, 100 and more always, both without using up a number. */
bool rng_chance(struct rng *rng, double percent);

#endif
