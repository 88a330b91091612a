/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "socket_io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FIRST_FD = 3 };

static struct socket_conn *socket_of(VDECONN *conn)
{
	return (struct socket_conn *)(void *)conn;
}

int socket_io_pair(int type, int pair[2])
{
	if (socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, pair) != 0)
		return errno;
	for (int i = 0; i < 2; i++) {
		int fd = pair[i] < FIRST_FD ? fcntl(pair[i], F_DUPFD_CLOEXEC, FIRST_FD) : pair[i];

		if (fd < 0) {
			int error = errno;

			close(pair[0]);
			close(pair[1]);
			return error;
		}
		if (fd != pair[i])
			close(pair[i]);
		pair[i] = fd;
	}
	return 0;
}

static bool may_block(int fd, int flags)
{
	int status = fcntl(fd, F_GETFL);

	return (flags & MSG_DONTWAIT) == 0 && status >= 0 && (status & O_NONBLOCK) == 0;
}

/* A message longer than the buffer is dropped. The next one is taken if it is there; if not, a caller that may be blocked gets a 1. */
ssize_t socket_io_recv(VDECONN *conn, void *frame, size_t size, int flags)
{
	int fd = socket_of(conn)->data_fd;
	ssize_t n = recv(fd, frame, size, flags | MSG_TRUNC);

	if (n <= (ssize_t)size || (flags & (MSG_TRUNC | MSG_PEEK)) != 0)
		return n;
	do
		n = recv(fd, frame, size, flags | MSG_TRUNC | MSG_DONTWAIT);
	while (n > (ssize_t)size);
	return n < 0 && errno == EAGAIN && may_block(fd, flags) ? 1 : n;
}

ssize_t socket_io_send(VDECONN *conn, const void *frame, size_t length, int flags)
{
	return send(socket_of(conn)->data_fd, frame, length, flags | MSG_NOSIGNAL);
}

int socket_io_datafd(VDECONN *conn)
{
	return socket_of(conn)->data_fd;
}

int socket_io_ctlfd(VDECONN *conn)
{
	return socket_of(conn)->control_fd;
}

int socket_io_close(VDECONN *conn)
{
	struct socket_conn *sock = socket_of(conn);

	close(sock->data_fd);
	if (sock->control_fd >= 0)
		close(sock->control_fd);
	free(sock);
	return 0;
}

int socket_io_set_mode(const char *path, mode_t mode)
{
	struct stat st;

	if (lstat(path, &st) != 0 || !S_ISSOCK(st.st_mode))
		return EEXIST;
	return (st.st_mode & 07777) == mode || fchmodat(AT_FDCWD, path, mode, AT_SYMLINK_NOFOLLOW) == 0 ? 0 : errno;
}

VDECONN *socket_io_create(int fd)
{
	struct socket_conn *conn;

	if (fd < 0)
		return NULL;
	conn = calloc(1, sizeof(*conn));
	if (conn == NULL) {
		close(fd);
		errno = ENOMEM;
		return NULL;
	}
	conn->data_fd = fd;
	conn->control_fd = -1;
	return (VDECONN *)(void *)conn;
}
