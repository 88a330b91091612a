/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The bytes of a management session.
 *
 * Nothing here frees a session but its own event functions and the server: what a command does to its session
 * (asynchronous lines, the end) only fills the output and sets marks, which session_step acts on after the command
 * has returned.
 */
#include "common/mgmt_internal.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	CONSOLE_PIECE = 512,            /* see mgmt.h; _POSIX_PIPE_BUF */
	KEEP_OUTPUT_SIZE = 65536,       /* a larger buffer is given back when it is empty */
	DRAIN_READS = 64,
};

static size_t unsent(const struct mgmt_session *session)
{
	return session->output.length - session->sent;
}

/* ---- output ---- */

static bool poll_now(int fd, short events)
{
	struct pollfd polled = { .fd = fd, .events = events };

	return poll(&polled, 1, 0) > 0;
}

/* As write, but EAGAIN instead of waiting, and no SIGPIPE on sockets. */
static ssize_t write_some(const struct mgmt_session *session, const char *data, size_t length)
{
	ssize_t sent = send(session->out, data, length, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (sent >= 0 || errno != ENOTSOCK)
		return sent;
	if (!poll_now(session->out, POLLOUT)) {
		errno = EAGAIN;
		return -1;
	}
	return write(session->out, data, length < CONSOLE_PIECE ? length : CONSOLE_PIECE);
}

static void drop_output(struct mgmt_session *session)
{
	if (session->output.size > KEEP_OUTPUT_SIZE)
		reply_free(&session->output);
	session->output.length = 0;
	session->sent = 0;
}

/* Sends what can be sent without waiting. */
static void flush(struct mgmt_session *session)
{
	while (unsent(session) > 0 && !session->output_dead) {
		ssize_t sent = write_some(session, session->output.text + session->sent, unsent(session));

		if (sent > 0)
			session->sent += (size_t)sent;
		else if (sent < 0 && errno == EAGAIN)
			break;
		else if (sent == 0 || errno != EINTR)
			session->output_dead = true;
	}
	if (session->output_dead || unsent(session) == 0)
		drop_output(session);
	if (session->lost > 0 && unsent(session) <= MGMT_OUTPUT_HIGH / 2) {
		unsigned lost = session->lost;

		session->lost = 0;
		if (!session->output_dead) {
			reply_printf(&session->output, "3000 mgmt/lost %u\n", lost);
			flush(session);
		}
	}
	/* Long answers are sent from the front: give the space back before it doubles. */
	if (session->sent > KEEP_OUTPUT_SIZE && session->sent > session->output.length / 2) {
		memmove(session->output.text, session->output.text + session->sent, unsent(session));
		session->output.length -= session->sent;
		session->sent = 0;
	}
}

static void put(struct mgmt_session *session, const char *text)
{
	if (text && !session->output_dead)
		reply_append(&session->output, text, strlen(text));
}

/* ---- events asked for ---- */

static loop_io_callback session_readable, session_ready, console_writable;

/* A console's input that nobody wants is removed from the loop: its hang-up would be reported again and again. */
static void update_console(struct mgmt_session *session, bool wants_input)
{
	struct loop *loop = session->mgmt->loop;

	if (!wants_input) {
		loop_remove_io(session->in_io);
		session->in_io = NULL;
	} else if (!session->in_io) {
		session->in_io = loop_add_io(loop, session->in, LOOP_READ, session_readable, session);
		if (!session->in_io)
			session->input_ended = true;
	}
	if (unsent(session) == 0) {
		loop_remove_io(session->out_io);
		session->out_io = NULL;
	} else if (!session->out_io) {
		session->out_io = loop_add_io(loop, session->out, LOOP_WRITE, console_writable, session);
		session->output_dead |= !session->out_io;
	}
}

static void update_events(struct mgmt_session *session)
{
	bool wants_input = !session->closing && !session->input_ended && session->input_length < MGMT_INPUT_SIZE &&
			   unsent(session) <= MGMT_OUTPUT_HIGH;

	if (session->console)
		update_console(session, wants_input);
	else
		loop_set_events(session->in_io, (wants_input ? LOOP_READ : 0u) | (unsent(session) ? LOOP_WRITE : 0u));
}

/* ---- running what was received ---- */

static void run_line(struct mgmt_session *session, size_t length)
{
	struct mgmt *mgmt = session->mgmt;
	struct mgmt_run run = mgmt_run_init(mgmt, session, &session->output);
	char line[MGMT_LINE_MAX + 1];
	int result;

	memcpy(line, session->input, length);
	line[length] = '\0';
	result = mgmt_run_line(&run, line, length, NULL);
	session->closing |= result < 0;
	if (result == COMMAND_END_PROGRAM || (result == COMMAND_END_SESSION && session->console)) {
		put(session, session->console ? "\n" : "");
		flush(session);
		mgmt->config.shutdown(mgmt->config.owner);
	}
	if (!session->closing)
		put(session, mgmt->config.prompt);
}

static void refuse_long_line(struct mgmt_session *session)
{
	session->skipping = false;
	mgmt_append_code(&session->output, E2BIG);
	put(session, session->mgmt->config.prompt);
}

static void consume(struct mgmt_session *session, size_t length)
{
	session->input_length -= length;
	memmove(session->input, session->input + length, session->input_length);
}

/* Runs one line if there is a whole one. */
static bool take_line(struct mgmt_session *session)
{
	char *newline = memchr(session->input, '\n', session->input_length);
	size_t length = newline ? (size_t)(newline - session->input) : session->input_length;
	bool whole = newline || (session->input_ended && (length > 0 || session->skipping));

	if (session->skipping || length > MGMT_LINE_MAX) {
		if (whole)
			refuse_long_line(session);
		else
			session->skipping = true;
	} else if (whole) {
		run_line(session, length);
	} else {
		return false;
	}
	consume(session, length + (newline ? 1 : 0));
	return whole;
}

static void finish_console(struct mgmt_session *session)
{
	session->finished = true;
	update_events(session);
	if (!session->closing)
		session->mgmt->config.shutdown(session->mgmt->config.owner);
}

/*
 * Runs lines until there is none, the session ends, or more output waits than may. A console gets each answer at
 * once.
 */
static void run_lines(struct mgmt_session *session)
{
	while (!session->closing && !session->output.truncated) {
		if (unsent(session) > MGMT_OUTPUT_HIGH) {
			flush(session);
			if (unsent(session) > MGMT_OUTPUT_HIGH)
				break;
		}
		if (!take_line(session))
			break;
		if (session->console)
			flush(session);
	}
	flush(session);
}

/* Runs and sends what can be run and sent, then waits for more or ends. The session may be gone after. */
static void session_step(struct mgmt_session *session)
{
	if (session->finished)
		return;
	run_lines(session);
	if (session->output.truncated) {
		log_limited(session->mgmt->log, &session->mgmt->limit,
			    "a management session is closed: its answer is too long");
		session->closing = session->output_dead = true;
		drop_output(session);
	}
	if (session->input_ended && session->input_length == 0)
		session->closing |= !session->console;
	if (unsent(session) > 0 || !(session->closing || (session->input_ended && session->input_length == 0)))
		update_events(session);
	else if (session->console)
		finish_console(session);
	else
		mgmt_session_free(session);
}

/* ---- input ---- */

static void receive(struct mgmt_session *session)
{
	size_t space = MGMT_INPUT_SIZE - session->input_length;
	bool fresh = session->input_length == 0 && !session->skipping;
	ssize_t got;

	if (space == 0 || session->input_ended || (session->console && !poll_now(session->in, POLLIN)))
		return;
	got = read(session->in, session->input + session->input_length, space);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	loop_timer_stop(session->packet_timer);
	if (got <= 0) {
		session->input_ended = true;
		return;
	}
	session->input_length += (size_t)got;
	if (fresh && !memchr(session->input, '\n', (size_t)got) &&
	    mgmt_is_command(session->mgmt, session->input, (size_t)got))
		loop_timer_after(session->packet_timer, MGMT_PACKET_WAIT_NS);
}

static void packet_was_command(void *owner)
{
	struct mgmt_session *session = owner;
	size_t length = session->input_length;

	if (length > 0 && length <= MGMT_LINE_MAX && !session->closing) {
		run_line(session, length);
		consume(session, length);
	}
	session_step(session);
}

static void session_readable(void *owner, int fd, unsigned events)
{
	struct mgmt_session *session = owner;

	(void)fd;
	(void)events;
	receive(session);
	session_step(session);
}

static void session_ready(void *owner, int fd, unsigned events)
{
	struct mgmt_session *session = owner;

	(void)fd;
	if (events & LOOP_READ)
		receive(session);
	if (events & LOOP_HANGUP) {
		/* Nobody will read. What was received is still run. */
		session->output_dead = true;
		drop_output(session);
	}
	session_step(session);
}

static void console_writable(void *owner, int fd, unsigned events)
{
	struct mgmt_session *session = owner;

	(void)fd;
	if (events & LOOP_HANGUP)
		session->output_dead = true;
	flush(session);
	session_step(session);
}

/* ---- opening and closing ---- */

static struct mgmt_session *session_create(struct mgmt *mgmt, int in, int out, bool console)
{
	struct mgmt_session *session = calloc(1, sizeof(*session));

	if (!session)
		return NULL;
	session->mgmt = mgmt;
	session->in = in;
	session->out = out;
	session->console = console;
	reply_init(&session->output);
	session->packet_timer = loop_add_timer(mgmt->loop, packet_was_command, session);
	if (session->packet_timer)
		session->in_io = loop_add_io(mgmt->loop, in, LOOP_READ, console ? session_readable : session_ready,
					     session);
	if (!session->in_io) {
		int error = errno;

		loop_remove_timer(session->packet_timer);
		free(session);
		errno = error;
		return NULL;
	}
	session->next = mgmt->sessions;
	if (session->next)
		session->next->previous = session;
	mgmt->sessions = session;
	mgmt->session_count += !console;
	return session;
}

struct mgmt_session *mgmt_session_open(struct mgmt *mgmt, int fd)
{
	struct mgmt_session *session = session_create(mgmt, fd, fd, false);

	if (!session) {
		close(fd);
		return NULL;
	}
	put(session, mgmt->config.banner);
	put(session, mgmt->config.prompt);
	flush(session);
	update_events(session);
	return session;
}

struct mgmt_session *mgmt_session_open_console(struct mgmt *mgmt, int in, int out)
{
	int own_out = fcntl(out, F_DUPFD_CLOEXEC, 3);   /* in and out may be one descriptor: the loop wants two */
	struct mgmt_session *session;

	if (own_out < 0)
		return NULL;
	session = session_create(mgmt, in, own_out, true);
	if (!session)
		close(own_out);
	return session;
}

/* Unread input at a close would make the kernel reset the connection before the peer has read our last words. */
static void drain(const struct mgmt_session *session)
{
	char unread[MGMT_INPUT_SIZE];

	for (int i = 0; i < DRAIN_READS; i++)
		if (recv(session->in, unread, sizeof(unread), MSG_DONTWAIT) <= 0)
			break;
}

void mgmt_session_free(struct mgmt_session *session)
{
	struct mgmt *mgmt = session->mgmt;

	flush(session);
	if (mgmt->config.session_closed)
		mgmt->config.session_closed(mgmt->config.owner, session);
	loop_remove_timer(session->packet_timer);
	loop_remove_io(session->in_io);
	loop_remove_io(session->out_io);
	if (!session->console)
		drain(session);
	close(session->out);            /* a console's is our own copy; its input is the caller's */
	if (session->previous)
		session->previous->next = session->next;
	else
		mgmt->sessions = session->next;
	if (session->next)
		session->next->previous = session->previous;
	mgmt->session_count -= !session->console;
	reply_free(&session->output);
	free(session);
}

void mgmt_session_event(struct mgmt_session *session, const char *format, ...)
{
	char line[MGMT_EVENT_MAX];
	va_list arguments;

	if (session->output_dead || session->closing || session->finished)
		return;
	if (unsent(session) > MGMT_OUTPUT_HIGH) {
		session->lost++;
		return;
	}
	va_start(arguments, format);
	vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	put(session, line);
	put(session, "\n");
	flush(session);
	update_events(session);
}
