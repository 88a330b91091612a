/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the management socket understands: peers, drop N, showinfo. */
#ifndef VDE_CRYPTCAB_COMMANDS_H
#define VDE_CRYPTCAB_COMMANDS_H

#include "client.h"
#include "common/command.h"
#include "server.h"

#define CRYPTCAB_PROMPT "\nVDEcryptcab$ "

/* One of the two ends is open. */
struct ends {
	struct server server;
	struct client client;
};

/* The owner of these rows is a struct ends. */
extern const struct command cryptcab_commands[];

/* Lines of counters, for --stats too. */
void commands_write_counters(struct ends *ends, struct reply *reply);

#endif
