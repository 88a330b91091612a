/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vx.h"

#include "common/number.h"

#include <errno.h>
#include <limits.h>
#include <net/if.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum { HASH_MAX = 1 << 20, EXPIRE_MAX_S = 1 << 20, EXPIRE_S = 128, HASH_DEFAULT = 1024, VXLAN_PORT = 4789, VXVDE_PORT = 14789 };

/* ---- options ---- */

struct texts {
	char *port, *vni, *ttl, *rcvbuf, *v4, *v6, *hashsize, *expiretime, *interface, *peers, *grp, *bind;
};

/* Stores an address of `family` (AF_UNSPEC: any); its name is resolved. Returns 0 or an errno value. */
static int resolve(union vx_address *address, const char *name, int family)
{
	struct addrinfo hints = {.ai_family = family, .ai_socktype = SOCK_DGRAM}, *found;

	memset(address, 0, sizeof(*address));
	if (getaddrinfo(name, NULL, &hints, &found) != 0) {
		fprintf(stderr, "libvdeplug: cannot resolve %s\n", name);
		return EADDRNOTAVAIL;
	}
	memcpy(address, found->ai_addr, found->ai_addrlen <= sizeof(*address) ? found->ai_addrlen : sizeof(*address));
	freeaddrinfo(found);
	return 0;
}

static void set_port(union vx_address *address, uint16_t port)
{
	if (address->any.sa_family == AF_INET6)
		address->ip6.sin6_port = htons(port);
	else
		address->ip4.sin_port = htons(port);
}

static int number_option(const char *key, const char *text, unsigned min, unsigned max, unsigned *value)
{
	int error = text != NULL ? number_uint(text, min, max, value) : 0;

	if (error != 0)
		fprintf(stderr, "libvdeplug: %s=%s: not a number from %u to %u\n", key, text, min, max);
	return error != 0 ? EINVAL : 0;
}

/* Every part of a comma separated list. */
static int take_peers(struct vx_options *options, char *list, int family)
{
	char *rest = NULL;

	for (char *name = strtok_r(list, ",", &rest); name != NULL; name = strtok_r(NULL, ",", &rest)) {
		union vx_address *peer = &options->peers[options->peer_count];
		int error;

		if (options->peer_count == VX_PEERS_MAX)
			return E2BIG;
		error = resolve(peer, name, family);
		if (error != 0)
			return error;
		family = peer->any.sa_family;
		set_port(peer, options->port);
		options->peer_count++;
	}
	return options->peer_count > 0 ? 0 : EINVAL;
}

static int take_numbers(struct vx_options *options, const struct texts *texts)
{
	unsigned port = options->port;
	int error = number_option("port", texts->port, 1, 65535, &port);

	options->port = (uint16_t)port;
	if (error == 0)
		error = number_option("ttl", texts->ttl, 0, 255, &options->ttl);
	if (error == 0)
		error = number_option("hashsize", texts->hashsize, 1, HASH_MAX, &options->hash_size);
	if (error == 0)
		error = number_option("expiretime", texts->expiretime, 0, EXPIRE_MAX_S, &options->expire_s);
	if (options->expire_s == 0)
		options->expire_s = EXPIRE_S;
	options->rcvbuf = texts->rcvbuf != NULL ? strtoullm(texts->rcvbuf) : 0;
	return error;
}

/* vni: a number; of vxvde also a group's name; the group of grp= when there is only that. */
static int take_vni(struct vx_options *options, const struct texts *texts, bool groups)
{
	gid_t group = texts->grp != NULL ? vde_grnam2gid(texts->grp) : (gid_t)-1;
	unsigned vni = 1;

	if (texts->grp != NULL && group == (gid_t)-1)
		return EINVAL;
	if (texts->grp != NULL)
		vni = group & VX_VNI_MAX;
	if (groups && texts->vni != NULL && number_uint(texts->vni, 0, VX_VNI_MAX, &vni) != 0) {
		gid_t named = vde_grnam2gid(texts->vni);

		if (named == (gid_t)-1)
			return number_option("vni", texts->vni, 0, VX_VNI_MAX, &vni);
		vni = named & VX_VNI_MAX;
	} else if (!groups && number_option("vni", texts->vni, 0, VX_VNI_MAX, &vni) != 0) {
		return EINVAL;
	}
	options->vni = vni;
	if (group != (gid_t)-1) {       /* the last three bytes of the group's address */
		uint8_t *end = options->group.any.sa_family == AF_INET6 ? options->group.ip6.sin6_addr.s6_addr + 16 :
			       (uint8_t *)&options->group.ip4.sin_addr + 4;

		for (int i = 1; i <= 3; i++, group >>= 8)
			end[-i] = (uint8_t)group;
	}
	return 0;
}

static int take_addresses(struct vx_options *options, const struct texts *texts, const char *group)
{
	int family = texts->v6 != NULL ? AF_INET6 : texts->v4 != NULL ? AF_INET : AF_UNSPEC;
	int error = 0;

	if (texts->interface != NULL && (options->interface = if_nametoindex(texts->interface)) == 0)
		return errno;
	if (texts->peers != NULL) {
		error = take_peers(options, texts->peers, family);
		options->group = options->peers[0];
		return error;
	}
	if (group[0] == '\0')
		group = family == AF_INET6 ? "ff05:56de::1" : "239.0.0.1";
	error = resolve(&options->group, group, family);
	set_port(&options->group, options->port);
	if (error == 0 && texts->bind != NULL)
		error = resolve(&options->bind, texts->bind, options->group.any.sa_family);
	return error;
}

int vx_parse(struct vx_options *options, const char *kind, char *arguments)
{
	struct texts texts = {0};
	char port[] = "port", vni[] = "vni", ttl[] = "ttl", rcvbuf[] = "rcvbuf", v4[] = "v4", v6[] = "v6", hashsize[] = "hashsize",
	     expiretime[] = "expiretime", interface[] = "if", peers[] = "peers", grp[] = "grp", bind[] = "bind";
	bool is_vxvde = strcmp(kind, "vxvde") == 0;
	struct vdeparms parms[] = {
		{port, &texts.port}, {vni, &texts.vni}, {ttl, &texts.ttl}, {rcvbuf, &texts.rcvbuf}, {v4, &texts.v4}, {v6, &texts.v6},
		{hashsize, &texts.hashsize}, {expiretime, &texts.expiretime}, {interface, &texts.interface},
		{is_vxvde ? grp : peers, is_vxvde ? &texts.grp : &texts.peers},
		{is_vxvde ? bind : NULL, is_vxvde ? &texts.bind : NULL}, {NULL, NULL},
	};
	int error;

	memset(options, 0, sizeof(*options));
	options->port = is_vxvde ? VXVDE_PORT : VXLAN_PORT;
	options->ttl = 1;
	options->hash_size = HASH_DEFAULT;
	options->expire_s = EXPIRE_S;
	if (vde_parseparms(arguments, parms) != 0)
		return EINVAL;
	error = take_numbers(options, &texts);
	if (error == 0)
		error = take_addresses(options, &texts, arguments);
	if (error == 0)
		error = take_vni(options, &texts, is_vxvde);
	return error;
}

/* ---- sockets ---- */

socklen_t vx_address_size(const union vx_address *address)
{
	return address->any.sa_family == AF_INET6 ? sizeof(address->ip6) : sizeof(address->ip4);
}

void vx_normalize(union vx_address *address)
{
	union vx_address clean;

	memset(&clean, 0, sizeof(clean));
	clean.any.sa_family = address->any.sa_family;
	if (address->any.sa_family == AF_INET6) {
		clean.ip6.sin6_addr = address->ip6.sin6_addr;
		clean.ip6.sin6_port = address->ip6.sin6_port;
		clean.ip6.sin6_scope_id = address->ip6.sin6_scope_id;
	} else {
		clean.ip4.sin_addr = address->ip4.sin_addr;
		clean.ip4.sin_port = address->ip4.sin_port;
	}
	*address = clean;
}

int vx_socket(const union vx_address *address, uint16_t port, bool shared)
{
	union vx_address own = *address;
	int on = 1, error;
	int fd = socket(own.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	set_port(&own, port);
	if ((own.any.sa_family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) != 0) ||
	    (shared && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0) ||
	    bind(fd, &own.any, vx_address_size(&own)) != 0) {
		error = errno;
		close(fd);
		errno = error;
		return -1;
	}
	return fd;
}

int vx_prepare_sender(int fd, const struct vx_options *options, bool loop)
{
	int ttl = (int)options->ttl, looped = loop, size = options->rcvbuf < INT_MAX ? (int)options->rcvbuf : INT_MAX;
	struct ip_mreqn request = {.imr_ifindex = (int)options->interface};
	int index = (int)options->interface;
	bool failed;

	if (size > 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	if (options->group.any.sa_family == AF_INET6)
		failed = setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, &ttl, sizeof(ttl)) != 0 ||
			 setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, &looped, sizeof(looped)) != 0 ||
			 (index > 0 && setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, &index, sizeof(index)) != 0);
	else
		failed = setsockopt(fd, IPPROTO_IP, IP_MULTICAST_TTL, &ttl, sizeof(ttl)) != 0 ||
			 setsockopt(fd, IPPROTO_IP, IP_MULTICAST_LOOP, &looped, sizeof(looped)) != 0 ||
			 (index > 0 && setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &request, sizeof(request)) != 0);
	return failed ? errno : 0;
}

int vx_join(int fd, const struct vx_options *options)
{
	int result;

	if (options->group.any.sa_family == AF_INET6) {
		struct ipv6_mreq request = {.ipv6mr_multiaddr = options->group.ip6.sin6_addr, .ipv6mr_interface = options->interface};

		result = setsockopt(fd, IPPROTO_IPV6, IPV6_JOIN_GROUP, &request, sizeof(request));
	} else {
		struct ip_mreqn request = {.imr_multiaddr = options->group.ip4.sin_addr, .imr_ifindex = (int)options->interface};

		result = setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &request, sizeof(request));
	}
	return result == 0 ? 0 : errno;
}

/* ---- datagrams ---- */

void vx_write_header(uint8_t header[VX_HEADER], uint32_t vni)
{
	memset(header, 0, VX_HEADER);
	header[0] = 0x08;
	header[4] = (uint8_t)(vni >> 16);
	header[5] = (uint8_t)(vni >> 8);
	header[6] = (uint8_t)vni;
}

ssize_t vx_send(int fd, const uint8_t header[VX_HEADER], const void *frame, size_t length, const union vx_address *to, int flags)
{
	union { const void *in; void *out; } head = {.in = header}, body = {.in = frame}, name = {.in = to};
	struct iovec iov[] = {{head.out, VX_HEADER}, {body.out, length}};
	struct msghdr message = {.msg_name = name.out, .msg_namelen = vx_address_size(to), .msg_iov = iov, .msg_iovlen = 2};
	ssize_t n = sendmsg(fd, &message, flags | MSG_NOSIGNAL);

	return n < 0 ? -1 : (ssize_t)length;
}

ssize_t vx_receive(int fd, uint8_t header[VX_HEADER], void *frame, size_t size, union vx_address *from, int flags)
{
	struct iovec iov[] = {{header, VX_HEADER}, {frame, size}};
	struct msghdr message = {.msg_name = from, .msg_namelen = sizeof(*from), .msg_iov = iov, .msg_iovlen = 2};
	ssize_t n = recvmsg(fd, &message, flags | MSG_TRUNC);

	if (n >= 0)
		vx_normalize(from);
	return n;
}
