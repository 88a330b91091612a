/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Creating, joining and ending the networks of lan.h. */
#include "lan.h"

#include "plug_protocol.h"
#include "socket_io.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum {
	START_MS = 30000,               /* a script may run while it starts */
	END_MS = 2000,
	TRIES = 3,                      /* somebody else may come or go between joining and creating */
	LIFE_FD = 0, DATA_FD = 1,       /* in the new process */
	TITLE_MAX = LAN_PATH_MAX + 16,
};

struct lan_conn {
	struct socket_conn socket;      /* first; its control_fd is `life` */
	pid_t creator;                  /* the process that created the network; 0: it was joined */
};

/* ---- the process ---- */

/* Beside the modules of this library, or where it was meant to be. Returns 0, or EPROTONOSUPPORT after a message. */
static int find_program(char *path, size_t size)
{
	char directory[PATH_MAX];
	int n;

	if (module_own_directory(directory, sizeof(directory))) {
		n = snprintf(path, size, "%s/vdeplug/" LAN_PROGRAM, directory);
		if (n > 0 && (size_t)n < size && access(path, X_OK) == 0)
			return 0;
	}
	n = snprintf(path, size, "%s", VDEPLUG_MODULE_DIR "/" LAN_PROGRAM);
	if (n > 0 && (size_t)n < size && access(path, X_OK) == 0)
		return 0;
	fprintf(stderr, "libvdeplug: cannot run %s: %s\n", path, strerror(errno));
	return EPROTONOSUPPORT;
}

/* Starts it with `life` and `data` for its stdin and stdout. Returns 0 or an errno value. */
static int spawn(const char *path, char *title, int life, int data, pid_t *pid)
{
	char name[] = LAN_PROGRAM, *words[] = {name, title, NULL};
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none, all;
	int error;

	sigemptyset(&none);
	sigfillset(&all);
	sigdelset(&all, SIGKILL);
	sigdelset(&all, SIGSTOP);
	if (posix_spawn_file_actions_init(&actions) != 0)
		return ENOMEM;
	if (posix_spawnattr_init(&attributes) != 0) {
		posix_spawn_file_actions_destroy(&actions);
		return ENOMEM;
	}
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setsigdefault(&attributes, &all);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	error = posix_spawn_file_actions_adddup2(&actions, life, LIFE_FD);
	if (error == 0)
		error = posix_spawn_file_actions_adddup2(&actions, data, DATA_FD);
	if (error == 0)
		error = posix_spawn(pid, path, &actions, &attributes, words, environ);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return error;
}

/* Waits for input on `life`. Returns what recv does; -1 with ETIMEDOUT. */
static ssize_t recv_in_time(int life, void *bytes, size_t size, int timeout_ms)
{
	struct pollfd poller = {.fd = life, .events = POLLIN};
	int n;

	do
		n = poll(&poller, 1, timeout_ms);
	while (n < 0 && errno == EINTR);
	if (n == 0)
		errno = ETIMEDOUT;
	return n > 0 ? recv(life, bytes, size, MSG_DONTWAIT) : -1;
}

static int ask(int life, const struct lan_request *request)
{
	struct lan_reply reply;
	ssize_t n = send(life, request, sizeof(*request), MSG_NOSIGNAL);

	if (n != (ssize_t)sizeof(*request))
		return ECONNABORTED;
	n = recv_in_time(life, &reply, sizeof(reply), START_MS);
	if (n < 0)
		return errno;
	return n == (ssize_t)sizeof(reply) ? reply.error : ECONNABORTED;
}

/* The process that was started has another one stay in the background, and ends. */
static void reap(pid_t pid)
{
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		continue;
}

static int start(struct lan_conn *lan, const struct lan_request *request, int life[2], int data[2])
{
	char path[PATH_MAX], title[TITLE_MAX];
	pid_t pid;
	int error = find_program(path, sizeof(path));

	if (error != 0)
		return error;
	snprintf(title, sizeof(title), "%s://%s", lan_kind_name((enum lan_kind)request->kind), request->directory);
	error = spawn(path, title, life[1], data[1], &pid);
	if (error != 0) {
		fprintf(stderr, "libvdeplug: cannot run %s: %s\n", path, strerror(error));
		return error;
	}
	close(life[1]);
	close(data[1]);
	life[1] = data[1] = -1;
	error = ask(life[0], request);
	if (error == 0) {
		lan->socket.control_fd = life[0];
		lan->socket.data_fd = data[0];
		lan->socket.aggregates = request->aggregates;
		lan->creator = getpid();
	} else {
		shutdown(life[0], SHUT_RDWR);
	}
	reap(pid);
	return error;
}

static void close_pair(const int pair[2])
{
	for (int i = 0; i < 2; i++) {
		if (pair[i] >= 0)
			close(pair[i]);
	}
}

static int create(struct lan_conn *lan, const struct lan_request *request)
{
	int life[2], data[2];
	int error = socket_io_pair(SOCK_STREAM, life);

	if (error != 0)
		return error;
	error = socket_io_pair(SOCK_DGRAM, data);
	if (error != 0) {
		close_pair(life);
		return error;
	}
	error = start(lan, request, life, data);
	if (error != 0) {
		close_pair(life);
		close_pair(data);
	}
	return error;
}

/* ---- opening ---- */

/*
 * The user's own network has a name that anybody can know, in a directory where anybody can make names: it must be the user's.
 * Returns 0 or an errno value.
 */
static int set_default_directory(struct lan_request *request)
{
	struct passwd entry, *found = NULL;
	char buffer[1024], *place = request->directory;
	struct stat st;

	if (getpwuid_r(geteuid(), &entry, buffer, sizeof(buffer), &found) == 0 && found != NULL && strchr(found->pw_name, '/') == NULL)
		snprintf(place, LAN_PATH_MAX, "/tmp/vdenode_%.64s", found->pw_name);
	else
		snprintf(place, LAN_PATH_MAX, "/tmp/vdenode_u%u", (unsigned)geteuid());
	if (lstat(place, &st) != 0 || (S_ISDIR(st.st_mode) && st.st_uid == geteuid()))
		return 0;
	fprintf(stderr, "libvdeplug: %s is not a directory of yours\n", place);
	return EPERM;
}

/* Whether nobody is there, as far as joining can tell. */
static bool may_create(int error)
{
	return error == ENOENT || error == ECONNREFUSED;
}

static int join_or_create(struct lan_conn *lan, const struct lan_request *request, const char *description, int interface_version,
			  const struct vde_open_args *args)
{
	int error = 0;

	for (int i = 0; i < TRIES; i++) {
		int created;

		error = module_vde_join(&lan->socket, request->directory, description, interface_version, args);
		if (!may_create(error))
			return error;
		created = create(lan, request);
		if (created != EADDRINUSE)
			return created;
	}
	return error;
}

/* What set_default_directory has seen may have changed before it was used; what was used does not change hands. */
static bool is_still_ours(const char *directory)
{
	struct stat st;

	return lstat(directory, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == geteuid();
}

VDECONN *lan_open(enum lan_kind kind, char *arguments, char *description, int interface_version, const struct vde_open_args *args)
{
	struct lan_request *request = calloc(1, sizeof(*request));
	struct lan_conn *lan = calloc(1, sizeof(*lan));
	int error = request != NULL && lan != NULL ? lan_parse(request, kind, arguments, args) : ENOMEM;
	bool is_default = error == 0 && request->directory[0] == '\0';

	if (is_default)
		error = set_default_directory(request);
	if (error == 0) {
		request->aggregates = interface_version == VDE_INTERFACE_AGGREGATES;
		error = join_or_create(lan, request, description, interface_version, args);
	}
	if (error == 0 && is_default && !is_still_ours(request->directory)) {
		lan_close((VDECONN *)(void *)lan);
		lan = NULL;
		error = EPERM;
	}
	free(request);
	if (error == 0)
		return (VDECONN *)(void *)lan;
	free(lan);
	errno = error;
	return NULL;
}

/*
 * The end of `life` ends the network; when that of the other side comes, the directory is gone. A process that was forked off the creator only
 * gives up its share.
 */
int lan_close(VDECONN *conn)
{
	struct lan_conn *lan = (struct lan_conn *)(void *)conn;
	char byte;

	if (lan->creator == getpid()) {
		shutdown(lan->socket.control_fd, SHUT_WR);
		while (recv_in_time(lan->socket.control_fd, &byte, 1, END_MS) > 0)
			continue;
	}
	return socket_io_close(conn);
}
