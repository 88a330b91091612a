/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vde_cryptcab: options and life cycle. What the cable is stands in session.h and protocol.h. */
#include "config.h"

#include "admit.h"
#include "commands.h"
#include "common/unixsock.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

enum { MANAGEMENT_MODE = 0600, VERBOSE_DEBUG = 1 };

#define AT(member) offsetof(struct options, member)

/* --verbose=vvv is what VDE 2 calls -v -v -v -v. */
static int take_verbose(void *owner, const char *value)
{
	struct options *options = owner;
	size_t more = value ? strlen(value) : 0;

	if (value && strspn(value, "v") != more)
		return EINVAL;
	options->verbose += 1 + (unsigned)more;
	return 0;
}

static const struct cli_option option_rows[] = {
	{ 's', "sock vdesock unix", "LOCATOR", "the switch (default: the default switch)", CLI_STRING, AT(socket), 0, 0, NULL },
	{ 'p', "localport", "PORT", "local UDP port (server: default 7667)", CLI_UINT, AT(port), 1, 65535, NULL },
	{ 'c', "connect", "USER@HOST:PORT", "join the server there (USER@ and :PORT may be left out)", CLI_STRING, AT(connect), 0, 0, NULL },
	{ 0, NULL, NULL, "Secrets:", CLI_SECTION, 0, 0, 0, NULL },
	{ 'P', "preshared", "FILE", "shared secret: any private file of at least 16 bytes, the same at both ends", CLI_STRING,
	  AT(preshared), 0, 0, NULL },
	{ 'x', "noencrypt", NULL, "neither encrypt nor authenticate; needed at both ends", CLI_FLAG, AT(clear), 0, 0, NULL },
	{ 0, "ssh", "COMMAND", "client: how to reach the host for the introduction (default ssh)", CLI_STRING, AT(ssh), 0, 0, NULL },
	{ 0, "admit-group", "GROUP", "server: members may admit clients, too", CLI_GROUP, AT(admit_group), 0, 0, NULL },
	{ 0, "key-lifetime", "SECONDS", "server: an introduced secret that no session uses dies (default 300)", CLI_UINT,
	  AT(key_lifetime_s), 1, 86400, NULL },
	{ 0, "admit", "PORT", "used by ssh: hand the secret on stdin to the server of that port", CLI_UINT, AT(admit), 1, 65535, NULL },
	{ 0, NULL, NULL, "Sessions:", CLI_SECTION, 0, 0, 0, NULL },
	{ 'k', "keepalive", NULL, "client: a sign of life each 10 seconds instead of 25", CLI_FLAG, AT(keepalive), 0, 0, NULL },
	{ 0, "max-peers", "N", "server: clients at once (default 256)", CLI_UINT, AT(max_peers), 1, HUB_PEERS_MAX, NULL },
	{ 0, "idle", "SECONDS", "server: a silent peer is forgotten after (default 120)", CLI_UINT, AT(idle_s), 30, 86400, NULL },
	{ 0, "mtu", "BYTES", "never send IP packets larger than this (default: what the path carries)", CLI_UINT, AT(mtu), PATH_MTU_MIN,
	  65535, NULL },
	{ 0, "reconnect", NULL, "wait for a switch that went away instead of ending", CLI_FLAG, AT(reconnect), 0, 0, NULL },
	{ 0, NULL, NULL, "The program:", CLI_SECTION, 0, 0, 0, NULL },
	{ 'd', "daemon", NULL, "go to the background when everything is open", CLI_FLAG, AT(daemon), 0, 0, NULL },
	{ 0, "pidfile", "FILE", "write the pid to FILE", CLI_STRING, AT(pidfile), 0, 0, NULL },
	{ 'M', "mgmt", "SOCK", "path of the management UNIX socket", CLI_STRING, AT(management), 0, 0, NULL },
	{ 0, "mgmtmode", "MODE", "management UNIX socket access mode (octal)", CLI_MODE, AT(management_mode), 0, 0, NULL },
	{ 0, "mgmtgroup", "GROUP", "management UNIX socket group name", CLI_GROUP, AT(management_group), 0, 0, NULL },
	{ 0, "stats", NULL, "write counters to the log at the end and on SIGUSR1", CLI_FLAG, AT(stats), 0, 0, NULL },
	{ 'v', NULL, NULL, "say more", CLI_COUNT, AT(verbose), 0, 0, NULL },
	{ 0, "verbose", "[vvv]", "the same", CLI_CALL, 0, 0, 0, take_verbose },
	{ 'h', "help", NULL, "print this help and exit", CLI_HELP, 0, 0, 0, NULL },
	{ 0, "version", NULL, "print the version and exit", CLI_VERSION, 0, 0, 0, NULL },
	{ 0 }
};

struct program {
	struct options options;
	struct log log;
	struct daemon daemon;
	struct loop *loop;
	struct pidfile pidfile;
	struct mgmt *mgmt;
	struct ends ends;
};

/* ---- options ---- */

static void check_options(const struct cli *cli, const struct options *options)
{
	struct address_target target;

	if (options->connect && address_parse_target(&target, options->connect, PROTOCOL_DEFAULT_PORT) != 0)
		cli_usage_error(cli, "-c '%s': it must be [USER@]HOST[:PORT], an IPv6 address with a port in brackets, and neither part may "
				"begin with '-'", options->connect);
	if (options->keepalive && !options->connect)
		cli_usage_error(cli, "-k is the client's (with -c)");
	if (options->clear && options->preshared)
		cli_usage_error(cli, "-x and -P exclude each other: a secret is of no use without encryption");
	if (options->admit_group.set && options->connect)
		cli_usage_error(cli, "--admit-group is the server's (without -c)");
	if ((options->max_peers || options->idle_s || options->key_lifetime_s) && options->connect)
		cli_usage_error(cli, "--max-peers, --idle and --key-lifetime are the server's (without -c)");
	if (options->ssh && !options->connect)
		cli_usage_error(cli, "--ssh is the client's (with -c)");
}

/* No number of these may be 0. */
static void set_defaults(struct options *options)
{
	if (!options->max_peers)
		options->max_peers = HUB_PEERS_DEFAULT;
	if (!options->idle_s)
		options->idle_s = IDLE_TIME_DEFAULT_S;
	if (!options->key_lifetime_s)
		options->key_lifetime_s = ADMITTED_UNUSED_TIME_DEFAULT_S;
}

static void parse_options(struct options *options, int argc, char **argv)
{
	struct cli cli = {
		.synopsis = "vde_cryptcab [OPTIONS] [-s LOCATOR] [-p PORT]\n"
			    "       vde_cryptcab [OPTIONS] [-s LOCATOR] -c [USER@]HOST[:PORT]",
		.purpose = "A cable between switches through networks that nobody trusts: waits for clients, or joins a server with -c.",
		.options = option_rows, .max_words = 0,
	};

	*options = (struct options){ .max_peers = 0 };
	cli_parse(&cli, argc, argv, options);
	check_options(&cli, options);
	set_defaults(options);
}

/* ---- protection ---- */

/* Secrets are in this process' memory: no core file, no debugger of the same user. */
static void protect_memory(void)
{
	struct rlimit none = { 0, 0 };

	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	setrlimit(RLIMIT_CORE, &none);
}

/* ---- signals and statistics ---- */

static void write_statistics(struct program *program)
{
	struct reply reply;
	char *line, *rest;

	reply_init(&reply);
	commands_write_counters(&program->ends, &reply);
	for (rest = reply.text; rest && (line = strsep(&rest, "\n")) && *line;)
		log_info(&program->log, "%s", line);
	reply_free(&reply);
}

static void ending_signal(void *owner, int number)
{
	struct program *program = owner;

	(void)number;
	loop_stop(program->loop, 0);
}

static void statistics_signal(void *owner, int number)
{
	(void)number;
	write_statistics(owner);
}

static void finish(void *owner)
{
	struct program *program = owner;

	loop_stop(program->loop, 0);
}

static int watch_signals(struct program *program)
{
	struct loop *loop = program->loop;

	return loop_add_signal(loop, SIGTERM, ending_signal, program) | loop_add_signal(loop, SIGINT, ending_signal, program) |
	       loop_add_signal(loop, SIGHUP, ending_signal, program) | loop_add_signal(loop, SIGPIPE, NULL, NULL) |
	       loop_add_signal(loop, SIGUSR1, statistics_signal, program);
}

/* ---- life ---- */

static int open_management(struct program *program)
{
	static const struct mgmt_config settings = {
		.banner = "VDE encrypted cable " PACKAGE_VERSION "\n", .prompt = CRYPTCAB_PROMPT,
		.shutdown = finish,
	};
	struct mgmt_config config = settings;
	const struct options *options = &program->options;
	struct unixsock_owner owner = { options->management_mode.set ? options->management_mode.mode : MANAGEMENT_MODE,
					options->management_group.set ? options->management_group.gid : (gid_t)-1 };

	config.owner = program;
	program->mgmt = mgmt_create(program->loop, &program->log, &config);
	if (!program->mgmt || mgmt_add_commands(program->mgmt, cryptcab_commands, &program->ends) != 0)
		return ENOMEM;
	program->ends.server.node.mgmt = program->ends.client.node.mgmt = program->mgmt;
	return options->management ? mgmt_listen(program->mgmt, options->management, &owner) : 0;
}

/* Everything is open, and a client is introduced. */
static int ready(void *owner)
{
	struct program *program = owner;
	int error = pidfile_create(&program->pidfile, program->options.pidfile, &program->log);

	if (!error)
		error = open_management(program);
	if (!error)
		daemon_ready(&program->daemon);
	return error;
}

static int open_end(struct program *program)
{
	const struct options *options = &program->options;
	int error;

	if (options->clear)
		log_warn(&program->log, "WARNING: -x: nothing is encrypted and nobody is authenticated. Whoever can reach this port can read, "
			 "change and inject frames");
	if (options->connect)
		return client_open(&program->ends.client, options, program->loop, &program->log, ready, program);
	error = server_open(&program->ends.server, options, program->loop, &program->log);
	return error ? error : ready(program);
}

static void close_all(struct program *program)
{
	if (program->options.stats && (program->ends.server.node.udp || program->ends.client.node.udp))
		write_statistics(program);
	mgmt_destroy(program->mgmt);
	client_close(&program->ends.client);
	server_close(&program->ends.server);
	pidfile_remove(&program->pidfile);
	loop_destroy(program->loop);
}

static int run(struct program *program)
{
	int status = 1;

	program->loop = loop_create();
	if (!program->loop || watch_signals(program) != 0)
		log_errno(&program->log, errno, "cannot start");
	else if (open_end(program) == 0)
		status = loop_run(program->loop);
	close_all(program);
	return status < 0 ? 1 : status;
}

int main(int argc, char **argv)
{
	struct program program = { .pidfile = { .fd = -1 } };

	daemon_fill_descriptors();
	protect_memory();
	log_init(&program.log, argv[0]);
	parse_options(&program.options, argc, argv);
	program.log.verbose = program.options.verbose >= VERBOSE_DEBUG;
	if (program.options.admit)
		return admit_run(program.options.admit, &program.log);
	daemon_raise_descriptor_limit();
	daemon_begin(&program.daemon, &program.log, program.options.daemon);
	return run(&program);
}
