/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vxlan://[GROUP]: virtual extensible LAN (RFC 7348), for kernels, Open vSwitch and routers as peers.
 * vxvde://[GROUP]: the same frames and header among any number of plugs per host.
 *
 * Theory of operation. A frame to an address that is not known, or to a group, goes to the multicast group (vxlan: or to each of a list of peers); a known one
 * to where it is. Who has what is learned from what comes; entries expire, and colliding ones push each other out, which costs
 * some flooding and nothing else.
 *
 * vxlan has one socket on the well-known port: peers answer to that port, whatever port they send from. vxvde sends from a socket with a port of its
 * own, by which it is known to the others, and listens to the group on a second one, which the plugs of a host share. There what
 * it sent itself comes back and is told by its sender. A header without a frame is a farewell: the sender is forgotten.
 *
 * Nothing is secret or authentic: whoever reaches the port can speak for anyone.
 */
#include "common/frame.h"
#include "socket_io.h"
#include "vx.h"

#include <errno.h>
#include <ifaddrs.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { LEARNING_VLAN = 1 };

struct vx_conn {
	struct socket_conn socket;      /* first; data_fd is `unicast` (vxlan) or an epoll descriptor over both (vxvde) */
	bool is_vxvde;
	int unicast, multicast;         /* -1: none */
	uint16_t own_port;              /* of `unicast`, as on the wire */
	union vx_address self;          /* as which our own datagrams have come back; family 0: not yet */
	uint8_t header[VX_HEADER];
	struct vx_options options;
	struct vde_hashtable *table;
};

static struct vx_conn *vx_of(VDECONN *conn)
{
	return (struct vx_conn *)(void *)conn;
}

static time_t now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + (1 << 20);          /* well above 0, the time of an empty entry, also after any expiry */
}

static uint16_t port_of(const union vx_address *address)
{
	return address->any.sa_family == AF_INET6 ? address->ip6.sin6_port : address->ip4.sin_port;
}

/* ---- opening and closing ---- */

static int vx_close(VDECONN *conn)
{
	struct vx_conn *vx = vx_of(conn);

	if (vx->is_vxvde && vx->multicast >= 0)
		vx_send(vx->unicast, vx->header, "", 0, &vx->options.group, MSG_DONTWAIT);
	vde_hash_fini(vx->table);
	if (vx->multicast >= 0)
		close(vx->multicast);
	if (vx->is_vxvde && vx->unicast >= 0)
		close(vx->unicast);
	return socket_io_close(conn);
}

static int open_vxlan(struct vx_conn *vx)
{
	union vx_address any = {.any.sa_family = vx->options.group.any.sa_family};
	int error;

	vx->unicast = vx->socket.data_fd = vx_socket(&any, vx->options.port, false);
	if (vx->unicast < 0)
		return errno;
	error = vx_prepare_sender(vx->unicast, &vx->options, false);
	if (error == 0 && vx->options.peer_count == 0)
		error = vx_join(vx->unicast, &vx->options);
	return error;
}

static int watch(int epoll, int fd)
{
	struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

	return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0 ? 0 : errno;
}

/* The sender; its port becomes known. */
static int open_sender(struct vx_conn *vx)
{
	const struct vx_options *options = &vx->options;
	union vx_address own = options->bind;
	socklen_t size = sizeof(own);
	int ttl = (int)options->ttl;

	if (own.any.sa_family == AF_UNSPEC)
		own.any.sa_family = options->group.any.sa_family;
	vx->unicast = vx_socket(&own, 0, false);
	if (vx->unicast < 0 || getsockname(vx->unicast, &own.any, &size) != 0)
		return errno;
	vx->own_port = port_of(&own);
	if (own.any.sa_family == AF_INET && setsockopt(vx->unicast, IPPROTO_IP, IP_TTL, &ttl, sizeof(ttl)) != 0 && ttl > 0)
		return errno;
	return vx_prepare_sender(vx->unicast, options, true);
}

static int open_vxvde(struct vx_conn *vx)
{
	int error = open_sender(vx);
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	vx->socket.data_fd = epoll;
	if (error == 0 && epoll < 0)
		error = errno;
	if (error == 0) {
		vx->multicast = vx_socket(&vx->options.group, vx->options.port, true);
		error = vx->multicast < 0 ? errno : vx_join(vx->multicast, &vx->options);
	}
	if (error == 0)
		error = watch(epoll, vx->unicast);
	return error != 0 ? error : watch(epoll, vx->multicast);
}

static VDECONN *vx_open(const char *kind, char *arguments)
{
	struct vx_conn *vx = calloc(1, sizeof(*vx));
	uint64_t seed = 0;
	int error;

	if (vx == NULL)
		return NULL;
	vx->is_vxvde = strcmp(kind, "vxvde") == 0;
	vx->socket.data_fd = vx->socket.control_fd = vx->unicast = vx->multicast = -1;
	error = vx_parse(&vx->options, kind, arguments);
	if (error == 0) {
		vx_write_header(vx->header, vx->options.vni);
		if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) < 0)
			seed = (uint64_t)now_s();
		vx->table = vde_hash_init(union vx_address, vx->options.hash_size, seed);
		error = vx->table == NULL ? ENOMEM : vx->is_vxvde ? open_vxvde(vx) : open_vxlan(vx);
	}
	if (error == 0)
		return (VDECONN *)(void *)vx;
	vx_close((VDECONN *)(void *)vx);
	errno = error;
	return NULL;
}

static VDECONN *vxlan_open(char *arguments, char *description, int interface_version, struct vde_open_args *args)
{
	(void)description, (void)interface_version, (void)args;
	return vx_open("vxlan", arguments);
}

static VDECONN *vxvde_open(char *arguments, char *description, int interface_version, struct vde_open_args *args)
{
	(void)description, (void)interface_version, (void)args;
	return vx_open("vxvde", arguments);
}

/* ---- sending ---- */

static ssize_t flood(struct vx_conn *vx, const void *frame, size_t length, int flags)
{
	const struct vx_options *options = &vx->options;

	if (options->peer_count == 0)
		return vx_send(vx->unicast, vx->header, frame, length, &options->group, flags);
	for (unsigned i = 0; i < options->peer_count; i++)
		vx_send(vx->unicast, vx->header, frame, length, &options->peers[i], flags);     /* one that fails keeps nothing from others */
	return (ssize_t)length;
}

static ssize_t vx_module_send(VDECONN *conn, const void *frame, size_t length, int flags)
{
	struct vx_conn *vx = vx_of(conn);
	uint8_t address[ETHERNET_ADDRESS_SIZE];
	const union vx_address *to;

	if (length < ETHERNET_HEADER_SIZE)
		return (ssize_t)length;
	memcpy(address, frame, sizeof(address));
	to = vde_find_in_hash(vx->table, address, LEARNING_VLAN, now_s() - (time_t)vx->options.expire_s);
	if (to == NULL)
		return flood(vx, frame, length, flags);
	return vx_send(vx->unicast, vx->header, frame, length, to, flags);
}

/* ---- receiving ---- */

static bool same_host(const struct sockaddr *a, const union vx_address *b)
{
	if (a == NULL || a->sa_family != b->any.sa_family)
		return false;
	if (a->sa_family == AF_INET6)
		return memcmp(&((const struct sockaddr_in6 *)(const void *)a)->sin6_addr, &b->ip6.sin6_addr, sizeof(b->ip6.sin6_addr)) == 0;
	return ((const struct sockaddr_in *)(const void *)a)->sin_addr.s_addr == b->ip4.sin_addr.s_addr;
}

/* What we sent to the group comes back: from our port, and from an address of this host. */
static bool is_own(struct vx_conn *vx, const union vx_address *from)
{
	struct ifaddrs *list = NULL;
	bool found = false;

	if (!vx->is_vxvde || port_of(from) != vx->own_port)
		return false;
	if (memcmp(&vx->self, from, sizeof(*from)) == 0)
		return true;
	if (getifaddrs(&list) != 0)
		return true;
	for (const struct ifaddrs *item = list; item != NULL && !found; item = item->ifa_next)
		found = same_host(item->ifa_addr, from);
	freeifaddrs(list);
	if (found)
		vx->self = *from;
	return found;
}

/* vxlan: the I flag and the VNI; other bits are ignored (RFC 7348, 5). vxvde: every bit. */
static bool is_our_header(const struct vx_conn *vx, const uint8_t header[VX_HEADER])
{
	if (vx->is_vxvde)
		return memcmp(header, vx->header, VX_HEADER) == 0;
	return (header[0] & 0x08) != 0 && memcmp(header + 4, vx->header + 4, 3) == 0;
}

static void learn(struct vx_conn *vx, uint8_t *frame, union vx_address *from)
{
	union vx_address where = *from;

	if (!vx->is_vxvde) {            /* answers go to the well-known port (RFC 7348, 4.1) */
		if (where.any.sa_family == AF_INET6)
			where.ip6.sin6_port = htons(vx->options.port);
		else
			where.ip4.sin_port = htons(vx->options.port);
	}
	vde_find_in_hash_update(vx->table, frame + ETHERNET_ADDRESS_SIZE, LEARNING_VLAN, &where, now_s());
}

/* One datagram of one socket: the frame's length, 0 for one that is nothing to us, -1 with errno. */
static ssize_t receive_from(struct vx_conn *vx, int fd, void *frame, size_t size, int flags)
{
	uint8_t header[VX_HEADER];
	union vx_address from;
	ssize_t n = vx_receive(fd, header, frame, size, &from, flags);

	if (n < 0)
		return -1;
	if (n < VX_HEADER || !is_our_header(vx, header) || is_own(vx, &from))
		return 0;
	n -= VX_HEADER;
	if (n == 0 && vx->is_vxvde)
		vde_hash_delete(vx->table, &from);
	if (n < ETHERNET_HEADER_SIZE || (size_t)n > size)
		return 0;
	learn(vx, frame, &from);
	return n;
}

/* As receive_from, of whichever socket has something. */
static ssize_t receive_any(struct vx_conn *vx, void *frame, size_t size)
{
	ssize_t n = receive_from(vx, vx->unicast, frame, size, MSG_DONTWAIT);

	if (n < 0 && errno == EAGAIN && vx->multicast >= 0)
		n = receive_from(vx, vx->multicast, frame, size, MSG_DONTWAIT);
	return n;
}

static ssize_t vx_module_recv(VDECONN *conn, void *frame, size_t size, int flags)
{
	struct vx_conn *vx = vx_of(conn);
	ssize_t n = receive_any(vx, frame, size);

	if (n < 0 && errno == EAGAIN && (flags & MSG_DONTWAIT) == 0) {
		poll(&(struct pollfd){.fd = vx->socket.data_fd, .events = POLLIN}, 1, -1);
		n = receive_any(vx, frame, size);
	}
	return n == 0 || (n < 0 && errno == EAGAIN && (flags & MSG_DONTWAIT) == 0) ? 1 : n;
}

/* At most `count` datagrams: strangers' ones cannot keep us here. */
static int vx_recv_batch(VDECONN *conn, struct vde_frame *frames, unsigned count, int flags)
{
	struct vx_conn *vx = vx_of(conn);
	unsigned filled = 0;

	(void)flags;
	for (unsigned i = 0; i < count; i++) {
		ssize_t n = receive_any(vx, frames[filled].data, frames[filled].size);

		if (n < 0 && filled == 0)
			return -1;
		if (n < 0)
			break;
		frames[filled].length = (size_t)n;
		filled += n > 0;
	}
	if (filled == 0)
		errno = EAGAIN;
	return filled > 0 ? (int)filled : -1;
}

struct builtin_module module_vxlan = {
	.module = {0, vxlan_open, vx_module_recv, vx_module_send, socket_io_datafd, socket_io_ctlfd, vx_close},
	.name = "vxlan",
	.recv_batch = vx_recv_batch,
};

struct builtin_module module_vxvde = {
	.module = {0, vxvde_open, vx_module_recv, vx_module_send, socket_io_datafd, socket_io_ctlfd, vx_close},
	.name = "vxvde",
	.recv_batch = vx_recv_batch,
};
