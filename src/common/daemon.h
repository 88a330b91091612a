/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Life cycle: into the background with a truthful exit status, and a pid file that knows stale from live.
 *
 *      daemon_begin    forks at once, so that threads and pids belong to the process that stays. The parent waits.
 *      ...             the child opens everything; its messages still reach the caller's stderr.
 *      daemon_ready    the child says that all is open: the parent exits 0, the child's stdio becomes /dev/null and
 *                      its log syslog. A child that ends before makes the parent exit with the child's status.
 *
 * The working directory is kept, so relative names mean the same before and after.
 */
#ifndef VDE_DAEMON_H
#define VDE_DAEMON_H

#include "log.h"

#include <stdbool.h>

/* Opens /dev/null in place of each of descriptors 0, 1 and 2 that is closed, lest it be given to a socket. A program's first call. */
void daemon_fill_descriptors(void);
/* As many descriptors as the system allows: for programs that take some for each peer. */
void daemon_raise_descriptor_limit(void);

struct daemon {
	struct log *log;
	int ready_fd;                   /* -1: in the foreground */
};

/* background false: only notes it. Returns in the process that stays. Ends the program when it cannot fork. */
void daemon_begin(struct daemon *daemon, struct log *log, bool background);
/* Also tells a service manager (NOTIFY_SOCKET) that the program is ready, in the foreground too. */
void daemon_ready(struct daemon *daemon);

struct pidfile {
	char *path;                     /* absolute; NULL: none */
	int fd;                         /* held open, locked */
	long id;                        /* what was written */
};

/*
 * Writes "PID\n" to path. A file whose process is dead is replaced; a live one is refused: EEXIST after a message on
 * `log`. Returns 0 or an errno value, already logged. path NULL: nothing to do.
 */
int pidfile_create(struct pidfile *pidfile, const char *path, struct log *log);
/* Likewise with "-PGRP\n", what kill takes for the whole process group. */
int pidfile_create_group(struct pidfile *pidfile, const char *path, struct log *log);
/*
 * Removes the file if, and only if, it is still the one that was written. Also after a fork, in the process that is
 * left to do it.
 */
void pidfile_remove(struct pidfile *pidfile);

#endif
