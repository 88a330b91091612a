/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest's packets are read by much code. What a mistake in it could reach is made small once everything is open:
 *
 *      capabilities    none, and none can come back; NO_NEW_PRIVS: nor by running a set-uid program
 *      files           a mount namespace of its own that shows a few directories, most of them read-only, where the system allows it
 *      system calls    those that serving needs; no program can be run, no file opened for writing (needs libseccomp)
 *
 * One file per system and library: sandbox_linux.c or sandbox_other.c, sandbox_seccomp.c or sandbox_none.c.
 */
#ifndef VDE_SLIRP_SANDBOX_H
#define VDE_SLIRP_SANDBOX_H

#include "common/log.h"

#include <stdbool.h>

enum { SANDBOX_PATHS_MAX = 320 };       /* directories to be shown; with more there is no mount namespace */

struct sandbox_path {
	const char *path;               /* absolute, a directory; one that does not exist is left out */
	bool writable;
};

struct sandbox_config {
	const struct sandbox_path *paths;
	unsigned count;
	bool runs_programs;             /* redirections to commands: these see all files and may use all system calls */
};

/* What has been achieved. */
struct sandbox_state {
	bool capabilities, no_new_privileges, mounts, system_calls;
};

/* What is refused by the system is left out and told at debug level: there is no failure. */
void sandbox_enter(struct log *log, const struct sandbox_config *config, struct sandbox_state *state);

/* Each returns 0 or an errno value; ENOSYS: not in this build. */
int sandbox_drop_capabilities(void);
int sandbox_no_new_privileges(void);
int sandbox_mount_namespace(const struct sandbox_config *config);
int sandbox_filter_system_calls(void);

/* One more directory to be shown, or NULL: what the sanitizers of a build need (leaks.c; no_leaks.c in all others). */
const char *sandbox_extra_directory(void);

#endif
