/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation. A user's runtime directory goes, with the socket in it, when he has logged out everywhere, and is made anew by his next login,
 * which may well be the ssh that has a client to admit. The socket is therefore looked for each WATCH_TIME_S, and made
 * again where it can be; `--admit` waits longer than that for it (admit.c).
 */
#include "admission.h"

#include "common/unixsock.h"
#include "introduction.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	VISITORS_MAX = 16,              /* a further one is closed at once */
	GROUPS_MAX = 256,
	VISIT_TIME_S = 10,
	WATCH_TIME_S = 2,
};

struct visitor {
	struct admission *admission;
	int fd;                         /* -1: free */
	struct loop_io *io;
	struct loop_timer *timer;
	struct line_reader reader;
};

struct admission {
	struct loop *loop;
	struct log *log;
	struct log_limit limit;
	unsigned port;
	int fd;                         /* -1: no socket for now */
	struct loop_io *io;
	struct loop_timer *watch;
	char path[INTRODUCTION_PATH_SIZE];
	struct unixsock_file socket;    /* that this process made */
	gid_t group;
	admission_callback *admit;
	void *owner;
	struct visitor visitors[VISITORS_MAX];
};

/* ---- who may ---- */

static bool in_group(int fd, gid_t primary, gid_t wanted)
{
	gid_t groups[GROUPS_MAX];
	socklen_t size = sizeof(groups);

	if (primary == wanted)
		return true;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size) != 0)
		return false;
	for (size_t i = 0; i < size / sizeof(groups[0]); i++)
		if (groups[i] == wanted)
			return true;
	return false;
}

static bool may_admit(struct admission *admission, int fd)
{
	uid_t uid;
	gid_t gid;
	pid_t pid;

	if (unixsock_peer(fd, &uid, &gid, &pid) != 0)
		return false;
	if (uid == 0 || uid == geteuid() || (admission->group != (gid_t)-1 && in_group(fd, gid, admission->group)))
		return true;
	log_limited(admission->log, &admission->limit, "user %u asked to admit a client: refused", (unsigned)uid);
	return false;
}

/* ---- a visit ---- */

static void end_visit(struct visitor *visitor)
{
	loop_remove_io(visitor->io);
	loop_remove_timer(visitor->timer);
	close(visitor->fd);
	OPENSSL_cleanse(&visitor->reader, sizeof(visitor->reader));
	visitor->io = NULL;
	visitor->timer = NULL;
	visitor->fd = -1;
}

static void answer(struct visitor *visitor, const char *problem)
{
	char text[INTRODUCTION_LINE_MAX + 2];
	int length = problem ? snprintf(text, sizeof(text), INTRODUCTION_WORD "error %s\n", problem)
			     : snprintf(text, sizeof(text), INTRODUCTION_WORD "ok\n");

	if (send(visitor->fd, text, (size_t)length, MSG_NOSIGNAL) != length)
		log_limited(visitor->admission->log, &visitor->admission->limit, "a visitor of the admission socket left early");
	end_visit(visitor);
}

static void take_line(struct visitor *visitor)
{
	struct admission *admission = visitor->admission;
	uint8_t key_id[KEY_ID_SIZE], secret[SECRET_SIZE];
	const char *line = visitor->reader.line, *problem = "malformed request";

	if (introduction_read(line, strlen(line), key_id, secret) == 0)
		problem = admission->admit(admission->owner, key_id, secret);
	OPENSSL_cleanse(secret, sizeof(secret));
	answer(visitor, problem);
}

static void visitor_speaks(void *owner, int fd, unsigned events)
{
	struct visitor *visitor = owner;
	char bytes[INTRODUCTION_LINE_MAX];
	ssize_t got = read(fd, bytes, sizeof(bytes));
	bool complete = false;

	(void)events;
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	for (ssize_t i = 0; i < got && !complete; i++)
		complete = line_reader_take(&visitor->reader, bytes[i]);
	OPENSSL_cleanse(bytes, sizeof(bytes));
	if (complete)
		take_line(visitor);
	else if (got <= 0)
		end_visit(visitor);
}

static void visitor_is_late(void *owner)
{
	end_visit(owner);
}

static struct visitor *free_place(struct admission *admission)
{
	for (unsigned i = 0; i < VISITORS_MAX; i++)
		if (admission->visitors[i].fd < 0)
			return &admission->visitors[i];
	return NULL;
}

static void visitor_comes(void *owner, int listening, unsigned events)
{
	struct admission *admission = owner;
	struct visitor *visitor = free_place(admission);
	int fd = accept4(listening, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)events;
	if (fd < 0)
		return;
	if (!visitor || !may_admit(admission, fd)) {
		close(fd);
		return;
	}
	*visitor = (struct visitor){ .admission = admission, .fd = fd };
	visitor->io = loop_add_io(admission->loop, fd, LOOP_READ, visitor_speaks, visitor);
	visitor->timer = loop_add_timer(admission->loop, visitor_is_late, visitor);
	if (!visitor->io || !visitor->timer)
		end_visit(visitor);
	else
		loop_timer_after(visitor->timer, (uint64_t)VISIT_TIME_S * LOOP_SECOND);
}

/* ---- opening and closing ---- */

/* A directory where nobody but this user and root can put a socket of this name. */
static bool is_private_place(const char path[INTRODUCTION_PATH_SIZE])
{
	char directory[INTRODUCTION_PATH_SIZE];
	struct stat status;

	memcpy(directory, path, sizeof(directory));
	*strrchr(directory, '/') = 0;
	return stat(directory, &status) == 0 && S_ISDIR(status.st_mode) && (status.st_uid == geteuid() || status.st_uid == 0) &&
	       (status.st_mode & 022) == 0 && access(directory, W_OK) == 0;
}

static bool is_shared(const struct admission *admission)
{
	return admission->group != (gid_t)-1;
}

static int listen_at_path(struct admission *admission)
{
	struct unixsock_owner owner = { is_shared(admission) ? 0660 : 0600, admission->group };
	int error;

	admission->fd = unixsock_listen(admission->path, &owner);
	error = admission->fd < 0 ? errno : unixsock_note(admission->path, &admission->socket);
	if (error)
		return error;
	admission->io = loop_add_io(admission->loop, admission->fd, LOOP_READ, visitor_comes, admission);
	return admission->io ? 0 : ENOMEM;
}

/* Members of a group look where all users do, in the last place: it is the first that is tried when there is a group. ENOENT: no place. */
static int listen_somewhere(struct admission *admission)
{
	char places[INTRODUCTION_PLACES][INTRODUCTION_PATH_SIZE];
	unsigned count = introduction_places(admission->port, places);

	for (unsigned i = 0; i < count; i++) {
		const char *place = places[is_shared(admission) ? count - 1 - i : i];

		if (!is_private_place(place))
			continue;
		memcpy(admission->path, place, sizeof(admission->path));
		return listen_at_path(admission);
	}
	return ENOENT;
}

static bool socket_is_there(const struct admission *admission)
{
	return admission->fd >= 0 && unixsock_is_still(admission->path, &admission->socket);
}

static void stop_listening(struct admission *admission)
{
	bool ours = socket_is_there(admission);

	loop_remove_io(admission->io);
	admission->io = NULL;
	if (admission->fd >= 0)
		close(admission->fd);
	admission->fd = -1;
	if (ours)
		unlink(admission->path);
}

static void look_for_socket(void *owner)
{
	struct admission *admission = owner;

	loop_timer_after(admission->watch, (uint64_t)WATCH_TIME_S * LOOP_SECOND);
	if (socket_is_there(admission))
		return;
	stop_listening(admission);
	if (listen_somewhere(admission) == 0)
		log_info(admission->log, "the socket for introductions was gone; it is now %s", admission->path);
	else
		stop_listening(admission);
}

static void tell_problem(struct admission *admission, int error)
{
	if (error == ENOENT && geteuid() != 0)
		log_warn(admission->log, "no runtime directory that is yours alone (XDG_RUNTIME_DIR, /run/user/%u, ~/.vde2): clients cannot be "
			 "introduced by ssh; 'mkdir -m 700 ~/.vde2' makes one, and -P does without", (unsigned)geteuid());
	else if (error == ENOENT)
		log_warn(admission->log, "no runtime directory that only root can change (XDG_RUNTIME_DIR, /run): clients cannot be introduced by ssh");
	else
		log_errno(admission->log, error, "cannot listen at %s", admission->path);
}

struct admission *admission_open(struct loop *loop, struct log *log, unsigned port, gid_t group, admission_callback *admit, void *owner)
{
	struct admission *admission = calloc(1, sizeof(*admission));
	int error;

	if (!admission)
		return NULL;
	*admission = (struct admission){ .loop = loop, .log = log, .port = port, .fd = -1, .group = group, .admit = admit, .owner = owner };
	for (unsigned i = 0; i < VISITORS_MAX; i++)
		admission->visitors[i].fd = -1;
	admission->watch = loop_add_timer(loop, look_for_socket, admission);
	error = admission->watch ? listen_somewhere(admission) : ENOMEM;
	if (!error) {
		loop_timer_after(admission->watch, (uint64_t)WATCH_TIME_S * LOOP_SECOND);
		return admission;
	}
	tell_problem(admission, error);
	admission_close(admission);
	errno = error;
	return NULL;
}

const char *admission_path(const struct admission *admission)
{
	return admission->path;
}

void admission_close(struct admission *admission)
{
	if (!admission)
		return;
	for (unsigned i = 0; i < VISITORS_MAX; i++)
		if (admission->visitors[i].fd >= 0)
			end_visit(&admission->visitors[i]);
	loop_remove_timer(admission->watch);
	stop_listening(admission);
	free(admission);
}
