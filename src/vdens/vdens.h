/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vdens: what the process outside and the one inside the namespaces know of each other. */
#ifndef VDENS_H
#define VDENS_H

#include "common/cli.h"
#include "common/log.h"
#include "common/netif.h"
#include "common/tap.h"

#include <stdbool.h>

#define RESOLVER_FILE "/etc/resolv.conf"

enum {
	VDENS_NETWORKS_MAX = 64,        /* interfaces; one more is a usage error */
	STATUS_FAILED = 1, STATUS_NOT_EXECUTABLE = 126, STATUS_NOT_FOUND = 127, STATUS_SIGNAL = 128,
};

struct options {
	bool multi, sysadm, up, dhcp;
	const char *prefix;             /* of interface names */
	const char *resolv_file;        /* NULL: none */
	struct cli_list resolv_addresses;
	const char *hostname;           /* NULL: the one outside */
	struct cli_list addresses;      /* [INTERFACE=]ADDRESS/LENGTH */
	bool dhcp_resolver;             /* the name servers are those of the lease */
};

/* What the process inside is to make. */
struct inside {
	const struct options *options;
	struct log *log;
	unsigned interfaces;
	char **command;                 /* ended by NULL */
	int channel;                    /* to the process outside */
};

/*
 * Runs in a new process of one thread. Enters new namespaces, makes the interfaces, hands their descriptors over the channel, waits there
 * for one byte (they are served now), and becomes the command. Returns only by exit.
 */
void inside_run(struct inside *inside) __attribute__((noreturn));

/* Enters the namespaces that the options want, as the same user, who may do everything there. Returns false after a message. */
bool namespaces_enter(const struct options *options, struct log *log);
/* Host name and resolver, in there. Returns false after a message. */
bool namespaces_furnish(const struct options *options, struct log *log);
/* Makes the command keep the network capabilities (and CAP_SYS_ADMIN when wanted). Returns 0 or an errno value. */
int namespaces_keep_capabilities(bool sysadm);

/* The interface and the address in "[INTERFACE=]ADDRESS/LENGTH"; without one the interface is "". Returns 0 or EINVAL. */
int address_option(const char *text, char interface[TAP_NAME_SIZE], struct netif_address *address);

/* Asks for an address of the interface with the first client that is installed, and waits for it. Returns false after a message. */
bool dhcp_ask(const struct options *options, struct log *log, const char *interface);
/* This process was started by a DHCP client, to take what it was given: dhcp_event does so and returns the exit status. `name`: the event's, or NULL. */
bool dhcp_is_event(void);
int dhcp_event(struct log *log, const char *name);

/* One descriptor over a socket. send: 0 or an errno value; receive: the descriptor (CLOEXEC), or -1 when no more come. */
int channel_send(int channel, int fd);
int channel_receive(int channel);

#endif
