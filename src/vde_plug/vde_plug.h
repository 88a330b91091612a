/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vde_plug: a cable between two ends. What its files share. */
#ifndef VDE_PLUG_H
#define VDE_PLUG_H

#include "common/cli.h"
#include "common/daemon.h"
#include "common/log.h"
#include "common/loop.h"
#include "wire/wire.h"

#include <stdbool.h>
#include <sys/types.h>

enum {
	STATUS_FAILED = 1,
	STATUS_SIGNAL = 128,            /* and its number */
	STATUS_REFUSED = 255,           /* as a login shell; ssh passes it on */
};

/* How one plug is to be opened. */
struct plug_options {
	const char *locator;            /* NULL: the default network */
	unsigned port;
	const char *group;
	struct cli_mode mode;
};

struct options {
	struct plug_options plug[2];
	const char *socket;             /* -s */
	const char *description;
	const char *pidfile;
	const char *shell_command;      /* -c */
	bool daemon, log, iplog;
};

/* Sessions in the log: START and STOP, and the addresses that frames come from. */
struct session {
	char user[64];
	char address[64];               /* of the ssh client, or UNKNOWN_IP_ADDRESS */
	bool started;
	struct iplog *iplog;            /* NULL: addresses are not logged */
};

void session_init(struct session *session);
/* "EVENT: user U IP A" */
void session_log(const struct session *session, const char *event);
/* Starts to log addresses. Returns 0 or ENOMEM. */
int session_log_addresses(struct session *session);
/* Logs each source address that was not seen lately. */
void session_see(struct session *session, const struct frame *frames, unsigned count);
void session_end(struct session *session);

/*
 * True when the program was started as a login shell or by `-c`. Then either it ends the program with STATUS_REFUSED, or the options and the
 * environment are made safe: only the system's network can be opened, and the session is logged.
 */
bool login_restrict(struct options *options, struct session *session, const char *program, bool has_words);

/* A command whose standard input and output are an end of the cable. */
struct child {
	pid_t pid;                      /* 0: none, or it was reaped */
	int status;                     /* exit status, 128 + signal */
	int in, out;                    /* our ends of the two pipes: read, write */
};

/* Returns 0 or an errno value, also when the command cannot be executed; child_finish gives its status then. */
int child_start(struct child *child, char **command, bool background);
/* Notes the status if it has ended. */
void child_reap(struct child *child);
/* Closes the pipes and waits; a child that goes on is sent SIGTERM after a while, and later SIGKILL. */
void child_finish(struct child *child);

#endif
