/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the user writes for a quantity, and what is drawn from it. */
#include "wirefilter/value.h"

#include "unit.h"

#include <errno.h>
#include <math.h>

static const double kilo = 1024, mega = 1024 * 1024, giga = 1024.0 * 1024 * 1024;

struct good_row {
	const char *text;
	bool lr, rl;
	double base, variation;
	enum value_distribution distribution;
	unsigned node;
};

static void test_good_values(void **state)
{
	const struct good_row rows[] = {
		{ "5", true, true, 5, 0, VALUE_UNIFORM, 0 },
		{ "0", true, true, 0, 0, VALUE_UNIFORM, 0 },
		{ "+5", true, true, 5, 0, VALUE_UNIFORM, 0 },
		{ "1.5", true, true, 1.5, 0, VALUE_UNIFORM, 0 },
		{ ".5", true, true, .5, 0, VALUE_UNIFORM, 0 },
		{ "10+3", true, true, 10, 3, VALUE_UNIFORM, 0 },
		{ "10+3U", true, true, 10, 3, VALUE_UNIFORM, 0 },
		{ "5+2N", true, true, 5, 2, VALUE_NORMAL, 0 },
		{ "128+64K", true, true, 131072, 65536, VALUE_UNIFORM, 0 },
		{ "128+64kn", true, true, 131072, 65536, VALUE_NORMAL, 0 },
		{ "1M", true, true, mega, 0, VALUE_UNIFORM, 0 },
		{ "2gU", true, true, 2 * giga, 0, VALUE_UNIFORM, 0 },
		{ "LR10", true, false, 10, 0, VALUE_UNIFORM, 0 },
		{ "RL10", false, true, 10, 0, VALUE_UNIFORM, 0 },
		{ "LR 10", true, false, 10, 0, VALUE_UNIFORM, 0 },
		{ "RL 10k[2]", false, true, 10 * kilo, 0, VALUE_UNIFORM, 2 },
		{ "LR 10[2]", true, false, 10, 0, VALUE_UNIFORM, 2 },
		{ "1.5[0]", true, true, 1.5, 0, VALUE_UNIFORM, 0 },
		{ "LR0.000000", true, false, 0, 0, VALUE_UNIFORM, 0 },
		{ "RL25.000000+3.500000", false, true, 25, 3.5, VALUE_UNIFORM, 0 },
		{ "1e3", true, true, 1000, 0, VALUE_UNIFORM, 0 },
		{ "1e+3", true, true, 1000, 0, VALUE_UNIFORM, 0 },
		{ "1e-3+2e-3", true, true, .001, .002, VALUE_UNIFORM, 0 },
		{ " 7 ", true, true, 7, 0, VALUE_UNIFORM, 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct value_setting setting;
		int error = value_parse(rows[i].text, &setting);

		if (error)
			print_message("refused: '%s'\n", rows[i].text);
		assert_int_equal(error, 0);
		assert_int_equal(setting.way[WAY_LR], rows[i].lr);
		assert_int_equal(setting.way[WAY_RL], rows[i].rl);
		assert_true(setting.value.base == rows[i].base);
		assert_true(setting.value.variation == rows[i].variation);
		assert_int_equal(setting.value.distribution, rows[i].distribution);
		assert_int_equal(setting.node, rows[i].node);
	}
}

static void test_bad_values(void **state)
{
	const char *const rows[] = {
		"", " ", "abc", "LR", "RL ", "5,5", "5+", "5+-1", "5++1", "-5", "5-1", "5x", "5kk", "5uk", "5un", "5 5", "5[", "5[]", "5[x]", "5[-1]",
		"5[1]x", "5[99999999999]", "nan", "inf", "0x10", "1e", "1e99", "1e18g", "LRRL5", "5%", "--5", "+-5", "5+nan", "[1]", ".", "5+.", "++5",
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct value_setting setting = { .node = 77 };

		if (!value_parse(rows[i], &setting))
			print_message("accepted: '%s'\n", rows[i]);
		assert_int_not_equal(value_parse(rows[i], &setting), 0);
		assert_int_equal(setting.node, 77);
	}
}

static void test_printed_values_can_be_read_back(void **state)
{
	const struct { const char *text, *printed; } rows[] = {
		{ "5+2N", "5+2N" }, { "0", "0+0U" }, { "10k", "10240+0U" }, { "128+64kn", "131072+65536N" }, { "1m", "1.04858e+06+0U" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct value_setting setting, again;
		char printed[VALUE_TEXT_SIZE];

		assert_int_equal(value_parse(rows[i].text, &setting), 0);
		assert_string_equal(value_print(printed, &setting.value), rows[i].printed);
		assert_int_equal(value_parse(printed, &again), 0);
		assert_int_equal(again.value.distribution, setting.value.distribution);
	}
}

static void test_samples(void **state)
{
	enum { SAMPLES = 100000, BINS = 20 };
	const struct value uniform = { 10, 4, VALUE_UNIFORM }, normal = { 10, 6, VALUE_NORMAL }, fixed = { 3, 0, VALUE_NORMAL };
	unsigned bin[BINS] = { 0 };
	double sum = 0, squares = 0, chi_square = 0;
	unsigned within_one = 0;
	struct rng rng;

	(void)state;
	rng_seed(&rng, 1);
	for (int i = 0; i < SAMPLES; i++) {
		double x = value_sample(&uniform, &rng);

		assert_true(x >= 6 && x < 14);
		bin[(int)((x - 6) / 8 * BINS)]++;
	}
	for (int i = 0; i < BINS; i++)
		chi_square += pow(bin[i] - SAMPLES / (double)BINS, 2) / (SAMPLES / (double)BINS);
	assert_true(chi_square < 43.8);         /* 19 degrees of freedom, one in a thousand */
	for (int i = 0; i < SAMPLES; i++) {
		double x = value_sample(&normal, &rng);

		sum += x;
		squares += (x - 10) * (x - 10);
		within_one += fabs(x - 10) < 2;
	}
	assert_true(fabs(sum / SAMPLES - 10) < 0.02);
	assert_true(fabs(sqrt(squares / SAMPLES) - 2) < 0.02);
	assert_true(fabs(within_one / (double)SAMPLES - 0.6827) < 0.005);
	assert_true(value_sample(&fixed, &rng) == 3);
}

static void test_seeds(void **state)
{
	struct rng a, b, c;

	(void)state;
	rng_seed(&a, 7);
	rng_seed(&b, 7);
	rng_seed(&c, 8);
	assert_true(rng_u64(&a) == rng_u64(&b));
	assert_true(rng_u64(&a) != rng_u64(&c));
	for (int i = 0; i < 1000; i++)
		assert_true(rng_below(&a, 3) < 3);
	assert_false(rng_chance(&a, 0));
	assert_false(rng_chance(&a, -5));
	assert_true(rng_chance(&a, 100));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good_values),
		cmocka_unit_test(test_bad_values),
		cmocka_unit_test(test_printed_values_can_be_read_back),
		cmocka_unit_test(test_samples),
		cmocka_unit_test(test_seeds),
	};

	return cmocka_run_group_tests_name("wirefilter_value", tests, NULL, NULL);
}
