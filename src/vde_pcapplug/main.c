/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vde_pcapplug: a cable between a switch and an Ethernet interface of this machine. */
#include "config.h"

#include "common/netif.h"
#include "vde_pcapplug/pcap_socket.h"
#include "vde_pcapplug/wire_pcap.h"
#include "wire/attach_program.h"

#include <errno.h>
#include <stdlib.h>

enum {
	RING_BYTES = 16 << 20,          /* what the kernel keeps of frames that are not read yet */
	MTU_UNKNOWN = FRAME_MAX_SIZE,   /* nothing is cut */
};

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

static int set_filter(pcap_t *pcap, const char *expression)
{
	struct bpf_program filter;
	int error = pcap_compile(pcap, &filter, expression, 1, PCAP_NETMASK_UNKNOWN);

	if (error != 0)
		return error;
	error = pcap_setfilter(pcap, &filter);
	pcap_freecode(&filter);
	return error;
}

/* The state of an interface that is not active yet. Returns 0, or a code of libpcap below 0. */
static int activate(const struct program *program, pcap_t *pcap)
{
	int error = pcap_set_snaplen(pcap, FRAME_MAX_SIZE);

	if (error == 0)
		error = pcap_set_promisc(pcap, !program->options.quiet);
	if (error == 0)
		error = pcap_set_immediate_mode(pcap, 1);
	if (error == 0)
		error = pcap_set_buffer_size(pcap, RING_BYTES);
	if (error == 0)
		error = pcap_activate(pcap);
	return error > 0 ? 0 : error;
}

static int configure(const struct program *program, pcap_t *pcap)
{
	char text[PCAP_ERRBUF_SIZE];

	if (program->options.filter && set_filter(pcap, program->options.filter) != 0)
		return PCAP_ERROR;
	pcap_socket_ignore_own(pcap);
	if (pcap_setdirection(pcap, PCAP_D_IN) != 0)
		return PCAP_ERROR;
	return pcap_setnonblock(pcap, 1, text);
}

/* An active capture, or NULL, reported. */
static pcap_t *open_capture(struct program *program)
{
	char text[PCAP_ERRBUF_SIZE] = "";
	pcap_t *pcap = pcap_create(program->interface, text);
	int error = pcap ? activate(program, pcap) : 0;

	if (!pcap) {
		log_error(&program->log, "Open %s: %s", program->interface, text);
		return NULL;
	}
	if (error == 0 && pcap_datalink(pcap) != DLT_EN10MB) {
		log_error(&program->log, "Open %s: not an Ethernet interface", program->interface);
		pcap_close(pcap);
		return NULL;
	}
	if (error == 0)
		error = configure(program, pcap);
	if (error == 0)
		return pcap;
	log_error(&program->log, "Open %s: %s", program->interface,
		  error == PCAP_ERROR || *pcap_geterr(pcap) ? pcap_geterr(pcap) : pcap_statustostr(error));
	pcap_close(pcap);
	return NULL;
}

static int open_interface(void *owner, struct loop *loop, struct attach *attach)
{
	struct program *program = owner;
	pcap_t *pcap = open_capture(program);
	unsigned mtu = MTU_UNKNOWN;
	struct wire *wire;

	if (!pcap)
		return EIO;
	netif_get_mtu(program->interface, &mtu);
	wire = wire_open_pcap(loop, &program->log, pcap, program->interface, mtu, attach_local_callbacks(), attach);
	if (!wire) {
		int error = errno;

		log_errno(&program->log, error, "cannot watch %s", program->interface);
		pcap_close(pcap);
		return error;
	}
	attach_join(attach, wire);
	return 0;
}

/* Found before anything is opened. */
static void check_filter(const struct cli *cli, const char *expression)
{
	pcap_t *pcap = pcap_open_dead(DLT_EN10MB, FRAME_MAX_SIZE);
	struct bpf_program filter;

	if (!pcap)
		return;
	if (pcap_compile(pcap, &filter, expression, 1, PCAP_NETMASK_UNKNOWN) != 0)
		cli_usage_error(cli, "--filter: '%s': %s", expression, pcap_geterr(pcap));
	pcap_freecode(&filter);
	pcap_close(pcap);
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
	int word = cli_parse(&cli, argc, argv, &program.options);

	log_init(&program.log, argv[0]);
	if (word >= argc)
		cli_usage_error(&cli, "the name of the interface is missing");
	program.interface = argv[word];
	if (program.options.filter)
		check_filter(&cli, program.options.filter);
	return attach_program_run(&attach);
}
