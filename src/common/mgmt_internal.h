/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of the management server share: mgmt.c (server), mgmt_session.c (bytes of a session), mgmt_execute.c
 * (lines).
 */
#ifndef VDE_MGMT_INTERNAL_H
#define VDE_MGMT_INTERNAL_H

#include "mgmt.h"

enum {
	MGMT_INPUT_SIZE = 4096,         /* received and not yet run, per session */
	MGMT_SETS_MAX = 64,             /* tables of commands; a further one is refused: ENOMEM */
};

struct mgmt {
	struct loop *loop;
	struct log *log;
	struct mgmt_config config;
	struct command_set sets[MGMT_SETS_MAX];
	unsigned set_count;
	struct mgmt_session *sessions;
	unsigned session_count;
	struct log_limit limit;

	char *path;                     /* of the listening socket; NULL: none */
	mode_t mode;
	int listen_fd;
	struct loop_io *listen_io;
	struct loop_timer *accept_timer;        /* a pause when descriptors have run out */
	struct unixsock_file socket;    /* what we made at path, so that we remove nothing else */
};

struct mgmt_session {
	struct mgmt *mgmt;
	struct mgmt_session *next, *previous;
	bool console;
	int in, out;                    /* the same for a socket */
	struct loop_io *in_io;          /* a socket's only one; NULL on a console that is paused or at its end */
	struct loop_io *out_io;         /* console: while output waits */
	struct loop_timer *packet_timer;        /* runs while a packet without newline may be a command */

	char input[MGMT_INPUT_SIZE];
	size_t input_length;
	bool skipping;                  /* inside a line that is too long */
	bool input_ended;

	struct reply output;
	size_t sent;                    /* bytes of output that are gone */
	unsigned lost;                  /* asynchronous lines dropped since the last one that was sent */
	bool output_dead;               /* the peer reads no more: what is written is dropped */
	bool closing;                   /* ends when the output is sent */
	bool finished;                  /* a console that has ended; freed with the server */
};

/* ---- mgmt_session.c ---- */

/* Takes over fd (a connected socket) and greets. NULL with errno; fd is closed then. */
struct mgmt_session *mgmt_session_open(struct mgmt *mgmt, int fd);
struct mgmt_session *mgmt_session_open_console(struct mgmt *mgmt, int in, int out);
/* Sends what can be sent at once, frees. */
void mgmt_session_free(struct mgmt_session *session);

/* ---- mgmt_execute.c ---- */

/* One line being run, and the script it may stand in. */
struct mgmt_run {
	struct mgmt *mgmt;
	struct mgmt_session *session;   /* NULL: none */
	struct reply *out;              /* answers go here; NULL: a silent script */
	unsigned depth;                 /* of scripts */
	unsigned lines_left;            /* that the scripts may still run */
};

struct mgmt_run mgmt_run_init(struct mgmt *mgmt, struct mgmt_session *session, struct reply *out);
/*
 * Runs a line, changing it; length bytes and a NUL. The answer is appended to run->out. Returns 0, an errno value or
 * a COMMAND_END_*; *empty (may be NULL): there was nothing to run, and so no answer.
 */
int mgmt_run_line(struct mgmt_run *run, char *line, size_t length, bool *empty);
/* Whether the first word of this text is exactly a command that can be run. */
bool mgmt_is_command(const struct mgmt *mgmt, const char *text, size_t length);
/* Appends "1000 Success" or "1NNN text". */
void mgmt_append_code(struct reply *out, int error);

#endif
