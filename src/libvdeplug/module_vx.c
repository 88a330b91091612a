/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vxlan://[GROUP]: virtual extensible LAN (RFC 7348), for kernels, Open vSwitch and routers as peers.
 * vxvde://[GROUP]: the same frames and header among any number of plugs per host.
 *
 * Theory of operation. A frame to an address that is not known, or to a group, goes to the multicast group (vxlan: or to each of a list of
 * peers); a known one to where it is. Who has what is learned from what comes. The table has a fixed number of places: entries expire,
 * and of two addresses for one place the later one stays, which costs some flooding and nothing else. So a stranger who invents addresses can
 * make us flood, and take nothing more.
 *
 * vxlan has one socket on the well-known port: peers answer to that port, whatever port they send from (RFC 7348, 4.1). What we send has that source port,
 * too, not one that follows from the inner frame (a recommendation of section 5, for parallel paths): a socket per port would cut the runs of frames that go in
 * one call, here and at the receiver. A frame that is too long for the path is refused, not fragmented (4.3). Tags pass (6.1 leaves that to the configuration): a
 * cable of switches is a trunk.
 *
 * vxvde sends from a socket with a port of its own, by which it is known to the others, and listens to the group on a second one, which the plugs
 * of a host share. There what it sent itself comes back and is told by its sender. A header without a frame is a farewell: the sender is forgotten.
 *
 * Nothing is secret or authentic: whoever reaches the port can speak for anyone.
 */
#include "common/frame.h"
#include "socket_io.h"
#include "vx.h"
#include "watch.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

enum { LEARNING_VLAN = 1 };

struct vx_conn {
	struct socket_conn socket;      /* first; data_fd is `unicast`'s (vxlan) or watches both (vxvde) */
	bool is_vxvde;
	struct dgram unicast, multicast;        /* fd -1: none; what is sent goes through `unicast` */
	uint16_t own_port;              /* of `unicast`, as on the wire */
	time_t now_s;                   /* when the batch in hand came */
	struct vx_options options;
	struct vx_hosts hosts;
	pthread_mutex_t lock;           /* of the table: one thread may send while another one receives */
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

static uint16_t port_of(const union dgram_address *address)
{
	return address->any.sa_family == AF_INET6 ? address->ip6.sin6_port : address->ip4.sin_port;
}

/* ---- receiving ---- */

/* What we sent to the group comes back: from our port, and from an address of this machine. */
static bool is_own(struct vx_conn *vx, const union dgram_address *from)
{
	return vx->is_vxvde && port_of(from) == vx->own_port && vx_is_own_host(&vx->hosts, from, vx->now_s);
}

/* vxlan: the I flag and the VNI; other bits are ignored (RFC 7348, 5). vxvde: every bit. */
static bool is_our_header(const struct vx_conn *vx, const uint8_t *header)
{
	const uint8_t *ours = vx->unicast.header;

	if (vx->is_vxvde)
		return memcmp(header, ours, VX_HEADER) == 0;
	return (header[0] & 0x08) != 0 && memcmp(header + 4, ours + 4, 3) == 0;
}

static void learn(struct vx_conn *vx, const uint8_t *frame, const union dgram_address *from)
{
	union dgram_address where = *from;
	uint8_t source[ETHERNET_ADDRESS_SIZE];

	if (!vx->is_vxvde && where.any.sa_family == AF_INET6)
		where.ip6.sin6_port = htons(vx->options.port);
	else if (!vx->is_vxvde)
		where.ip4.sin_port = htons(vx->options.port);
	memcpy(source, frame + ETHERNET_ADDRESS_SIZE, sizeof(source));
	vde_find_in_hash_update(vx->table, source, LEARNING_VLAN, &where, vx->now_s);
}

static bool vx_accept(void *owner, const uint8_t *header, const uint8_t *frame, size_t length, const union dgram_address *from)
{
	struct vx_conn *vx = owner;
	union dgram_address sender = *from;

	if (!is_our_header(vx, header) || is_own(vx, from))
		return false;
	if (length == 0 && vx->is_vxvde)
		vde_hash_delete(vx->table, &sender);
	if (length < ETHERNET_HEADER_SIZE)
		return false;
	learn(vx, frame, from);
	return true;
}

/* As dgram_recv, of both sockets. */
static int recv_both(struct vx_conn *vx, struct vde_frame *frames, unsigned count, int flags)
{
	int n, more, error;

	vx->now_s = now_s();
	n = dgram_recv(&vx->unicast, frames, count, flags);
	error = n < 0 ? errno : 0;
	if (vx->multicast.fd < 0 || n == (int)count || (n < 0 && error != EAGAIN && error != ENOMSG))
		return n;
	if (n < 0)
		n = 0;
	more = dgram_recv(&vx->multicast, frames + n, count - (unsigned)n, flags);
	if (more < 0 && errno == EAGAIN && error == ENOMSG)
		errno = ENOMSG;
	return more > 0 ? n + more : n > 0 ? n : more;
}

/* Never waits for anything, so the lock is held for all of it. */
static int recv_some(VDECONN *conn, struct vde_frame *frames, unsigned count, int flags)
{
	struct vx_conn *vx = vx_of(conn);
	int n;

	pthread_mutex_lock(&vx->lock);
	n = recv_both(vx, frames, count, flags);
	pthread_mutex_unlock(&vx->lock);
	return n;
}

static int vx_recv_batch(VDECONN *conn, struct vde_frame *frames, unsigned count, int flags)
{
	return dgram_batch_result(recv_some(conn, frames, count, flags));
}

static unsigned vx_pending(VDECONN *conn)
{
	return dgram_pending(&vx_of(conn)->unicast) + dgram_pending(&vx_of(conn)->multicast);
}

static ssize_t vx_recv(VDECONN *conn, void *data, size_t size, int flags)
{
	return dgram_recv_one(conn, recv_some, vx_of(conn)->socket.data_fd, data, size, flags);
}

/* ---- sending ---- */

/* Where a frame goes; NULL: to every peer. Of the table it is a copy, which `place` has room for; `before` is where the frame before it goes. */
static const union dgram_address *place_of(struct vx_conn *vx, const struct vde_frame *frame, time_t now, const union dgram_address *before,
					   union dgram_address *place)
{
	uint8_t address[ETHERNET_ADDRESS_SIZE];
	const union dgram_address *known;

	memcpy(address, frame->data, sizeof(address));
	known = vde_find_in_hash(vx->table, address, LEARNING_VLAN, now - (time_t)vx->options.expire_s);
	if (known == NULL)
		return vx->options.has_list ? NULL : &vx->options.group;
	if (before != NULL && memcmp(before, known, sizeof(*known)) == 0)
		return before;
	*place = *known;
	return place;
}

/* Head-end replication: every frame to each peer. One that cannot be reached keeps nothing from the others. */
static int send_to_peers(struct vx_conn *vx, const struct vde_frame *frames, unsigned count, int flags)
{
	const union dgram_address *to[DGRAM_BATCH];

	for (unsigned peer = 0; peer < vx->options.peer_count; peer++) {
		for (unsigned i = 0; i < count; i++)
			to[i] = &vx->options.peers[peer];
		for (unsigned done = 0; done < count; ) {
			int n = dgram_send(&vx->unicast, frames + done, to, count - done, flags);

			done += n > 0 ? (unsigned)n : 1;
		}
	}
	return (int)count;
}

/* Those at the beginning that go one way, known places or all peers, so that frames keep their order. What is no frame is dropped. */
static int send_run(struct vx_conn *vx, const struct vde_frame *frames, unsigned count, int flags)
{
	const union dgram_address *to[DGRAM_BATCH];
	union dgram_address place[DGRAM_BATCH];
	time_t now = now_s();
	unsigned run = 0;

	if (frames[0].length < ETHERNET_HEADER_SIZE)
		return 1;
	pthread_mutex_lock(&vx->lock);
	for (; run < count && run < DGRAM_BATCH && frames[run].length >= ETHERNET_HEADER_SIZE; run++) {
		to[run] = place_of(vx, &frames[run], now, run > 0 ? to[run - 1] : NULL, &place[run]);
		if ((to[run] == NULL) != (to[0] == NULL))
			break;
	}
	pthread_mutex_unlock(&vx->lock);
	return to[0] == NULL ? send_to_peers(vx, frames, run, flags) : dgram_send(&vx->unicast, frames, to, run, flags);
}

static int vx_send_batch(VDECONN *conn, const struct vde_frame *frames, unsigned count, int flags)
{
	return send_run(vx_of(conn), frames, count, flags | MSG_DONTWAIT);
}

static ssize_t vx_send(VDECONN *conn, const void *data, size_t length, int flags)
{
	union { const void *in; void *out; } bytes = {.in = data};
	struct vde_frame frame = {bytes.out, length, length};

	return send_run(vx_of(conn), &frame, 1, flags) < 0 ? -1 : (ssize_t)length;
}

/* ---- opening and closing ---- */

static void close_dgram(struct dgram *dgram)
{
	if (dgram->fd >= 0)
		close(dgram->fd);
	dgram_destroy(dgram);
}

static int vx_close(VDECONN *conn)
{
	struct vx_conn *vx = vx_of(conn);
	const union dgram_address *group = &vx->options.group;
	char nothing[1];

	if (vx->is_vxvde && vx->multicast.fd >= 0)
		dgram_send(&vx->unicast, &(struct vde_frame){nothing, 0, 0}, &group, 1, MSG_DONTWAIT);
	vde_hash_fini(vx->table);
	pthread_mutex_destroy(&vx->lock);
	if (vx->socket.data_fd == vx->unicast.fd)
		vx->socket.data_fd = -1;
	close_dgram(&vx->unicast);
	close_dgram(&vx->multicast);
	if (vx->socket.data_fd >= 0)
		close(vx->socket.data_fd);
	free(vx);
	return 0;
}

static void init_dgram(struct vx_conn *vx, struct dgram *dgram)
{
	dgram_init(dgram, -1);
	dgram->header_size = VX_HEADER;
	vx_write_header(dgram->header, vx->options.vni);
	dgram->accept = vx_accept;
	dgram->owner = vx;
}

static int open_vxlan(struct vx_conn *vx)
{
	const struct vx_options *options = &vx->options;
	union dgram_address any = {.any.sa_family = options->group.any.sa_family};
	int fd = vx->socket.data_fd = vx->unicast.fd = vx_socket(&any, options->port, false), error;

	if (fd < 0)
		return errno;
	dgram_accept_unsummed(fd, any.any.sa_family);   /* a checksum of zero MUST be accepted (RFC 7348, 5); an old system may not be able to */
	if (!options->fragment)
		dgram_never_fragment(fd, any.any.sa_family);
	error = vx_prepare_sender(fd, options, false);
	if (error == 0 && !options->has_list)
		error = vx_join(fd, options);
	if (error == 0 && options->has_list)
		vx_remove_own_peers(&vx->options);
	return error;
}

/* The sender; its port becomes known. */
static int open_sender(struct vx_conn *vx)
{
	const struct vx_options *options = &vx->options;
	union dgram_address own = options->bind;
	socklen_t size = sizeof(own);
	int ttl = (int)options->ttl;

	if (own.any.sa_family == AF_UNSPEC)
		own.any.sa_family = options->group.any.sa_family;
	vx->unicast.fd = vx_socket(&own, 0, false);
	if (vx->unicast.fd < 0 || getsockname(vx->unicast.fd, &own.any, &size) != 0)
		return errno;
	vx->own_port = port_of(&own);
	if (own.any.sa_family == AF_INET && ttl > 0 && setsockopt(vx->unicast.fd, IPPROTO_IP, IP_TTL, &ttl, sizeof(ttl)) != 0)
		return errno;
	return vx_prepare_sender(vx->unicast.fd, options, true);
}

/*
 * As whom we send to the group now. That address may change, so what comes back is looked at all the same; but as long as it
 * does not, nothing of our own does come back.
 */
static void ignore_own(struct vx_conn *vx)
{
	const struct vx_options *options = &vx->options;
	union dgram_address self = options->bind;
	socklen_t size = sizeof(self);
	int probe;

	if (self.any.sa_family == AF_UNSPEC)
		self.any.sa_family = options->group.any.sa_family;
	probe = vx_socket(&self, 0, false);
	if (probe < 0)
		return;
	if (vx_prepare_sender(probe, options, true) == 0 && connect(probe, &options->group.any, dgram_address_size(&options->group)) == 0 &&
	    getsockname(probe, &self.any, &size) == 0) {
		if (self.any.sa_family == AF_INET6)
			self.ip6.sin6_port = vx->own_port;
		else
			self.ip4.sin_port = vx->own_port;
		dgram_ignore_sender(vx->multicast.fd, &self);
	}
	close(probe);
}

static int open_vxvde(struct vx_conn *vx)
{
	int error = open_sender(vx);

	if (error == 0) {
		vx->multicast.fd = vx_socket(&vx->options.group, vx->options.port, true);
		error = vx->multicast.fd < 0 ? errno : vx_join(vx->multicast.fd, &vx->options);
	}
	if (error == 0) {
		ignore_own(vx);
		vx->socket.data_fd = watch_open((int[]){vx->unicast.fd, vx->multicast.fd}, 2);
		error = vx->socket.data_fd < 0 ? errno : 0;
	}
	return error;
}

static int make_table(struct vx_conn *vx)
{
	uint64_t seed = 0;

	if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) < 0)
		seed = (uint64_t)vx->now_s;
	vx->table = vde_hash_init(union dgram_address, vx->options.hash_size, seed);
	return vx->table != NULL ? 0 : ENOMEM;
}

static VDECONN *vx_open(bool is_vxvde, char *arguments)
{
	struct vx_conn *vx = calloc(1, sizeof(*vx));
	int error;

	if (vx == NULL)
		return NULL;
	vx->is_vxvde = is_vxvde;
	vx->socket.data_fd = vx->socket.control_fd = -1;
	vx->now_s = now_s();
	pthread_mutex_init(&vx->lock, NULL);
	error = vx_parse(&vx->options, is_vxvde ? "vxvde" : "vxlan", arguments);
	init_dgram(vx, &vx->unicast);
	init_dgram(vx, &vx->multicast);
	if (error == 0)
		error = make_table(vx);
	if (error == 0)
		error = is_vxvde ? open_vxvde(vx) : open_vxlan(vx);
	if (error == 0)
		return (VDECONN *)(void *)vx;
	vx_close((VDECONN *)(void *)vx);
	errno = error;
	return NULL;
}

static VDECONN *vxlan_open(char *arguments, char *description, int interface_version, struct vde_open_args *args)
{
	(void)description, (void)interface_version, (void)args;
	return vx_open(false, arguments);
}

static VDECONN *vxvde_open(char *arguments, char *description, int interface_version, struct vde_open_args *args)
{
	(void)description, (void)interface_version, (void)args;
	return vx_open(true, arguments);
}

struct builtin_module module_vxlan = {
	.module = {0, vxlan_open, vx_recv, vx_send, socket_io_datafd, socket_io_ctlfd, vx_close},
	.name = "vxlan",
	.recv_batch = vx_recv_batch,
	.send_batch = vx_send_batch,
	.pending = vx_pending,
};

struct builtin_module module_vxvde = {
	.module = {0, vxvde_open, vx_recv, vx_send, socket_io_datafd, socket_io_ctlfd, vx_close},
	.name = "vxvde",
	.recv_batch = vx_recv_batch,
	.send_batch = vx_send_batch,
	.pending = vx_pending,
};
