/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vde_plug2tap: a cable between a switch and a tap interface. */
#include "config.h"

#include "common/cli.h"
#include "common/daemon.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/netif.h"
#include "common/tap.h"
#include "wire/attach.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEFAULT_MODE = 0700 };

struct options {
	const char *socket, *group, *pidfile;
	unsigned port;
	struct cli_mode mode;
	bool daemon, up, reconnect;
	struct cli_list addresses;
	struct cli_mac mac;
};

#define OPTION(member) offsetof(struct options, member)

static const struct cli_option option_rows[] = {
	{ 'h', "help", NULL, "Display this help and exit", CLI_HELP, 0, 0, 0, NULL },
	{ 'v', "version", NULL, "Display the version and exit", CLI_VERSION, 0, 0, 0, NULL },
	{ 's', "sock vdesock unix", "NET", "the switch or any other locator; -: the standard input and output", CLI_STRING, OPTION(socket), 0, 0, NULL },
	{ 'p', "port", "N", "port of the switch", CLI_UINT, OPTION(port), 1, 65535, NULL },
	{ 'g', "group", "GROUP", "group of the plug's socket", CLI_STRING, OPTION(group), 0, 0, NULL },
	{ 'm', "mode mod", "MODE", "its permissions (octal)", CLI_MODE, OPTION(mode), 0, 0, NULL },
	{ 'd', "daemon", NULL, "go to the background", CLI_FLAG, OPTION(daemon), 0, 0, NULL },
	{ 'P', "pidfile", "FILE", "write the pid to FILE", CLI_STRING, OPTION(pidfile), 0, 0, NULL },
	{ 0, "mac", "MAC", "address of the interface", CLI_MAC, OPTION(mac), 0, 0, NULL },
	{ 0, "addr", "A/N", "give the interface an IPv4 or IPv6 address (may be repeated)", CLI_LIST, OPTION(addresses), 0, 0, NULL },
	{ 0, "up", NULL, "bring the interface up", CLI_FLAG, OPTION(up), 0, 0, NULL },
	{ 0, "reconnect", NULL, "when the switch goes, wait for it to come back", CLI_FLAG, OPTION(reconnect), 0, 0, NULL },
	{ 0 }
};

struct program {
	struct options options;
	struct log log;
	struct daemon daemon;
	struct pidfile pidfile;
	struct loop *loop;
	struct attach_config config;
	struct attach *attach;
	const char *tap;
};

/* A switch that ends takes the plug's descriptors with it in any order: how that looks from here is no failure. */
static void ended(void *owner, int error)
{
	struct program *program = owner;

	if (error == ECONNRESET || error == EPIPE)
		error = 0;
	if (error)
		log_errno(&program->log, error, "the cable is cut");
	loop_stop(program->loop, error ? EXIT_FAILURE : EXIT_SUCCESS);
}

static void caught_signal(void *owner, int number)
{
	struct program *program = owner;

	(void)number;
	loop_stop(program->loop, EXIT_SUCCESS);
}

static int fail(struct program *program, int error, const char *what, const char *object)
{
	log_errno(&program->log, error, "%s %s", what, object);
	return error;
}

static int set_up_interface(struct program *program, const char *name)
{
	const struct options *options = &program->options;
	struct netif_address address;
	int error = options->mac.set ? netif_set_mac(name, options->mac.mac) : 0;

	if (error)
		return fail(program, error, "cannot set the address of", name);
	for (size_t i = 0; i < options->addresses.count; i++) {
		netif_parse_address(options->addresses.item[i], &address);
		error = netif_add_address(name, &address);
		if (error)
			return fail(program, error, "cannot add address", options->addresses.item[i]);
	}
	error = options->up ? netif_up(name) : 0;
	return error ? fail(program, error, "cannot bring up", name) : 0;
}

static int open_tap(struct program *program)
{
	char name[TAP_NAME_SIZE];
	int fd = tap_open(program->tap, name);

	if (fd < 0)
		return fail(program, errno, "cannot open tap", program->tap);
	struct wire *wire = wire_open_device(program->loop, fd, attach_local_callbacks(), program->attach);
	if (!wire)
		return fail(program, errno, "cannot watch tap", name);
	attach_join(program->attach, wire);
	return set_up_interface(program, name);
}

static int open_plug(struct program *program)
{
	const struct options *options = &program->options;

	program->config = (struct attach_config){
		.name = options->socket, .description = "vde_plug2tap:", .reconnect = options->reconnect, .ended = ended,
		.owner = program,
		.args = { .port = (int)options->port, .group = (char *)(uintptr_t)options->group,
			  .mode = options->mode.set ? options->mode.mode : DEFAULT_MODE },
	};
	program->attach = attach_open(program->loop, &program->log, &program->config);
	return program->attach ? 0 : fail(program, errno, "vde_open", options->socket ? options->socket : "default switch");
}

static int watch_signals(struct program *program)
{
	return loop_add_signal(program->loop, SIGTERM, caught_signal, program) |
	       loop_add_signal(program->loop, SIGINT, caught_signal, program) |
	       loop_add_signal(program->loop, SIGHUP, caught_signal, program) | loop_add_signal(program->loop, SIGPIPE, NULL, program);
}

static int open_all(struct program *program)
{
	int error;

	program->loop = loop_create();
	if (!program->loop || watch_signals(program) != 0)
		return fail(program, errno, "cannot", "start");
	if ((error = pidfile_create(&program->pidfile, program->options.pidfile, &program->log)) || (error = open_plug(program)))
		return error;
	return open_tap(program);
}

static void parse_options(struct program *program, int argc, char **argv)
{
	struct options *options = &program->options;
	struct netif_address address;
	struct cli cli = {
		.synopsis = "vde_plug2tap [OPTIONS] TAP",
		.purpose = "Connects a switch with the tap interface TAP ('': the system chooses its name).",
		.options = option_rows, .max_words = 1,
	};
	int word = cli_parse(&cli, argc, argv, options);

	if (word >= argc)
		cli_usage_error(&cli, "the name of the tap interface is missing");
	program->tap = argv[word];
	for (size_t i = 0; i < options->addresses.count; i++)
		if (netif_parse_address(options->addresses.item[i], &address) != 0)
			cli_usage_error(&cli, "--addr: '%s' is not an address such as 10.0.0.1/24 or fd00::1/64",
					options->addresses.item[i]);
}

int main(int argc, char **argv)
{
	struct program program = { .pidfile = { .fd = -1 } };
	int status = EXIT_FAILURE;

	log_init(&program.log, argv[0]);
	parse_options(&program, argc, argv);
	daemon_begin(&program.daemon, &program.log, program.options.daemon);
	if (open_all(&program) == 0) {
		daemon_ready(&program.daemon);
		status = loop_run(program.loop);
	}
	attach_close(program.attach);
	pidfile_remove(&program.pidfile);
	loop_destroy(program.loop);
	cli_list_free(&program.options.addresses);
	return status;
}
