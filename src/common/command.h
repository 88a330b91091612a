/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The management language: tables of commands, and the answers they write.
 *
 * A row is a path ("port/create"), its syntax and help as `help` prints them, how many words it takes, and the
 * function. An answer is zero or more data lines and a code:
 *
 *      0000 DATA END WITH '.'      only for rows with COMMAND_DATA, then the lines, then "."
 *      1000 Success                or 1NNN and the text of errno value NNN
 */
#ifndef VDE_COMMAND_H
#define VDE_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

struct mgmt_session;

enum {
	COMMAND_MAX_WORDS = 32,
	REPLY_MAX = 64 << 20,           /* bytes of one answer; a longer one is cut and answers ENOBUFS */
};

/* The words of a command line after the path. */
struct args {
	unsigned count;
	const char *word[COMMAND_MAX_WORDS];
	const char *text;               /* all that follows the path, blanks inside kept, outer blanks removed */
	const struct command *row;      /* the row that is run; NULL for what is built into the server */
	struct mgmt_session *session;   /* who asked; NULL: a script or the program itself */
};

/* Data lines as they are written; grows as needed up to the server's bound. */
struct reply {
	char *text;
	size_t length;
	size_t size;
	bool truncated;                 /* the bound was hit or memory was refused: the command answers ENOBUFS */
};

void reply_init(struct reply *reply);
void reply_free(struct reply *reply);
/*
 * Appends text. A line that is only "." never reaches the reader as such: its dot is doubled when the answer is put
 * together. Text given by a peer must be escaped by the caller with log_escape.
 */
void reply_printf(struct reply *reply, const char *format, ...) __attribute__((format(printf, 2, 3)));
void reply_append(struct reply *reply, const char *text, size_t length);
/* As reply_printf, for a format that is data: only %s, %-Ns and %% mean something, the arguments are strings. */
void reply_expand(struct reply *reply, const char *format, const char *const *argument, unsigned count);

enum command_flags {
	COMMAND_DATA = 1,               /* always answers with a data block; others only when they wrote something */
	COMMAND_HIDDEN = 2,             /* understood, not listed by help (an old second name) */
	COMMAND_RAW = 4,                /* one argument: the text as it is; words are not split or counted */
	/*
	 * Stands for a command of the management server (help, logout, shutdown, load), run == NULL: says where it is
	 * listed and with which help. Those that no table lists are understood all the same. On "load", COMMAND_DATA
	 * puts its echo in a data block.
	 */
	COMMAND_BUILTIN = 8,
};

struct command {
	const char *path;               /* "port/create"; a menu header is a row with run == NULL */
	const char *syntax;             /* "N [VLAN]"; of a menu header "============" */
	const char *help;
	unsigned min_args, max_args;
	int (*run)(void *owner, struct reply *reply, const struct args *args);  /* 0 or an errno value; or a COMMAND_END_* */
	unsigned flags;
};

/* What run may return beside errno values. */
enum {
	COMMAND_END_SESSION = -1,       /* the session is closed after "9999 END OF SESSION" */
	COMMAND_END_PROGRAM = -2,       /* likewise, then the program ends (mgmt_config.shutdown is called) */
};

/* A table with the object its functions work on. */
struct command_set {
	const struct command *rows;     /* ended by a row of zeros */
	void *owner;
};

/* The row of exactly this path that can be run (no menu header), or NULL. */
const struct command *command_find(const struct command_set *set, const char *path);

/*
 * Takes a line apart: returns the path (up to the first blank; empty for an empty line or a comment) and fills args,
 * both pointing into `line` and `copy`, which are changed. copy: as large as line. args->count may exceed
 * COMMAND_MAX_WORDS; only so many are stored.
 */
const char *command_split(char *line, char *copy, struct args *args);

/* Whether the row takes so many words: 0 or EINVAL. Of a COMMAND_RAW row the text becomes the only word. */
int command_check_args(const struct command *command, struct args *args);

#endif
