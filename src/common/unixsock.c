/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/unixsock.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum {
	LISTEN_BACKLOG = 128,
	CONNECT_TIMEOUT_S = 10,         /* a listener whose backlog stays full that long is given up: ETIMEDOUT */
	LOCK_TRIES = 100,               /* of 10 ms each */
};

int unixsock_address(struct sockaddr_un *address, const char *path)
{
	size_t length = strlen(path);

	if (length == 0)
		return EINVAL;
	if (length >= sizeof(address->sun_path))
		return ENAMETOOLONG;
	memset(address, 0, sizeof(*address));
	address->sun_family = AF_UNIX;
	memcpy(address->sun_path, path, length);
	return 0;
}

static int close_with_errno(int fd, int error)
{
	if (fd >= 0)
		close(fd);
	errno = error;
	return -1;
}

/*
 * What a connect to `path` says: 0 somebody answers, ECONNREFUSED nobody does, ENOENT nothing there, or why one
 * cannot tell.
 */
static int probe(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int error = 0;

	if (fd < 0)
		return errno;
	if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0)
		error = errno == EAGAIN || errno == EINPROGRESS ? 0 : errno;    /* backlog full: alive, only busy */
	close(fd);
	return error;
}

int unixsock_note(const char *path, struct unixsock_file *file)
{
	struct stat status;

	if (lstat(path, &status) < 0)
		return errno;
	*file = (struct unixsock_file){ status.st_dev, status.st_ino };
	return 0;
}

bool unixsock_is_still(const char *path, const struct unixsock_file *file)
{
	struct unixsock_file now;

	return unixsock_note(path, &now) == 0 && now.device == file->device && now.inode == file->inode;
}

bool unixsock_is_live(const char *path)
{
	struct sockaddr_un address;
	struct stat status;

	if (unixsock_address(&address, path) != 0 || stat(path, &status) < 0 || !S_ISSOCK(status.st_mode))
		return false;
	return probe(&address) == 0;
}

/*
 * Two programs that start at once on the same stale socket must not remove each other's new one: who looks, removes
 * and binds holds a lock on the directory. Best effort: without it (unreadable directory, or held for too long by a
 * stranger) life goes on.
 */
static int lock_directory(const char *path)
{
	const struct timespec pause = { .tv_nsec = 10000000 };
	char copy[sizeof(((struct sockaddr_un *)0)->sun_path)];
	int fd;

	memcpy(copy, path, strlen(path) + 1);
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (int tries = 0; fd >= 0 && tries < LOCK_TRIES; tries++) {
		if (flock(fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK)
			break;
		nanosleep(&pause, NULL);
	}
	return fd;
}

/* Makes the name free, or says why not. */
static int remove_stale(const struct sockaddr_un *address)
{
	struct stat status;
	int error;

	if (lstat(address->sun_path, &status) < 0)
		return errno == ENOENT ? 0 : errno;
	if (!S_ISSOCK(status.st_mode))
		return EEXIST;
	error = probe(address);
	if (error == ENOENT)
		return 0;
	if (error != ECONNREFUSED)
		return EADDRINUSE;      /* also when one may not connect, or it is no stream socket: somebody else's */
	return unlink(address->sun_path) < 0 && errno != ENOENT ? errno : 0;
}

/* Where a system cannot do it (EOPNOTSUPP; Linux without /proc), unixsock_bind has done it. */
int unixsock_set_mode(const char *path, mode_t mode)
{
	return fchmodat(AT_FDCWD, path, mode, AT_SYMLINK_NOFOLLOW) == 0 || errno == EOPNOTSUPP ? 0 : errno;
}

/* The umask makes them right from the start; but a directory may have a default access list, which goes before it. */
int unixsock_bind(int fd, const struct sockaddr_un *address, mode_t mode)
{
	mode_t old = umask(~mode & 0777);
	int error = bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ? errno : 0;

	umask(old);
	if (error)
		return error;
	error = unixsock_set_mode(address->sun_path, mode);
	if (error)
		unlink(address->sun_path);
	return error;
}

/* bind, then rights, then listen: a connect before the last step is refused by the kernel. */
static int bind_and_listen(int fd, const struct sockaddr_un *address, const struct unixsock_owner *owner)
{
	const char *path = address->sun_path;
	int error = unixsock_bind(fd, address, owner->mode);

	if (error)
		return error;
	if ((owner->group == (gid_t)-1 || lchown(path, (uid_t)-1, owner->group) == 0) && listen(fd, LISTEN_BACKLOG) == 0)
		return 0;
	error = errno;
	unlink(path);
	return error;
}

int unixsock_listen(const char *path, const struct unixsock_owner *owner)
{
	struct sockaddr_un address;
	int lock, fd;
	int error = unixsock_address(&address, path);

	if (error)
		return close_with_errno(-1, error);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -1;
	lock = lock_directory(path);
	error = remove_stale(&address);
	if (!error)
		error = bind_and_listen(fd, &address, owner);
	if (lock >= 0)
		close(lock);
	return error ? close_with_errno(fd, error) : fd;
}

/* Of what is no socket the system says what it says of a dead one. A switch's directory is easily named for its management socket. */
static int why_refused(const char *path)
{
	struct stat status;

	if (stat(path, &status) < 0 || S_ISSOCK(status.st_mode))
		return ECONNREFUSED;
	return S_ISDIR(status.st_mode) ? EISDIR : ENOTSOCK;
}

int unixsock_connect(const char *path)
{
	struct timeval limit = { .tv_sec = CONNECT_TIMEOUT_S };
	const struct timeval none = { 0 };
	struct sockaddr_un address;
	int fd, flags, result;
	int error = unixsock_address(&address, path);

	if (error)
		return close_with_errno(-1, error);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	do {
		result = connect(fd, (struct sockaddr *)&address, sizeof(address));
	} while (result < 0 && errno == EINTR);
	if (result < 0)
		return close_with_errno(fd, errno == EAGAIN ? ETIMEDOUT : errno == ECONNREFUSED ? why_refused(path) : errno);
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &none, sizeof(none));
	flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return close_with_errno(fd, errno);
	return fd;
}

int unixsock_peer(int fd, uid_t *uid, gid_t *gid, pid_t *pid)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
		return errno;
	*uid = peer.uid;
	*gid = peer.gid;
	*pid = peer.pid;
	return 0;
}

unsigned unixsock_peer_groups(int fd, gid_t *groups, unsigned max)
{
	socklen_t size = max * (socklen_t)sizeof(*groups);
	unsigned count = 0;
	gid_t *all;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size) == 0)
		return size / (unsigned)sizeof(*groups);
	if (errno != ERANGE)
		return 0;
	all = malloc(size);             /* there are more than max, and the system tells all or none */
	if (all && getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, all, &size) == 0) {
		count = size / (unsigned)sizeof(*all) < max ? size / (unsigned)sizeof(*all) : max;
		memcpy(groups, all, count * sizeof(*all));
	}
	free(all);
	return count;
}
