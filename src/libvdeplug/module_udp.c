/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * udp://[LOCAL:]PORT->HOST:PORT: one frame per datagram, nothing added; IPv6 addresses in brackets or not. Neither secret nor authentic: whoever can send from the
 * peer's address is the peer. The socket is connected from the start, so others are not heard.
 *
 * A peer that is not there or cannot be reached (ICMP) is no error of the wire: it may come. Datagrams of no length mean nothing.
 */
#include "common/number.h"
#include "dgram.h"
#include "socket_io.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	ENDPOINT_MAX = 512,             /* bytes of one side's text */
	REPORTS_MAX = 64,               /* of datagrams that did not arrive, in one call */
};

struct endpoint {
	char text[ENDPOINT_MAX];
	char *host;                     /* NULL: none */
	char *port;
};

/* The port is behind the last colon; brackets around the host are removed. Returns 0 or an errno value. */
static int split_endpoint(struct endpoint *endpoint, const char *text, size_t length)
{
	char *colon;

	if (length >= sizeof(endpoint->text))
		return ENAMETOOLONG;
	memcpy(endpoint->text, text, length);
	endpoint->text[length] = '\0';
	endpoint->host = NULL;
	endpoint->port = endpoint->text;
	colon = strrchr(endpoint->text, ':');
	if (colon == NULL)
		return 0;
	*colon = '\0';
	endpoint->host = endpoint->text;
	endpoint->port = colon + 1;
	length = (size_t)(colon - endpoint->text);
	if (length >= 2 && endpoint->host[0] == '[' && endpoint->host[length - 1] == ']') {
		endpoint->host[length - 1] = '\0';
		endpoint->host++;
	}
	return 0;
}

/* A number in range, or the name of a service. The resolver takes any number, and uses its last 16 bits. */
static bool is_port(const char *text, bool may_be_any)
{
	const char *digits = text + strspn(text, "0");
	unsigned port;

	if (digits[0] == '\0')
		return may_be_any;
	if (strchr("+- \t", digits[0]) != NULL)
		return false;
	return digits[strspn(digits, "0123456789")] != '\0' || number_uint(digits, 1, 65535, &port) == 0;
}

/* The addresses of an endpoint; NULL with errno. */
static struct addrinfo *resolve(const struct endpoint *endpoint, int family, int flags)
{
	struct addrinfo hints = {.ai_family = family, .ai_socktype = SOCK_DGRAM, .ai_flags = flags}, *found = NULL;

	if (getaddrinfo(endpoint->host, endpoint->port, &hints, &found) == 0)
		return found;
	errno = ECONNABORTED;
	return NULL;
}

/* Which side has no address; for the local one that depends on the peer's. */
static void complain(const struct endpoint *endpoint, const char *which)
{
	const char *host = endpoint->host != NULL ? endpoint->host : "";
	bool is_ip6 = strchr(host, ':') != NULL;

	fprintf(stderr, "libvdeplug: udp: cannot resolve %s%s%s:%s%s\n", is_ip6 ? "[" : "", host, is_ip6 ? "]" : "", endpoint->port, which);
}

/* A socket from `local` to one of the remote's addresses; -1 with errno. */
static int connect_socket(const struct endpoint *local, const struct addrinfo *remote)
{
	struct addrinfo *own = resolve(local, remote->ai_family, AI_PASSIVE);
	int fd, error;

	if (own == NULL)
		return -1;
	fd = socket(remote->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	error = fd < 0 || bind(fd, own->ai_addr, own->ai_addrlen) != 0 || connect(fd, remote->ai_addr, remote->ai_addrlen) != 0 ?
		errno : 0;
	freeaddrinfo(own);
	if (error == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	errno = error;
	return -1;
}

static int open_socket(const char *arguments)
{
	const char *arrow = strstr(arguments, "->");
	struct endpoint local, remote;
	struct addrinfo *addresses;
	int fd = -1, error;

	if (arrow == NULL)
		error = EINVAL;
	else if ((error = split_endpoint(&local, arguments, (size_t)(arrow - arguments))) == 0)
		error = split_endpoint(&remote, arrow + 2, strlen(arrow + 2));
	if (error == 0 && (remote.host == NULL || !is_port(local.port, true) || !is_port(remote.port, false)))
		error = EINVAL;
	if (error != 0) {
		fprintf(stderr, "libvdeplug: udp: not [ADDRESS:]PORT->HOST:PORT: %s\n", arguments);
		errno = error;
		return -1;
	}
	addresses = resolve(&remote, AF_UNSPEC, 0);
	if (addresses == NULL)
		complain(&remote, "");
	for (const struct addrinfo *a = addresses; a != NULL && fd < 0; a = a->ai_next)
		fd = connect_socket(&local, a);
	if (addresses != NULL) {
		error = errno;
		freeaddrinfo(addresses);
		if (fd < 0 && error == ECONNABORTED)
			complain(&local, " to an address of the version of IP that the peer has");
		errno = error;
	}
	return fd;
}

struct udp_conn {
	struct socket_conn socket;      /* first */
	struct dgram dgram;
};

static struct dgram *dgram_of(VDECONN *conn)
{
	return &((struct udp_conn *)(void *)conn)->dgram;
}

static VDECONN *udp_open(char *arguments, char *description, int interface_version, struct vde_open_args *args)
{
	int fd = open_socket(arguments);
	struct udp_conn *udp = fd >= 0 ? calloc(1, sizeof(*udp)) : NULL;

	(void)description, (void)interface_version, (void)args;
	if (udp == NULL) {
		if (fd >= 0)
			close(fd);
		return NULL;
	}
	udp->socket.data_fd = fd;
	udp->socket.control_fd = -1;
	dgram_init(&udp->dgram, fd);
	dgram_set_rcvbuf(fd, DGRAM_RCVBUF);
	return (VDECONN *)(void *)udp;
}

/* What receiving fails with by itself. Anything else is what the network said of a datagram of ours (ICMP, of both families), once. */
static bool is_own_error(int error)
{
	switch (error) {
	case EAGAIN: case EINTR: case ENOMSG: case EBADF: case ENOTSOCK: case ENOTCONN: case EINVAL: case EFAULT: case ENOMEM: case ENOBUFS:
		return true;
	default:
		return false;
	}
}

/* As dgram_recv. Whoever can send ICMP messages must not end the connection by them, so they are passed over. */
static int recv_some(VDECONN *conn, struct vde_frame *frames, unsigned count, int flags)
{
	int n = dgram_recv(dgram_of(conn), frames, count, flags);
	bool refused = false;

	for (unsigned tries = 0; n < 0 && !is_own_error(errno) && tries < REPORTS_MAX; tries++) {
		refused = true;
		n = dgram_recv(dgram_of(conn), frames, count, flags);
	}
	if (n < 0 && refused && (errno == EAGAIN || !is_own_error(errno)))
		errno = ENOMSG;
	return n;
}

static int udp_recv_batch(VDECONN *conn, struct vde_frame *frames, unsigned count, int flags)
{
	return dgram_batch_result(recv_some(conn, frames, count, flags));
}

static unsigned udp_pending(VDECONN *conn)
{
	return dgram_pending(dgram_of(conn));
}

static ssize_t udp_recv(VDECONN *conn, void *data, size_t size, int flags)
{
	return dgram_recv_one(conn, recv_some, socket_io_datafd(conn), data, size, flags);
}

static int udp_send_batch(VDECONN *conn, const struct vde_frame *frames, unsigned count, int flags)
{
	return dgram_send(dgram_of(conn), frames, NULL, count, flags | MSG_DONTWAIT);
}

static int udp_close(VDECONN *conn)
{
	dgram_destroy(dgram_of(conn));
	return socket_io_close(conn);
}

struct builtin_module module_udp = {
	.module = {0, udp_open, udp_recv, socket_io_send, socket_io_datafd, socket_io_ctlfd, udp_close},
	.name = "udp",
	.recv_batch = udp_recv_batch,
	.send_batch = udp_send_batch,
	.pending = udp_pending,
};
