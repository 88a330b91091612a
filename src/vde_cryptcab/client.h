/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The end that joins a server: one session, one port of the switch, introductions when the server does not know it (any more). */
#ifndef VDE_CRYPTCAB_CLIENT_H
#define VDE_CRYPTCAB_CLIENT_H

#include "node.h"
#include "ssh.h"

struct client {
	struct node node;
	struct session session;
	struct cable *cable;
	struct address_target target;
	union address server;
	struct ssh *ssh;
	uint64_t next_introduction_ns, introduction_wait_ns;
	bool introduced, was_up, told_silence, told_end;
	int (*ready)(void *owner);      /* the cable is laid: called once */
	void *ready_owner;
	bool open;
};

/* Starts; `ready` is called when the introduction is over (at once without one); an error of it ends
 * the program. Returns 0 or an errno value, already logged. */
int client_open(struct client *client, const struct options *options, struct loop *loop, struct log *log, int (*ready)(void *owner),
		void *ready_owner);
void client_close(struct client *client);       /* a struct of zeros is accepted */

#endif
