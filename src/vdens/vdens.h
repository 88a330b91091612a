/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vdens: what the process outside and the one inside the namespaces know of each other. */
#ifndef VDENS_H
#define VDENS_H

#include "common/cli.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/netif.h"
#include "common/tap.h"

#include <stdbool.h>
#include <sys/types.h>

#define RESOLVER_FILE "/etc/resolv.conf"

enum {
	VDENS_NETWORKS_MAX = 64,        /* interfaces; one more is a usage error */
	DESCRIPTORS_MAX = 1024,         /* those above are not looked for */
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
/* Enters the user, network and mount namespaces of that process of ours. Returns 0 or an errno value. */
int namespaces_join(pid_t pid);
/* Makes the command keep the network capabilities (and CAP_SYS_ADMIN when wanted). Returns 0 or an errno value. */
int namespaces_keep_capabilities(bool sysadm);

/* The interface and the address in "[INTERFACE=]ADDRESS/LENGTH"; without one the interface is "". Returns 0 or EINVAL. */
int address_option(const char *text, char interface[TAP_NAME_SIZE], struct netif_address *address);

/* What DHCP is asked for, and where. */
struct dhcp_config {
	struct loop *loop;
	struct log *log;
	const struct options *options;
	pid_t inside;                   /* a process in the namespaces; it must not end before `ready` */
	unsigned interfaces;
	void (*ready)(void *owner, bool all);   /* once: every interface has an address, or, after a message, one has none */
	void (*idle)(void *owner);      /* after dhcp_stop has returned true: the last client has ended */
	void *owner;
};

struct dhcp;

/* Starts to ask, with the first client that is installed; may call `ready` at once. The leases are renewed until dhcp_stop. NULL: no memory. */
struct dhcp *dhcp_start(const struct dhcp_config *config);
/* To be called after a SIGCHLD. */
void dhcp_reap(struct dhcp *dhcp);
/* Ends the clients; they have a second for it. False: there is none, and `idle` will not be called. */
bool dhcp_stop(struct dhcp *dhcp);
void dhcp_destroy(struct dhcp *dhcp);

/* Set for the program of a client: the descriptor to report to, ':', and LEASE_WITH_RESOLVER or something else. */
#define LEASE_VARIABLE "VDENS_DHCP_EVENT"
#define LEASE_WITH_RESOLVER "resolver"
enum { LEASE_TAKEN = 'L', LEASE_FAILED = 'F' };

/* This process was started by a DHCP client, to take what it was given: lease_event does so and returns the exit status. `name`: the event's, or NULL. */
bool lease_is_event(void);
int lease_event(struct log *log, const char *name);

/* One descriptor over a socket. send: 0 or an errno value; receive: the descriptor (CLOEXEC), or -1 when no more come. */
int channel_send(int channel, int fd);
int channel_receive(int channel);

#endif
