/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ptp://PATH: two processes of one machine, without a switch.
 *
 * Theory of operation. There are two generations, which do not understand each other; this module speaks both and chooses by probing.
 *
 * Datagrams (VDE 2's PATH[], vdeplug4 4.0): the first process binds PATH, the second PATH+; each sends to the other's name. The first cannot know when the second comes,
 * so it connects when it has something to send. A datagram of no length is the goodbye of a peer; after it, or after a send that finds nobody, the process is alone again and takes the
 * next peer that comes. A name whose owner is dead is taken over.
 *
 * Packets (later versions): the first process listens on PATH with SOCK_SEQPACKET and answers a connection with one byte: 0, or an errno value for one peer too many. This module
 * joins such a process as the second one; it never becomes a listener itself, since old peers could not join it.
 */
#include "common/number.h"
#include "socket_io.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { DEFAULT_MODE = 0700, ACCEPT_TIMEOUT_MS = 2000 };

struct ptp_conn {
	struct socket_conn socket;      /* first */
	bool datagrams;
	bool connected;
	struct sockaddr_un own, peer;   /* of datagrams */
};

static struct ptp_conn *ptp_of(VDECONN *conn)
{
	return (struct ptp_conn *)(void *)conn;
}

/* PATH or PATH+ as an address. Returns 0 or ENAMETOOLONG. */
static int set_address(struct sockaddr_un *address, const char *path, const char *suffix)
{
	int length;

	memset(address, 0, sizeof(*address));
	address->sun_family = AF_UNIX;
	length = snprintf(address->sun_path, sizeof(address->sun_path), "%s%s", path, suffix);
	return length > 0 && (size_t)length < sizeof(address->sun_path) ? 0 : ENAMETOOLONG;
}

static int connect_to(int fd, const struct sockaddr_un *address)
{
	return connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 ? 0 : errno;
}

/* Whether somebody owns the name: 0, or why not (ENOENT, ECONNREFUSED for a dead owner's, EPROTOTYPE for the other generation's). */
static int probe(int type, const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0), error;

	if (fd < 0)
		return errno;
	error = connect_to(fd, address);
	close(fd);
	return error == EPERM || error == EACCES ? 0 : error;   /* it is connected to a peer of its own: alive */
}

static int bind_name(int fd, const struct sockaddr_un *address)
{
	if (bind(fd, (const struct sockaddr *)address, sizeof(*address)) == 0)
		return 0;
	if (errno != EADDRINUSE || probe(SOCK_DGRAM, address) != ECONNREFUSED)
		return EADDRINUSE;
	if (unlink(address->sun_path) != 0 || bind(fd, (const struct sockaddr *)address, sizeof(*address)) != 0)
		return errno;
	return 0;
}

static int set_permissions(const char *path, const struct vde_open_args *args)
{
	mode_t mode = args != NULL && args->mode != 0 ? args->mode : DEFAULT_MODE;
	gid_t group = (gid_t)-1;

	if (args != NULL && args->group != NULL && number_group(args->group, &group) != 0)
		return EINVAL;
	if (group != (gid_t)-1 && chown(path, (uid_t)-1, group) != 0)
		return errno;
	return chmod(path, mode) == 0 ? 0 : errno;
}

/* The first to come owns PATH; the second PATH+, and it knows its peer. */
static int open_datagrams(struct ptp_conn *ptp, const char *path, const struct vde_open_args *args)
{
	struct sockaddr_un first, second;
	int error = set_address(&first, path, "");

	if (error == 0)
		error = set_address(&second, path, "+");
	if (error != 0)
		return error;
	ptp->socket.data_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (ptp->socket.data_fd < 0)
		return errno;
	bool is_second = probe(SOCK_DGRAM, &first) == 0;
	ptp->peer = is_second ? first : second;
	error = bind_name(ptp->socket.data_fd, is_second ? &second : &first);
	if (error != 0)
		return error;
	ptp->own = is_second ? second : first;
	if (is_second) {
		error = connect_to(ptp->socket.data_fd, &ptp->peer);
		ptp->connected = error == 0;
		if (error == EPERM)     /* it has not noticed yet that the one before us is dead; its next frame will tell it */
			error = 0;
	}
	return error != 0 ? error : set_permissions(ptp->own.sun_path, args);
}

/* The listener says with one byte whether we may come in. */
static int join_packets(struct ptp_conn *ptp, const struct sockaddr_un *address)
{
	struct pollfd poller = {.events = POLLIN};
	unsigned char answer;
	int error;

	ptp->socket.data_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (ptp->socket.data_fd < 0)
		return errno;
	error = connect_to(ptp->socket.data_fd, address);
	if (error != 0)
		return error;
	poller.fd = ptp->socket.data_fd;
	if (poll(&poller, 1, ACCEPT_TIMEOUT_MS) <= 0)
		return ETIMEDOUT;
	if (recv(ptp->socket.data_fd, &answer, 1, 0) != 1)
		return ECONNREFUSED;
	ptp->connected = answer == 0;
	return answer;
}

static int ptp_close(VDECONN *conn)
{
	struct ptp_conn *ptp = ptp_of(conn);

	if (ptp->datagrams && ptp->connected)
		send(ptp->socket.data_fd, "", 0, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (ptp->own.sun_path[0] != '\0')
		unlink(ptp->own.sun_path);
	return socket_io_close(conn);
}

static VDECONN *ptp_open(char *arguments, char *description, int interface_version, struct vde_open_args *args)
{
	struct ptp_conn *ptp = calloc(1, sizeof(*ptp));
	struct sockaddr_un address;
	int error;

	(void)description, (void)interface_version;
	if (ptp == NULL)
		return NULL;
	ptp->socket.data_fd = ptp->socket.control_fd = -1;
	error = set_address(&address, arguments, "");
	if (error == 0 && probe(SOCK_DGRAM, &address) == EPROTOTYPE) {
		error = join_packets(ptp, &address);
	} else if (error == 0) {
		ptp->datagrams = true;
		error = open_datagrams(ptp, arguments, args);
	}
	if (error == 0)
		return (VDECONN *)(void *)ptp;
	ptp_close((VDECONN *)(void *)ptp);
	errno = error;
	return NULL;
}

/* ---- frames ---- */

/* The peer has gone: the next send looks for a new one. */
static void forget_peer(struct ptp_conn *ptp)
{
	const struct sockaddr nobody = {.sa_family = AF_UNSPEC};

	connect(ptp->socket.data_fd, &nobody, sizeof(nobody));
	ptp->connected = false;
}

static bool find_peer(struct ptp_conn *ptp)
{
	if (!ptp->connected && ptp->datagrams)
		ptp->connected = connect_to(ptp->socket.data_fd, &ptp->peer) == 0;
	return ptp->connected;
}

static bool peer_is_gone(const struct ptp_conn *ptp, int error)
{
	return ptp->datagrams && (error == ECONNREFUSED || error == ENOTCONN || error == ECONNRESET);
}

/* Without a peer a frame goes nowhere, as on a cable that ends in the air. */
static ssize_t ptp_send(VDECONN *conn, const void *frame, size_t length, int flags)
{
	struct ptp_conn *ptp = ptp_of(conn);
	ssize_t n;

	if (length == 0 || !find_peer(ptp))
		return (ssize_t)length;
	n = socket_io_send(conn, frame, length, flags);
	if (n < 0 && peer_is_gone(ptp, errno)) {
		forget_peer(ptp);
		return (ssize_t)length;
	}
	return n;
}

static int ptp_send_batch(VDECONN *conn, const struct vde_frame *frames, unsigned count, int flags)
{
	struct ptp_conn *ptp = ptp_of(conn);
	int n;

	if (!find_peer(ptp))
		return (int)count;
	n = socket_io_send_batch(conn, frames, count, flags);
	if (n < 0 && peer_is_gone(ptp, errno)) {
		forget_peer(ptp);
		return (int)count;
	}
	return n;
}

static ssize_t ptp_recv(VDECONN *conn, void *frame, size_t size, int flags)
{
	struct ptp_conn *ptp = ptp_of(conn);
	ssize_t n = socket_io_recv(conn, frame, size, flags);

	if (!ptp->datagrams || (n != 0 && !(n < 0 && peer_is_gone(ptp, errno))))
		return n;
	forget_peer(ptp);
	return 1;
}

static int ptp_recv_batch(VDECONN *conn, struct vde_frame *frames, unsigned count, int flags)
{
	struct ptp_conn *ptp = ptp_of(conn);
	int n = socket_io_recv_batch(conn, frames, count, flags);

	if (n < 0 && peer_is_gone(ptp, errno)) {
		forget_peer(ptp);
		errno = EAGAIN;
	}
	for (int i = 0; i < n; i++) {
		if (frames[i].length > 0)
			continue;
		if (!ptp->datagrams)
			return i;       /* the end; frames before it first */
		forget_peer(ptp);
	}
	return n;
}

struct builtin_module module_ptp = {
	.module = {0, ptp_open, ptp_recv, ptp_send, socket_io_datafd, socket_io_ctlfd, ptp_close},
	.name = "ptp",
	.recv_batch = ptp_recv_batch,
	.send_batch = ptp_send_batch,
};
