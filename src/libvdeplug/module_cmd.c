/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cmd://COMMAND: a command that speaks a vdestream (two bytes of length, then the frame) on its standard input and output. No shell.
 *
 * Theory of operation. One stream socket serves both directions. An unfinished frame is kept, in both (stream_in.h). A batch looks first (MSG_PEEK) and then takes what it
 * has room for, so that the descriptor stays readable as long as frames are there: two calls serve for many of them. The command's end is the end of file.
 */
#include "common/frame.h"
#include "socket_io.h"
#include "cmd_words.h"
#include "stream_in.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { WORDS_MAX = 256, PATIENCE_MS = 1000, STEP_MS = 5, BATCH = 64, LOOK_PER_FRAME = 2048 };

struct cmd_conn {
	struct socket_conn socket;      /* first */
	pid_t child;
	struct stream_in in;
	pthread_mutex_t lock;           /* of all below: who sends holds it, and who receives only when nobody sends */
	size_t rest, rest_at;           /* bytes still to be sent of a frame that the system took a part of, and where */
	bool untold;                    /* and the caller was told that it was not sent, so that it comes back for the rest */
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
	int report[2], error = socket_io_pair(SOCK_STREAM, report);
	ssize_t n;

	if (error != 0)
		return error;
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

	pthread_mutex_destroy(&cmd_of(conn)->lock);
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
	error = socket_io_pair(SOCK_STREAM, pair);
	if (error != 0)
		return error;
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
	pthread_mutex_init(&cmd->lock, NULL);
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

/* The frame is the one that was sent meanwhile, offered once more. A caller may have given it up and come with another one instead. */
static bool was_sent(struct cmd_conn *cmd, const void *frame, size_t length)
{
	bool same = cmd->untold && length == read_be16(cmd->out) && memcmp(frame, cmd->out + STREAM_HEADER, length) == 0;

	cmd->untold = false;
	return same;
}

static int send_frame(struct cmd_conn *cmd, const void *frame, size_t length, int flags)
{
	if (send_rest(cmd, flags) != 0)
		return -1;
	if (was_sent(cmd, frame, length))
		return 0;
	write_be16(cmd->out, (uint16_t)length);
	memcpy(cmd->out + STREAM_HEADER, frame, length);
	cmd->rest = STREAM_HEADER + length;
	cmd->rest_at = 0;
	if (send_rest(cmd, flags) != 0 && (errno != EAGAIN || cmd->rest_at == 0)) {
		cmd->rest = 0;
		return -1;
	}
	return 0;
}

static ssize_t cmd_send(VDECONN *conn, const void *frame, size_t length, int flags)
{
	struct cmd_conn *cmd = cmd_of(conn);
	int result;

	if (length == 0 || length > FRAME_MAX_SIZE)
		return (ssize_t)length;         /* dropped, never cut */
	pthread_mutex_lock(&cmd->lock);
	result = send_frame(cmd, frame, length, flags);
	pthread_mutex_unlock(&cmd->lock);
	return result == 0 ? (ssize_t)length : -1;
}

static bool may_be_sent(const struct vde_frame *frame)
{
	return frame->length > 0 && frame->length <= FRAME_MAX_SIZE;
}

/* Of the record that the system took `taken` bytes of, the others wait. */
static void keep_rest(struct cmd_conn *cmd, const struct vde_frame *frame, size_t taken)
{
	write_be16(cmd->out, (uint16_t)frame->length);
	memcpy(cmd->out + STREAM_HEADER, frame->data, frame->length);
	cmd->rest_at = taken;
	cmd->rest = STREAM_HEADER + frame->length - taken;
	cmd->untold = true;
}

/* Returns how many frames of at most BATCH, which may all be sent, the system took; or -1. One that it took in part does not count yet. */
static int send_records(struct cmd_conn *cmd, const struct vde_frame *frames, unsigned count, int flags)
{
	uint8_t header[BATCH][STREAM_HEADER];
	struct iovec iov[2 * BATCH];
	struct msghdr message = {.msg_iov = iov, .msg_iovlen = 2 * count};
	ssize_t n;

	for (unsigned i = 0; i < count; i++) {
		write_be16(header[i], (uint16_t)frames[i].length);
		iov[2 * i] = (struct iovec){header[i], STREAM_HEADER};
		iov[2 * i + 1] = (struct iovec){frames[i].data, frames[i].length};
	}
	do
		n = sendmsg(cmd->socket.data_fd, &message, flags | MSG_DONTWAIT | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -1;
	for (unsigned i = 0; i < count; i++) {
		size_t record = STREAM_HEADER + frames[i].length;

		if ((size_t)n < record) {
			if (n > 0)
				keep_rest(cmd, &frames[i], (size_t)n);
			errno = EAGAIN;
			return i > 0 ? (int)i : -1;
		}
		n -= (ssize_t)record;
	}
	return (int)count;
}

static int send_frames(struct cmd_conn *cmd, const struct vde_frame *frames, unsigned count, int flags)
{
	unsigned usable = 0;

	if (send_rest(cmd, flags | MSG_DONTWAIT) != 0)
		return -1;
	if (was_sent(cmd, frames->data, frames->length))
		return 1;
	while (usable < count && usable < BATCH && may_be_sent(&frames[usable]))
		usable++;
	return usable > 0 ? send_records(cmd, frames, usable, flags) : 1;       /* 1: dropped, never cut */
}

static int cmd_send_batch(VDECONN *conn, const struct vde_frame *frames, unsigned count, int flags)
{
	struct cmd_conn *cmd = cmd_of(conn);
	int result;

	pthread_mutex_lock(&cmd->lock);
	result = send_frames(cmd, frames, count, flags);
	pthread_mutex_unlock(&cmd->lock);
	return result;
}

/* A writer that has given up for now left a part of a frame; one that is at it needs no help, and may be waiting for us to receive. */
static void help_writer(struct cmd_conn *cmd)
{
	if (pthread_mutex_trylock(&cmd->lock) != 0)
		return;
	send_rest(cmd, MSG_DONTWAIT);
	pthread_mutex_unlock(&cmd->lock);
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

/* Copies the whole frames among `length` bytes, at most `count`, too long ones left out. *used: the bytes of all that it passed over. */
static unsigned copy_frames(const uint8_t *bytes, size_t length, struct vde_frame *frames, unsigned count, size_t *used)
{
	unsigned filled = 0;
	size_t at = 0;

	while (filled < count && length - at >= STREAM_HEADER) {
		size_t body = read_be16(bytes + at);

		if (length - at - STREAM_HEADER < body)
			break;
		if (body > 0 && body <= frames[filled].size) {
			memcpy(frames[filled].data, bytes + at + STREAM_HEADER, body);
			frames[filled++].length = body;
		}
		at += STREAM_HEADER + body;
	}
	*used = at;
	return filled;
}

/* Takes out of the socket what has been looked at, up to `wanted` bytes of `in`; bytes behind are an unfinished frame and kept. */
static void take_looked_at(struct cmd_conn *cmd, size_t wanted, size_t used)
{
	while (cmd->in.have < wanted) {
		ssize_t n = recv(cmd->socket.data_fd, cmd->in.bytes + cmd->in.have, wanted - cmd->in.have, MSG_DONTWAIT);

		if (n <= 0)
			break;          /* cannot be: they are there, and nobody else reads */
		cmd->in.have += (size_t)n;
	}
	cmd->in.have = cmd->in.have > used ? cmd->in.have - used : 0;
	memmove(cmd->in.bytes, cmd->in.bytes + used, cmd->in.have);
}

/* Returns the number of frames, 0 at the end, -1. *again: there was something, but no whole frame fitted. */
static int look_and_take(struct cmd_conn *cmd, struct vde_frame *frames, unsigned count, int flags, bool *again)
{
	size_t look = sizeof(cmd->in.bytes) - cmd->in.have, length, used;
	unsigned filled;
	ssize_t n;

	*again = false;
	if (look > (size_t)count * LOOK_PER_FRAME && stream_in_wanted(&cmd->in) <= (size_t)count * LOOK_PER_FRAME)
		look = (size_t)count * LOOK_PER_FRAME;
	n = recv(cmd->socket.data_fd, cmd->in.bytes + cmd->in.have, look, flags | MSG_PEEK | MSG_DONTWAIT);
	if (n <= 0)
		return n < 0 && errno == ECONNRESET ? 0 : (int)n;
	length = cmd->in.have + (size_t)n;
	filled = copy_frames(cmd->in.bytes, length, frames, count, &used);
	/* with frames left, they stay in the socket; else all is taken, lest half a frame makes the descriptor readable for nothing */
	take_looked_at(cmd, filled == count ? used : length, used);
	*again = filled == 0;
	return (int)filled;
}

static int cmd_recv_batch(VDECONN *conn, struct vde_frame *frames, unsigned count, int flags)
{
	struct cmd_conn *cmd = cmd_of(conn);
	ssize_t n;

	help_writer(cmd);
	if (count > 1) {
		bool again;
		int filled;

		do
			filled = look_and_take(cmd, frames, count, flags, &again);
		while (filled == 0 && again);
		return filled;
	}
	do {
		n = read_frame(cmd, flags | MSG_DONTWAIT);
		if (n <= 0)
			return (int)n;
		frames->length = stream_in_take(&cmd->in, frames->data, frames->size);
	} while (frames->length == 0);
	return 1;
}

struct builtin_module module_cmd = {
	.module = {0, cmd_open, cmd_recv, cmd_send, socket_io_datafd, socket_io_ctlfd, cmd_close},
	.name = "cmd",
	.recv_batch = cmd_recv_batch,
	.send_batch = cmd_send_batch,
};
