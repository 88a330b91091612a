/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command line of slirpvde and of slirpvde6, and what becomes of it. */
#ifndef VDE_SLIRP_OPTIONS_H
#define VDE_SLIRP_OPTIONS_H

#include "slirpvde/engine_config.h"
#include "slirpvde/forward.h"
#include "common/cli.h"

/* A redirection as it was written, in the order of the command line. */
struct redirection {
	enum forward_kind kind;
	const char *text;
};

struct options {
	bool six;                       /* started as slirpvde6 */
	const char *switch_name;        /* NULL: the default one; "-": a pipe */
	const char *pidfile;
	const char *group;
	struct cli_mode mode;
	unsigned port;
	bool daemon, quiet, verbose, no_sandbox;
	const char *management;
	struct cli_mode management_mode;
	struct cli_list hosts;
	struct cli_list dns;            /* "" is -N without an address */
	bool dhcp;
	const char *dhcp_text;          /* ADDR[/COUNT]; NULL: none was given */
	bool advertise;
	const char *prefixes;           /* of -r; NULL: none was given */
	const char *radvdrc;            /* of -R, which is refused */
	struct cli_list outbound;
	struct cli_list dns_search;
	const char *hostname, *domain, *bootfile, *tftp_server_name;
	char *tftp;                     /* as given, then (owned) the real path */
	unsigned mtu;
	bool restricted, no_host_loopback;
	struct redirection redirection[FORWARD_MAX];
	unsigned redirection_count;
};

/* Reads the command line; does not return from usage errors and -h. The name of the program decides on slirpvde6. */
void options_parse(struct options *options, int argc, char **argv);
/*
 * The configuration that the options ask for, completed. Returns 0, or an errno value with the reason. What it points to
 * belongs to the options.
 */
int options_configure(struct options *options, struct engine_config *config, struct engine_error *error);
/* The lines that tell what was started, as scripts expect them, on stderr. */
void options_print(const struct options *options, const struct engine_config *config, const struct forward_table *forwards);

#endif
