/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What drops a frame, in the order that the top of impair.c gives. */
#include "impair_internal.h"

static const double nanoseconds_per_ms = 1e6;

const char *const drop_reason_names[] = {
	[DROP_BLACKOUT] = "blackout",
	[DROP_MTU] = "mtu",
	[DROP_LOSS] = "loss",
	[DROP_GEMODEL] = "gemodel",
	[DROP_TRACE] = "trace",
	[DROP_BUFFER] = "chanbufsize",
	[DROP_RATE] = "rate",
	[DROP_MEMORY] = "memory",
};

static void begin_cycle(struct impair *impair, uint64_t begin)
{
	double dark = impair_sample(impair, BLACKOUT) * nanoseconds_per_ms;
	double period = impair_sample(impair, BLACKOUT_PERIOD) * nanoseconds_per_ms;
	double light = period - dark;

	impair->cycle_begin = begin;
	impair->dark_begin = impair_later(begin, light);
	impair->dark_end = impair_later(impair->dark_begin, dark);
	/* A microsecond at least, so that a cycle is never empty. */
	impair->cycle_end = impair_latest(impair->dark_end, begin + 1000);
}

static bool is_dark(struct impair *impair, uint64_t now)
{
	enum { CYCLES_MAX = 1000 };
	int cycles = 0;

	if (!impair_is_on(impair, BLACKOUT))
		return false;
	while (now >= impair->cycle_end) {
		/* After a long silence the phase does not matter any more. */
		bool lost_count = ++cycles == CYCLES_MAX || impair->cycle_end == 0;

		begin_cycle(impair, lost_count ? now : impair->cycle_end);
	}
	return now >= impair->dark_begin && now < impair->dark_end;
}

static bool exceeds_mtu(struct impair *impair, uint32_t length)
{
	const struct value *mtu = &impair->value[MTU];

	if (!impair_is_on(impair, MTU) || mtu->base - mtu->variation <= 0)
		return false;
	return (impair->common->strict_mtu ? length : impair_size_of(length)) > impair_sample(impair, MTU);
}

/*
 * Gilbert's model. From the bad state, which loses everything, the way back is taken with 1/burst, so that bursts are `burst` long in the mean; into
 * it with what makes the share of bad frames come out as `loss`. A burst too short for that share is lengthened: with 90 % lost, runs of
 * losses cannot be shorter than 9 frames in the mean.
 */
static bool is_lost_in_burst(struct impair *impair, double loss)
{
	double burst = impair_sample(impair, LOST_BURST);
	double share = loss / 100;
	double shortest = share / (1 - share);

	if (burst < 1)
		burst = 1;
	if (burst < shortest)
		burst = shortest;
	if (impair->burst_bad)
		impair->burst_bad = rng_unit(&impair->rng) >= 1 / burst;
	else
		impair->burst_bad = rng_unit(&impair->rng) < shortest / burst;
	return impair->burst_bad;
}

static bool is_lost(struct impair *impair)
{
	double loss;

	if (!impair_is_on(impair, LOSS))
		return false;
	loss = impair_sample(impair, LOSS);
	if (impair_is_on(impair, LOST_BURST) && loss > 0 && loss < 100)
		return is_lost_in_burst(impair, loss);
	impair->burst_bad = false;
	return rng_chance(&impair->rng, loss);
}

static bool is_lost_by_gemodel(struct impair *impair)
{
	if (!impair_is_on(impair, GE_P)) {
		impair->ge_bad = false;
		return false;
	}
	if (rng_chance(&impair->rng, impair_sample(impair, impair->ge_bad ? GE_R : GE_P)))
		impair->ge_bad = !impair->ge_bad;
	return rng_chance(&impair->rng, impair_sample(impair, impair->ge_bad ? GE_BAD_LOSS : GE_GOOD_LOSS));
}

enum drop_reason impair_drops(struct impair *impair, const struct frame *frame, const struct trace_row *row, uint64_t now)
{
	if (is_dark(impair, now))
		return DROP_BLACKOUT;
	if (exceeds_mtu(impair, frame->length))
		return DROP_MTU;
	if (is_lost(impair))
		return DROP_LOSS;
	if (is_lost_by_gemodel(impair))
		return DROP_GEMODEL;
	if (row && rng_chance(&impair->rng, row->loss))
		return DROP_TRACE;
	return DROP_COUNT;
}
