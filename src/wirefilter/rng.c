/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rng.h"

#include <math.h>

static uint64_t splitmix64(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15u);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

void rng_seed(struct rng *rng, uint64_t seed)
{
	for (int i = 0; i < 4; i++)
		rng->state[i] = splitmix64(&seed);
	rng->has_spare = false;
	rng->spare = 0;
}

static uint64_t rotate_left(uint64_t x, int bits)
{
	return (x << bits) | (x >> (64 - bits));
}

uint64_t rng_u64(struct rng *rng)
{
	uint64_t *s = rng->state;
	uint64_t result = rotate_left(s[0] + s[3], 23) + s[0];
	uint64_t t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotate_left(s[3], 45);
	return result;
}

double rng_unit(struct rng *rng)
{
	return (double)(rng_u64(rng) >> 11) * 0x1.0p-53;
}

uint64_t rng_below(struct rng *rng, uint64_t bound)
{
	/* What is at or above the largest multiple of bound would favour the small results. */
	uint64_t limit = UINT64_MAX - UINT64_MAX % bound;
	uint64_t x;

	do
		x = rng_u64(rng);
	while (x >= limit);
	return x % bound;
}

double rng_normal(struct rng *rng)
{
	double u, v, square, factor;

	if (rng->has_spare) {
		rng->has_spare = false;
		return rng->spare;
	}
	/* Marsaglia's polar method: two normal numbers from a point inside the unit circle */
	do {
		u = 2 * rng_unit(rng) - 1;
		v = 2 * rng_unit(rng) - 1;
		square = u * u + v * v;
	} while (square >= 1 || square == 0);
	factor = sqrt(-2 * log(square) / square);
	rng->spare = v * factor;
	rng->has_spare = true;
	return u * factor;
}

bool rng_chance(struct rng *rng, double percent)
{
	if (!(percent > 0))
		return false;
	return percent >= 100 || rng_unit(rng) * 100 < percent;
}
