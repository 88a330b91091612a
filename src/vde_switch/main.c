/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vde_switch: options, life cycle, signals. What a switch is and does stands in switch.h and forward.c. */
#include "config.h"

#include "common/cli.h"
#include "common/daemon.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/mgmt.h"
#include "vde_switch/commands.h"
#include "vde_switch/control.h"
#include "vde_switch/debug.h"
#include "vde_switch/endpoint_tap.h"
#include "vde_switch/plugin.h"
#include "vde_switch/switch.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

enum {
	DEFAULT_MODE = 0600,
	DEFAULT_DIRECTORY_MODE = 02700,
	DEFAULT_MANAGEMENT_MODE = 0600,
	DEFAULT_PRIORITY = 0x8000,
};

struct options {
	unsigned numports, hash_size, priority;
	bool hub, fstp, trunk;
	struct cli_mac mac;
	const char *directory;
	struct cli_mode mode, directory_mode;
	struct cli_group group;
	bool daemon, nostdin;
	const char *pidfile, *rcfile, *management;
	struct cli_mode management_mode;
	struct cli_group management_group;
	struct cli_list taps;
	bool no_offload;
};

#define OPTION(member) offsetof(struct options, member)

static const struct cli_option option_rows[] = {
	{ 0, NULL, NULL, "(global opts)", CLI_SECTION, 0, 0, 0, NULL },
	{ 'h', "help", NULL, "Display this help and exit", CLI_HELP, 0, 0, 0, NULL },
	{ 'v', "version", NULL, "Display information on version and exit", CLI_VERSION, 0, 0, 0, NULL },
	{ 'n', "numports", "N", "Number of ports (default 32)", CLI_UINT, OPTION(numports), 1, PORT_MAX, NULL },
	{ 'x', "hub", NULL, "Make the switch act as a hub", CLI_FLAG, OPTION(hub), 0, 0, NULL },
	{ 'F', "fstp", NULL, "Activate the fast spanning tree protocol", CLI_FLAG, OPTION(fstp), 0, 0, NULL },
	{ 0, "trunk", NULL, "Pass tagged frames of VLANs that the switch does not have", CLI_FLAG, OPTION(trunk), 0, 0, NULL },
	{ 0, "macaddr", "MAC", "Set the switch MAC address", CLI_MAC, OPTION(mac), 0, 0, NULL },
	{ 0, "priority", "N", "Set the priority for FST (MAC extension)", CLI_UINT, OPTION(priority), 0, 65535, NULL },
	{ 0, "hashsize", "N", "Hash table size", CLI_UINT, OPTION(hash_size), 1, FDB_MAX_BUCKETS, NULL },
	{ 0, NULL, NULL, "(control socket)", CLI_SECTION, 0, 0, 0, NULL },
	{ 's', "sock vdesock unix", "DIR", "control directory pathname", CLI_STRING, OPTION(directory), 0, 0, NULL },
	{ 'm', "mode mod", "MODE", "Permissions for the control socket (octal)", CLI_MODE, OPTION(mode), 0, 0, NULL },
	{ 0, "dirmode", "MODE", "Permissions for the sockets directory (octal)", CLI_MODE, OPTION(directory_mode), 0, 0, NULL },
	{ 'g', "group", "GROUP", "Group owner for comm sockets", CLI_GROUP, OPTION(group), 0, 0, NULL },
	{ 0, NULL, NULL, "(console and management)", CLI_SECTION, 0, 0, 0, NULL },
	{ 'd', "daemon", NULL, "Daemonize vde_switch once run", CLI_FLAG, OPTION(daemon), 0, 0, NULL },
	{ 0, "nostdin", NULL, "Do not read commands from the standard input", CLI_FLAG, OPTION(nostdin), 0, 0, NULL },
	{ 'p', "pidfile", "FILE", "Write the pid to FILE", CLI_STRING, OPTION(pidfile), 0, 0, NULL },
	{ 'f', "rcfile", "FILE", "Commands to run at start (default ~/.vde2/vde_switch.rc, then /etc/vde2/vde_switch.rc)", CLI_STRING,
	  OPTION(rcfile), 0, 0, NULL },
	{ 'M', "mgmt", "SOCK", "path of the management UNIX socket", CLI_STRING, OPTION(management), 0, 0, NULL },
	{ 0, "mgmtmode", "MODE", "management UNIX socket access mode (octal)", CLI_MODE, OPTION(management_mode), 0, 0, NULL },
	{ 0, "mgmtgroup", "GROUP", "management UNIX socket group name", CLI_GROUP, OPTION(management_group), 0, 0, NULL },
	{ 'D', "debugclients", "N", NULL, CLI_IGNORE, 0, 0, 0, NULL },
	{ 0, NULL, NULL, "(tap interfaces)", CLI_SECTION, 0, 0, 0, NULL },
	{ 't', "tap", "TAP[,TAP...]", "Plug in tap interface TAP (may be repeated)", CLI_COMMA_LIST, OPTION(taps), 0, 0, NULL },
	{ 0, "no-offload", NULL, "Tap interfaces do checksums and cut TCP segments themselves", CLI_FLAG, OPTION(no_offload), 0, 0, NULL },
	{ 0 }
};

/* What is open, in the order in which it was opened. */
struct program {
	struct options options;
	struct log log;
	struct daemon daemon;
	struct loop *loop;
	struct vde_switch *sw;
	struct pidfile pidfile;
	int caught_signal;
};

/* ---- options ---- */

/* A directory as open as the socket in it: whoever may read or write there may also search. */
static mode_t directory_mode_for(mode_t mode)
{
	mode_t result = 02000;

	for (int shift = 0; shift <= 6; shift += 3) {
		mode_t bits = (mode >> shift) & 06;

		if (bits)
			result |= (bits | 01) << shift;
	}
	return result;
}

static void choose_modes(const struct options *options, struct control_config *config)
{
	config->mode = DEFAULT_MODE;
	config->directory_mode = DEFAULT_DIRECTORY_MODE;
	if (options->mode.set)
		config->mode = options->mode.mode;
	else if (options->directory_mode.set)
		config->mode = options->directory_mode.mode & 0666;
	if (options->directory_mode.set)
		config->directory_mode = options->directory_mode.mode;
	else if (options->mode.set)
		config->directory_mode = directory_mode_for(options->mode.mode);
}

static mode_t management_mode(const struct options *options)
{
	return options->management_mode.set ? options->management_mode.mode : DEFAULT_MANAGEMENT_MODE;
}

static gid_t chosen_group(const struct cli_group *group)
{
	return group->set ? group->gid : (gid_t)-1;
}

static const char *default_directory(void)
{
	return geteuid() == 0 ? "/var/run/vde.ctl" : "/tmp/vde.ctl";
}

static void parse_options(struct program *program, int argc, char **argv)
{
	struct options *options = &program->options;
	struct cli cli = {
		.synopsis = "vde_switch [OPTIONS] [DIR]",
		.purpose = "Runs a VDE switch. DIR is the same as --sock DIR.",
		.options = option_rows, .max_words = 1,
	};

	*options = (struct options){ .numports = PORT_DEFAULT_COUNT, .hash_size = FDB_DEFAULT_BUCKETS, .priority = DEFAULT_PRIORITY };
	int word = cli_parse(&cli, argc, argv, options);
	if (word < argc && options->directory)
		cli_usage_error(&cli, "'%s': the control directory is already given by --sock", argv[word]);
	if (word < argc)
		options->directory = argv[word];
	if (!options->directory)
		options->directory = default_directory();
}

/* ---- opening ---- */

static void finish(void *owner)
{
	struct program *program = owner;

	loop_stop(program->loop, 0);
}

static void caught_signal(void *owner, int number)
{
	struct program *program = owner;

	log_info(&program->log, "Caught signal %d, cleaning up and exiting", number);
	program->caught_signal = number;
	loop_stop(program->loop, 0);
}

static int watch_signals(struct program *program)
{
	static const int ending[] = { SIGTERM, SIGINT, SIGHUP };
	static const int ignored[] = { SIGPIPE, SIGUSR1, SIGUSR2, SIGALRM };
	int error = 0;

	for (size_t i = 0; i < sizeof(ending) / sizeof(ending[0]); i++)
		error |= loop_add_signal(program->loop, ending[i], caught_signal, program);
	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		error |= loop_add_signal(program->loop, ignored[i], NULL, program);
	return error;
}

static int open_switch(struct program *program)
{
	const struct options *options = &program->options;
	struct switch_config config = {
		.numports = options->numports, .hash_size = options->hash_size, .hub = options->hub, .trunk = options->trunk,
		.has_mac = options->mac.set, .priority = options->priority, .fstp = options->fstp,
	};

	memcpy(config.mac, options->mac.mac, sizeof(config.mac));
	program->loop = loop_create();
	if (!program->loop || watch_signals(program) != 0)
		return errno;
	program->sw = switch_create(program->loop, &program->log, &config);
	if (!program->sw)
		return errno;
	if (fdb_buckets(program->sw->fdb) != options->hash_size)
		log_warn(&program->log, "Hash size must be a power of 2. %u rounded to %u", options->hash_size,
			 fdb_buckets(program->sw->fdb));
	return 0;
}

static int open_control(struct program *program)
{
	const struct options *options = &program->options;
	struct control_config config = {
		.directory = options->directory,
		.group = chosen_group(&options->group),
		.management_mode = management_mode(options),
		.management_group = chosen_group(&options->management_group),
	};

	choose_modes(options, &config);
	return control_open(program->sw, &config);
}

static void forget_session(void *owner, struct mgmt_session *session)
{
	struct program *program = owner;

	if (program->sw)
		debug_forget(program->sw->debug, session);
}

static int open_management(struct program *program)
{
	static const struct mgmt_config settings = {
		.banner = SWITCH_BANNER_NAME PACKAGE_VERSION "\n" SWITCH_COPYRIGHT "\n", .prompt = "\nvde$ ", .shutdown = finish,
	};
	struct mgmt_config config = settings;
	const struct options *options = &program->options;
	struct unixsock_owner owner = { management_mode(options), chosen_group(&options->management_group) };

	config.owner = program;
	config.session_closed = forget_session;
	program->sw->mgmt = mgmt_create(program->loop, &program->log, &config);
	if (!program->sw->mgmt || switch_add_commands(program->sw) != 0)
		return ENOMEM;
	return options->management ? mgmt_listen(program->sw->mgmt, options->management, &owner) : 0;
}

static const char *tap_problem(int error)
{
	switch (error) {
	case ENOSYS: return "no tap support in this build";
	case EPERM:
	case EACCES: return "needs CAP_NET_ADMIN, or a tap made for this user (ip tuntap add dev NAME mode tap user USER)";
	case EBUSY: return "in use by another process";
	case ENAMETOOLONG: return "names have at most 15 characters";
	case ENOSPC: return "no free port";
	default: return strerror(error);
	}
}

static int open_taps(struct program *program)
{
	const struct cli_list *taps = &program->options.taps;

	for (size_t i = 0; i < taps->count; i++) {
		int error = endpoint_tap_open(program->sw, taps->item[i], !program->options.no_offload);

		if (error) {
			log_error(&program->log, "tap '%s': %s", taps->item[i], tap_problem(error));
			return error;
		}
	}
	return 0;
}

static void run_scripts(struct program *program)
{
	const char *home = getenv("HOME");
	char path[PATH_MAX];

	if (program->options.rcfile) {
		int error = mgmt_run_script(program->sw->mgmt, program->options.rcfile);

		if (error)
			log_errno(&program->log, error, "rc file '%s'", program->options.rcfile);
		return;
	}
	if (home && (size_t)snprintf(path, sizeof(path), "%s/.vde2/vde_switch.rc", home) < sizeof(path) &&
	    mgmt_run_script(program->sw->mgmt, path) == 0)
		return;
	mgmt_run_script(program->sw->mgmt, SYSCONFDIR "/vde2/vde_switch.rc");
}

/*
 * /dev/null cannot be a console. With a management socket nobody misses it (a service manager's start); without one its end of file
 * ends the switch, as it always did.
 */
static bool wants_console(const struct options *options)
{
	struct stat status;

	if (options->daemon || options->nostdin)
		return false;
	bool null = fstat(STDIN_FILENO, &status) == 0 && S_ISCHR(status.st_mode) && status.st_rdev == makedev(1, 3);
	return !(null && options->management);
}

static int open_all(struct program *program)
{
	int error = open_switch(program);

	if (error) {
		log_errno(&program->log, error, "cannot start");
		return error;
	}
	if ((error = open_control(program)) || (error = pidfile_create(&program->pidfile, program->options.pidfile, &program->log)) ||
	    (error = open_management(program)) || (error = open_taps(program)))
		return error;
	run_scripts(program);
	if (wants_console(&program->options))
		error = mgmt_console(program->sw->mgmt, STDIN_FILENO, STDOUT_FILENO);
	return error;
}

static void close_all(struct program *program)
{
	struct mgmt *mgmt = program->sw ? program->sw->mgmt : NULL;

	switch_destroy(program->sw);
	program->sw = NULL;
	mgmt_destroy(mgmt);
	pidfile_remove(&program->pidfile);
	loop_destroy(program->loop);
	cli_list_free(&program->options.taps);
}

/* Who asked for an interrupt shall see that it was one. */
static void die_by_interrupt(const struct program *program)
{
	if (program->caught_signal != SIGINT)
		return;
	signal(SIGINT, SIG_DFL);
	loop_unblock_signals();
	raise(SIGINT);
}

int main(int argc, char **argv)
{
	struct program program = { .pidfile = { .fd = -1 } };

	daemon_fill_descriptors();
	log_init(&program.log, argv[0]);
	parse_options(&program, argc, argv);
	daemon_begin(&program.daemon, &program.log, program.options.daemon);
	daemon_raise_descriptor_limit();
	int status = EXIT_FAILURE;
	if (open_all(&program) == 0) {
		daemon_ready(&program.daemon);
		if (program.options.daemon)
			log_info(&program.log, "VDE_SWITCH started");
		status = loop_run(program.loop) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
	}
	close_all(&program);
	die_by_interrupt(&program);
	return status;
}
