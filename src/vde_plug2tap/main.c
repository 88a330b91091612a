/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vde_plug2tap: a cable between a switch and a tap interface. */
#include "config.h"

#include "common/daemon.h"
#include "common/netif.h"
#include "common/tap.h"
#include "wire/attach_program.h"

#include <errno.h>
#include <stdlib.h>

struct options {
	struct attach_options attach;
	bool up, no_offload;
	struct cli_list addresses;
	struct cli_mac mac;
};

#define OPTION(member) offsetof(struct options, member)

static const struct cli_option option_rows[] = {
	ATTACH_OPTION_ROWS(struct options, attach),
	{ 0, "mac", "MAC", "address of the interface", CLI_MAC, OPTION(mac), 0, 0, NULL },
	{ 0, "addr", "A/N", "give the interface an IPv4 or IPv6 address (may be repeated)", CLI_LIST, OPTION(addresses), 0, 0, NULL },
	{ 0, "up", NULL, "bring the interface up", CLI_FLAG, OPTION(up), 0, 0, NULL },
	{ 0, "no-offload", NULL, "the interface does checksums and cuts TCP segments itself", CLI_FLAG, OPTION(no_offload), 0, 0, NULL },
	{ 0 }
};

struct program {
	struct options options;
	struct log log;
	const char *tap;
};

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
		return fail(program, error, "cannot set the Ethernet address of", name);
	for (size_t i = 0; i < options->addresses.count; i++) {
		netif_parse_address(options->addresses.item[i], &address);
		error = netif_add_address(name, &address);
		if (error)
			return fail(program, error, "cannot add address", options->addresses.item[i]);
	}
	error = options->up ? netif_up(name) : 0;
	return error ? fail(program, error, "cannot bring up", name) : 0;
}

static int open_tap(void *owner, struct loop *loop, struct attach *attach)
{
	struct program *program = owner;
	char name[TAP_NAME_SIZE];
	bool offload;
	int fd = program->options.no_offload ? tap_open(program->tap, name) : tap_open_offload(program->tap, name, &offload);

	if (fd < 0)
		return fail(program, errno, "cannot open tap", program->tap);
	struct wire *wire = wire_open_tap(loop, fd, attach_local_callbacks(), attach);
	if (!wire)
		return fail(program, errno, "cannot watch tap", name);
	attach_join(attach, wire);
	return set_up_interface(program, name);
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
	struct program program = { .tap = NULL };
	struct attach_program attach = {
		.options = &program.options.attach, .description = "vde_plug2tap:", .log = &program.log, .open_local = open_tap,
		.owner = &program,
	};
	int status;

	daemon_fill_descriptors();
	log_init(&program.log, argv[0]);
	parse_options(&program, argc, argv);
	status = attach_program_run(&attach);
	cli_list_free(&program.options.addresses);
	return status;
}
