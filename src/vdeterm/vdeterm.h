/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the parts of vdeterm share: vdeterm.c (the conversation), input_line.c (a person at a terminal), input_pipe.c (a script). */
#ifndef VDE_VDETERM_H
#define VDE_VDETERM_H

#include "completion.h"

#include "common/cli.h"
#include "common/loop.h"
#include "mgmt_client/mgmt_client.h"

struct vdeterm;

/* Where commands come from. One of these is chosen at start. */
struct input_ops {
	int (*open)(struct vdeterm *term);              /* 0 or an errno value */
	void (*ready)(struct vdeterm *term);            /* the server awaits a command: offer the next one */
	void (*print)(struct vdeterm *term, const char *line);  /* a line for the reader, without its newline */
	void (*signal)(struct vdeterm *term, int signal_number);
	void (*close)(struct vdeterm *term);            /* the terminal as it was; allowed after a failed open */
};

extern const struct input_ops input_line;
extern const struct input_ops input_pipe;

struct options {
	const char *history;
	double timeout;
};

struct vdeterm {
	struct options options;
	struct cli cli;
	const char *path;               /* of the socket */
	struct loop *loop;
	struct mgmt_client client;
	struct loop_io *socket;
	const struct input_ops *input;
	void *input_state;
	bool waiting;                   /* a command was sent and no prompt came yet */
	bool failed;                    /* an answer was an error or could not be written, or commands were left unanswered */
	bool commands_known;
	struct word_list commands;      /* of `help`; asked again after the list of plugins changed */
};

/* Sends a command line. The program ends when that fails. */
void vdeterm_send(struct vdeterm *term, const char *command);
/* Asks for a listing without showing it, and waits for it. Async lines that come in between are shown. Only while nothing is awaited. */
void vdeterm_list(struct vdeterm *term, const struct listing *listing, struct word_list *list);
/* The commands of the server. */
const struct word_list *vdeterm_commands(struct vdeterm *term);

#endif
