/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The end that waits: many peers, each with a port of the switch of its own. */
#ifndef VDE_CRYPTCAB_SERVER_H
#define VDE_CRYPTCAB_SERVER_H

#include "admission.h"
#include "hub.h"
#include "node.h"

struct server {
	struct node node;
	struct hub hub;
	struct admission *admission;
	bool open;
};

/* Returns 0 or an errno value, already logged. */
int server_open(struct server *server, const struct options *options, struct loop *loop, struct log *log);
/* Says goodbye to the peers. A struct of zeros is accepted. */
void server_close(struct server *server);

#endif
