/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VDE_ENDPOINT_UNIX_H
#define VDE_ENDPOINT_UNIX_H

#include <stdbool.h>
#include <sys/types.h>
#include <sys/un.h>

struct endpoint;
struct vde_switch;

/* What a client's datagram socket is opened with. */
struct unix_endpoint_config {
	struct sockaddr_un client;      /* its own socket: a path or an abstract name */
	int control_fd;                 /* the connection it asked on: the endpoint's ID. Stays the caller's */
	uid_t user;
	bool aggregates;                /* the client takes several frames in one datagram, and may send so */
	const char *directory;          /* where the switch's socket NNN.FD is made */
	unsigned port_number;           /* for that name */
	mode_t mode;
	uid_t owner;                    /* (uid_t)-1: as it is */
	gid_t group;                    /* (gid_t)-1: as it is */
	const char *description;
	size_t description_length;
};

/*
 * Makes the data socket and connects it to the client's; the endpoint is not yet on a port. *address is the switch's socket, for the reply. 0 or an
 * errno value.
 */
int endpoint_unix_open(struct vde_switch *sw, const struct unix_endpoint_config *config, struct endpoint **endpoint,
		       struct sockaddr_un *address);

/*
 * An endpoint over a datagram socket that is connected already, which becomes the endpoint's, also when this fails. It is not yet on a port. Of config count
 * aggregates, control_fd for the ID, user and description. 0 or an errno value.
 */
int endpoint_unix_adopt(struct vde_switch *sw, int fd, const struct unix_endpoint_config *config, struct endpoint **endpoint);

/* Calls closed(owner) when the endpoint is closed by someone else than the control connection (port/epclose). */
void endpoint_unix_on_close(struct endpoint *endpoint, void (*closed)(void *owner), void *owner);

#endif
