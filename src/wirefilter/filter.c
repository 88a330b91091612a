/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "filter.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const double nanoseconds_per_ms = 1e6, markov_ms_max = 1e12;

/* A node in which nothing happens to the frames. */
static struct filter_node *node_new(void)
{
	return calloc(1, sizeof(struct filter_node));
}

static void node_free(struct filter_node *node)
{
	if (node)
		free(node->name);
	free(node);
}

static void rescheduled(struct filter *filter)
{
	if (filter->callbacks.rescheduled)
		filter->callbacks.rescheduled(filter->callbacks.owner);
}

/* The current node, or a value in it, has become another. */
static void refresh(struct filter *filter)
{
	for (int way = 0; way < WAY_COUNT; way++)
		impair_set_values(&filter->way[way], filter->node[filter->markov.current]->value[way]);
	rescheduled(filter);
}

int filter_init(struct filter *filter, const struct filter_callbacks *callbacks, uint64_t seed)
{
	int error;

	*filter = (struct filter){ .common = { .fifo = true }, .callbacks = *callbacks, .markov_ms = FILTER_MARKOV_MS };
	/* Generators of their own, so that what happens one way does not depend on how many frames go the other. */
	rng_seed(&filter->markov_rng, seed);
	for (int way = 0; way < WAY_COUNT; way++)
		impair_init(&filter->way[way], &filter->common, rng_u64(&filter->markov_rng), callbacks->send[way], callbacks->owner);
	error = markov_init(&filter->markov);
	if (error)
		return error;
	filter->node = calloc(1, sizeof(struct filter_node *));
	if (filter->node)
		filter->node[0] = node_new();
	if (!filter->node || !filter->node[0]) {
		free(filter->node);
		markov_free(&filter->markov);
		return ENOMEM;
	}
	refresh(filter);
	return 0;
}

void filter_free(struct filter *filter)
{
	for (int way = 0; way < WAY_COUNT; way++) {
		impair_free(&filter->way[way]);
		free(filter->trace_path[way]);
	}
	for (unsigned i = 0; i < filter->markov.count; i++)
		node_free(filter->node[i]);
	free(filter->node);
	markov_free(&filter->markov);
}

/* ---- values ---- */

static int set_values(struct filter *filter, enum impairment first, const struct value_setting *setting,
		      const struct value *values, unsigned count)
{
	uint64_t now = filter->callbacks.clock();

	if (setting->node >= filter->markov.count)
		return EINVAL;
	for (int way = 0; way < WAY_COUNT; way++) {
		if (!setting->way[way])
			continue;
		memcpy(&filter->node[setting->node]->value[way][first], values, count * sizeof *values);
		if (setting->node == filter->markov.current)
			impair_restart(&filter->way[way], first, now);
	}
	refresh(filter);
	return 0;
}

int filter_set(struct filter *filter, enum impairment which, const struct value_setting *setting)
{
	return set_values(filter, which, setting, &setting->value, 1);
}

/* The end of what a command takes: [NODE], and nothing after. */
static int parse_end(const char *text, struct value_setting *setting)
{
	int error = value_parse_node(&text, setting);

	return !error && *text ? EINVAL : error;
}

static int set_blackout(struct filter *filter, const char *text)
{
	static const char every[] = "every";
	struct value value[2] = { { 0, 0, VALUE_UNIFORM }, { 0, 0, VALUE_UNIFORM } };
	struct value_setting setting;
	int error;

	value_parse_way(&text, setting.way);
	error = value_parse_number(&text, &value[0]);
	if (error)
		return error;
	if (strncmp(text, every, sizeof every - 1) == 0) {
		text += sizeof every - 1;
		text += strspn(text, " \t");
		error = value_parse_number(&text, &value[1]);
	} else if (value_is_on(&value[0])) {
		error = EINVAL;
	}
	if (!error)
		error = parse_end(text, &setting);
	return error ? error : set_values(filter, BLACKOUT, &setting, value, 2);
}

static int set_gemodel(struct filter *filter, const char *text)
{
	struct value value[4] = { { 0, 0, VALUE_UNIFORM }, { 0, 0, VALUE_UNIFORM }, { 100, 0, VALUE_UNIFORM }, { 0, 0, VALUE_UNIFORM } };
	struct value_setting setting;
	unsigned count = 0;
	int error = 0;

	value_parse_way(&text, setting.way);
	do
		error = value_parse_number(&text, &value[count++]);
	while (!error && count < 4 && *text && *text != '[');
	if (!error)
		error = parse_end(text, &setting);
	for (unsigned i = 0; i < 4; i++)
		if (!error && value[i].base + value[i].variation > 100)
			error = ERANGE;
	if (error)
		return error;
	if (count == 1)
		value[1].base = 100 - value[0].base;
	if (!value_is_on(&value[0]))
		memset(value, 0, sizeof value);
	return set_values(filter, GE_P, &setting, value, 4);
}

int filter_set_text(struct filter *filter, enum impairment which, const char *text)
{
	struct value_setting setting;
	int error;

	if (which == BLACKOUT)
		return set_blackout(filter, text);
	if (which == GE_P)
		return set_gemodel(filter, text);
	error = value_parse(text, &setting);
	return error ? error : filter_set(filter, which, &setting);
}

int filter_set_preset(struct filter *filter, const struct preset *preset)
{
	int error = 0;

	for (const struct preset_line *line = preset->line; !error && line < preset->line + PRESET_LINES_MAX && line->value; line++)
		error = filter_set_text(filter, line->impairment, line->value);
	return error;
}

void filter_flush(struct filter *filter)
{
	for (int way = 0; way < WAY_COUNT; way++)
		impair_flush(&filter->way[way]);
	rescheduled(filter);
}

void filter_set_fifo(struct filter *filter, bool fifo)
{
	filter->common.fifo = fifo;
}

/* ---- traces ---- */

static int start_trace(struct filter *filter, enum way way, const char *path, bool repeats, unsigned *line)
{
	struct impair *impair = &filter->way[way];
	char *name = strdup(path);
	int error = name ? trace_load(&impair->trace, path, repeats, filter->callbacks.clock(), line) : ENOMEM;

	if (error) {
		free(name);
		return error;
	}
	free(filter->trace_path[way]);
	filter->trace_path[way] = name;
	return 0;
}

static void stop_trace(struct filter *filter, enum way way)
{
	trace_free(&filter->way[way].trace);
	free(filter->trace_path[way]);
	filter->trace_path[way] = NULL;
}

/* LR or RL belongs to the text only when a blank follows: a file may well begin with these letters. */
static const char *trace_way(const char *text, bool way[WAY_COUNT])
{
	const char *after = text;

	value_parse_way(&after, way);
	if (after - text > 2)
		return after;
	way[WAY_LR] = way[WAY_RL] = true;
	return text;
}

int filter_set_trace(struct filter *filter, const char *text, unsigned *line)
{
	static const char repeat[] = " repeat";
	bool ways[WAY_COUNT], repeats;
	char *path = strdup(trace_way(text, ways));
	size_t length = path ? strlen(path) : 0;
	int error = 0;

	*line = 0;
	if (!path)
		return ENOMEM;
	repeats = length >= sizeof repeat && strcmp(path + length - (sizeof repeat - 1), repeat) == 0;
	if (repeats)
		path[length - (sizeof repeat - 1)] = '\0';
	if (!*path)
		error = EINVAL;
	for (unsigned way = 0; !error && way < WAY_COUNT; way++) {
		if (!ways[way])
			continue;
		if (strcmp(path, "off") == 0)
			stop_trace(filter, way);
		else
			error = start_trace(filter, way, path, repeats, line);
	}
	free(path);
	refresh(filter);
	return error;
}

/* ---- the chain ---- */

static void schedule_step(struct filter *filter)
{
	double period = filter->markov_ms * nanoseconds_per_ms;

	/* A microsecond at least: faster than any frame, and no endless loop. */
	filter->markov_next = filter->callbacks.clock() + (period < 1000 ? 1000 : (uint64_t)period);
	rescheduled(filter);
}

static void step(struct filter *filter)
{
	unsigned from = filter->markov.current;
	unsigned to = markov_step(&filter->markov, &filter->markov_rng);

	if (to != from)
		refresh(filter);
	if (filter->callbacks.stepped)
		filter->callbacks.stepped(filter->callbacks.owner, from, to);
}

static void step_now(struct filter *filter)
{
	if (filter->markov.count > 1)
		step(filter);
	schedule_step(filter);
}

/* The nodes there are, and new ones behind them; NULL when memory is refused. */
static struct filter_node **copy_nodes(const struct filter *filter, unsigned count)
{
	struct filter_node **node = calloc(count, sizeof *node);
	unsigned old = filter->markov.count;

	for (unsigned i = 0; node && i < count; i++) {
		node[i] = i < old ? filter->node[i] : node_new();
		if (node[i])
			continue;
		while (i-- > old)
			node_free(node[i]);
		free(node);
		return NULL;
	}
	return node;
}

static void free_from(struct filter_node **node, unsigned first, unsigned end)
{
	while (first < end)
		node_free(node[first++]);
}

int filter_resize(struct filter *filter, unsigned nodes)
{
	unsigned old = filter->markov.count;
	struct filter_node **node;
	int error;

	if (nodes == 0 || nodes > MARKOV_STATES_MAX)
		return EINVAL;
	node = copy_nodes(filter, nodes);
	if (!node)
		return ENOMEM;
	error = markov_resize(&filter->markov, nodes);
	if (error) {
		free_from(node, old, nodes);
		free(node);
		return error;
	}
	free_from(filter->node, nodes, old);
	free(filter->node);
	filter->node = node;
	refresh(filter);
	step_now(filter);
	return 0;
}

int filter_set_node(struct filter *filter, unsigned node)
{
	if (node >= filter->markov.count)
		return EINVAL;
	filter->markov.current = node;
	refresh(filter);
	return 0;
}

int filter_set_name(struct filter *filter, unsigned node, const char *name)
{
	char *copy = NULL;

	if (node >= filter->markov.count || strlen(name) > FILTER_NAME_MAX)
		return EINVAL;
	if (*name) {
		copy = strdup(name);
		if (!copy)
			return ENOMEM;
	}
	free(filter->node[node]->name);
	filter->node[node]->name = copy;
	return 0;
}

int filter_set_markov_ms(struct filter *filter, double ms)
{
	if (!(ms > 0) || ms > markov_ms_max)
		return EINVAL;
	filter->markov_ms = ms;
	step_now(filter);
	return 0;
}

const char *filter_name(const struct filter *filter, unsigned node)
{
	return filter->node[node]->name ? filter->node[node]->name : "";
}

/* ---- time ---- */

uint64_t filter_deadline(const struct filter *filter)
{
	uint64_t earliest = filter->markov.count > 1 ? filter->markov_next : UINT64_MAX;

	for (int way = 0; way < WAY_COUNT; way++) {
		uint64_t deadline = impair_deadline(&filter->way[way]);

		if (deadline < earliest)
			earliest = deadline;
	}
	return earliest;
}

static void run_chain(struct filter *filter, uint64_t now)
{
	enum { STEPS_MAX = 1000 };
	uint64_t period = (uint64_t)(filter->markov_ms * nanoseconds_per_ms);

	if (period < 1000)
		period = 1000;
	for (int i = 0; i < STEPS_MAX && filter->markov.count > 1 && filter->markov_next <= now; i++) {
		step(filter);
		filter->markov_next += period;
	}
	/* After a stop of the process, the steps that were missed beyond these are left out. */
	if (filter->markov_next <= now)
		filter->markov_next = now + period;
}

void filter_run(struct filter *filter, uint64_t now)
{
	run_chain(filter, now);
	for (int way = 0; way < WAY_COUNT; way++)
		impair_release(&filter->way[way], now, IMPAIR_BATCH);
}
