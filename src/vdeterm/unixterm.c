/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * unixterm: stdin and stdout on a unix stream socket, byte for byte.
 *
 * At the end of stdin the socket is half-closed and what the server still answers is written out. The program ends when the server closes,
 * or when after the half-close it has been silent for a while: not every server closes then.
 */
#include "common/cli.h"
#include "common/daemon.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/unixsock.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CHUNK = 65536 };

struct options {
	double wait;
};

struct unixterm {
	struct options options;
	struct cli cli;
	struct loop *loop;
	struct loop_io *input, *socket;
	struct loop_timer *silence;     /* runs after the half-close */
	int fd;
	size_t start, length;           /* of what stdin gave and the socket has not taken */
	char buffer[CHUNK];
};

static const struct cli_option option_table[] = {
	{ 'w', "wait", "SECONDS", "after the end of stdin, how long the server may be silent (default 10)", CLI_DOUBLE,
	  offsetof(struct options, wait), 0, 86400, NULL },
	{ 'h', "help", NULL, "this text", CLI_HELP, 0, 0, 0, NULL },
	{ 'v', "version", NULL, "the version", CLI_VERSION, 0, 0, 0, NULL },
	{ 0 },
};

static void fail(struct unixterm *term, const char *what)
{
	fprintf(stderr, "%s: %s: %s\n", term->cli.program, what, strerror(errno));
	loop_stop(term->loop, 1);
}

/* Sends what waits. Reads stdin again only when nothing waits any more. */
static void send_waiting(struct unixterm *term)
{
	ssize_t sent = send(term->fd, term->buffer + term->start, term->length, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (sent < 0 && errno != EAGAIN && errno != EINTR) {
		/* What the server said before it closed is still to be read; its end ends the program. */
		sent = (ssize_t)term->length;
	}
	if (sent > 0) {
		term->start += (size_t)sent;
		term->length -= (size_t)sent;
	}
	loop_set_events(term->socket, LOOP_READ | (term->length > 0 ? LOOP_WRITE : 0u));
	if (term->input != NULL)
		loop_set_events(term->input, term->length > 0 ? 0 : LOOP_READ);
}

static void input_ready(void *owner, int fd, unsigned events)
{
	struct unixterm *term = owner;
	ssize_t count = read(fd, term->buffer, sizeof(term->buffer));

	(void)events;
	if (count < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (count <= 0) {
		loop_remove_io(term->input);
		term->input = NULL;
		shutdown(term->fd, SHUT_WR);
		loop_timer_after(term->silence, (uint64_t)(term->options.wait * LOOP_SECOND));
		return;
	}
	term->start = 0;
	term->length = (size_t)count;
	send_waiting(term);
}

static int write_out(const char *bytes, size_t count)
{
	while (count > 0) {
		ssize_t written = write(STDOUT_FILENO, bytes, count);

		if (written < 0 && errno != EINTR)
			return errno;
		if (written > 0) {
			bytes += written;
			count -= (size_t)written;
		}
	}
	return 0;
}

static void socket_ready(void *owner, int fd, unsigned events)
{
	struct unixterm *term = owner;
	char bytes[4096];
	ssize_t count;

	if (term->length > 0)
		send_waiting(term);
	if (!(events & (LOOP_READ | LOOP_HANGUP)))
		return;
	count = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);
	if (count < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (count <= 0) {
		loop_stop(term->loop, 0);
		return;
	}
	errno = write_out(bytes, (size_t)count);
	if (errno != 0)
		fail(term, "stdout");
	else if (loop_timer_running(term->silence))
		loop_timer_after(term->silence, (uint64_t)(term->options.wait * LOOP_SECOND));
}

static void silent(void *owner)
{
	struct unixterm *term = owner;

	loop_stop(term->loop, 0);
}

int main(int argc, char **argv)
{
	struct unixterm term = {
		.options = { .wait = 10 },
		.cli = { .synopsis = "unixterm [OPTIONS] SOCKET", .options = option_table, .max_words = 1,
			 .purpose = "Connects stdin and stdout to a unix stream socket." },
	};
	int word, status;

	daemon_fill_descriptors();
	word = cli_parse(&term.cli, argc, argv, &term.options);
	if (word == argc)
		cli_usage_error(&term.cli, "the socket is missing");
	signal(SIGPIPE, SIG_IGN);
	term.fd = unixsock_connect(argv[word]);
	if (term.fd < 0) {
		fprintf(stderr, "%s: %s: %s\n", term.cli.program, argv[word], strerror(errno));
		return 1;
	}
	term.loop = loop_create();
	if (term.loop != NULL) {
		term.silence = loop_add_timer(term.loop, silent, &term);
		term.socket = loop_add_io(term.loop, term.fd, LOOP_READ, socket_ready, &term);
		term.input = loop_add_io(term.loop, STDIN_FILENO, LOOP_READ, input_ready, &term);
	}
	if (term.loop == NULL || term.silence == NULL || term.socket == NULL || term.input == NULL) {
		fprintf(stderr, "%s: %s\n", term.cli.program, strerror(errno));
		return 1;
	}
	status = loop_run(term.loop) == 0 ? 0 : 1;
	loop_destroy(term.loop);
	close(term.fd);
	return status;
}
