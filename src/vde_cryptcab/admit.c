/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "admit.h"

#include "common/unixsock.h"
#include "introduction.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
	ADMIT_TIME_MS = 30000,
	SERVER_TIME_MS = 4000,          /* longer than a server whose socket has gone takes to make it again: see admission.c */
	SERVER_STEP_MS = 200,
};

/* Whom a secret may be told: this user's server or root's. Another user might have made a socket of that name. */
static bool is_trusted(int fd)
{
	uid_t uid;
	gid_t gid;
	pid_t pid;

	return unixsock_peer(fd, &uid, &gid, &pid) == 0 && (uid == 0 || uid == geteuid());
}

/* A server in /run is root's, and serves the users of its --admit-group. */
static int connect_to_server(unsigned port)
{
	char places[INTRODUCTION_PLACES][INTRODUCTION_PATH_SIZE];
	unsigned count = introduction_places(port, places);

	for (unsigned i = 0; i < count; i++) {
		int fd = unixsock_connect(places[i]);

		if (fd >= 0 && is_trusted(fd))
			return fd;
		if (fd >= 0)
			close(fd);
	}
	return -1;
}

static int wait_for_server(unsigned port)
{
	int fd = connect_to_server(port);

	for (unsigned waited = 0; fd < 0 && waited < SERVER_TIME_MS; waited += SERVER_STEP_MS) {
		poll(NULL, 0, SERVER_STEP_MS);
		fd = connect_to_server(port);
	}
	return fd;
}

/* Reads one line within the time; false at the end of file, on error or when time is over. */
static bool read_line(int fd, struct line_reader *reader)
{
	struct pollfd poller = { .fd = fd, .events = POLLIN };
	char byte;

	for (;;) {
		ssize_t got;

		if (poll(&poller, 1, ADMIT_TIME_MS) <= 0)
			return false;
		got = read(fd, &byte, 1);
		if (got < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (got <= 0)
			return false;
		if (line_reader_take(reader, byte))
			return true;
	}
}

static int refuse(const char *text)
{
	printf(INTRODUCTION_WORD "error %s\n", text);
	fflush(stdout);
	return 1;
}

static int hand_over(int fd, struct line_reader *request)
{
	struct line_reader reply = { .length = 0 };
	size_t length = strlen(request->line);
	bool sent;

	request->line[length] = '\n';           /* the line has room for it: it ended with one */
	sent = write(fd, request->line, length + 1) == (ssize_t)length + 1;
	if (!sent || !read_line(fd, &reply))
		return refuse("the server refused this user, or did not answer");
	printf("%s\n", reply.line);
	fflush(stdout);
	return strcmp(reply.line, INTRODUCTION_WORD "ok") == 0 ? 0 : 1;
}

int admit_run(unsigned port, struct log *log)
{
	struct line_reader request = { .length = 0 };
	char text[128];
	int fd = wait_for_server(port), status;

	signal(SIGPIPE, SIG_IGN);
	if (fd < 0) {
		snprintf(text, sizeof(text), "no vde_cryptcab of yours (without -x) serves UDP port %u on this host", port);
		log_error(log, "%s", text);
		return refuse(text);
	}
	if (read_line(STDIN_FILENO, &request))
		status = hand_over(fd, &request);
	else
		status = refuse("nothing to admit on standard input");
	OPENSSL_cleanse(&request, sizeof(request));
	close(fd);
	return status;
}
