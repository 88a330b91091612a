/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cmd://COMMAND: a command that speaks a vdestream (two bytes of length, then the frame) on its standard input and output. No shell.
 *
 * Theory of operation. One stream socket serves both directions. An unfinished frame is kept, in both (stream_in.h). The command's end is the end of file.
 */
#include "common/frame.h"
#include "socket_io.h"
#include "cmd_words.h"
#include "stream_in.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { WORDS_MAX = 256, PATIENCE_MS = 1000, STEP_MS = 5 };

struct cmd_conn {
	struct socket_conn socket;      /* first */
	pid_t child;
	size_t rest, rest_at;           /* bytes still to be sent of a frame that the system took a part of, and where */
	struct stream_in in;
	uint8_t out[STREAM_HEADER + FRAME_MAX_SIZE];
};

static struct cmd_conn *cmd_of(VDECONN *conn)
{
	return (struct cmd_conn *)(void *)conn;
}

/* ---- the command ---- */

/* In the new process. What went wrong is written to `report`, which closes when the command starts. */
static void run_command(char **words, int fd, int report)
{
	sigset_t none;
	int error;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	if (dup2(fd, STDIN_FILENO) >= 0 && dup2(fd, STDOUT_FILENO) >= 0)
		execvp(words[0], words);
	error = errno;
	if (write(report, &error, sizeof(error)) < 0)
		_exit(126);
	_exit(127);
}

/* Starts it with `fd` for its stdin and stdout. Returns 0 or an errno value. */
static int start_command(struct cmd_conn *cmd, char **words, int fd)
{
	int report[2], error = 0;
	ssize_t n;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, report) != 0)
		return errno;
	cmd->child = fork();
	if (cmd->child == 0)
		run_command(words, fd, report[1]);
	if (cmd->child < 0) {
		error = errno;
		cmd->child = 0;
	}
	close(report[1]);
	do
		n = read(report[0], &error, sizeof(error));
	while (n < 0 && errno == EINTR);
	close(report[0]);
	return error;
}

/* It is asked to end by the end of its input, then by signals. */
static void end_command(pid_t child)
{
	static const int signals[] = {0, SIGTERM, SIGKILL};

	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		if (signals[i] != 0)
			kill(child, signals[i]);
		for (int waited = 0; waited < PATIENCE_MS; waited += STEP_MS) {
			if (waitpid(child, NULL, WNOHANG) != 0)
				return;         /* it, or ECHILD: somebody else has waited for it */
			nanosleep(&(struct timespec){.tv_nsec = STEP_MS * 1000000L}, NULL);
		}
	}
}

static int cmd_close(VDECONN *conn)
{
	pid_t child = cmd_of(conn)->child;

	socket_io_close(conn);
	if (child > 0)
		end_command(child);
	return 0;
}

static int open_command(struct cmd_conn *cmd, char *arguments)
{
	char *words[WORDS_MAX];
	int pair[2], error = cmd_words_split(arguments, words, WORDS_MAX);

	if (error != 0) {
		fprintf(stderr, "libvdeplug: cmd: %s\n", error == E2BIG ? "too many words" : "no command, or an unfinished quotation");
		return error;
	}
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
		return errno;
	cmd->socket.data_fd = pair[0];
	error = start_command(cmd, words, pair[1]);
	close(pair[1]);
	return error;
}

static VDECONN *cmd_open(char *arguments, char *description, int interface_version, struct vde_open_args *args)
{
	struct cmd_conn *cmd = calloc(1, sizeof(*cmd));
	int error;

	(void)description, (void)interface_version, (void)args;
	if (cmd == NULL)
		return NULL;
	cmd->socket.data_fd = cmd->socket.control_fd = -1;
	error = open_command(cmd, arguments);
	if (error == 0)
		return (VDECONN *)(void *)cmd;
	cmd_close((VDECONN *)(void *)cmd);
	errno = error;
	return NULL;
}

/* ---- frames ---- */

/* Sends what is left. Returns 0 or -1 with errno. */
static int send_rest(struct cmd_conn *cmd, int flags)
{
	while (cmd->rest > 0) {
		ssize_t n = send(cmd->socket.data_fd, cmd->out + cmd->rest_at, cmd->rest, flags | MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		cmd->rest_at += (size_t)n;
		cmd->rest -= (size_t)n;
	}
	return 0;
}

static ssize_t cmd_send(VDECONN *conn, const void *frame, size_t length, int flags)
{
	struct cmd_conn *cmd = cmd_of(conn);

	if (length == 0 || length > FRAME_MAX_SIZE)
		return (ssize_t)length;         /* dropped, never cut */
	if (send_rest(cmd, flags) != 0)
		return -1;
	write_be16(cmd->out, (uint16_t)length);
	memcpy(cmd->out + STREAM_HEADER, frame, length);
	cmd->rest = STREAM_HEADER + length;
	cmd->rest_at = 0;
	if (send_rest(cmd, flags) != 0 && (errno != EAGAIN || cmd->rest_at == 0)) {
		cmd->rest = 0;
		return -1;
	}
	return (ssize_t)length;
}

/* Reads until a frame is complete. Returns 1, 0 at the end, or -1; only the first read may block. */
static ssize_t read_frame(struct cmd_conn *cmd, int flags)
{
	struct stream_in *in = &cmd->in;

	while (!stream_in_complete(in)) {
		ssize_t n = recv(cmd->socket.data_fd, in->bytes + in->have, stream_in_room(in), flags);

		if (n <= 0)
			return n < 0 && errno == ECONNRESET ? 0 : n;
		in->have += (size_t)n;
		flags |= MSG_DONTWAIT;
	}
	return 1;
}

/* 1: bytes came, but no whole frame. */
static ssize_t cmd_recv(VDECONN *conn, void *frame, size_t size, int flags)
{
	struct cmd_conn *cmd = cmd_of(conn);
	size_t before = cmd->in.have, length;
	ssize_t n = read_frame(cmd, flags);

	if (n < 0 && errno == EAGAIN && cmd->in.have != before)
		return 1;
	if (n <= 0)
		return n;
	length = stream_in_take(&cmd->in, frame, size);
	return length > 0 ? (ssize_t)length : 1;
}

static int cmd_recv_batch(VDECONN *conn, struct vde_frame *frames, unsigned count, int flags)
{
	struct cmd_conn *cmd = cmd_of(conn);
	unsigned filled = 0;

	send_rest(cmd, MSG_DONTWAIT);
	while (filled < count) {
		ssize_t n = read_frame(cmd, flags | MSG_DONTWAIT);

		if (n <= 0)
			return filled > 0 ? (int)filled : (int)n;
		frames[filled].length = stream_in_take(&cmd->in, frames[filled].data, frames[filled].size);
		filled += frames[filled].length > 0;
	}
	return (int)filled;
}

struct builtin_module module_cmd = {
	.module = {0, cmd_open, cmd_recv, cmd_send, socket_io_datafd, socket_io_ctlfd, cmd_close},
	.name = "cmd",
	.recv_batch = cmd_recv_batch,
};
