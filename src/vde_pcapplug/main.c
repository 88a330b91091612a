/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vde_pcapplug: a cable between a switch and an Ethernet interface of this machine. */
#include "config.h"

#include "common/daemon.h"
#include "vde_pcapplug/wire_pcap.h"
#include "wire/attach_program.h"

#include <errno.h>
#include <stdlib.h>

struct options {
	struct attach_options attach;
	const char *filter;
	bool quiet;
};

#define OPTION(member) offsetof(struct options, member)

static const struct cli_option option_rows[] = {
	ATTACH_OPTION_ROWS(struct options, attach),
	{ 'f', "filter", "EXPRESSION", "take only these frames from the interface (pcap-filter(7))", CLI_STRING, OPTION(filter), 0, 0, NULL },
	{ 0, "no-promiscuous", NULL, "take only what the interface takes for itself", CLI_FLAG, OPTION(quiet), 0, 0, NULL },
	{ 0 }
};

struct program {
	struct options options;
	struct log log;
	const char *interface;
};

/* An open capture, or NULL, reported. */
static struct capture *open_capture(struct program *program)
{
	struct capture_options options = {
		.interface = program->interface, .filter = program->options.filter, .quiet = program->options.quiet,
	};
	struct capture *capture = calloc(1, sizeof(*capture));
	char text[CAPTURE_ERROR_SIZE] = "out of memory";

	if (capture && capture_open(capture, &options, text) == 0)
		return capture;
	log_error(&program->log, "Open %s: %s", program->interface, text);
	if (capture)
		capture_close(capture);
	free(capture);
	return NULL;
}

static int open_interface(void *owner, struct loop *loop, struct attach *attach)
{
	struct program *program = owner;
	struct capture *capture = open_capture(program);
	struct wire *wire;

	if (!capture)
		return EIO;
	wire = wire_open_pcap(loop, &program->log, capture, program->interface, attach_local_callbacks(), attach);
	if (!wire) {
		int error = errno;

		log_errno(&program->log, error, "cannot watch %s", program->interface);
		capture_close(capture);
		free(capture);
		return error;
	}
	attach_join(attach, wire);
	return 0;
}

int main(int argc, char **argv)
{
	struct program program = { .interface = NULL };
	struct attach_program attach = {
		.options = &program.options.attach, .description = "vde_pcapplug:", .log = &program.log, .open_local = open_interface,
		.owner = &program,
	};
	struct cli cli = {
		.synopsis = "vde_pcapplug [OPTIONS] INTERFACE",
		.purpose = "Connects a switch with the network behind the Ethernet interface INTERFACE.",
		.options = option_rows, .max_words = 1,
	};
	char text[CAPTURE_ERROR_SIZE] = "";
	int word;

	daemon_fill_descriptors();
	log_init(&program.log, argv[0]);
	word = cli_parse(&cli, argc, argv, &program.options);
	if (word >= argc)
		cli_usage_error(&cli, "the name of the interface is missing");
	program.interface = argv[word];
	if (program.options.filter && capture_check_filter(program.options.filter, text) != 0)
		cli_usage_error(&cli, "--filter: '%s': %s", program.options.filter, text);
	return attach_program_run(&attach);
}
