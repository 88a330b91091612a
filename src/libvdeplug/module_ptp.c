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
 * Aggregates (common/aggregate.h) of those: ptp_frames.c. An end that was opened by vde_open_aggregates takes several frames in one datagram, since its owner asks
 * vde_pending. The other end may be of another make, so nothing is said on the wire about it: the file of the socket has the sticky bit, which means nothing for sockets
 * otherwise. Whoever connects to such a name, however he was opened, may send aggregates there; the two ways are independent of each other. Their mark is AGGREGATE_MARK
 * and the time at which the receiver's file was made, which owner and permissions do not change. All know it who see the file, and nobody does who can only
 * have a frame sent by an end that knows of no marks: whatever begins otherwise is a frame, and no frame has to be wrapped.
 *
 * Packets (later versions): the first process listens on PATH with SOCK_SEQPACKET and answers a connection with one byte: 0, or an errno value for one peer too many. This module
 * joins such a process as the second one; it never becomes a listener itself, since old peers could not join it.
 */
#include "common/frame.h"
#include "common/number.h"
#include "ptp.h"

#include <errno.h>
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

/* PATH or PATH+ as an address. Returns 0, ENOENT for no path, or ENAMETOOLONG. */
static int set_address(struct sockaddr_un *address, const char *path, const char *suffix)
{
	int length;

	memset(address, 0, sizeof(*address));
	address->sun_family = AF_UNIX;
	if (path[0] == '\0')
		return ENOENT;
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

/* What else than a socket is there is not ours to remove; connecting to it is refused, too, as to a dead owner's name. */
static int remove_stale(const struct sockaddr_un *address)
{
	struct stat st;

	if (lstat(address->sun_path, &st) == 0 && !S_ISSOCK(st.st_mode)) {
		fprintf(stderr, "libvdeplug: ptp: %s is there and is no socket\n", address->sun_path);
		return EEXIST;
	}
	if (probe(SOCK_DGRAM, address) != ECONNREFUSED)
		return EADDRINUSE;
	return unlink(address->sun_path) == 0 ? 0 : errno;
}

static int bind_name(int fd, const struct sockaddr_un *address)
{
	int error = bind(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 ? 0 : errno;

	if (error != EADDRINUSE)
		return error;
	error = remove_stale(address);
	if (error == 0 && bind(fd, (const struct sockaddr *)address, sizeof(*address)) != 0)
		error = errno;
	return error;
}

static mode_t mode_of(const struct vde_open_args *args)
{
	return args != NULL && (args->mode & 0777) != 0 ? args->mode & 0777 : DEFAULT_MODE;
}

static void read_mark(struct ptp_mark *mark, const struct stat *st)
{
	mark->takes = S_ISSOCK(st->st_mode) && (st->st_mode & S_ISVTX) != 0;
	memcpy(mark->bytes, AGGREGATE_MARK, AGGREGATE_MARK_SIZE);
	write_be32(mark->bytes + AGGREGATE_MARK_SIZE, (uint32_t)st->st_mtim.tv_sec);
	write_be32(mark->bytes + AGGREGATE_MARK_SIZE + 4, (uint32_t)st->st_mtim.tv_nsec);
}

/* Permissions of our name and, where the system lets it have one, the mark of who takes aggregates. */
static int set_permissions(struct ptp_conn *ptp, const struct vde_open_args *args, bool takes)
{
	const char *path = ptp->own.sun_path;
	gid_t group = (gid_t)-1;
	struct stat st;

	if (args != NULL && args->group != NULL && number_group(args->group, &group) != 0)
		return EINVAL;
	if (group != (gid_t)-1 && lchown(path, (uid_t)-1, group) != 0)
		return errno;
	if (takes && socket_io_set_mode(path, mode_of(args) | S_ISVTX) == 0 && lstat(path, &st) == 0) {
		read_mark(&ptp->own_mark, &st);
		return 0;
	}
	return socket_io_set_mode(path, mode_of(args));
}

/* ---- the peer ---- */

/* What its name says before and after is what is connected: the name may have been taken over in between. */
static int connect_peer(struct ptp_conn *ptp)
{
	struct stat before = {.st_mode = 0}, after;
	int error;

	if (stat(ptp->peer.sun_path, &before) != 0 && errno == ENOENT)
		return ENOENT;
	error = connect_to(ptp->socket.data_fd, &ptp->peer);
	if (error != 0)
		return error;
	read_mark(&ptp->peer_mark, &before);
	if (ptp->peer_mark.takes)
		ptp->peer_mark.takes = stat(ptp->peer.sun_path, &after) == 0 && after.st_dev == before.st_dev && after.st_ino == before.st_ino &&
			after.st_mtim.tv_sec == before.st_mtim.tv_sec && after.st_mtim.tv_nsec == before.st_mtim.tv_nsec;
	ptp->connected = true;
	return 0;
}

bool ptp_find_peer(struct ptp_conn *ptp)
{
	return ptp->connected || (ptp->datagrams && connect_peer(ptp) == 0);
}

void ptp_forget_peer(struct ptp_conn *ptp)
{
	const struct sockaddr nobody = {.sa_family = AF_UNSPEC};

	connect(ptp->socket.data_fd, &nobody, sizeof(nobody));
	ptp->connected = ptp->peer_mark.takes = false;
}

/* ---- opening and closing ---- */

static void note_file(struct ptp_conn *ptp)
{
	struct stat st;

	if (lstat(ptp->own.sun_path, &st) == 0) {
		ptp->own_device = st.st_dev;
		ptp->own_inode = st.st_ino;
	}
}

/* Our name, unless it was removed and is somebody else's by now. */
static void remove_file(const struct ptp_conn *ptp)
{
	struct stat st;

	if (lstat(ptp->own.sun_path, &st) == 0 && st.st_dev == ptp->own_device && st.st_ino == ptp->own_inode)
		unlink(ptp->own.sun_path);
}

/* The first to come owns PATH; the second PATH+, and it knows its peer. */
static int open_datagrams(struct ptp_conn *ptp, const char *path, const struct vde_open_args *args, bool takes)
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
	/* where the system lets it: the name has them from the beginning */
	fchmod(ptp->socket.data_fd, mode_of(args) | (takes ? S_ISVTX : 0));
	bool is_second = probe(SOCK_DGRAM, &first) == 0;
	ptp->peer = is_second ? first : second;
	error = bind_name(ptp->socket.data_fd, is_second ? &second : &first);
	if (error != 0)
		return error;
	ptp->own = is_second ? second : first;
	note_file(ptp);
	error = set_permissions(ptp, args, takes);
	if (error != 0 || !is_second)
		return error;
	error = connect_peer(ptp);
	return error == EPERM ? 0 : error;      /* it has not noticed yet that the one before us is dead; its next frame will tell it */
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
		remove_file(ptp);
	free(ptp->stash.bytes);
	free(ptp->room);
	return socket_io_close(conn);
}

static VDECONN *ptp_open(char *arguments, char *description, int interface_version, struct vde_open_args *args)
{
	struct ptp_conn *ptp = calloc(1, sizeof(*ptp));
	struct sockaddr_un address;
	int error;

	(void)description;
	if (ptp == NULL)
		return NULL;
	ptp->socket.data_fd = ptp->socket.control_fd = -1;
	ptp->messages = SOCKET_IO_BATCH;
	error = set_address(&address, arguments, "");
	if (error == 0 && probe(SOCK_DGRAM, &address) == EPROTOTYPE) {
		error = join_packets(ptp, &address);
	} else if (error == 0) {
		ptp->datagrams = true;
		error = open_datagrams(ptp, arguments, args, interface_version == VDE_INTERFACE_AGGREGATES);
	}
	if (error == 0)
		return (VDECONN *)(void *)ptp;
	ptp_close((VDECONN *)(void *)ptp);
	errno = error;
	return NULL;
}

struct builtin_module module_ptp = {
	.module = {0, ptp_open, ptp_recv, ptp_send, socket_io_datafd, socket_io_ctlfd, ptp_close},
	.name = "ptp",
	.recv_batch = ptp_recv_batch,
	.send_batch = ptp_send_batch,
	.pending = ptp_pending,
};
