/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The management server of the suite: sessions on a unix stream socket, a console on a pair of descriptors, scripts from files; all speak
 * the language of command.h. vde_switch, wirefilter, slirpvde, vde_cryptcab and vde_autolink share it.
 *
 * Input is buffered by line (bound: MGMT_LINE_MAX; a longer one answers 1007 "Argument list too long" and is skipped to its end). Each
 * line is answered in order; what was received before a half-close is answered before the session closes. Output that the peer does not read waits in a
 * bounded buffer: while it is over the bound the session's input is not read, and asynchronous lines for it are dropped and counted.
 */
#ifndef VDE_MGMT_H
#define VDE_MGMT_H

#include "command.h"
#include "log.h"
#include "loop.h"
#include "unixsock.h"

enum {
	MGMT_LINE_MAX = 1024,           /* bytes of a command line without its newline */
	MGMT_SESSIONS_MAX = 256,        /* a further one is told so in one line and closed */
	MGMT_SCRIPT_DEPTH = 8,          /* `load` within `load` */
};

struct mgmt;

struct mgmt_config {
	const char *banner;             /* sent on connect, before the first prompt; "" on consoles */
	const char *prompt;             /* "\nvde$ " */
	const char *load_prefix;        /* before an echoed script line, e.g. "vde[" : "vde[FILE]: LINE" */
	const char *help_heading;       /* the lines above the rows of `help`; NULL: the three columns of vde_switch */
	const char *help_format;        /* printf format with three %s for path, syntax, help; NULL: "%-18s %-15s %s" */
	const char *end_of_session;     /* answer to logout and shutdown; NULL: "9999 END OF SESSION" */
	void *owner;
	void (*shutdown)(void *owner);  /* a session asked for the end of the program, or the console reached its end */
	void (*session_closed)(void *owner, struct mgmt_session *);     /* forget it (subscriptions); may be NULL */
};

/* log and loop must outlive it. help, logout, shutdown and load are built in. */
struct mgmt *mgmt_create(struct loop *loop, struct log *log, const struct mgmt_config *config);
/* Closes every session and removes the socket that it made. NULL is accepted. */
void mgmt_destroy(struct mgmt *mgmt);

/* Adds a table; rows are listed and searched in the order added. Returns 0 or ENOMEM. */
int mgmt_add_commands(struct mgmt *mgmt, const struct command *rows, void *owner);
/* Removes the table added with the same two pointers (a plugin leaves). */
void mgmt_remove_commands(struct mgmt *mgmt, const struct command *rows, void *owner);

/* Listens at path. Returns 0 or an errno value, already logged. One per server. */
int mgmt_listen(struct mgmt *mgmt, const char *path, const struct unixsock_owner *owner);
/* The path as given to mgmt_listen and its mode; NULL when not listening. */
const char *mgmt_path(const struct mgmt *mgmt, mode_t *mode);

/*
 * Serves a console: commands from `in`, answers and prompts to `out`, flushed per command, whether or not they are terminals. End of
 * input calls shutdown after everything received was answered.
 */
int mgmt_console(struct mgmt *mgmt, int in, int out);

/* Runs the commands of a file, silently but for errors, which are logged with file and line. Returns 0, or the errno value of opening it. */
int mgmt_run_script(struct mgmt *mgmt, const char *path);

/* Runs one line as if a session had sent it, the answer appended to `reply` complete with codes. For tests and fuzzing. Returns the code's NNN. */
int mgmt_execute(struct mgmt *mgmt, const char *line, struct reply *reply);

/* Sends an asynchronous line ("3021 port/+ 01") to a session; dropped and counted when its output is over the bound. */
void mgmt_session_event(struct mgmt_session *session, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
