/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One way through the filter on virtual time and a seeded generator: each impairment against what it promises. */
#include "wirefilter/filter.h"

#include "unit.h"

#include <errno.h>
#include <math.h>

enum { FRAMES = 100000, MS = 1000000, SECOND = 1000 * MS, OUT_MAX = 4 * FRAMES };

/* A filter whose left to right way is under test, what came out of it, and its clock. */
struct bench {
	struct filter filter;
	uint64_t now;
	struct { uint32_t id, length; uint64_t time; } *out;
	unsigned count;
	unsigned other_way;
	uint64_t flipped;               /* bits, in frames that were all zero but for the id */
	bool full;                      /* what is sent finds no more room after */
};

static struct bench *the_bench;         /* the clock callback has no owner */

static uint64_t clock_of_bench(void)
{
	return the_bench->now;
}

static bool take(void *owner, const struct frame *frames, unsigned count)
{
	struct bench *bench = owner;

	for (unsigned i = 0; i < count; i++) {
		assert_true(bench->count < OUT_MAX);
		bench->out[bench->count].id = read_be32(frames[i].data);
		bench->out[bench->count].length = frames[i].length;
		bench->out[bench->count++].time = bench->now;
		for (uint32_t byte = 4; byte < frames[i].length; byte++)
			bench->flipped += (unsigned)__builtin_popcount(frames[i].data[byte]);
	}
	return !bench->full;
}

static bool take_other_way(void *owner, const struct frame *frames, unsigned count)
{
	struct bench *bench = owner;

	(void)frames;
	bench->other_way += count;
	return true;
}

static int setup(void **state)
{
	struct bench *bench = calloc(1, sizeof *bench);
	const struct filter_callbacks callbacks = { clock_of_bench, { take, take_other_way }, NULL, NULL, bench };

	the_bench = bench;
	bench->out = calloc(OUT_MAX, sizeof *bench->out);
	bench->now = 1000ull * SECOND;
	*state = bench;
	return filter_init(&bench->filter, &callbacks, 42);
}

static int teardown(void **state)
{
	struct bench *bench = *state;

	filter_free(&bench->filter);
	free(bench->out);
	free(bench);
	return 0;
}

static void set(struct bench *bench, enum impairment which, const char *text)
{
	if (filter_set_text(&bench->filter, which, text))
		fail_msg("refused: %s %s", impairment_rows[which].command, text);
}

/* Lets time pass; every deadline is met exactly. */
static void run_until(struct bench *bench, uint64_t end)
{
	for (;;) {
		uint64_t deadline = filter_deadline(&bench->filter);

		if (deadline > end)
			break;
		if (deadline > bench->now)
			bench->now = deadline;
		filter_run(&bench->filter, bench->now);
	}
	bench->now = end;
}

static void put(struct bench *bench, uint32_t id, uint32_t length)
{
	uint8_t *data = calloc(1, length);
	struct frame frame = { .data = data, .length = length };

	write_be32(data, id);
	impair_receive(&bench->filter.way[WAY_LR], &frame, 1, bench->now);
	free(data);
}

static void put_many(struct bench *bench, unsigned count, uint32_t length, uint64_t gap)
{
	for (uint32_t i = 0; i < count; i++) {
		put(bench, i, length);
		run_until(bench, bench->now + gap);
	}
}

static double chi_square(const double *seen, const double *expected, unsigned bins)
{
	double sum = 0;

	for (unsigned i = 0; i < bins; i++)
		sum += (seen[i] - expected[i]) * (seen[i] - expected[i]) / expected[i];
	return sum;
}

/* Expected counts of a geometric distribution that begins at 1 and goes on with chance `stay`; the last bin takes the rest. */
static void geometric(double *expected, unsigned bins, double total, double stay)
{
	for (unsigned i = 0; i < bins; i++) {
		expected[i] = i + 1 < bins ? total * (1 - stay) : total;
		total *= stay;
	}
}

static const struct impair_counters *counters(const struct bench *bench)
{
	return &bench->filter.way[WAY_LR].counters;
}

static void test_nothing_on(void **state)
{
	struct bench *bench = *state;

	put_many(bench, 1000, 60, 0);
	assert_int_equal(bench->count, 1000);
	for (uint32_t i = 0; i < 1000; i++)
		assert_int_equal(bench->out[i].id, i);
	assert_int_equal(counters(bench)->frames_in, 1000);
	assert_int_equal(counters(bench)->bytes_out, 60000);
}

static void test_loss(void **state)
{
	struct bench *bench = *state;
	double seen[2], expected[2] = { FRAMES * 0.1, FRAMES * 0.9 }, runs[6] = { 0 }, expected_runs[6];
	uint32_t next = 0;
	double total = 0;

	set(bench, LOSS, "LR 10");
	put_many(bench, FRAMES, 60, 0);
	seen[1] = bench->count;
	seen[0] = FRAMES - seen[1];
	assert_true(chi_square(seen, expected, 2) < 10.8);
	assert_int_equal(counters(bench)->dropped[DROP_LOSS], FRAMES - bench->count);
	/* independent: runs of losses are geometric with 0.1 */
	for (unsigned i = 0; i < bench->count; i++) {
		unsigned run = bench->out[i].id - next;

		if (run)
			runs[run < 6 ? run - 1 : 5]++, total++;
		next = bench->out[i].id + 1;
	}
	geometric(expected_runs, 4, total, 0.1);
	runs[3] += runs[4] + runs[5];
	assert_true(chi_square(runs, expected_runs, 4) < 16.3);
}

static void test_loss_of_all_and_of_none(void **state)
{
	struct bench *bench = *state;

	set(bench, LOSS, "100");
	put_many(bench, 100, 60, 0);
	assert_int_equal(bench->count, 0);
	set(bench, LOSS, "0");
	put_many(bench, 100, 60, 0);
	assert_int_equal(bench->count, 100);
}

/* Shares and bursts of one setting. */
static void check_bursts(struct bench *bench, const char *loss, const char *burst, double share, double mean)
{
	enum { BINS = 10 };
	double bursts[BINS] = { 0 }, expected[BINS], total = 0, lost = 0;
	unsigned first = bench->count;
	uint32_t next = 0;

	set(bench, LOSS, loss);
	set(bench, LOST_BURST, burst);
	put_many(bench, FRAMES, 60, 0);
	for (unsigned i = first; i < bench->count; i++) {
		unsigned run = bench->out[i].id - next;

		if (run)
			bursts[run < BINS ? run - 1 : BINS - 1]++, total++;
		lost += run;
		next = bench->out[i].id + 1;
	}
	geometric(expected, BINS, total, 1 - 1 / mean);
	assert_true(chi_square(bursts, expected, BINS) < 27.9);
	assert_true(fabs(lost / FRAMES - share) < 0.01);
	assert_true(fabs(lost / total - mean) < 4 * sqrt(mean * (mean - 1) / total));
}

static void test_loss_in_bursts(void **state)
{
	struct bench *bench = *state;

	check_bursts(bench, "20", "5", 0.2, 5);
	check_bursts(bench, "2", "3", 0.02, 3);
	/* bursts of one cannot make up three quarters: they become three long */
	check_bursts(bench, "75", "1", 0.75, 3);
}

static void test_gemodel(void **state)
{
	struct bench *bench = *state;
	double lost;

	/* bad for 1/(1+9) of the time, losing half there and a hundredth elsewhere */
	set(bench, GE_P, "1 9 50 1");
	put_many(bench, FRAMES, 60, 0);
	lost = FRAMES - bench->count;
	assert_true(fabs(lost / FRAMES - (0.1 * 0.5 + 0.9 * 0.01)) < 0.004);
	assert_int_equal(counters(bench)->dropped[DROP_GEMODEL], (uint64_t)lost);
	set(bench, GE_P, "0");
	put_many(bench, 1000, 60, 0);
	assert_int_equal(bench->count, FRAMES - (unsigned)lost + 1000);
}

static void test_duplicates(void **state)
{
	enum { BINS = 8 };
	struct bench *bench = *state;
	double copies[BINS] = { 0 }, expected[BINS];
	unsigned run = 0;

	set(bench, DUPLICATE, "50");
	put_many(bench, FRAMES, 60, 0);
	for (unsigned i = 0; i < bench->count; i++) {
		run++;
		if (i + 1 == bench->count || bench->out[i + 1].id != bench->out[i].id) {
			copies[run < BINS ? run - 1 : BINS - 1]++;
			run = 0;
		}
	}
	geometric(expected, BINS, FRAMES, 0.5);
	assert_true(chi_square(copies, expected, BINS) < 24.3);
	assert_int_equal(counters(bench)->duplicated, bench->count - FRAMES);
}

static void test_duplicates_end(void **state)
{
	struct bench *bench = *state;

	set(bench, DUPLICATE, "100");
	put_many(bench, 100, 60, 0);
	assert_int_equal(bench->count, 200);
	set(bench, DUPLICATE, "99.9999");
	put(bench, 0, 60);
	assert_int_equal(bench->count, 200 + IMPAIR_COPIES_MAX);
	set(bench, DUPLICATE, "1e18");
	put(bench, 0, 60);
	assert_int_equal(bench->count, 202 + IMPAIR_COPIES_MAX);
}

static void test_delay(void **state)
{
	struct bench *bench = *state;
	uint64_t start = bench->now;

	set(bench, DELAY, "100");
	put_many(bench, 500, 60, MS);
	run_until(bench, bench->now + SECOND);
	assert_int_equal(bench->count, 500);
	for (unsigned i = 0; i < 500; i++)
		assert_int_equal(bench->out[i].time - start, (100 + (uint64_t)i) * MS);
}

static void test_delay_is_uniform(void **state)
{
	enum { BINS = 10 };
	struct bench *bench = *state;
	double seen[BINS] = { 0 }, expected[BINS];
	uint64_t start = bench->now;

	set(bench, DELAY, "100+50");
	filter_set_fifo(&bench->filter, false);
	put_many(bench, FRAMES, 60, 1000);
	run_until(bench, bench->now + SECOND);
	assert_int_equal(bench->count, FRAMES);
	for (unsigned i = 0; i < bench->count; i++) {
		uint64_t delay = bench->out[i].time - start - bench->out[i].id * 1000ull;

		assert_in_range(delay, 50 * MS, 150 * MS);
		seen[delay == 150 * MS ? BINS - 1 : (delay - 50 * MS) / (10 * MS)]++;
	}
	for (unsigned i = 0; i < BINS; i++)
		expected[i] = FRAMES / (double)BINS;
	assert_true(chi_square(seen, expected, BINS) < 27.9);
}

static void test_fifo_keeps_the_order(void **state)
{
	struct bench *bench = *state;
	unsigned overtaken = 0;

	set(bench, DELAY, "10+10");
	put_many(bench, 1000, 60, MS);
	run_until(bench, bench->now + SECOND);
	for (unsigned i = 0; i < 1000; i++)
		assert_int_equal(bench->out[i].id, i);
	filter_set_fifo(&bench->filter, false);
	bench->count = 0;
	put_many(bench, 1000, 60, MS);
	run_until(bench, bench->now + SECOND);
	for (unsigned i = 1; i < 1000; i++)
		overtaken += bench->out[i].id < bench->out[i - 1].id;
	assert_true(overtaken > 100);
}

static void test_delay_lowered_while_frames_wait(void **state)
{
	struct bench *bench = *state;
	uint64_t start = bench->now;

	set(bench, DELAY, "100");
	put(bench, 0, 60);
	set(bench, DELAY, "0");
	put(bench, 1, 60);
	run_until(bench, start + SECOND);
	assert_int_equal(bench->count, 2);
	assert_int_equal(bench->out[0].id, 0);
	assert_int_equal(bench->out[1].time - start, 100 * MS);
}

static void test_far_values_end(void **state)
{
	struct bench *bench = *state;
	const struct { enum impairment which; const char *text; } rows[] = {
		{ DELAY, "1e18" }, { BANDWIDTH, "1e-20" }, { BANDWIDTH, "0.5" }, { SPEED, "0.001" }, { SPEED, "1e18" },
		{ BANDWIDTH, "0+1" }, { NOISE, "1e18" }, { DELAY, "0+1e18n" }, { BLACKOUT, "1e18 every 1e18" }, { BLACKOUT, "1 every 0" },
		{ BLACKOUT, "0.0000001 every 0.0000001" }, { LOST_BURST, "1e18" }, { MTU, "1e18" }, { TRUNCATE, "1e18" }, { REORDER, "1e18" },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		set(bench, rows[i].which, rows[i].text);
		put_many(bench, 50, 1514, MS);
		run_until(bench, bench->now + 5ull * SECOND);
		set(bench, rows[i].which, "0");
		impair_flush(&bench->filter.way[WAY_LR]);
	}
	bench->count = 0;
	put_many(bench, 50, 1514, MS);
	assert_int_equal(bench->count, 50);
}

/* Offers twice what the line carries for two seconds; what came in the last second is the rate. */
static void check_rate(struct bench *bench, enum impairment which, double rate, uint32_t length)
{
	char text[32];
	double size = length + IMPAIR_SIZE_EXTRA, carried = 0, expected;
	uint64_t start = bench->now, busy = 0;
	unsigned sent = 0;

	bench->count = 0;
	snprintf(text, sizeof text, "%.17g", rate);
	set(bench, which, text);
	while (bench->now < start + 2ull * SECOND && bench->count < 3000) {
		if (which == SPEED)
			busy = impair_busy_until(&bench->filter.way[WAY_LR]);
		run_until(bench, busy > bench->now ? busy : bench->now + (uint64_t)(size / rate / 2 * SECOND));
		put(bench, sent++, length);
	}
	for (unsigned i = 1; i < bench->count; i++)
		carried += size;
	expected = rate * (double)(bench->out[bench->count - 1].time - bench->out[0].time) / SECOND;
	assert_true(bench->count > 10 || rate < 2000);
	if (fabs(carried / expected - 1) > 0.002)
		fail_msg("%s %g with %u bytes: carried %g instead of %g", impairment_rows[which].command, rate, length, carried, expected);
	set(bench, which, "0");
	impair_flush(&bench->filter.way[WAY_LR]);
}

static void test_rates(void **state)
{
	const double rates[] = { 1e3, 1e4, 123456, 1e6, 1e7, 1e8, 3.3e8, 1e9 };
	const uint32_t lengths[] = { 60, 61, 1514, 9000 };

	for (size_t i = 0; i < sizeof rates / sizeof *rates; i++) {
		for (size_t j = 0; j < sizeof lengths / sizeof *lengths; j++) {
			/* too slow a line carries nothing in two seconds */
			if (lengths[j] * 5.0 > 2 * rates[i])
				continue;
			check_rate(*state, BANDWIDTH, rates[i], lengths[j]);
			check_rate(*state, SPEED, rates[i], lengths[j]);
		}
	}
}

static void test_bandwidth_serialises_and_delay_does_not(void **state)
{
	struct bench *bench = *state;
	uint64_t start = bench->now;

	set(bench, BANDWIDTH, "10000");
	set(bench, DELAY, "50");
	for (uint32_t i = 0; i < 5; i++)
		put(bench, i, 998);
	run_until(bench, start + 2ull * SECOND);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(bench->out[i].time - start, (100 * (i + 1) + 50) * (uint64_t)MS);
}

static void test_buffer_size(void **state)
{
	struct bench *bench = *state;

	/* counts with the two bytes, and when nothing is delayed too */
	set(bench, BUFFER_SIZE, "100");
	put(bench, 0, 98);
	put(bench, 1, 99);
	assert_int_equal(bench->count, 1);
	set(bench, BUFFER_SIZE, "1000");
	set(bench, DELAY, "10");
	for (uint32_t i = 0; i < 20; i++)
		put(bench, i, 98);
	assert_int_equal(impair_waiting(&bench->filter.way[WAY_LR]), 10);
	assert_int_equal(counters(bench)->dropped[DROP_BUFFER], 11);
	run_until(bench, bench->now + SECOND);
	put(bench, 0, 98);
	assert_int_equal(impair_waiting(&bench->filter.way[WAY_LR]), 1);
}

static void test_memory_is_bounded(void **state)
{
	struct bench *bench = *state;

	set(bench, DELAY, "1e9");
	put_many(bench, 10000, 9000, 0);
	assert_true(bench->filter.way[WAY_LR].queued_bytes <= IMPAIR_BUFFER_DEFAULT);
	assert_int_equal(impair_waiting(&bench->filter.way[WAY_LR]), IMPAIR_BUFFER_DEFAULT / 9002);
	assert_int_equal(counters(bench)->dropped[DROP_BUFFER], 10000 - IMPAIR_BUFFER_DEFAULT / 9002);
}

/* The buffers of short frames are longer than they. */
static void test_memory_of_short_frames_is_bounded(void **state)
{
	struct bench *bench = *state;
	const struct impair *impair = &bench->filter.way[WAY_LR];

	set(bench, DELAY, "1e9");
	put_many(bench, 200000, 193, 0);
	assert_in_range(impair_waiting(impair) * 2048, IMPAIR_BUFFER_DEFAULT, (uint64_t)IMPAIR_BUFFER_DEFAULT * IMPAIR_MEMORY_FACTOR);
	assert_int_equal(counters(bench)->dropped[DROP_BUFFER], 200000 - impair_waiting(impair));
	filter_flush(&bench->filter);
	set(bench, DELAY, "1");
	put_many(bench, 10, 193, 0);
	run_until(bench, bench->now + SECOND);
	assert_int_equal(impair->heap.memory, 0);
}

static void test_mtu(void **state)
{
	struct bench *bench = *state;

	set(bench, MTU, "100");
	put(bench, 0, 98);
	put(bench, 1, 99);
	assert_int_equal(bench->count, 1);
	bench->filter.common.strict_mtu = true;
	put(bench, 2, 100);
	put(bench, 3, 101);
	assert_int_equal(bench->count, 2);
	assert_int_equal(counters(bench)->dropped[DROP_MTU], 2);
}

static void test_noise(void **state)
{
	const double per_megabyte[] = { 1, 690, 700, 50000, 2e6 };
	const unsigned frames[] = { 60000, 20000, 20000, 2000, 200 };
	struct bench *bench = *state;

	for (size_t i = 0; i < sizeof frames / sizeof *frames; i++) {
		char text[32];
		double expected = per_megabyte[i] * frames[i] * 1514 / 1048576.0, seen;
		uint64_t before = counters(bench)->bits_flipped;

		bench->count = 0;
		bench->flipped = 0;
		snprintf(text, sizeof text, "%g", per_megabyte[i]);
		set(bench, NOISE, text);
		put_many(bench, frames[i], 1514, 0);
		seen = (double)(counters(bench)->bits_flipped - before);
		/* of that many independent flips, four standard deviations */
		assert_true(fabs(seen - expected) < 4 * sqrt(expected));
		/* all but those in the four bytes of the id are seen in the payload */
		assert_true(bench->flipped <= seen && bench->flipped > seen * 0.9);
	}
	set(bench, NOISE, "8m");
	bench->flipped = 0;
	put(bench, 0, 1514);
	assert_int_equal(bench->flipped, 1510 * 8);
}

static void test_noise_damages_each_copy_for_itself(void **state)
{
	struct bench *bench = *state;

	set(bench, NOISE, "50000");
	set(bench, DUPLICATE, "100");
	put_many(bench, 100, 1514, 0);
	assert_int_equal(bench->count, 200);
	/* a copy damaged twice would have flips of both */
	assert_true(fabs((double)bench->flipped - 50000 / 1048576.0 * 200 * 1510) < 600);
}

static void test_reorder(void **state)
{
	struct bench *bench = *state;
	const uint32_t order[] = { 1, 0, 3, 2, 5, 4 };

	set(bench, REORDER, "100");
	put_many(bench, 6, 60, MS);
	assert_int_equal(bench->count, 6);
	for (unsigned i = 0; i < 6; i++)
		assert_int_equal(bench->out[i].id, order[i]);
	/* with a delay too; and a frame without a follower comes after a while */
	bench->count = 0;
	set(bench, DELAY, "20");
	put_many(bench, 7, 60, MS);
	run_until(bench, bench->now + SECOND);
	assert_int_equal(bench->count, 7);
	for (unsigned i = 0; i < 6; i++)
		assert_int_equal(bench->out[i].id, order[i]);
	assert_int_equal(bench->out[6].id, 6);
	assert_int_equal(counters(bench)->reordered, 7);
}

static void test_truncate(void **state)
{
	struct bench *bench = *state;
	unsigned cut = 0;

	set(bench, TRUNCATE, "30");
	put_many(bench, FRAMES, 60, 0);
	assert_int_equal(bench->count, FRAMES);
	for (unsigned i = 0; i < FRAMES; i++) {
		assert_in_range(bench->out[i].length, 14, 60);
		cut += bench->out[i].length < 60;
	}
	assert_true(fabs(cut / (double)FRAMES - 0.3) < 0.006);
	assert_int_equal(counters(bench)->truncated, cut);
	put(bench, 0, 14);
	assert_int_equal(bench->out[FRAMES].length, 14);
}

static void test_blackout(void **state)
{
	struct bench *bench = *state;
	uint64_t start = bench->now;

	set(bench, BLACKOUT, "200 every 1000");
	put_many(bench, 5000, 60, MS);
	assert_int_equal(bench->count, 4000);
	for (unsigned i = 0; i < bench->count; i++)
		assert_true((bench->out[i].time - start) / MS % 1000 < 800);
	assert_int_equal(counters(bench)->dropped[DROP_BLACKOUT], 1000);
}

static void test_trace(void **state)
{
	static const char text[] = "# time delay loss\n0 10 0\n100, 20, 100\n200\t30 0 # the end\n";
	struct bench *bench = *state;
	struct impair *way = &bench->filter.way[WAY_LR];
	uint64_t start = bench->now;
	unsigned line;

	way->trace = (struct trace){ .start = start, .repeats = true };
	assert_int_equal(trace_parse(&way->trace, text, sizeof text - 1, &line), 0);
	assert_int_equal(way->trace.count, 3);
	impair_set_values(way, way->value);
	put_many(bench, 300, 60, MS);
	run_until(bench, bench->now + SECOND);
	/* 0..99 pass, 100..199 are lost, 200.. is the first row again */
	assert_int_equal(bench->count, 200);
	for (unsigned i = 0; i < bench->count; i++) {
		assert_true(bench->out[i].id < 100 || bench->out[i].id >= 200);
		assert_int_equal(bench->out[i].time - start, (bench->out[i].id + 10) * (uint64_t)MS);
	}
	assert_int_equal(counters(bench)->dropped[DROP_TRACE], 100);
}

static void test_bad_traces(void **state)
{
	const char *const rows[] = { "x", "1 2", "1 2 3 4", "1 2 101", "-1 2 3", "5 1 1\n5 1 1", "5 1 1\n4 1 1", "# nothing\n", "0 0 0 x" };
	struct trace trace = { .row = NULL };
	unsigned line;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		assert_int_not_equal(trace_parse(&trace, rows[i], strlen(rows[i]), &line), 0);
		assert_null(trace.row);
	}
	assert_int_equal(trace_load(&trace, "/nonexistent/file", false, 0, &line), ENOENT);
}

static void test_full_output_waits(void **state)
{
	struct bench *bench = *state;

	bench->full = true;
	put(bench, 0, 60);
	put_many(bench, 100, 60, MS);
	assert_int_equal(bench->count, 1);
	assert_int_equal(impair_waiting(&bench->filter.way[WAY_LR]), 100);
	assert_true(filter_deadline(&bench->filter) == UINT64_MAX);
	bench->full = false;
	impair_unblock(&bench->filter.way[WAY_LR]);
	run_until(bench, bench->now + MS);
	assert_int_equal(bench->count, 101);
	for (unsigned i = 1; i < 101; i++)
		assert_int_equal(bench->out[i].id, i - 1);
}

static void test_ways_are_apart(void **state)
{
	struct bench *bench = *state;
	uint8_t data[60] = { 0 };
	struct frame frame = { .data = data, .length = sizeof data };

	set(bench, LOSS, "LR 100");
	set(bench, DELAY, "LR 1000");
	impair_receive(&bench->filter.way[WAY_RL], &frame, 1, bench->now);
	put(bench, 0, 60);
	assert_int_equal(bench->other_way, 1);
	assert_int_equal(bench->count, 0);
}

/* The same seed gives the same losses. */
static void test_repeatable(void **state)
{
	unsigned counts[2];
	uint32_t last[2];

	for (int i = 0; i < 2; i++) {
		struct bench *bench = *state;

		set(bench, LOSS, "37");
		put_many(bench, 1000, 60, 0);
		counts[i] = bench->count;
		last[i] = bench->out[counts[i] / 2].id;
		teardown(state);
		setup(state);
	}
	assert_int_equal(counts[0], counts[1]);
	assert_int_equal(last[0], last[1]);
}

static void test_presets_are_accepted(void **state)
{
	struct bench *bench = *state;

	for (const struct preset *preset = presets; preset->name; preset++) {
		assert_ptr_equal(preset_find(preset->name), preset);
		assert_int_equal(filter_set_preset(&bench->filter, preset), 0);
		put_many(bench, 100, 1514, MS);
		run_until(bench, bench->now + SECOND);
		assert_true(bench->count > 30);
		bench->count = 0;
	}
	assert_null(preset_find("no such preset"));
}

static void test_bad_texts(void **state)
{
	const struct { enum impairment which; const char *text; } rows[] = {
		{ LOSS, "5[1]" }, { BLACKOUT, "5" }, { BLACKOUT, "5 every" }, { BLACKOUT, "5 every x" }, { BLACKOUT, "every 5" }, { BLACKOUT, "5 every 6 7" },
		{ GE_P, "" }, { GE_P, "1 2 3 4 5" }, { GE_P, "1 2 101" }, { GE_P, "x" }, { GE_P, "1 2[1]" }, { DELAY, "-1" },
	};
	struct bench *bench = *state;

	for (size_t i = 0; i < COUNT_OF(rows); i++)
		assert_int_not_equal(filter_set_text(&bench->filter, rows[i].which, rows[i].text), 0);
	assert_false(bench->filter.way[WAY_LR].active);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_nothing_on), TEST(test_loss), TEST(test_loss_of_all_and_of_none), TEST(test_loss_in_bursts), TEST(test_gemodel),
		TEST(test_duplicates), TEST(test_duplicates_end), TEST(test_delay), TEST(test_delay_is_uniform), TEST(test_fifo_keeps_the_order),
		TEST(test_delay_lowered_while_frames_wait), TEST(test_far_values_end), TEST(test_rates),
		TEST(test_bandwidth_serialises_and_delay_does_not), TEST(test_buffer_size), TEST(test_memory_is_bounded),
		TEST(test_memory_of_short_frames_is_bounded), TEST(test_mtu),
		TEST(test_noise), TEST(test_noise_damages_each_copy_for_itself), TEST(test_reorder), TEST(test_truncate), TEST(test_blackout),
		TEST(test_trace), TEST(test_bad_traces), TEST(test_full_output_waits), TEST(test_ways_are_apart), TEST(test_repeatable),
		TEST(test_presets_are_accepted), TEST(test_bad_texts),
	};

	return cmocka_run_group_tests_name("wirefilter_impair", tests, NULL, NULL);
}
