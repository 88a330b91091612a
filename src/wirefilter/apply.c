/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the command line says about the filter, given to it. */
#include "options.h"

#include "common/loop.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

uint64_t options_seed(const struct options *options)
{
	uint64_t seed = 0;

	if (options->seed.set)
		return options->seed.value;
	if (getrandom(&seed, sizeof seed, 0) != sizeof seed)
		seed = loop_clock();
	return seed;
}

/* Complains about a value of the command line and returns the status of a usage error. */
static int bad_value(const struct options *options, const char *option, const char *value, const char *problem)
{
	fprintf(stderr, "%s: --%s: '%s': %s\nTry '%s --help'.\n", options->program, option, value, problem, options->program);
	return 2;
}

static int apply_list(const struct options *options, struct filter *filter, enum impairment which)
{
	const struct cli_list *list = &options->impairment[which];

	for (size_t i = 0; i < list->count; i++)
		if (filter_set_text(filter, which, list->item[i]) != 0)
			return bad_value(options, impairment_rows[which].command, list->item[i],
					 which == BLACKOUT ? "not [LR|RL] MS every MS" :
					 which == GE_P ? "not [LR|RL] P [R [1-H [1-K]]] in percent" :
					 "not [LR|RL]BASE[+VARIATION][k|m|g][u|n]; numbers from 0 to 1e18, node 0 only");
	return 0;
}

static int apply_presets(const struct options *options, struct filter *filter)
{
	const struct cli_list *list = &options->presets;

	for (size_t i = 0; i < list->count; i++) {
		const struct preset *preset = preset_find(list->item[i]);

		if (!preset || filter_set_preset(filter, preset) != 0)
			return bad_value(options, "preset", list->item[i], "no such preset; see --list-presets");
	}
	return 0;
}

static int apply_traces(const struct options *options, struct filter *filter)
{
	const struct cli_list *list = &options->traces;
	char problem[128];
	unsigned line;

	for (size_t i = 0; i < list->count; i++) {
		int error = filter_set_trace(filter, list->item[i], &line);

		if (!error)
			continue;
		if (line)
			snprintf(problem, sizeof problem, "line %u is not TIME DELAY LOSS with times that rise", line);
		else
			snprintf(problem, sizeof problem, "%s", strerror(error));
		return bad_value(options, "trace", list->item[i], problem);
	}
	return 0;
}

int options_apply(const struct options *options, struct filter *filter)
{
	int status = apply_presets(options, filter);

	filter->bidirectional = !options->one_way;
	filter->common.fifo = !options->nofifo;
	filter->common.strict_mtu = options->strict_mtu;
	for (enum impairment which = 0; !status && which < IMPAIRMENT_COUNT; which++)
		status = apply_list(options, filter, which);
	return status ? status : apply_traces(options, filter);
}
