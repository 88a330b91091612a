/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Redirections: a port of the host that leads to a guest (-L, -U, -X), and a port of the virtual network that leads to a
 * socket or a command of the host (-x, --guestfwd).
 */
#ifndef VDE_SLIRP_FORWARD_H
#define VDE_SLIRP_FORWARD_H

#include "slirpvde/engine_config.h"

#include <libslirp.h>

enum {
	FORWARD_MAX = 256,              /* rows of the table; a further one is refused */
	FORWARD_TEXT_SIZE = 256,
	FORWARD_X_FIRST = 6000,         /* host ports for -X: the first free one of these */
	FORWARD_X_LAST = 6100,
	FORWARD_ALIAS_BITS = 4,         /* host bits of the address behind redirections of the router's own ports */
};

enum forward_kind { FORWARD_TCP, FORWARD_UDP, FORWARD_X, FORWARD_UNIX, FORWARD_COMMAND, FORWARD_KINDS };

struct forward {
	unsigned id;                    /* given by the table, never used twice */
	enum forward_kind kind;
	/* TCP, UDP, X: listens at host:host_port, leads to guest:guest_port. UNIX, COMMAND: guest:guest_port leads to target. */
	struct address host, guest;
	unsigned host_port, guest_port;
	char *target;                   /* owned: path or command line */
	bool aliased;                   /* guest is the router itself: see alias.h */
};

struct alias;

struct forward_table {
	struct forward *row;            /* in the order they were added */
	unsigned count;
	unsigned next_id;
	Slirp *slirp;
	const struct engine_config *config;
	struct alias *alias;
};

/* The kind named by the management language ("tcp", "udp", "x", "unix", "cmd"), or FORWARD_KINDS. */
enum forward_kind forward_kind_by_name(const char *name);
const char *forward_kind_name(enum forward_kind kind);

/*
 * Reads the text of an option:
 *
 *      TCP, UDP        [HOST:]PORT:[GUEST]:PORT        IPv6 addresses in brackets; no guest: the first address of DHCP
 *      X               GUEST[:DISPLAY[.SCREEN]]
 *      UNIX            [ADDRESS:]PORT:PATH             no address: the router's
 *      COMMAND         [ADDRESS:]PORT:COMMAND
 *
 * The result's target is allocated; forward_free frees it. Returns 0, ENOMEM, or EINVAL with the reason.
 */
int forward_parse(enum forward_kind kind, const char *text, struct forward *forward, struct engine_error *error);
void forward_free(struct forward *forward);
/* The directory of the socket that a UNIX one leads to, allocated; NULL without memory. */
char *forward_directory(const struct forward *forward);
/* One line that forward_parse would read again, such as "2222:10.0.2.15:22". */
const char *forward_text(const struct forward *forward, char out[FORWARD_TEXT_SIZE]);

void forward_table_init(struct forward_table *table, Slirp *slirp, const struct engine_config *config, struct alias *alias);
/* Ends every redirection and empties the table. */
void forward_table_clear(struct forward_table *table);
/*
 * Starts the redirection; takes over what `forward` owns, also when it fails. Its id, and for X its port, are stored in
 * *forward. Returns 0 or an errno value (EADDRINUSE, EACCES, ENOSPC: table full...), with the reason.
 */
int forward_add(struct forward_table *table, struct forward *forward, struct engine_error *error);
/* Ends redirection `id`; connections that exist go on. Returns 0 or ENOENT. */
int forward_remove(struct forward_table *table, unsigned id);

#endif
