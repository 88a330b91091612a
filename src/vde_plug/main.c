/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vde_plug: joins a network to its standard input and output, to a command's, or to another network.
 *
 * Theory of operation. There are two wires, near and far. The far one is a plug. The near one is a stream on stdin and stdout, a
 * stream on a command's pipes, or another plug. The end of either is the end of the program, after what was on its way to the other
 * one has been delivered.
 */
#include "common/interrupt.h"
#include "common/number.h"
#include "vde_plug.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	FLUSH_NETWORK_S = 10,           /* how long the last frames may take: a network takes them, or nobody is there */
	FLUSH_STREAM_S = 2,
	PORT_MAX = 0xffffff,
};

/* They end the program. */
static const int stops[] = {SIGHUP, SIGINT, SIGTERM};
enum { STOPS = sizeof(stops) / sizeof(stops[0]) };

struct cable {
	struct options options;
	struct log log;
	struct loop *loop;
	struct pidfile pidfile;
	struct session session;
	struct child child;
	struct wire *near, *far;
	bool ended, stopped;            /* stopped: by a signal */
};

/* -p: a port in the first generation of vde_plug, a pid file in the second. */
static int take_p(void *owner, const char *value)
{
	struct options *options = owner;

	if (value[0] == '\0')
		return EINVAL;
	if (value[strspn(value, "0123456789")] == '\0')
		return number_uint(value, 0, PORT_MAX, &options->plug[0].port);
	options->pidfile = value;
	return 0;
}

#define AT(member) offsetof(struct options, member)
static const struct cli_option option_rows[] = {
	{0, NULL, NULL, "The first network (or the only one):", CLI_SECTION, 0, 0, 0, NULL},
	{'s', "sock vdesock unix", "LOCATOR", "the network, instead of as a word", CLI_STRING, AT(socket), 0, 0, NULL},
	{0, "port", "N", "port of the switch; 0: any", CLI_UINT, AT(plug[0].port), 0, PORT_MAX, NULL},
	{'g', "group", "GROUP", "group of the plug's socket", CLI_STRING, AT(plug[0].group), 0, 0, NULL},
	{'m', "mod mode", "MODE", "octal permissions of the plug's socket", CLI_MODE, AT(plug[0].mode), 0, 0, NULL},
	{'D', "descr description", "TEXT", "what the switch shows", CLI_STRING, AT(description), 0, 0, NULL},
	{0, NULL, NULL, "The second network:", CLI_SECTION, 0, 0, 0, NULL},
	{0, "port2", "N", "port of the switch; 0: any", CLI_UINT, AT(plug[1].port), 0, PORT_MAX, NULL},
	{'G', "group2", "GROUP", "group of the plug's socket", CLI_STRING, AT(plug[1].group), 0, 0, NULL},
	{'M', "mod2 mode2", "MODE", "octal permissions of the plug's socket", CLI_MODE, AT(plug[1].mode), 0, 0, NULL},
	{0, NULL, NULL, "Running:", CLI_SECTION, 0, 0, 0, NULL},
	{'d', "daemon", NULL, "go to the background once connected", CLI_FLAG, AT(daemon), 0, 0, NULL},
	{'p', NULL, "N|FILE", "a number: as --port; anything else: as --pidfile", CLI_CALL, 0, 0, 0, take_p},
	{0, "pidfile", "FILE", "write the process id there", CLI_STRING, AT(pidfile), 0, 0, NULL},
	{'l', "log", NULL, "log start and stop to syslog", CLI_FLAG, AT(log), 0, 0, NULL},
	{'L', "iplog", NULL, "as --log, and each IP address that frames come from", CLI_FLAG, AT(iplog), 0, 0, NULL},
	{'c', NULL, "vde_plug", "as a login shell: only this command is accepted", CLI_STRING, AT(shell_command), 0, 0, NULL},
	{'h', "help", NULL, "show this", CLI_HELP, 0, 0, 0, NULL},
	{0, "version", NULL, "show the version", CLI_VERSION, 0, 0, 0, NULL},
	{0},
};

static struct cli command_line = {
	.synopsis = "vde_plug [OPTIONS] [LOCATOR]\n"
		    "       vde_plug [OPTIONS] [LOCATOR] = COMMAND [ARGUMENTS]\n"
		    "       vde_plug [OPTIONS] LOCATOR LOCATOR",
	.purpose = "Joins a virtual network to standard input and output, to those of a command, or to another network.",
	.options = option_rows,
	.max_words = 2,
};

/* The place of the word "=", or argc. */
static int find_equals(int argc, char **argv)
{
	int i = 1;

	while (i < argc && strcmp(argv[i], "=") != 0)
		i++;
	return i;
}

/* Puts -s and the words where they belong. Returns true when there were any. */
static bool take_locators(struct options *options, char **words, int count, bool has_command)
{
	int used = 0;

	if (options->socket != NULL)
		options->plug[used++].locator = options->socket;
	if (used + count > (has_command ? 1 : 2))
		cli_usage_error(&command_line, has_command ? "one network at most before '='" : "two networks at most");
	for (int i = 0; i < count; i++)
		options->plug[used++].locator = words[i];
	if (options->plug[1].locator == NULL && (options->plug[1].group != NULL || options->plug[1].mode.set))
		cli_usage_error(&command_line, "-G and -M are for a second network, and there is none");
	if (options->description == NULL || options->description[0] == '\0')
		options->description = "vde_plug:";
	return used > 0;
}

/* Passes frames on, with an eye on their addresses. */
static void receive(void *owner, struct frame *frames, unsigned count)
{
	struct cable *cable = owner;

	session_see(&cable->session, frames, count);
	wire_send(cable->far, frames, count);
	wire_pause(cable->near, wire_is_full(cable->far));
}

static void far_receive(void *owner, struct frame *frames, unsigned count)
{
	struct cable *cable = owner;

	wire_send(cable->near, frames, count);
	wire_pause(cable->far, wire_is_full(cable->near));
}

static void near_drained(void *owner)
{
	wire_pause(((struct cable *)owner)->far, false);
}

static void far_drained(void *owner)
{
	wire_pause(((struct cable *)owner)->near, false);
}

/* One end is gone: the other one gets what waits for it, and that is all. */
static void end(struct cable *cable, struct wire *other, int error, unsigned seconds)
{
	int status = 0;

	if (cable->ended)
		return;
	cable->ended = true;
	wire_flush(other, (uint64_t)seconds * LOOP_SECOND);
	if (error != 0 && error != EPIPE) {
		log_error(&cable->log, "connection lost: %s", strerror(error));
		status = STATUS_FAILED;
	}
	loop_stop(cable->loop, status);
}

static void near_lost(void *owner, int error)
{
	struct cable *cable = owner;

	end(cable, cable->far, error, FLUSH_NETWORK_S);
}

static void far_lost(void *owner, int error)
{
	struct cable *cable = owner;

	end(cable, cable->near, error, FLUSH_STREAM_S);
}

static const struct wire_callbacks near_callbacks = {receive, near_lost, near_drained};
static const struct wire_callbacks far_callbacks = {far_receive, far_lost, far_drained};

static void on_stop(void *owner, int number)
{
	struct cable *cable = owner;

	(void)number;
	cable->stopped = true;
	if (cable->child.pid > 0)
		kill(cable->child.pid, SIGTERM);
	loop_stop(cable->loop, 0);
}

static void on_child(void *owner, int number)
{
	(void)number;
	child_reap(&((struct cable *)owner)->child);
}

/* A signal has come, and the network is still being opened. Only who waits for that, as the caller of -d does, has to know. */
static int give_up(void *owner, int number)
{
	struct cable *cable = owner;

	if (cable->session.started)
		session_log(&cable->session, "STOP");
	pidfile_remove(&cable->pidfile);
	return cable->options.daemon ? STATUS_SIGNAL + number : 0;
}

static struct wire *open_plug(struct cable *cable, const struct plug_options *plug, const struct wire_callbacks *callbacks)
{
	char *group = plug->group != NULL ? strdup(plug->group) : NULL;
	struct vde_open_args args = {.port = (int)plug->port, .group = group, .mode = plug->mode.set ? plug->mode.mode : 0};
	struct interrupt interrupt;
	struct wire *wire;

	interrupt_begin(&interrupt, stops, STOPS, give_up, cable);
	wire = wire_open_plug(cable->loop, plug->locator, cable->options.description, &args, callbacks, cable);
	if (wire == NULL)
		log_error(&cable->log, "vde_open %s: %s",
			  plug->locator != NULL && plug->locator[0] != '\0' ? plug->locator : "default switch", strerror(errno));
	interrupt_end(&interrupt);
	free(group);
	return wire;
}

/* In the background stdin and stdout become /dev/null; the stream stays what it was. */
static int stream_fd(const struct cable *cable, int fd)
{
	return cable->options.daemon ? fcntl(fd, F_DUPFD_CLOEXEC, 3) : fd;
}

static struct wire *open_stream(struct cable *cable, int in, int out)
{
	struct wire *wire = wire_open_stream(cable->loop, in, out, &near_callbacks, cable);

	if (wire == NULL)
		log_error(&cable->log, "standard input or output cannot be used: %s", strerror(errno));
	return wire;
}

/* Opens both ends. Returns false after a message. */
static bool open_wires(struct cable *cable, char **command)
{
	const struct options *options = &cable->options;
	bool two = options->plug[1].locator != NULL;

	cable->far = open_plug(cable, &options->plug[two], &far_callbacks);
	if (cable->far == NULL)
		return false;
	if (two) {
		cable->near = open_plug(cable, &options->plug[0], &near_callbacks);
	} else if (command != NULL) {
		int error = child_start(&cable->child, command, options->daemon);

		if (error != 0)
			log_error(&cable->log, "%s: %s", command[0], strerror(error));
		else
			cable->near = open_stream(cable, cable->child.in, cable->child.out);
	} else {
		cable->near = open_stream(cable, stream_fd(cable, 0), stream_fd(cable, 1));
	}
	if (cable->near != NULL && cable->session.iplog == NULL)
		wire_join(cable->near, cable->far);
	return cable->near != NULL;
}

static void start_session(struct cable *cable)
{
	if (!cable->options.log && !cable->options.iplog)
		return;
	session_log(&cable->session, "START");
	cable->session.started = true;
	if (cable->options.iplog && session_log_addresses(&cable->session) != 0)
		log_error(&cable->log, "no memory for the log of addresses");
}

static bool add_signals(struct cable *cable)
{
	for (size_t i = 0; i < STOPS; i++) {
		if (loop_add_signal(cable->loop, stops[i], on_stop, cable) != 0)
			return false;
	}
	return loop_add_signal(cable->loop, SIGCHLD, on_child, cable) == 0 &&
	       loop_add_signal(cable->loop, SIGPIPE, NULL, NULL) == 0;
}

static int run(struct cable *cable, char **command)
{
	struct daemon daemon;
	int status = STATUS_FAILED;

	daemon_begin(&daemon, &cable->log, cable->options.daemon);
	if (pidfile_create(&cable->pidfile, cable->options.pidfile, &cable->log) != 0)
		return STATUS_FAILED;
	cable->loop = loop_create();
	if (cable->loop != NULL && add_signals(cable)) {
		start_session(cable);
		if (open_wires(cable, command)) {
			daemon_ready(&daemon);
			status = loop_run(cable->loop);
		}
		session_end(&cable->session);
	} else {
		log_error(&cable->log, "cannot wait for events: %s", strerror(errno));
	}
	wire_close(cable->near);
	wire_close(cable->far);
	if (cable->child.in >= 0) {
		child_finish(&cable->child);
		if (cable->child.status != 0 && !cable->stopped && (status == 0 || cable->near == NULL))
			status = cable->child.status;
	}
	loop_destroy(cable->loop);
	pidfile_remove(&cable->pidfile);
	return status;
}

int main(int argc, char **argv)
{
	struct cable cable = {.child = {.in = -1, .out = -1}};
	int equals = find_equals(argc, argv);
	bool has_command = equals < argc, has_words;
	const char *name = argv[0] != NULL ? argv[0] : "vde_plug";
	int first;

	daemon_fill_descriptors();
	log_init(&cable.log, name[0] == '-' ? name + 1 : name);
	session_init(&cable.session);
	if (name[0] == '-')
		login_restrict(&cable.options, &cable.session, name, true);
	first = cli_parse(&command_line, equals, argv, &cable.options);
	has_words = equals > first || has_command || cable.options.socket != NULL;
	if (!login_restrict(&cable.options, &cable.session, name, has_words))
		take_locators(&cable.options, argv + first, equals - first, has_command);
	if (has_command && equals + 1 == argc)
		cli_usage_error(&command_line, "a command is missing after '='");
	return run(&cable, has_command ? argv + equals + 1 : NULL);
}
