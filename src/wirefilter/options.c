/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "options.h"

#include "common/number.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define OPTION(member) offsetof(struct options, member)
#define VALUE(letter, names, which, argument, help) \
	{ letter, names, argument, help, CLI_LIST, OPTION(impairment) + (which) * sizeof(struct cli_list), 0, 0, NULL }

static int set_seed(void *owner, const char *value)
{
	struct options *options = owner;
	int error = number_u64(value, 0, UINT64_MAX, &options->seed.value);

	options->seed.set = !error;
	return error;
}

static const struct cli_option rows[] = {
	{ 'h', "help", NULL, "print this", CLI_HELP, 0, 0, 0, NULL },
	{ 'f', "rcfile", "FILE", "commands to run at start", CLI_STRING, OPTION(rcfile), 0, 0, NULL },
	VALUE('l', "loss", LOSS, "loss_percentage", "frames lost"),
	VALUE('L', "lostburst", LOST_BURST, "lost_packet_burst_len", "mean length of bursts of lost frames"),
	VALUE('d', "delay", DELAY, "delay_ms", "delay"),
	VALUE('D', "dup", DUPLICATE, "dup_percentage", "frames doubled"),
	VALUE('b', "band bandwidth", BANDWIDTH, "bandwidth(bytes/s)", "rate of the line; frames wait for it"),
	VALUE('s', "speed", SPEED, "interface_speed(bytes/s)", "rate of the interface; the sender waits for it"),
	VALUE('c', "chanbufsize capacity", BUFFER_SIZE, "channel_bufsize", "bytes that may wait (64m)"),
	VALUE('n', "noise", NOISE, "noise_bits/megabyte", "bits flipped per megabyte"),
	VALUE('m', "mtu", MTU, "mtu_size", "longer frames are dropped (the length and 2 are compared)"),
	{ 'N', "nofifo", NULL, "frames may overtake each other", CLI_FLAG, OPTION(nofifo), 0, 0, NULL },
	{ 'M', "mgmt", "management_socket", "listen for commands there", CLI_STRING, OPTION(mgmt), 0, 0, NULL },
	{ 0, "mgmtmode", "management_permission(octal)", "permissions of that socket (0700)", CLI_MODE, OPTION(mgmt_mode), 0, 0, NULL },
	{ 'v', "vde-plug", "plug1:plug2", "the two ends; - is stdin and stdout, nothing the default switch", CLI_STRING, OPTION(plugs), 0, 0, NULL },
	{ 0, "daemon", NULL, "go to the background", CLI_FLAG, OPTION(daemon), 0, 0, NULL },
	{ 0, "pidfile", "pidfile", "write the process id there", CLI_STRING, OPTION(pidfile), 0, 0, NULL },
	{ 0, "blink", "blinksocket", "send a datagram there for each frame that leaves", CLI_STRING, OPTION(blink), 0, 0, NULL },
	{ 0, "blinkid", "blink_id_string", "what these datagrams begin with (the process id)", CLI_STRING, OPTION(blink_id), 0, 0, NULL },
	VALUE(0, "reorder", REORDER, "percentage", "frames held back behind the next one"),
	VALUE(0, "truncate", TRUNCATE, "percentage", "frames cut short"),
	VALUE(0, "blackout", BLACKOUT, "'MS every MS'", "lose all for a while, again and again"),
	VALUE(0, "gemodel", GE_P, "'P R 1-H 1-K'", "Gilbert-Elliott loss, in percent"),
	{ 0, "trace", "'FILE [repeat]'", "replay rows of time, delay and loss", CLI_LIST, OPTION(traces), 0, 0, NULL },
	{ 0, "preset", "NAME", "a whole cable by its name; options of your own change it", CLI_LIST, OPTION(presets), 0, 0, NULL },
	{ 0, "list-presets", NULL, "print the presets", CLI_FLAG, OPTION(list_presets), 0, 0, NULL },
	{ 0, "seed", "N", "make chance repeatable", CLI_CALL, 0, 0, 0, set_seed },
	{ 0, "strict-mtu", NULL, "mtu is the length of the frame itself", CLI_FLAG, OPTION(strict_mtu), 0, 0, NULL },
	{ 0, "reconnect", NULL, "when a switch goes, wait for it to come back", CLI_FLAG, OPTION(reconnect), 0, 0, NULL },
	{ 0, "console", NULL, "commands from stdin, whatever it is", CLI_FLAG, OPTION(console), 0, 0, NULL },
	{ 0, "nostdin", NULL, "no commands from stdin", CLI_FLAG, OPTION(nostdin), 0, 0, NULL },
	{ 0, "version", NULL, "print the version", CLI_VERSION, 0, 0, 0, NULL },
	{ 0, NULL, NULL, NULL, CLI_SECTION, 0, 0, 0, NULL },
};

static struct cli cli = {
	.synopsis = "wirefilter [OPTIONS] [LEFT [RIGHT]]",
	.purpose = "A cable with the faults you ask for. LEFT and RIGHT are switches or other locators of libvdeplug, or - for stdin\n"
		   "and stdout; without them the filter stands in a pipe. A value is [LR|RL]BASE[+VARIATION][k|m|g][u|n].",
	.options = rows,
	.max_words = END_COUNT,
};

/* ---- ends ---- */

/* A colon at which the text may be parted: it is not the one of "://". */
static char *next_split(char *text)
{
	while (*text && (*text != ':' || strncmp(text, "://", 3) == 0))
		text++;
	return *text ? text : NULL;
}

int options_split_plugs(const char *text, char *name[END_COUNT])
{
	bool has_locator = strstr(text, "://") != NULL;
	char *copy = strdup(text), *colon;

	if (!copy)
		return ENOMEM;
	colon = has_locator ? next_split(copy) : strchr(copy, ':');
	if (!colon || (has_locator && next_split(colon + 1))) {
		free(copy);
		return colon ? ENOTUNIQ : EINVAL;
	}
	*colon = '\0';
	name[END_LEFT] = copy;
	name[END_RIGHT] = colon + 1;
	return 0;
}

static void choose_end(struct end_choice *end, const char *name)
{
	*end = (struct end_choice){ .is_plug = strcmp(name, "-") != 0, .name = name, .in = STDIN_FILENO, .out = STDOUT_FILENO };
}

static void choose_from_plugs(struct options *options)
{
	char *name[END_COUNT];
	int error = options_split_plugs(options->plugs, name);

	if (error == EINVAL)
		cli_usage_error(&cli, "--vde-plug: '%s' is not PLUG1:PLUG2", options->plugs);
	if (error == ENOTUNIQ)
		cli_usage_error(&cli, "--vde-plug: '%s' can be parted at more than one colon; write LEFT RIGHT as two words without -v",
				options->plugs);
	if (error)
		cli_usage_error(&cli, "--vde-plug: %s", strerror(error));
	for (int i = 0; i < END_COUNT; i++)
		choose_end(&options->end[i], name[i]);
}

/* A descriptor that dpipe has left us, by the name of its variable. */
static bool inherited(const char *variable, int *fd)
{
	const char *text = getenv(variable);

	return text && number_int(text, 0, 1 << 20, fd) == 0 && fcntl(*fd, F_GETFD) >= 0;
}

/* No end was named: in the middle of dpipe's two-way line, or in a common pipe. */
static void choose_streams(struct options *options)
{
	int in, out;

	choose_end(&options->end[END_LEFT], "-");
	choose_end(&options->end[END_RIGHT], "-");
	options->one_way = !inherited("ALTERNATE_STDIN", &in) || !inherited("ALTERNATE_STDOUT", &out);
	if (options->one_way)
		return;
	options->end[END_RIGHT].in = in;
	options->end[END_RIGHT].out = out;
}

static void check_streams(const struct options *options)
{
	bool left = !options->end[END_LEFT].is_plug, right = !options->end[END_RIGHT].is_plug;

	if (left && right && (options->plugs || options->end[END_LEFT].in == options->end[END_RIGHT].in) && !options->one_way)
		cli_usage_error(&cli, "only one of the two ends can be stdin and stdout");
	if ((left || right) && isatty(STDIN_FILENO))
		cli_usage_error(&cli, "Error on stdin: it is not a pipe but a terminal");
	if ((left || right) && (options->console))
		cli_usage_error(&cli, "--console: stdin already carries frames");
	if ((left || right) && options->daemon)
		cli_usage_error(&cli, "--daemon: a program in the background has no stdin to carry frames");
}

static void choose_ends(struct options *options, int words, char **word)
{
	if (words && options->plugs)
		cli_usage_error(&cli, "'%s': the ends are already given by --vde-plug", word[0]);
	if (options->plugs) {
		choose_from_plugs(options);
	} else if (words) {
		choose_end(&options->end[END_LEFT], word[0]);
		choose_end(&options->end[END_RIGHT], words > 1 ? word[1] : "-");
	} else {
		choose_streams(options);
	}
	check_streams(options);
}

/*
 * A console by itself: both ends are switches, and stdin is something that commands may come from. /dev/null, which is
 * what service managers give and what stands in for a closed stdin, is not.
 */
static bool wants_console(const struct options *options)
{
	struct stat status;

	if (options->daemon || options->nostdin || !options->end[END_LEFT].is_plug || !options->end[END_RIGHT].is_plug)
		return false;
	if (options->console || isatty(STDIN_FILENO))
		return true;
	return fstat(STDIN_FILENO, &status) == 0 && !S_ISCHR(status.st_mode);
}

void options_parse(struct options *options, int argc, char **argv)
{
	int first;

	*options = (struct options){ .mgmt_mode = { false, 0700 } };
	first = cli_parse(&cli, argc, argv, options);
	options->program = cli.program;
	if (options->list_presets)
		return;
	choose_ends(options, argc - first, argv + first);
	options->serve_console = wants_console(options);
}

void options_free(struct options *options)
{
	for (int i = 0; i < IMPAIRMENT_COUNT; i++)
		cli_list_free(&options->impairment[i]);
	cli_list_free(&options->presets);
	cli_list_free(&options->traces);
	if (options->plugs && options->end[END_LEFT].name)
		free((char *)(uintptr_t)options->end[END_LEFT].name);
}
