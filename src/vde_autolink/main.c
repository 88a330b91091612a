/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vde_autolink: keeps the links of a switch to other switches alive. */
#include "config.h"

#include "common/cli.h"
#include "common/daemon.h"
#include "vde_autolink/autolink.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct options {
	const char *socket, *switch_mgmt, *mgmt, *rcfile, *pidfile;
	struct cli_mode mgmt_mode;
	double retry, retry_max, alive, check;
	bool daemon, no_stdin;
};

#define OPTION(member) offsetof(struct options, member)

static const struct cli_option option_rows[] = {
	{ 'h', "help", NULL, "Display this help and exit", CLI_HELP, 0, 0, 0, NULL },
	{ 'v', "version", NULL, "Display the version and exit", CLI_VERSION, 0, 0, 0, NULL },
	{ 's', "sock", "DIR", "the switch: what $mysock stands for (required)", CLI_STRING, OPTION(socket), 0, 0, NULL },
	{ 'S', "switchmgmt", "SOCK", "its management socket (required)", CLI_STRING, OPTION(switch_mgmt), 0, 0, NULL },
	{ 'M', "mgmt", "SOCK", "path of the management UNIX socket", CLI_STRING, OPTION(mgmt), 0, 0, NULL },
	{ 0, "mgmtmode", "MODE", "management UNIX socket access mode (octal; default 0600)", CLI_MODE, OPTION(mgmt_mode), 0, 0, NULL },
	{ 'f', "rcfile", "FILE", "configuration file (instead of ~/.vde2/vde_autolink.rc, else " SYSCONFDIR "/vde2/vde_autolink.rc)", CLI_STRING,
	  OPTION(rcfile), 0, 0, NULL },
	{ 'd', "daemon", NULL, "go to the background", CLI_FLAG, OPTION(daemon), 0, 0, NULL },
	{ 'p', "pidfile", "FILE", "write the pid to FILE", CLI_STRING, OPTION(pidfile), 0, 0, NULL },
	{ 0, "nostdin", NULL, "read no commands from the standard input", CLI_FLAG, OPTION(no_stdin), 0, 0, NULL },
	{ 0, NULL, NULL, "(times in seconds)", CLI_SECTION, 0, 0, 0, NULL },
	{ 0, "retry", "S", "between a failure and the next try; doubles with each round (default 1)", CLI_DOUBLE, OPTION(retry), 0.01, 86400, NULL },
	{ 0, "retry-max", "S", "the longest of these (default 120)", CLI_DOUBLE, OPTION(retry_max), 0.01, 86400, NULL },
	{ 0, "alive", "S", "a wire that lived so long was good (default 8)", CLI_DOUBLE, OPTION(alive), 0, 86400, NULL },
	{ 0, "check", "S", "between two looks at a wire's port (default 30)", CLI_DOUBLE, OPTION(check), 0.01, 86400, NULL },
	{ 0 }
};

struct program {
	struct options options;
	struct log log;
	struct pidfile pidfile;
	struct loop *loop;
	struct autolink *autolink;
	struct mgmt *mgmt;
};

static void finish(void *owner)
{
	struct program *program = owner;

	loop_stop(program->loop, EXIT_SUCCESS);
}

static void caught_signal(void *owner, int number)
{
	(void)number;
	finish(owner);
}

static int fail(struct program *program, int error, const char *what)
{
	log_errno(&program->log, error, "%s", what);
	return error;
}

static uint64_t nanoseconds(double seconds)
{
	return (uint64_t)(seconds * LOOP_SECOND);
}

static int open_mgmt(struct program *program)
{
	const struct mgmt_config config = {
		.banner = "VDE autolink V." PACKAGE_VERSION "\n", .prompt = "\nVDEal$ ", .load_format = "VDEal[%s]: %s\n", .owner = program,
		.help_heading = "COMMAND      SYNTAX          HELP\n-------      ------          ----\n", .help_format = "%-12s %-15s %s\n",
		.shutdown = finish,
	};
	const struct unixsock_owner owner = { program->options.mgmt_mode.set ? program->options.mgmt_mode.mode : 0600, (gid_t)-1 };

	program->mgmt = mgmt_create(program->loop, &program->log, &config);
	if (!program->mgmt || mgmt_add_commands(program->mgmt, autolink_commands, program->autolink) != 0)
		return fail(program, ENOMEM, "cannot start");
	program->autolink->mgmt = program->mgmt;
	return program->options.mgmt ? mgmt_listen(program->mgmt, program->options.mgmt, &owner) : 0;
}

/* A file that was named must be there; the others may. */
static int run_rcfile(struct program *program)
{
	const char *home = getenv("HOME");
	char path[4096];
	int error;

	if (program->options.rcfile) {
		error = mgmt_run_script(program->mgmt, program->options.rcfile);
		return error ? fail(program, error, program->options.rcfile) : 0;
	}
	if (home && (size_t)snprintf(path, sizeof(path), "%s/.vde2/vde_autolink.rc", home) < sizeof(path) &&
	    mgmt_run_script(program->mgmt, path) == 0)
		return 0;
	mgmt_run_script(program->mgmt, SYSCONFDIR "/vde2/vde_autolink.rc");
	return 0;
}

static int watch_signals(struct program *program)
{
	static const int last[] = { SIGTERM, SIGINT, SIGHUP };
	int error = loop_add_signal(program->loop, SIGPIPE, NULL, program);

	for (size_t i = 0; i < sizeof(last) / sizeof(last[0]); i++)
		error |= loop_add_signal(program->loop, last[i], caught_signal, program);
	return error;
}

static int open_all(struct program *program)
{
	const struct options *options = &program->options;
	const struct autolink_times times = {
		.retry_first = nanoseconds(options->retry), .alive = nanoseconds(options->alive), .check = nanoseconds(options->check),
		.retry_last = nanoseconds(options->retry_max > options->retry ? options->retry_max : options->retry),
	};
	int error;

	program->loop = loop_create();
	if (!program->loop || watch_signals(program) != 0)
		return fail(program, errno, "cannot start");
	if ((error = pidfile_create(&program->pidfile, options->pidfile, &program->log)) != 0)
		return error;
	program->autolink = autolink_create(program->loop, &program->log, options->socket, options->switch_mgmt, &times);
	if (!program->autolink)
		return fail(program, errno, "cannot start");
	if ((error = open_mgmt(program)) != 0 || (error = run_rcfile(program)) != 0)
		return error;
	return options->daemon || options->no_stdin ? 0 : mgmt_console(program->mgmt, STDIN_FILENO, STDOUT_FILENO);
}

int main(int argc, char **argv)
{
	struct program program = {
		.options = { .retry = 1, .retry_max = 120, .alive = 8, .check = 30 }, .pidfile = { .fd = -1 },
	};
	struct cli cli = {
		.synopsis = "vde_autolink -s DIR -S SOCK [OPTIONS]", .purpose = "Keeps links between a switch and others alive.",
		.options = option_rows,
	};
	struct daemon daemon = { .ready_fd = -1 };
	int status = EXIT_FAILURE;

	daemon_fill_descriptors();
	log_init(&program.log, argv[0]);
	cli_parse(&cli, argc, argv, &program.options);
	if (!program.options.socket || !program.options.switch_mgmt)
		cli_usage_error(&cli, "%s is required", program.options.socket ? "-S SOCK" : "-s DIR");
	daemon_begin(&daemon, &program.log, program.options.daemon);
	if (open_all(&program) == 0) {
		daemon_ready(&daemon);
		status = loop_run(program.loop);
	}
	mgmt_destroy(program.mgmt);
	autolink_destroy(program.autolink);
	pidfile_remove(&program.pidfile);
	loop_destroy(program.loop);
	return status;
}
