/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation
 *
 * A connection to DIR/ctl is a client. It is WAITING until its request is whole (a request is sent in one piece; what comes in several is put together),
 * then either closed (refused) or PLUGGED: an endpoint exists for as long as the connection does. Bytes after the request mean nothing and are
 * thrown away. A client that has not asked within REQUEST_SECONDS is closed.
 *
 * The client is who the kernel says it is (SO_PEERCRED). A client names its own datagram socket and the switch connects to it; of a client who is neither root
 * nor the switch's own user only to a socket that belongs to that client, lest the switch be used to write where the client may not.
 *
 * Connections are bounded by the process's limit of descriptors; at the bound the listener rests until a descriptor is free.
 */
#include "vde_switch/control.h"

#include "common/unixsock.h"
#include "libvdeplug/plug_protocol.h"
#include "vde_switch/endpoint.h"
#include "vde_switch/endpoint_unix.h"
#include "vde_switch/port.h"
#include "vde_switch/request.h"
#include "vde_switch/switch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	REQUEST_SECONDS = 10,
	ACCEPTS_PER_TURN = 16,
	REST_NS = LOOP_SECOND / 10,     /* without free descriptors */
	NAME_ROOM = 10,                 /* "/999.1234" and its NUL; where a longer name does not fit, that client is refused */
};

struct client {
	struct control *control;
	struct client *next, **link;
	int fd;
	struct loop_io *io;
	struct loop_timer *timer;       /* while waiting for the request */
	struct endpoint *endpoint;      /* NULL: waiting */
	size_t length;
	uint8_t request[PLUG_REQUEST_MAX];
};

struct control {
	struct vde_switch *sw;
	struct control_config settings;
	char directory[PATH_MAX];
	bool remove_directory;
	struct unixsock_file socket;    /* ctl as we made it, so that no other's is removed */
	int fd;
	struct loop_io *io;
	struct loop_timer *rest;
	struct client *clients;
};

const char *control_directory(const struct control *control)
{
	return control->directory;
}

const struct control_config *control_settings(const struct control *control)
{
	return &control->settings;
}

/* ---- a client ---- */

static void client_free(struct client *client)
{
	*client->link = client->next;
	if (client->next)
		client->next->link = client->link;
	loop_remove_timer(client->timer);
	loop_remove_io(client->io);
	close(client->fd);
	free(client);
}

/* The endpoint was closed by a command: closing the connection tells the client. */
static void endpoint_gone(void *owner)
{
	struct client *client = owner;

	client->endpoint = NULL;
	client_free(client);
}

static void client_close(struct client *client)
{
	if (client->endpoint)
		endpoint_close(client->endpoint);       /* comes back through endpoint_gone */
	else
		client_free(client);
}

static void refuse(struct client *client, const char *reason, int error)
{
	struct vde_switch *sw = client->control->sw;

	if (error)
		log_limited(sw->log, &sw->peer_log, "port request refused: %s: %s", reason, strerror(error));
	else
		log_limited(sw->log, &sw->peer_log, "port request refused: %s", reason);
	client_close(client);
}

/*
 * False: the named socket is not the client's. The socket that was looked at is held (*held; -1: no need), and named by the descriptor: its own name may lead to
 * another one by the time of connecting. Where there is no /proc it must do.
 */
static bool hold_clients_socket(struct plug_request *request, uid_t user, int *held)
{
	char *path = request->address.sun_path;
	struct stat status;

	*held = -1;
	if (path[0] == '\0' || user == 0 || user == geteuid())
		return true;
	*held = open(path, O_PATH | O_CLOEXEC);
	if (*held < 0 || fstat(*held, &status) != 0 || !S_ISSOCK(status.st_mode) || status.st_uid != user)
		return false;
	if (access("/proc/self/fd", X_OK) == 0)
		snprintf(path, sizeof(request->address.sun_path), "/proc/self/fd/%d", *held);
	return true;
}

/* Modes and owners as the manual's table has them: a switch of root's gives the socket to its client. */
static void set_permissions(struct unix_endpoint_config *config, const struct control_config *settings, bool port0)
{
	bool root = geteuid() == 0;

	config->mode = settings->mode;
	config->owner = (uid_t)-1;
	config->group = settings->group;
	if (port0) {
		config->mode = settings->management_mode;
		config->group = settings->management_group;
	} else if (root && config->client.sun_path[0]) {
		config->mode &= 0700;
		config->owner = config->user;
	}
}

static int open_endpoint(struct client *client, const struct plug_request *request, const struct port_user *user,
			 struct sockaddr_un *reply, struct port **port)
{
	struct control *control = client->control;
	int error = port_acquire(control->sw, request->port, user, port);

	if (error)
		return error;
	struct unix_endpoint_config config = {
		.client = request->address, .aggregates = request->aggregates, .control_fd = client->fd, .user = user->uid,
		.directory = control->directory,
		.port_number = (*port)->number, .description = request->description,
		.description_length = request->description_length,
	};
	set_permissions(&config, &control->settings, request->port == 0);
	error = endpoint_unix_open(control->sw, &config, &client->endpoint, reply);
	if (error)
		return error;
	endpoint_unix_on_close(client->endpoint, endpoint_gone, client);
	return 0;
}

/* The endpoint joins its port after the reply is on its way, so that no frame can overtake it. */
static void grant(struct client *client, const struct sockaddr_un *reply, struct port *port)
{
	if (send(client->fd, reply, sizeof(*reply), MSG_NOSIGNAL) != (ssize_t)sizeof(*reply)) {
		refuse(client, "the reply could not be sent", errno);
		return;
	}
	loop_remove_timer(client->timer);
	client->timer = NULL;
	if (port_attach(client->control->sw, port, client->endpoint) != 0)
		client_close(client);
}

static const char *refusal_text(int error)
{
	switch (error) {
	case ENOSPC: return "no free port";
	case EINVAL: return "no such port number";
	case EACCES: return "the port is for other users";
	case EADDRINUSE: return "the port is in use by another user";
	default: return "cannot connect to the client's socket";
	}
}

static void answer_user(struct client *client, const struct plug_request *request, const struct port_user *user)
{
	struct sockaddr_un reply;
	struct port *port;
	int error = open_endpoint(client, request, user, &reply, &port);

	if (error)
		refuse(client, refusal_text(error), error == ENOSPC || error == EINVAL ? 0 : error);
	else
		grant(client, &reply, port);
}

static void answer(struct client *client, struct plug_request *request)
{
	struct port_user user;
	pid_t pid;
	int held;
	int error = unixsock_peer(client->fd, &user.uid, &user.gid, &pid);

	if (error) {
		refuse(client, "unknown client", error);
		return;
	}
	user.group_count = unixsock_peer_groups(client->fd, user.groups, PORT_USER_GROUPS);
	if (hold_clients_socket(request, user.uid, &held))
		answer_user(client, request, &user);
	else
		refuse(client, "the named socket is not the client's", 0);
	if (held >= 0)
		close(held);
}

static void read_request(struct client *client)
{
	struct plug_request request;
	ssize_t got = recv(client->fd, client->request + client->length, sizeof(client->request) - client->length, 0);

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0) {
		client_close(client);   /* asked nothing */
		return;
	}
	client->length += (size_t)got;
	switch (request_parse(&request, client->request, client->length)) {
	case REQUEST_PARTIAL:
		return;
	case REQUEST_WHOLE:
		answer(client, &request);
		return;
	default:
		refuse(client, request.problem, 0);
	}
}

static void discard_input(struct client *client)
{
	uint8_t junk[512];
	ssize_t got = recv(client->fd, junk, sizeof(junk), 0);

	if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
		client_close(client);
}

static void client_event(void *owner, int fd, unsigned events)
{
	struct client *client = owner;

	(void)fd;
	(void)events;
	if (client->endpoint)
		discard_input(client);
	else
		read_request(client);
}

static void client_timeout(void *owner)
{
	refuse(owner, "nothing was asked in time", 0);
}

static bool client_create(struct control *control, int fd)
{
	struct loop *loop = control->sw->loop;
	struct client *client = calloc(1, sizeof(*client));

	if (!client)
		return false;
	client->control = control;
	client->fd = fd;
	client->io = loop_add_io(loop, fd, LOOP_READ, client_event, client);
	client->timer = loop_add_timer(loop, client_timeout, client);
	if (!client->io || !client->timer) {
		loop_remove_timer(client->timer);
		loop_remove_io(client->io);
		free(client);
		return false;
	}
	loop_timer_after(client->timer, (uint64_t)REQUEST_SECONDS * LOOP_SECOND);
	client->next = control->clients;
	client->link = &control->clients;
	if (client->next)
		client->next->link = &client->next;
	control->clients = client;
	return true;
}

/* ---- the listener ---- */

static void listener_wakes(void *owner)
{
	struct control *control = owner;

	loop_set_events(control->io, LOOP_READ);
}

static void listener_event(void *owner, int fd, unsigned events)
{
	struct control *control = owner;

	(void)events;
	for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
		int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (client >= 0) {
			if (!client_create(control, client))
				close(client);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
			log_limited(control->sw->log, &control->sw->peer_log, "cannot accept a client: %s", strerror(errno));
			loop_set_events(control->io, 0);
			loop_timer_after(control->rest, REST_NS);
		}
		return;
	}
}

/* ---- the directory ---- */

static int complain(struct vde_switch *sw, int error, const char *what, const char *path)
{
	log_errno(sw->log, error, "%s '%s'", what, path);
	return error;
}

/* An existing directory is changed only when it is not yet as asked; a shared one such as /tmp is never. */
static int adjust_directory(struct control *control, bool made)
{
	struct stat status;
	mode_t mode = control->settings.directory_mode;
	gid_t group = control->settings.group;
	const char *path = control->directory;

	if (stat(path, &status) != 0)
		return complain(control->sw, errno, "cannot use directory", path);
	if (!made && (status.st_mode & S_ISVTX)) {
		log_error(control->sw->log, "'%s' is a directory shared by all users: name a directory of the switch's own", path);
		return EEXIST;
	}
	if (group != (gid_t)-1 && status.st_gid != group && chown(path, (uid_t)-1, group) != 0)
		return complain(control->sw, errno, "cannot change the group of directory", path);
	if ((status.st_mode & 07777) != mode && chmod(path, mode) != 0)
		return complain(control->sw, errno, "cannot change the mode of directory (is it somebody else's?)", path);
	return 0;
}

/* Asked before anything in the directory is changed. */
static bool has_live_switch(const struct control *control)
{
	char path[PATH_MAX + 8];

	snprintf(path, sizeof(path), "%s/" PLUG_CONTROL_NAME, control->directory);
	return unixsock_is_live(path);
}

static int make_directory(struct control *control, const char *asked)
{
	struct vde_switch *sw = control->sw;
	struct stat status;
	bool made = mkdir(asked, 0700) == 0;
	size_t most = sizeof(((struct sockaddr_un *)0)->sun_path) - NAME_ROOM;

	if (!made && errno != EEXIST)
		return complain(sw, errno, "cannot create ctl directory", asked);
	if (!made && (stat(asked, &status) != 0 || !S_ISDIR(status.st_mode))) {
		log_error(sw->log, "'%s' exists and is not a directory", asked);
		return ENOTDIR;
	}
	if (!realpath(asked, control->directory))
		return complain(sw, errno, "cannot resolve directory", asked);
	if (strlen(control->directory) > most) {
		log_error(sw->log, "directory name '%s' is too long: at most %zu bytes, for the sockets in it", control->directory, most);
		if (made)
			rmdir(control->directory);
		return ENAMETOOLONG;
	}
	if (has_live_switch(control)) {
		log_error(sw->log, "Could not bind to socket '%s/" PLUG_CONTROL_NAME "': Address already in use by another switch",
			  control->directory);
		return EADDRINUSE;
	}
	control->remove_directory = made;
	return adjust_directory(control, made);
}

static int listen_in_directory(struct control *control)
{
	struct unixsock_owner owner = { .mode = control->settings.mode, .group = control->settings.group };
	char path[PATH_MAX + 8];
	struct stat status;

	snprintf(path, sizeof(path), "%s/" PLUG_CONTROL_NAME, control->directory);
	bool leftover = lstat(path, &status) == 0;
	control->fd = unixsock_listen(path, &owner);
	if (control->fd < 0)
		return complain(control->sw, errno, "Could not bind to socket", path);
	unixsock_note(path, &control->socket);
	if (leftover)                   /* a dead switch's directory is taken over with all that belongs to it */
		control->remove_directory = true;
	control->io = loop_add_io(control->sw->loop, control->fd, LOOP_READ, listener_event, control);
	control->rest = loop_add_timer(control->sw->loop, listener_wakes, control);
	return control->io && control->rest ? 0 : ENOMEM;
}

static bool is_socket_name(const char *name)
{
	size_t digits = strspn(name, "0123456789");

	if (name[0] == '.') {           /* a client's: .PID-NUMBER */
		digits = strspn(name + 1, "0123456789");
		return digits > 0 && name[1 + digits] == '-';
	}
	if (name[0] == 'f' && name[1] == 'd' && name[2] != '\0')        /* of a hub of libvdeplug4: fdN */
		return name[2 + strspn(name + 2, "0123456789")] == '\0';
	return digits >= 3 && name[digits] == '.';      /* a switch's: PORT.FD */
}

static bool is_older(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec < b->tv_sec || (a->tv_sec == b->tv_sec && a->tv_nsec < b->tv_nsec);
}

/*
 * Sockets of this or of a dead switch and of its clients: none of them is of use without a switch. newest: only those that are older than this one, or NULL.
 */
static void remove_sockets(const char *directory, const struct stat *newest)
{
	DIR *listing = opendir(directory);
	struct dirent *item;
	struct stat status;

	if (!listing)
		return;
	while ((item = readdir(listing)) != NULL)
		if (is_socket_name(item->d_name) && fstatat(dirfd(listing), item->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
		    S_ISSOCK(status.st_mode) && (!newest || is_older(&status.st_ctim, &newest->st_ctim)))
			unlinkat(dirfd(listing), item->d_name, 0);
	closedir(listing);
}

/* Clients may have come since it listens; their sockets are younger than ctl. */
static void remove_leftovers(const struct control *control)
{
	char path[PATH_MAX + 8];
	struct stat status;

	snprintf(path, sizeof(path), "%s/" PLUG_CONTROL_NAME, control->directory);
	if (lstat(path, &status) == 0)
		remove_sockets(control->directory, &status);
}

int control_open(struct vde_switch *sw, const struct control_config *config)
{
	struct control *control = calloc(1, sizeof(*control));

	if (!control)
		return complain(sw, ENOMEM, "cannot use directory", config->directory);
	control->sw = sw;
	control->settings = *config;
	control->fd = -1;
	int error = make_directory(control, config->directory);
	if (!error)
		error = listen_in_directory(control);
	if (error) {
		control_close(control);
		return error;
	}
	remove_leftovers(control);
	sw->control = control;
	return 0;
}

/* Somebody removed our directory and started another switch there. */
static bool is_anothers(const struct control *control, const char *path)
{
	struct stat status;

	return control->fd >= 0 && lstat(path, &status) == 0 && !unixsock_is_still(path, &control->socket);
}

static void remove_files(const struct control *control)
{
	char path[PATH_MAX + 8];

	snprintf(path, sizeof(path), "%s/" PLUG_CONTROL_NAME, control->directory);
	if (is_anothers(control, path))
		return;
	if (control->fd >= 0) {
		unlink(path);
		remove_sockets(control->directory, NULL);
	}
	if (control->remove_directory && control->directory[0])
		rmdir(control->directory);
}

void control_close(struct control *control)
{
	if (!control)
		return;
	while (control->clients)
		client_close(control->clients);
	loop_remove_io(control->io);
	loop_remove_timer(control->rest);
	remove_files(control);
	if (control->fd >= 0)           /* after: while it is open its file's number is nobody else's */
		close(control->fd);
	free(control);
}
