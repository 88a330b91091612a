/* SPDX-License-Identifier: GPL-2.0-or-later */
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
	int fd;
	struct loop_io *io;
	char path[INTRODUCTION_PATH_SIZE];
	dev_t device;                   /* the socket that this process made */
	ino_t inode;
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

static int listen_somewhere(struct admission *admission, unsigned port)
{
	char places[INTRODUCTION_PLACES][INTRODUCTION_PATH_SIZE];
	unsigned count = introduction_places(port, places);
	bool shared = admission->group != (gid_t)-1;
	struct unixsock_owner owner = { shared ? 0660 : 0600, admission->group };

	for (unsigned i = 0; i < count; i++) {
		if (!is_private_place(places[i]))
			continue;
		memcpy(admission->path, places[i], sizeof(admission->path));
		admission->fd = unixsock_listen(admission->path, &owner);
		if (admission->fd < 0)
			log_errno(admission->log, errno, "cannot listen at %s", admission->path);
		return admission->fd < 0 ? errno : 0;
	}
	log_warn(admission->log, "no runtime directory (XDG_RUNTIME_DIR, /run/user/%u): clients cannot be introduced by ssh",
		 (unsigned)geteuid());
	return ENOENT;
}

struct admission *admission_open(struct loop *loop, struct log *log, unsigned port, gid_t group, admission_callback *admit, void *owner)
{
	struct admission *admission = calloc(1, sizeof(*admission));
	struct stat status;
	int error;

	if (!admission)
		return NULL;
	*admission = (struct admission){ .loop = loop, .log = log, .fd = -1, .group = group, .admit = admit, .owner = owner };
	for (unsigned i = 0; i < VISITORS_MAX; i++)
		admission->visitors[i].fd = -1;
	error = listen_somewhere(admission, port);
	if (!error && stat(admission->path, &status) == 0) {
		admission->device = status.st_dev;
		admission->inode = status.st_ino;
		admission->io = loop_add_io(loop, admission->fd, LOOP_READ, visitor_comes, admission);
		if (admission->io)
			return admission;
		error = ENOMEM;
	}
	admission_close(admission);
	errno = error ? error : EIO;
	return NULL;
}

const char *admission_path(const struct admission *admission)
{
	return admission->path;
}

void admission_close(struct admission *admission)
{
	struct stat status;

	if (!admission)
		return;
	for (unsigned i = 0; i < VISITORS_MAX; i++)
		if (admission->visitors[i].fd >= 0)
			end_visit(&admission->visitors[i]);
	loop_remove_io(admission->io);
	if (admission->fd >= 0) {
		close(admission->fd);
		if (lstat(admission->path, &status) == 0 && status.st_dev == admission->device && status.st_ino == admission->inode)
			unlink(admission->path);
	}
	free(admission);
}
