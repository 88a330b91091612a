/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The management server of the suite: sessions on a unix stream socket, a console on a pair of descriptors, scripts
 * from files; all speak the language of command.h. vde_switch, wirefilter, slirpvde, vde_cryptcab and vde_autolink
 * share it.
 *
 * Theory of operation
 *
 * Input is buffered by line (bound: MGMT_LINE_MAX; a longer one answers 1007 "Argument list too long" and is skipped
 * to its end). Each line is answered in order; what was received before a half-close is answered before the session
 * closes. Output that the peer does not read waits in a bounded buffer: while more than MGMT_OUTPUT_HIGH bytes wait
 * no further command of that session is run and its input is not read; asynchronous lines for it are dropped, and
 * "3000 mgmt/lost N" tells how many as soon as there is room again. One answer may be REPLY_MAX long.
 *
 * Lines end with \n; a \r before it and all NUL bytes are dropped; leading blanks are skipped. Every line gets an
 * answer and a prompt, an empty one and a comment (#) only the prompt. A last line without \n is run when the input
 * ends.
 *
 * Old servers took each packet for a command, and clients exist that never send a \n. So a line without \n is also
 * run when it came in one packet of its own, its first word is exactly a known command, and nothing follows within
 * MGMT_PACKET_WAIT_NS.
 *
 * A session whose peer is gone still runs what was received; the answers are dropped.
 *
 * A console's descriptors are shared with other processes (a terminal, a pipe of a shell), so they are not made
 * non-blocking: the server asks poll before each read and write, and writes to what is no socket in pieces of at most
 * 512 bytes (POSIX lets a pipe take that much at once when poll says so).
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
	MGMT_EVENT_MAX = 9216,          /* bytes of an asynchronous line; what is longer is cut */
	MGMT_SCRIPT_DEPTH = 8,          /* `load` within `load`; a deeper one answers ELOOP */
	MGMT_SCRIPT_LINES = 100000,     /* of a script with all that it loads; the rest is not run: E2BIG */
	MGMT_OUTPUT_HIGH = 65536,       /* bytes waiting to be sent */
	MGMT_PACKET_WAIT_NS = 100000000,
};

struct mgmt;

struct mgmt_config {
	const char *banner;             /* sent on connect, before the first prompt; "" on consoles */
	const char *prompt;             /* "\nvde$ " */
	const char *load_format;        /* echo of a script line, %s for file and line; NULL: "vde[%s]: %s\n" */
	const char *help_heading;       /* lines above the rows of `help`, each with \n; NULL: those of vde_switch */
	const char *help_format;        /* %s or %-Ns for path, syntax, help; NULL: "%-18s %-15s %s\n" */
	const char *end_of_session;     /* answer to logout and shutdown; NULL: "9999 END OF SESSION" */
	bool console_logout_ends;       /* logout on the console ends the program; false: it answers Success, no more */
	void *owner;
	/* Both are called from inside the server: they may stop the loop, not destroy the server. */
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
 * Serves a console: commands from `in`, answers and prompts to `out`, flushed per command, whether or not they are
 * terminals. End of input calls shutdown after everything received was answered.
 */
int mgmt_console(struct mgmt *mgmt, int in, int out);

/*
 * Runs the commands of a file, silently but for errors, which are logged with file and line. Returns 0, or the errno
 * value of opening it.
 */
int mgmt_run_script(struct mgmt *mgmt, const char *path);

/*
 * Runs one line as if a session had sent it, the answer appended to `reply` complete with codes, without prompt. For
 * tests and fuzzing. Returns the code's NNN, or COMMAND_END_* (then nothing but the end-of-session text was appended,
 * and nothing ended).
 */
int mgmt_execute(struct mgmt *mgmt, const char *line, struct reply *reply);

/* Sends an asynchronous line ("3021 port/+ 01") to a session; dropped and counted when its output is over the bound. */
void mgmt_session_event(struct mgmt_session *session, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
