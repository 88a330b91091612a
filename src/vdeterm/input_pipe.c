/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Commands from a pipe or a file: one is sent when the one before is answered; the program ends when all are. */
#include "vdeterm.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BUFFER_SIZE = 65536 };

struct pipe_state {
	struct loop_io *input;          /* NULL: stdin ended */
	size_t length;
	char buffer[BUFFER_SIZE];       /* lines not sent yet; a line that does not fit is an error */
};

/* Takes the first line out of the buffer. False when there is no whole one; at the end of stdin the last needs no newline. */
static bool next_line(struct pipe_state *state, char *line, size_t size)
{
	char *newline = memchr(state->buffer, '\n', state->length);
	size_t length, taken;

	if (newline == NULL && (state->input != NULL || state->length == 0))
		return false;
	length = newline != NULL ? (size_t)(newline - state->buffer) : state->length;
	taken = newline != NULL ? length + 1 : length;
	if (length >= size)
		length = size - 1;      /* too long for the server: vdeterm_send refuses it */
	memcpy(line, state->buffer, length);
	line[length] = '\0';
	memmove(state->buffer, state->buffer + taken, state->length - taken);
	state->length -= taken;
	return true;
}

static void pipe_ready(struct vdeterm *term)
{
	struct pipe_state *state = term->input_state;
	char line[MGMT_CLIENT_COMMAND_MAX + 2];

	while (!term->waiting && next_line(state, line, sizeof(line))) {
		size_t blank = strspn(line, " \t\r");

		if (line[blank] != '\0' && line[blank] != '#')
			vdeterm_send(term, line + blank);
	}
	if (state->input != NULL)
		loop_set_events(state->input, state->length < BUFFER_SIZE ? LOOP_READ : 0);
	else if (!term->waiting && state->length == 0)
		loop_stop(term->loop, 0);
}

static void pipe_input(void *owner, int fd, unsigned events)
{
	struct vdeterm *term = owner;
	struct pipe_state *state = term->input_state;
	ssize_t count = read(fd, state->buffer + state->length, BUFFER_SIZE - state->length);

	(void)events;
	if (count < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (count <= 0) {
		loop_remove_io(state->input);
		state->input = NULL;
	} else {
		state->length += (size_t)count;
	}
	if (state->length == BUFFER_SIZE && memchr(state->buffer, '\n', BUFFER_SIZE) == NULL) {
		fprintf(stderr, "%s: stdin: a line longer than a command may be\n", term->cli.program);
		term->failed = true;
		loop_stop(term->loop, 1);
		return;
	}
	pipe_ready(term);
}

static int pipe_open(struct vdeterm *term)
{
	struct pipe_state *state = calloc(1, sizeof(*state));

	if (state == NULL)
		return ENOMEM;
	term->input_state = state;
	state->input = loop_add_io(term->loop, STDIN_FILENO, LOOP_READ, pipe_input, term);
	return state->input == NULL ? errno : 0;
}

static void pipe_print(struct vdeterm *term, const char *line)
{
	/* Told once. Who reads no further, as head does, has what he wanted; the commands are sent all the same. */
	if ((puts(line) >= 0 && fflush(stdout) == 0) || errno == EPIPE || term->failed)
		return;
	fprintf(stderr, "%s: stdout: %s\n", term->cli.program, strerror(errno));
	term->failed = true;
}

static void pipe_signal(struct vdeterm *term, int signal_number)
{
	loop_stop(term->loop, 128 + signal_number);
}

static void pipe_close(struct vdeterm *term)
{
	struct pipe_state *state = term->input_state;

	if (state == NULL)
		return;
	if (term->waiting || state->length > 0)
		term->failed = true;
	loop_remove_io(state->input);
	free(state);
	term->input_state = NULL;
}

const struct input_ops input_pipe = { pipe_open, pipe_ready, pipe_print, pipe_signal, pipe_close };
