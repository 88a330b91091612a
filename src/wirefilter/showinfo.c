/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What showinfo prints. Programs read the first part of it, up to the lines about blink, by position and spelling; that part is as it
 * always was, blanks at the ends of lines included. What is new stands behind it.
 */
#include "commands.h"

#include <inttypes.h>
#include <stdio.h>

enum { FIELD_SIZE = 4 * VALUE_TEXT_SIZE + 32 };

/* "Label  L->R left   R->L right", or with one way "Label  left". */
static void print_line(const struct commands *commands, struct reply *reply, const char *label, const char *left, const char *right)
{
	if (commands->filter->bidirectional)
		reply_printf(reply, "%-6s L->R %s   R->L %s\n", label, left, right);
	else
		reply_printf(reply, "%-6s %s\n", label, left);
}

/* A row's value and those that are set together with it. */
static void field_of(char *out, const struct value *values, enum impairment first)
{
	char text[VALUE_TEXT_SIZE];
	int length = snprintf(out, FIELD_SIZE, "%s", value_print(text, &values[first]));

	for (int i = first + 1; i < IMPAIRMENT_COUNT && !impairment_rows[i].command; i++)
		length += snprintf(out + length, FIELD_SIZE - (size_t)length, "%s %s", impairment_rows[i].label,
				   value_print(text, &values[i]));
}

static void print_value(const struct commands *commands, struct reply *reply, unsigned node, enum impairment which)
{
	const struct filter_node *values = commands->filter->node[node];
	char field[WAY_COUNT][FIELD_SIZE];

	for (int way = 0; way < WAY_COUNT; way++)
		field_of(field[way], values->value[way], which);
	print_line(commands, reply, impairment_rows[which].label, field[WAY_LR], field[WAY_RL]);
}

/* The least of it; two more blanks between, and three behind, were always there. */
static void print_mtu(const struct commands *commands, struct reply *reply, unsigned node)
{
	const struct filter_node *values = commands->filter->node[node];
	const struct value *lr = &values->value[WAY_LR][MTU], *rl = &values->value[WAY_RL][MTU];

	if (commands->filter->bidirectional)
		reply_printf(reply, "MTU    L->R %g     R->L %g   \n", lr->base - lr->variation, rl->base - rl->variation);
	else
		reply_printf(reply, "MTU    %g\n", lr->base - lr->variation);
}

static void print_queues(const struct filter *filter, struct reply *reply)
{
	const struct impair *lr = &filter->way[WAY_LR], *rl = &filter->way[WAY_RL];

	if (filter->bidirectional)
		reply_printf(reply, "Current Delay Queue size:   L->R %" PRIu64 "      R->L %" PRIu64 "   \n", lr->queued_bytes,
			     rl->queued_bytes);
	else
		reply_printf(reply, "Current Delay Queue size:   %" PRIu64 "\n", lr->queued_bytes);
	reply_printf(reply, "Fifoness %s\n", filter->common.fifo ? "TRUE" : "FALSE");
	reply_printf(reply, "Waiting packets in delay queues %" PRIu64 "\n", impair_waiting(lr) + impair_waiting(rl));
}

static void print_blink(const struct blink *blink, struct reply *reply)
{
	if (blink->fd < 0)
		return;
	reply_printf(reply, "Blink socket: %s\n", blink->path);
	reply_printf(reply, "Blink id:     %s%s\n", blink->id, blink->id_is_pid ? " " : "");
}

static void print_count(const struct commands *commands, struct reply *reply, const char *label, uint64_t left, uint64_t right)
{
	char field[WAY_COUNT][FIELD_SIZE];

	snprintf(field[WAY_LR], FIELD_SIZE, "%" PRIu64, left);
	snprintf(field[WAY_RL], FIELD_SIZE, "%" PRIu64, right);
	print_line(commands, reply, label, field[WAY_LR], field[WAY_RL]);
}

static void print_counters(const struct commands *commands, struct reply *reply)
{
	const struct impair_counters *lr = &commands->filter->way[WAY_LR].counters, *rl = &commands->filter->way[WAY_RL].counters;
	char label[32];

	print_count(commands, reply, "Frames in", lr->frames_in, rl->frames_in);
	print_count(commands, reply, "Bytes in", lr->bytes_in, rl->bytes_in);
	print_count(commands, reply, "Frames out", lr->frames_out, rl->frames_out);
	print_count(commands, reply, "Bytes out", lr->bytes_out, rl->bytes_out);
	print_count(commands, reply, "Duplicated", lr->duplicated, rl->duplicated);
	print_count(commands, reply, "Reordered", lr->reordered, rl->reordered);
	print_count(commands, reply, "Truncated", lr->truncated, rl->truncated);
	print_count(commands, reply, "Damaged", lr->damaged, rl->damaged);
	print_count(commands, reply, "Bits flipped", lr->bits_flipped, rl->bits_flipped);
	for (int i = 0; i < DROP_COUNT; i++) {
		snprintf(label, sizeof label, "Dropped %s", drop_reason_names[i]);
		print_count(commands, reply, label, lr->dropped[i], rl->dropped[i]);
	}
}

static const char *trace_name(const struct filter *filter, enum way way)
{
	return filter->trace_path[way] ? filter->trace_path[way] : "off";
}

void showinfo_print(const struct commands *commands, struct reply *reply, unsigned node)
{
	const struct filter *filter = commands->filter;

	reply_printf(reply, "WireFilter: %s\n", filter->bidirectional ? "bidirectional" : "monodirectional");
	if (filter->markov.count > 1)
		reply_printf(reply, "Node %u \"%s\" (0,..,%u) Markov-time %g\n", node, filter_name(filter, node),
			     filter->markov.count - 1, filter->markov_ms);
	for (enum impairment which = LOSS; which < MTU; which++)
		print_value(commands, reply, node, which);
	print_mtu(commands, reply, node);
	print_value(commands, reply, node, BUFFER_SIZE);
	print_queues(filter, reply);
	print_blink(commands->blink, reply);
	for (enum impairment which = BUFFER_SIZE + 1; which < IMPAIRMENT_COUNT; which++)
		if (impairment_rows[which].command)
			print_value(commands, reply, node, which);
	print_line(commands, reply, "Trace", trace_name(filter, WAY_LR), trace_name(filter, WAY_RL));
	print_counters(commands, reply);
}
