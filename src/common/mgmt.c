/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The management server: its tables, its socket, its consoles. */
#include "common/mgmt_internal.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ACCEPTS_PER_TURN = 16 };

struct mgmt *mgmt_create(struct loop *loop, struct log *log, const struct mgmt_config *config)
{
	struct mgmt *mgmt = calloc(1, sizeof(*mgmt));

	if (!mgmt)
		return NULL;
	mgmt->loop = loop;
	mgmt->log = log;
	mgmt->config = *config;
	mgmt->listen_fd = -1;
	loop_add_signal(loop, SIGPIPE, NULL, NULL);
	return mgmt;
}

/* Closes the listening socket and removes its name, if it still is ours. */
static void stop_listening(struct mgmt *mgmt)
{
	loop_remove_io(mgmt->listen_io);
	loop_remove_timer(mgmt->accept_timer);
	if (mgmt->listen_fd >= 0)
		close(mgmt->listen_fd);
	if (mgmt->path && unixsock_is_still(mgmt->path, &mgmt->socket))
		unlink(mgmt->path);
	free(mgmt->path);
	mgmt->listen_io = NULL;
	mgmt->accept_timer = NULL;
	mgmt->listen_fd = -1;
	mgmt->path = NULL;
}

void mgmt_destroy(struct mgmt *mgmt)
{
	if (!mgmt)
		return;
	while (mgmt->sessions)
		mgmt_session_free(mgmt->sessions);
	stop_listening(mgmt);
	free(mgmt);
}

int mgmt_add_commands(struct mgmt *mgmt, const struct command *rows, void *owner)
{
	if (mgmt->set_count == MGMT_SETS_MAX)
		return ENOMEM;
	mgmt->sets[mgmt->set_count++] = (struct command_set){ rows, owner };
	return 0;
}

void mgmt_remove_commands(struct mgmt *mgmt, const struct command *rows, void *owner)
{
	for (unsigned i = 0; i < mgmt->set_count; i++) {
		if (mgmt->sets[i].rows != rows || mgmt->sets[i].owner != owner)
			continue;
		mgmt->set_count--;
		memmove(&mgmt->sets[i], &mgmt->sets[i + 1], (mgmt->set_count - i) * sizeof(mgmt->sets[0]));
		return;
	}
}

static void turn_away(int fd)
{
	char line[128];
	int length = snprintf(line, sizeof(line), "1%03d %s: %d management sessions are open\n", EBUSY, strerror(EBUSY),
			      MGMT_SESSIONS_MAX);

	/* A new connection has room for one line; if not, the close says enough. */
	if (send(fd, line, (size_t)length, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		errno = 0;
	close(fd);
}

static void accept_again(void *owner)
{
	struct mgmt *mgmt = owner;

	loop_set_events(mgmt->listen_io, LOOP_READ);
}

static void accept_sessions(void *owner, int fd, unsigned events)
{
	struct mgmt *mgmt = owner;

	(void)events;
	for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
		int connection = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (connection >= 0) {
			if (mgmt->session_count >= MGMT_SESSIONS_MAX)
				turn_away(connection);
			else if (!mgmt_session_open(mgmt, connection))
				log_limited(mgmt->log, &mgmt->limit, "cannot open a management session: %s",
					    strerror(errno));
			continue;
		}
		if (errno == EAGAIN)
			return;
		if (errno == ECONNABORTED || errno == EINTR)
			continue;
		/* No descriptors or no memory: the connection waits, we look again in a second. */
		log_limited(mgmt->log, &mgmt->limit, "cannot accept a management session: %s", strerror(errno));
		loop_set_events(mgmt->listen_io, 0);
		loop_timer_after(mgmt->accept_timer, LOOP_SECOND);
		return;
	}
}

static int start_listening(struct mgmt *mgmt, const char *path, const struct unixsock_owner *owner)
{
	mgmt->listen_fd = unixsock_listen(path, owner);
	if (mgmt->listen_fd < 0)
		return errno;
	unixsock_note(path, &mgmt->socket);
	mgmt->mode = owner->mode;
	mgmt->path = strdup(path);
	mgmt->accept_timer = loop_add_timer(mgmt->loop, accept_again, mgmt);
	mgmt->listen_io = loop_add_io(mgmt->loop, mgmt->listen_fd, LOOP_READ, accept_sessions, mgmt);
	return mgmt->path && mgmt->accept_timer && mgmt->listen_io ? 0 : ENOMEM;
}

int mgmt_listen(struct mgmt *mgmt, const char *path, const struct unixsock_owner *owner)
{
	int error = start_listening(mgmt, path, owner);

	if (!error)
		return 0;
	stop_listening(mgmt);
	if (error == EADDRINUSE)
		log_error(mgmt->log, "management socket '%s': another program answers there", path);
	else if (error == EEXIST)
		log_error(mgmt->log, "management socket '%s': something else has this name", path);
	else if (error == ENAMETOOLONG)
		log_error(mgmt->log, "management socket '%s': a socket's name has at most %zu bytes", path,
			  sizeof(((struct sockaddr_un *)0)->sun_path) - 1);
	else
		log_error(mgmt->log, "management socket '%s': %s", path, strerror(error));
	return error;
}

const char *mgmt_path(const struct mgmt *mgmt, mode_t *mode)
{
	if (mgmt->path && mode)
		*mode = mgmt->mode;
	return mgmt->path;
}

int mgmt_console(struct mgmt *mgmt, int in, int out)
{
	return mgmt_session_open_console(mgmt, in, out) ? 0 : errno;
}
