/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "commands.h"

#include "common/number.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { SHOWN_MAX = 256 };       /* of a wrong text, in the answer */

const struct mgmt_config commands_mgmt_config = {
	.banner = "\nVDE wirefilter V.2.3.2\n(C) R.Davoli 2005,2006 - GPLv2\n",
	.prompt = "\nVDEwf$ ",
	.load_format = "\nVDEwf$  (%s) %s\n",
	.console_logout_ends = true,
};

/* Says in the answer what was wrong; the code follows. */
static int refuse(struct reply *reply, const char *text, const char *allowed, int error)
{
	char shown[SHOWN_MAX];

	reply_printf(reply, "'%s' is not %s\n", log_escape(shown, sizeof shown, text, strlen(text)), allowed);
	return error;
}

/* ---- values ---- */

static const char *allowed_text(enum impairment which)
{
	if (which == BLACKOUT)
		return "[LR|RL] MS every MS [[NODE]], or 0";
	if (which == GE_P)
		return "[LR|RL] P [R [1-H [1-K]]] [[NODE]] in percent";
	return "[LR|RL] BASE[+VARIATION][k|m|g][u|n][[NODE]] with numbers from 0 to 1e18 and a node that exists";
}

/* A wrong number is always "1022 Invalid argument", be it no number or one too large. */
static int set_value(void *owner, struct reply *reply, const struct args *args, enum impairment which)
{
	struct commands *commands = owner;
	int error = filter_set_text(commands->filter, which, args->text);

	if (error == EINVAL || error == ERANGE)
		return refuse(reply, args->text, allowed_text(which), EINVAL);
	return error;
}

#define VALUE_COMMAND(name, which) \
	static int name(void *owner, struct reply *reply, const struct args *args) { return set_value(owner, reply, args, which); }

VALUE_COMMAND(run_loss, LOSS)
VALUE_COMMAND(run_lostburst, LOST_BURST)
VALUE_COMMAND(run_delay, DELAY)
VALUE_COMMAND(run_dup, DUPLICATE)
VALUE_COMMAND(run_bandwidth, BANDWIDTH)
VALUE_COMMAND(run_speed, SPEED)
VALUE_COMMAND(run_noise, NOISE)
VALUE_COMMAND(run_mtu, MTU)
VALUE_COMMAND(run_chanbufsize, BUFFER_SIZE)
VALUE_COMMAND(run_reorder, REORDER)
VALUE_COMMAND(run_truncate, TRUNCATE)
VALUE_COMMAND(run_blackout, BLACKOUT)
VALUE_COMMAND(run_gemodel, GE_P)

static int run_fifo(void *owner, struct reply *reply, const struct args *args)
{
	struct commands *commands = owner;
	int fifo = 0;

	if (args->count > 0 && number_int(args->word[0], -1000000, 1000000, &fifo) != 0)
		return refuse(reply, args->text, "0 (may reorder) or 1", EINVAL);
	filter_set_fifo(commands->filter, fifo != 0);
	return 0;
}

static int run_trace(void *owner, struct reply *reply, const struct args *args)
{
	struct commands *commands = owner;
	char shown[SHOWN_MAX];
	unsigned line;
	int error = filter_set_trace(commands->filter, args->text, &line);

	if (error && line)
		reply_printf(reply, "%s: line %u: %s\n", log_escape(shown, sizeof shown, args->text, strlen(args->text)), line,
			     "not TIME DELAY LOSS with times that rise");
	return error;
}

static int run_preset(void *owner, struct reply *reply, const struct args *args)
{
	struct commands *commands = owner;
	const struct preset *preset;

	if (args->count == 0) {
		commands_list_presets(reply);
		return 0;
	}
	preset = preset_find(args->word[0]);
	return preset ? filter_set_preset(commands->filter, preset) : refuse(reply, args->text, "a preset's name", EINVAL);
}

static int run_flush(void *owner, struct reply *reply, const struct args *args)
{
	struct commands *commands = owner;

	(void)reply;
	(void)args;
	filter_flush(commands->filter);
	return 0;
}

/* ---- the chain ---- */

/* A node by its number; nothing means `otherwise`. */
static int parse_node(const struct commands *commands, const char *text, unsigned otherwise, unsigned *node)
{
	*node = otherwise;
	if (!text)
		return 0;
	return number_uint(text, 0, commands->filter->markov.count - 1, node) ? EINVAL : 0;
}

static const char *first_word(const struct args *args)
{
	return args->count ? args->word[0] : NULL;
}

static int run_numnodes(void *owner, struct reply *reply, const struct args *args)
{
	struct commands *commands = owner;
	unsigned count;

	if (number_uint(args->word[0], 1, MARKOV_STATES_MAX, &count) != 0)
		return refuse(reply, args->text, "a number of states from 1 to 1024", EINVAL);
	return filter_resize(commands->filter, count);
}

static int run_setnode(void *owner, struct reply *reply, const struct args *args)
{
	struct commands *commands = owner;
	unsigned node;

	if (parse_node(commands, args->word[0], 0, &node) != 0)
		return refuse(reply, args->text, "a state", EINVAL);
	return filter_set_node(commands->filter, node);
}

/* "N,NAME" or "N NAME": blanks after a comma belong to the name. */
static int run_name(void *owner, struct reply *reply, const struct args *args)
{
	struct commands *commands = owner;
	size_t length = strcspn(args->text, ", \t");
	const char *name = args->text + length;
	char number[16];
	unsigned node;

	if (length == 0 || length >= sizeof number)
		return refuse(reply, args->text, "STATE,NAME", EINVAL);
	memcpy(number, args->text, length);
	number[length] = '\0';
	if (*name)
		name++;
	if (parse_node(commands, number, 0, &node) != 0 || filter_set_name(commands->filter, node, name) == EINVAL)
		return refuse(reply, args->text, "STATE,NAME with a name of at most 64 bytes", EINVAL);
	return 0;
}

static int run_time(void *owner, struct reply *reply, const struct args *args)
{
	struct commands *commands = owner;
	double ms;

	if (number_double(args->word[0], 0, 1e12, &ms) != 0 || filter_set_markov_ms(commands->filter, ms) != 0)
		return refuse(reply, args->text, "a time above 0 in ms", EINVAL);
	return 0;
}

/* Takes the part up to the next comma or the end, without blanks around it. */
static const char *next_part(const char *text, char *part, size_t size)
{
	size_t length;

	text += strspn(text, " \t");
	length = strcspn(text, ",");
	snprintf(part, size, "%.*s", (int)length, text);
	part[strcspn(part, " \t")] = '\0';
	return text[length] ? text + length + 1 : NULL;
}

static int run_setedge(void *owner, struct reply *reply, const struct args *args)
{
	struct commands *commands = owner;
	const char *rest = args->text;
	char part[3][32] = { "", "", "" };
	unsigned from, to;
	double weight;

	for (int i = 0; i < 3 && rest; i++)
		rest = next_part(rest, part[i], sizeof part[i]);
	if (rest || number_double(part[2], 0, 1e9, &weight) != 0 || parse_node(commands, part[0], 0, &from) != 0 ||
	    parse_node(commands, part[1], 0, &to) != 0)
		return refuse(reply, args->text, "FROM,TO,PERCENT with states that exist", EINVAL);
	return markov_set_edge(&commands->filter->markov, from, to, weight);
}

static int run_showinfo(void *owner, struct reply *reply, const struct args *args)
{
	struct commands *commands = owner;
	unsigned node;
	int error = parse_node(commands, first_word(args), commands->filter->markov.current, &node);

	if (!error)
		showinfo_print(commands, reply, node);
	return error;
}

static int run_showedges(void *owner, struct reply *reply, const struct args *args)
{
	struct commands *commands = owner;
	const struct filter *filter = commands->filter;
	unsigned from;
	int error = parse_node(commands, first_word(args), filter->markov.current, &from);

	for (unsigned to = 0; !error && to < filter->markov.count; to++) {
		double weight = markov_edge(&filter->markov, from, to);

		if (weight != 0)
			reply_printf(reply, "Edge %u ->%u  \"%s\"->\"%s\" weigth %g\n", from, to, filter_name(filter, from),
				     filter_name(filter, to), weight);
	}
	return error;
}

static int run_showcurrent(void *owner, struct reply *reply, const struct args *args)
{
	struct commands *commands = owner;
	const struct markov *markov = &commands->filter->markov;

	(void)args;
	reply_printf(reply, "Current Markov Node %u \"%s\" (0,..,%u)\n", markov->current,
		     filter_name(commands->filter, markov->current), markov->count - 1);
	return 0;
}

/* A session watches for itself; a script, which has no connection, makes the log watch. */
static int run_debug(void *owner, struct reply *reply, const struct args *args)
{
	struct commands *commands = owner;
	int level = 0;

	if (args->count > 0 && number_int(args->word[0], -1000000, 1000000, &level) != 0)
		return refuse(reply, args->text, "a number", EINVAL);
	if (!args->session) {
		commands->log_steps = level > 0;
		return 0;
	}
	commands_forget(commands, args->session);
	if (level > 0 && commands->watcher_count < sizeof commands->watcher / sizeof *commands->watcher)
		commands->watcher[commands->watcher_count++] = args->session;
	return 0;
}

void commands_forget(struct commands *commands, const struct mgmt_session *session)
{
	for (unsigned i = 0; i < commands->watcher_count; i++) {
		if (commands->watcher[i] != session)
			continue;
		commands->watcher[i] = commands->watcher[--commands->watcher_count];
		return;
	}
}

void commands_stepped(struct commands *commands, unsigned from, unsigned to)
{
	const char *from_name, *to_name;

	if (from == to || !(commands->watcher_count || commands->log_steps))
		return;
	from_name = filter_name(commands->filter, from);
	to_name = filter_name(commands->filter, to);
	for (unsigned i = 0; i < commands->watcher_count; i++)
		mgmt_session_event(commands->watcher[i], "%04u Node %u \"%s\" -> %u \"%s\"", 3800 + to, from, from_name, to, to_name);
	if (commands->log_steps)
		log_info(commands->log, "Node %u \"%s\" -> %u \"%s\"", from, from_name, to, to_name);
}

/* ---- the rows ---- */

static int run_help(void *owner, struct reply *reply, const struct args *args);

/*
 * In the order that help has always printed; what is new stands at the end. The second row of showinfo is only for help: the first of a
 * name is the one that runs.
 */
static const struct command rows[] = {
	{ "help", "", "print a summary of mgmt commands", 0, 1, run_help, COMMAND_DATA },
	{ "load", "", "load a configuration file", 1, 1, NULL, COMMAND_BUILTIN | COMMAND_DATA },
	{ "showinfo", "", "show status and parameter values", 0, 1, run_showinfo, COMMAND_DATA },
	{ "loss", "", "set loss percentage", 1, 1, run_loss, COMMAND_RAW },
	{ "lostburst", "", "mean length of lost packet bursts", 1, 1, run_lostburst, COMMAND_RAW },
	{ "delay", "", "set delay ms", 1, 1, run_delay, COMMAND_RAW },
	{ "dup", "", "set dup packet percentage", 1, 1, run_dup, COMMAND_RAW },
	{ "bandwidth", "", "set channel bandwidth bytes/sec", 1, 1, run_bandwidth, COMMAND_RAW },
	{ "band", "", "", 1, 1, run_bandwidth, COMMAND_RAW | COMMAND_HIDDEN },
	{ "speed", "", "set interface speed bytes/sec", 1, 1, run_speed, COMMAND_RAW },
	{ "noise", "", "set noise factor bits/Mbyte", 1, 1, run_noise, COMMAND_RAW },
	{ "mtu", "", "set channel MTU (bytes)", 1, 1, run_mtu, COMMAND_RAW },
	{ "chanbufsize", "", "set channel buffer size (bytes)", 1, 1, run_chanbufsize, COMMAND_RAW },
	{ "capacity", "", "", 1, 1, run_chanbufsize, COMMAND_RAW | COMMAND_HIDDEN },
	{ "fifo", "", "set channel fifoness", 0, 1, run_fifo, 0 },
	{ "shutdown", "", "shut the channel down", 0, 0, NULL, COMMAND_BUILTIN },
	{ "logout", "", "log out from this mgmt session", 0, 0, NULL, COMMAND_BUILTIN },
	{ "markov-numnodes", "n", "markov mode: set number of states", 1, 1, run_numnodes, 0 },
	{ "markov-setnode", "n", "markov mode: set current state", 1, 1, run_setnode, 0 },
	{ "markov-name", "n,name", "markov mode: set state's name", 1, 1, run_name, COMMAND_RAW },
	{ "markov-time", "ms", "markov mode: transition period", 1, 1, run_time, 0 },
	{ "setedge", "n1,n2,w", "markov mode: set edge weight", 1, 1, run_setedge, COMMAND_RAW },
	{ "showinfo", "n", "markov mode: show parameter values", 0, 1, run_showinfo, COMMAND_DATA },
	{ "showedges", "n", "markov mode: show edge weights", 0, 1, run_showedges, COMMAND_DATA },
	{ "showcurrent", "", "markov mode: show current state", 0, 0, run_showcurrent, COMMAND_DATA },
	{ "markov-debug", "n", "markov mode: set debug level", 0, 1, run_debug, 0 },
	{ "reorder", "percent", "hold back frames behind the next one", 1, 1, run_reorder, COMMAND_RAW },
	{ "truncate", "percent", "cut frames short", 1, 1, run_truncate, COMMAND_RAW },
	{ "blackout", "ms every ms", "lose all for a while, again and again", 1, 1, run_blackout, COMMAND_RAW },
	{ "gemodel", "p r 1-h 1-k", "Gilbert-Elliott loss: good->bad, bad->good, loss when bad, when good (%)", 1, 1, run_gemodel, COMMAND_RAW },
	{ "trace", "file [repeat]", "replay rows of time, delay and loss; trace off ends it", 1, 1, run_trace, COMMAND_RAW },
	{ "preset", "[name]", "set all that a named cable has; without a name: list them", 0, 1, run_preset, 0 },
	{ "flush", "", "drop the frames that wait", 0, 0, run_flush, 0 },
	{ NULL, NULL, NULL, 0, 0, NULL, 0 },
};

/* Plain commands in two columns of one width, those with a word about their arguments in two of another. */
static void help_row(struct reply *reply, const struct command *row)
{
	static const char marked[] = "markov mode:";
	char path[64];
	bool wide = *row->syntax || strncmp(row->help, marked, sizeof marked - 1) == 0;

	snprintf(path, sizeof path, "%s%s%s", row->path, *row->syntax ? " " : "", row->syntax);
	reply_printf(reply, "%-*s %s\n", wide ? 18 : 12, path, row->help);
}

static int run_help(void *owner, struct reply *reply, const struct args *args)
{
	const char *prefix = args->count ? args->word[0] : "";

	(void)owner;
	reply_printf(reply, "COMMAND      HELP\n------------ ------------\n");
	for (const struct command *row = rows; row->path; row++)
		if (!(row->flags & COMMAND_HIDDEN) && strncmp(row->path, prefix, strlen(prefix)) == 0)
			help_row(reply, row);
	return 0;
}

int commands_add(struct commands *commands, struct mgmt *mgmt)
{
	return mgmt_add_commands(mgmt, rows, commands);
}

void commands_list_presets(struct reply *reply)
{
	for (const struct preset *preset = presets; preset->name; preset++) {
		reply_printf(reply, "%s: %s\n", preset->name, preset->purpose);
		for (const struct preset_line *line = preset->line; line < preset->line + PRESET_LINES_MAX && line->value; line++)
			reply_printf(reply, "\t%s %s\n", impairment_rows[line->impairment].command, line->value);
	}
}
