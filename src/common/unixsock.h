/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unix domain sockets by path: bounded names, stale ones recognised, peer credentials. Descriptors are CLOEXEC and
 * non-blocking.
 */
#ifndef VDE_UNIXSOCK_H
#define VDE_UNIXSOCK_H

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>

struct unixsock_owner {
	mode_t mode;
	gid_t group;                    /* (gid_t)-1: left as it is */
};

/*
 * Fills address with path. ENAMETOOLONG when it does not fit (107 bytes), EINVAL when it is empty. Returns 0 or an
 * errno value.
 */
int unixsock_address(struct sockaddr_un *address, const char *path);

/*
 * Binds a socket to a new name, with these permissions whatever the umask and the directory say. Who may write in the directory may put another file in
 * place of the new one at any time: permissions of a file that a symbolic link leads to are not changed. Returns 0 or an errno value.
 */
int unixsock_bind(int fd, const struct sockaddr_un *address, mode_t mode);
/* The permissions of `path` itself; of a symbolic link they stay. Returns 0 or an errno value. */
int unixsock_set_mode(const char *path, mode_t mode);

/*
 * A listening stream socket at path. A socket there that nobody answers is replaced; one that is answered gives
 * EADDRINUSE; anything else at that path (a regular file, a directory) is left alone and gives EEXIST. Mode and group
 * are set before anybody can connect. Returns the descriptor, or -1 with errno.
 */
int unixsock_listen(const char *path, const struct unixsock_owner *owner);

/*
 * A connected stream socket, or -1 with errno: EISDIR or ENOTSOCK for a directory or another file, ECONNREFUSED for a
 * socket that nobody answers. Blocks no longer than the listener's backlog makes it.
 */
int unixsock_connect(const char *path);

/* Which file a name is: so that nothing is removed that somebody else has put there since. */
struct unixsock_file {
	dev_t device;
	ino_t inode;
};

/* Returns 0, or an errno value, and leaves *file as it was. */
int unixsock_note(const char *path, struct unixsock_file *file);
/* True when path is that file still. */
bool unixsock_is_still(const char *path, const struct unixsock_file *file);

/* True when path is a socket and somebody answers a connect. */
bool unixsock_is_live(const char *path);

/* The user and group of the process at the other end. Returns 0 or an errno value. */
int unixsock_peer(int fd, uid_t *uid, gid_t *gid, pid_t *pid);

/*
 * The supplementary groups of the process at the other end, at most `max`. Returns how many; 0 also where the system
 * does not tell.
 */
unsigned unixsock_peer_groups(int fd, gid_t *groups, unsigned max);

#endif
