/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A management session that is sent anything, in pieces of any size: a byte 0xff in the input ends a piece, the byte
 * before is part of it. Each answer that comes back is a code line or a data block with its end.
 */
#include "common/mgmt_internal.h"

#include "fuzz.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int echo(void *owner, struct reply *reply, const struct args *args)
{
	(void)owner;
	for (unsigned i = 0; i < args->count; i++)
		reply_printf(reply, "%s\n", args->word[i]);
	if (args->session)
		mgmt_session_event(args->session, "3001 echo %s", args->text);
	return (int)args->count;
}

static void no_shutdown(void *owner)
{
	(void)owner;
}

static const struct command rows[] = {
	{ "echo", "[WORD ...]", "say it again", 0, COMMAND_MAX_WORDS, echo, COMMAND_DATA },
	{ "echo/two", "WORD WORD", "two words", 2, 2, echo, 0 },
	{ "echo/raw", "TEXT", "all of it", 0, 1, echo, COMMAND_RAW },
	{ "load", "path", "load", 0, 0, NULL, COMMAND_BUILTIN | COMMAND_DATA },
	{ 0 },
};

/* Reads and forgets; false at the end of the session. */
static bool drain(int fd)
{
	char buffer[65536];
	ssize_t got;

	while ((got = recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT)) > 0)
		;
	return got < 0;
}

static void send_pieces(struct loop *loop, int fd, const uint8_t *data, size_t size)
{
	for (size_t from = 0; from < size; ) {
		const uint8_t *mark = memchr(data + from, 0xff, size - from);
		size_t length = mark ? (size_t)(mark - data) - from : size - from;

		if (length > 0 && send(fd, data + from, length, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
			return;
		loop_turn(loop, 0);
		drain(fd);
		from += length + 1;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct mgmt_config config = { .banner = "B\n", .prompt = "\n$ ", .shutdown = no_shutdown };
	struct loop *loop = loop_create();
	struct log log;
	struct mgmt *mgmt;
	int ends[2], turns = 0;

	log_init(&log, "fuzz");
	if (!loop || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0)
		abort();
	mgmt = mgmt_create(loop, &log, &config);
	mgmt_add_commands(mgmt, rows, NULL);
	if (!mgmt_session_open(mgmt, ends[0]))
		abort();
	send_pieces(loop, ends[1], data, size);
	shutdown(ends[1], SHUT_WR);
	/* All is answered, then the session closes by itself: a bounded number of turns must do. */
	while (drain(ends[1]) && turns++ < 10000)
		loop_turn(loop, 0);
	assert(turns < 10000);
	close(ends[1]);
	mgmt_destroy(mgmt);
	loop_destroy(loop);
	return 0;
}
