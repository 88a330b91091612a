/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The heap of deadlines, and the Markov chain. */
#include "wirefilter/heap.h"
#include "wirefilter/markov.h"
#include "wirefilter/rng.h"

#include "unit.h"

#include <errno.h>
#include <math.h>

static void push(struct heap *heap, uint64_t due, uint32_t id)
{
	struct heap_frame *frame = heap_frame_new(heap, (const uint8_t *)&id, sizeof id);

	assert_non_null(frame);
	assert_true(heap_push(heap, frame, due));
}

static uint32_t pop(struct heap *heap)
{
	struct heap_frame *frame = heap_pop(heap);
	uint32_t id;

	memcpy(&id, frame->data, sizeof id);
	heap_frame_free(heap, frame);
	return id;
}

static void test_heap_sorts(void **state)
{
	enum { COUNT = 100000 };
	struct heap heap;
	struct rng rng;
	uint64_t last = 0;

	(void)state;
	heap_init(&heap);
	rng_seed(&rng, 3);
	assert_true(heap_deadline(&heap) == UINT64_MAX);
	for (uint32_t i = 0; i < COUNT; i++)
		push(&heap, rng_below(&rng, 1000000), i);
	for (uint32_t i = 0; i < COUNT; i++) {
		uint64_t due = heap_deadline(&heap);

		assert_true(due >= last);
		last = due;
		pop(&heap);
	}
	assert_int_equal(heap_count(&heap), 0);
	heap_clear(&heap);
}

static void test_equal_times_keep_their_order(void **state)
{
	struct heap heap;

	(void)state;
	heap_init(&heap);
	for (uint32_t i = 0; i < 1000; i++)
		push(&heap, 5 + i % 2, i);
	for (uint32_t i = 0; i < 500; i++)
		assert_int_equal(pop(&heap), 2 * i);
	for (uint32_t i = 0; i < 500; i++)
		assert_int_equal(pop(&heap), 2 * i + 1);
	heap_clear(&heap);
}

static void test_heap_mixed_use(void **state)
{
	struct heap heap;
	struct rng rng;
	uint64_t now = 0;

	(void)state;
	heap_init(&heap);
	rng_seed(&rng, 4);
	for (int i = 0; i < 100000; i++) {
		push(&heap, now + rng_below(&rng, 1000), 0);
		now += 2;
		while (heap_deadline(&heap) <= now)
			pop(&heap);
		assert_true(heap_count(&heap) <= 1000);
	}
	push(&heap, now, 1);
	heap_clear(&heap);
	assert_int_equal(heap_count(&heap), 0);
}

/* The value of `delay` of a mode, in nanoseconds. */
struct mode {
	const char *name;
	uint64_t base, variation;
	bool fifo;
};

static const struct mode modes[] = {
	{ "fixed", 50000000, 0, false }, { "fifo with jitter", 50000000, 40000000, true }, { "jitter", 50000000, 40000000, false },
	{ "all jitter", 100000000, 100000000, false }, { "an hour of jitter", 3600000000000, 3600000000000, false },
};

/* Steps per frame in a cable where `depth` frames are on their way at any time. */
static double steps_per_frame(const struct mode *mode, unsigned depth)
{
	static struct heap heap;
	uint64_t now = 5000000000, gap = mode->base / depth, last = 0, before = 0;
	struct rng rng;

	heap_init(&heap);
	rng_seed(&rng, depth);
	for (uint32_t i = 0; i < 3 * depth; i++, now += gap) {
		uint64_t due = now + mode->base - mode->variation + (mode->variation ? rng_below(&rng, 2 * mode->variation) : 0);

		if (i == 2 * depth)
			before = heap.moves + heap.wheel.moves;
		if (mode->fifo && due < last)
			due = last;
		last = due;
		while (heap_deadline(&heap) <= now)
			pop(&heap);
		push(&heap, due, i);
	}
	uint64_t steps = heap.moves + heap.wheel.moves - before;
	heap_clear(&heap);
	return (double)steps / depth;
}

/* What one frame costs does not grow with the number of those that wait. */
static void test_depth_does_not_matter(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(modes); i++) {
		double few = steps_per_frame(&modes[i], 100), many = steps_per_frame(&modes[i], 100000);

		print_message("%s: %.2f steps a frame with 100, %.2f with 100,000\n", modes[i].name, few, many);
		assert_true(many <= few + 2);         /* levels of the wheel that a few frames skip */
		assert_true(many <= 6);
	}
}

static void test_wheel_among_the_other_two(void **state)
{
	static struct heap heap;
	static uint64_t due[2000];
	struct rng rng;
	uint64_t now = 0;

	(void)state;
	heap_init(&heap);
	rng_seed(&rng, 11);
	for (uint32_t i = 0; i < COUNT_OF(due); i++) {
		due[i] = now + (rng_below(&rng, 5) ? rng_below(&rng, 1u << (rng_below(&rng, 30) + 1)) : UINT64_MAX - now);
		push(&heap, due[i], i);
		now += rng_below(&rng, 3000);
		while (rng_below(&rng, 2) && heap_deadline(&heap) <= now) {
			uint64_t earliest = heap_deadline(&heap);
			uint32_t id = pop(&heap);

			assert_true(due[id] == earliest);
			due[id] = UINT64_MAX;
			for (uint32_t j = 0; j <= i; j++)
				assert_true(due[j] >= earliest);
		}
	}
	heap_clear(&heap);
	assert_int_equal(heap_count(&heap), 0);
}

static void test_chain_edges(void **state)
{
	struct markov markov;

	(void)state;
	assert_int_equal(markov_init(&markov), 0);
	assert_int_equal(markov_resize(&markov, 0), EINVAL);
	assert_int_equal(markov_resize(&markov, MARKOV_STATES_MAX + 1), EINVAL);
	assert_int_equal(markov_resize(&markov, 3), 0);
	assert_true(markov_edge(&markov, 1, 1) == 100);
	assert_int_equal(markov_set_edge(&markov, 0, 1, 10), 0);
	assert_int_equal(markov_set_edge(&markov, 0, 2, 25), 0);
	assert_int_equal(markov_set_edge(&markov, 0, 3, 25), EINVAL);
	assert_int_equal(markov_set_edge(&markov, 3, 0, 25), EINVAL);
	assert_int_equal(markov_set_edge(&markov, 0, 1, -1), EINVAL);
	assert_int_equal(markov_set_edge(&markov, 0, 1, NAN), EINVAL);
	assert_true(markov_edge(&markov, 0, 0) == 65);
	markov.current = 2;
	assert_int_equal(markov_resize(&markov, 2), 0);
	assert_int_equal(markov.current, 0);
	assert_true(markov_edge(&markov, 0, 0) == 90);
	assert_int_equal(markov_resize(&markov, 4), 0);
	assert_true(markov_edge(&markov, 0, 1) == 10);
	assert_true(markov_edge(&markov, 0, 2) == 0);
	markov_free(&markov);
}

/* Long runs spend in each state the share that the chain's stationary distribution says. */
static void test_stationary_shares(void **state)
{
	enum { STEPS = 200000 };
	/* pi = pi P: two states 0->1 10 %, 1->0 30 % give 3/4 and 1/4; a third that is entered from 1 with 20 % and left to 0 with 50 % */
	const double edges[3][3] = { { 0, 10, 0 }, { 30, 0, 20 }, { 50, 0, 0 } };
	const double shares[3] = { 25 / 32.0, 5 / 32.0, 2 / 32.0 };
	unsigned visits[3] = { 0 };
	struct markov markov;
	struct rng rng;

	(void)state;
	rng_seed(&rng, 5);
	assert_int_equal(markov_init(&markov), 0);
	assert_int_equal(markov_resize(&markov, 3), 0);
	for (unsigned from = 0; from < 3; from++)
		for (unsigned to = 0; to < 3; to++)
			assert_int_equal(markov_set_edge(&markov, from, to, edges[from][to]), 0);
	for (int i = 0; i < STEPS; i++)
		visits[markov_step(&markov, &rng)]++;
	for (int i = 0; i < 3; i++)
		assert_true(fabs(visits[i] / (double)STEPS - shares[i]) < 0.01);
	markov_free(&markov);
}

static void test_too_heavy_edges_share(void **state)
{
	unsigned visits[3] = { 0 };
	struct markov markov;
	struct rng rng;

	(void)state;
	rng_seed(&rng, 6);
	assert_int_equal(markov_init(&markov), 0);
	assert_int_equal(markov_resize(&markov, 3), 0);
	markov_set_edge(&markov, 0, 1, 300);
	markov_set_edge(&markov, 0, 2, 100);
	for (int i = 0; i < 10000; i++) {
		markov.current = 0;
		visits[markov_step(&markov, &rng)]++;
	}
	assert_int_equal(visits[0], 0);
	assert_true(abs((int)visits[1] - 7500) < 200);
	markov_free(&markov);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_heap_sorts), cmocka_unit_test(test_equal_times_keep_their_order), cmocka_unit_test(test_heap_mixed_use),
		cmocka_unit_test(test_depth_does_not_matter), cmocka_unit_test(test_wheel_among_the_other_two),
		cmocka_unit_test(test_chain_edges), cmocka_unit_test(test_stationary_shares), cmocka_unit_test(test_too_heavy_edges_share),
	};

	return cmocka_run_group_tests_name("wirefilter_heap", tests, NULL, NULL);
}
