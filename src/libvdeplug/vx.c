/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vx.h"

#include "common/number.h"

#include <errno.h>
#include <ifaddrs.h>
#include <limits.h>
#include <net/if.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HASH_MAX = 1 << 20, EXPIRE_MAX_S = 1 << 20, EXPIRE_S = 128, HASH_DEFAULT = 1024, VXLAN_PORT = 4789, VXVDE_PORT = 14789 };

/* ---- options ---- */

struct texts {
	char *port, *vni, *ttl, *rcvbuf, *v4, *v6, *hashsize, *expiretime, *interface, *peers, *frag, *grp, *bind;
};

/* Stores an address of `family` (AF_UNSPEC: any); its name is resolved. Returns 0 or an errno value. */
static int resolve(union dgram_address *address, const char *name, int family)
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

static void set_port(union dgram_address *address, uint16_t port)
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

static int wrong(const char *key, const char *text, const char *what, int error)
{
	fprintf(stderr, "libvdeplug: %s%s%s: %s\n", key, key[0] != '\0' ? "=" : "", text, what);
	return error;
}

/* Every part of a comma separated list. */
static int take_peers(struct vx_options *options, char *list, int family)
{
	char *rest = NULL;

	for (char *name = strtok_r(list, ",", &rest); name != NULL; name = strtok_r(NULL, ",", &rest)) {
		union dgram_address *peer = &options->peers[options->peer_count];
		int error;

		if (options->peer_count == VX_PEERS_MAX)
			return wrong("peers", "...", "too many hosts", E2BIG);
		error = resolve(peer, name, family);
		if (error != 0)
			return error;
		family = peer->any.sa_family;
		set_port(peer, options->port);
		options->peer_count++;
	}
	return options->peer_count > 0 ? 0 : wrong("peers", "", "no host is named", EINVAL);
}

/* As VDE 4 has it, no time and less are the default. */
static bool is_negative(const char *text)
{
	int number;

	return text != NULL && number_int(text, INT_MIN, -1, &number) == 0;
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
	if (error == 0 && !is_negative(texts->expiretime))
		error = number_option("expiretime", texts->expiretime, 0, EXPIRE_MAX_S, &options->expire_s);
	if (options->expire_s == 0)
		options->expire_s = EXPIRE_S;
	options->fragment = texts->frag != NULL;
	options->rcvbuf = texts->rcvbuf != NULL ? strtoullm(texts->rcvbuf) : DGRAM_RCVBUF;
	return error;
}

/* vni: a number; of vxvde also a group's name; the group of grp= when there is only that. */
static int take_vni(struct vx_options *options, const struct texts *texts, bool groups)
{
	gid_t group = texts->grp != NULL ? vde_grnam2gid(texts->grp) : (gid_t)-1;
	unsigned vni = 1;

	if (texts->grp != NULL && group == (gid_t)-1)
		return wrong("grp", texts->grp, "no such group", EINVAL);
	if (texts->grp != NULL)
		vni = group & VX_VNI_MAX;
	if (groups && texts->vni != NULL && number_uint(texts->vni, 0, VX_VNI_MAX, &vni) != 0) {
		gid_t named = vde_grnam2gid(texts->vni);

		if (named == (gid_t)-1)
			return wrong("vni", texts->vni, "neither a number from 0 to 16777215 nor a group", EINVAL);
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

static bool is_multicast(const union dgram_address *address)
{
	return address->any.sa_family == AF_INET6 ? IN6_IS_ADDR_MULTICAST(&address->ip6.sin6_addr) :
	       IN_MULTICAST(ntohl(address->ip4.sin_addr.s_addr));
}

static int take_group(struct vx_options *options, const char *group, int family)
{
	int error;

	if (group[0] == '\0')
		group = family == AF_INET6 ? "ff05:56de::1" : "239.0.0.1";
	error = resolve(&options->group, group, family);
	set_port(&options->group, options->port);
	if (error == 0 && !is_multicast(&options->group))
		error = wrong("", group, "not a multicast group", EINVAL);
	return error;
}

static int take_addresses(struct vx_options *options, const struct texts *texts, const char *group)
{
	int family = texts->v6 != NULL ? AF_INET6 : texts->v4 != NULL ? AF_INET : AF_UNSPEC;
	int error = 0;

	if (texts->interface != NULL && (options->interface = if_nametoindex(texts->interface)) == 0)
		return wrong("if", texts->interface, "no such interface", ENODEV);
	if (texts->peers != NULL && group[0] != '\0')
		return wrong("peers", texts->peers, "a list goes instead of a group", EINVAL);
	if (texts->peers != NULL) {
		options->has_list = true;
		error = take_peers(options, texts->peers, family);
		options->group = options->peers[0];
		return error;
	}
	error = take_group(options, group, family);
	if (error == 0 && texts->bind != NULL)
		error = resolve(&options->bind, texts->bind, options->group.any.sa_family);
	return error;
}

int vx_parse(struct vx_options *options, const char *kind, char *arguments)
{
	struct texts texts = {0};
	char port[] = "port", vni[] = "vni", ttl[] = "ttl", rcvbuf[] = "rcvbuf", v4[] = "v4", v6[] = "v6", hashsize[] = "hashsize",
	     expiretime[] = "expiretime", interface[] = "if", peers[] = "peers", frag[] = "frag", grp[] = "grp", bind[] = "bind";
	bool is_vxvde = strcmp(kind, "vxvde") == 0;
	struct vdeparms parms[] = {
		{port, &texts.port}, {vni, &texts.vni}, {ttl, &texts.ttl}, {rcvbuf, &texts.rcvbuf}, {v4, &texts.v4}, {v6, &texts.v6},
		{hashsize, &texts.hashsize}, {expiretime, &texts.expiretime}, {interface, &texts.interface},
		{is_vxvde ? grp : peers, is_vxvde ? &texts.grp : &texts.peers},
		{is_vxvde ? bind : frag, is_vxvde ? &texts.bind : &texts.frag}, {NULL, NULL},
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

int vx_socket(const union dgram_address *address, uint16_t port, bool shared)
{
	union dgram_address own = *address;
	int on = 1, error, fd = socket(own.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	set_port(&own, port);
	if ((own.any.sa_family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) != 0) ||
	    (shared && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0) ||
	    bind(fd, &own.any, dgram_address_size(&own)) != 0) {
		error = errno;
		close(fd);
		errno = error;
		return -1;
	}
	return fd;
}

/* The IPv4 address of an interface: the portable way to name it. Returns 0 or an errno value. */
static int interface_address(unsigned interface, struct in_addr *address)
{
	char name[IF_NAMESIZE];
	struct ifaddrs *list, *item;

	if (if_indextoname(interface, name) == NULL || getifaddrs(&list) != 0)
		return errno;
	for (item = list; item != NULL; item = item->ifa_next) {
		if (item->ifa_addr != NULL && item->ifa_addr->sa_family == AF_INET && strcmp(item->ifa_name, name) == 0)
			break;
	}
	if (item != NULL)
		*address = ((const struct sockaddr_in *)(const void *)item->ifa_addr)->sin_addr;
	freeifaddrs(list);
	return item != NULL ? 0 : EADDRNOTAVAIL;
}

static int prepare_sender6(int fd, const struct vx_options *options, int loop)
{
	int hops = (int)options->ttl;
	unsigned interface = options->interface;

	return setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, &hops, sizeof(hops)) != 0 ||
	       setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, &loop, sizeof(loop)) != 0 ||
	       (interface > 0 && setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, &interface, sizeof(interface)) != 0) ? errno : 0;
}

static int prepare_sender4(int fd, const struct vx_options *options, int loop)
{
	unsigned char ttl = (unsigned char)options->ttl, looped = (unsigned char)loop;
	struct in_addr address;
	int error = options->interface > 0 ? interface_address(options->interface, &address) : 0;

	if (error != 0)
		return error;
	return setsockopt(fd, IPPROTO_IP, IP_MULTICAST_TTL, &ttl, sizeof(ttl)) != 0 ||
	       setsockopt(fd, IPPROTO_IP, IP_MULTICAST_LOOP, &looped, sizeof(looped)) != 0 ||
	       (options->interface > 0 && setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &address, sizeof(address)) != 0) ? errno : 0;
}

int vx_prepare_sender(int fd, const struct vx_options *options, bool loop)
{
	if (options->rcvbuf > 0)
		dgram_set_rcvbuf(fd, options->rcvbuf);
	return options->group.any.sa_family == AF_INET6 ? prepare_sender6(fd, options, loop) : prepare_sender4(fd, options, loop);
}

/* RFC 3678's call, the same for both families. */
int vx_join(int fd, const struct vx_options *options)
{
	bool is_ip6 = options->group.any.sa_family == AF_INET6;
	struct group_req request = {.gr_interface = options->interface};

	memcpy(&request.gr_group, &options->group, dgram_address_size(&options->group));
	if (setsockopt(fd, is_ip6 ? IPPROTO_IPV6 : IPPROTO_IP, MCAST_JOIN_GROUP, &request, sizeof(request)) == 0)
		return 0;
	if (errno == ENODEV && options->interface == 0)
		return wrong("if", "", "no route says which interface the group is on: it wants a route, or this option", ENODEV);
	return errno;
}

/* ---- this machine ---- */

static bool is_same_host(const union dgram_address *a, const union dgram_address *b)
{
	if (a->any.sa_family != b->any.sa_family)
		return false;
	if (a->any.sa_family == AF_INET6)
		return memcmp(&a->ip6.sin6_addr, &b->ip6.sin6_addr, sizeof(a->ip6.sin6_addr)) == 0;
	return a->ip4.sin_addr.s_addr == b->ip4.sin_addr.s_addr;
}

static bool knows(const struct vx_hosts *hosts, const union dgram_address *address)
{
	for (unsigned i = 0; i < hosts->count; i++) {
		if (is_same_host(&hosts->address[i], address))
			return true;
	}
	return false;
}

/* NULL: no address of a kind that we know. */
static const union dgram_address *address_of(const struct ifaddrs *item, union dgram_address *address)
{
	if (item->ifa_addr == NULL || (item->ifa_addr->sa_family != AF_INET && item->ifa_addr->sa_family != AF_INET6))
		return NULL;
	memcpy(address, item->ifa_addr, item->ifa_addr->sa_family == AF_INET6 ? sizeof(address->ip6) : sizeof(address->ip4));
	return address;
}

/* When there are more addresses than places, `wanted` gets the last one if it is among them. */
static void ask_system(struct vx_hosts *hosts, const union dgram_address *wanted)
{
	union dgram_address address;
	struct ifaddrs *list;

	if (getifaddrs(&list) != 0)
		return;
	hosts->count = 0;
	for (const struct ifaddrs *item = list; item != NULL; item = item->ifa_next) {
		if (address_of(item, &address) == NULL)
			continue;
		if (hosts->count < VX_HOSTS_MAX)
			hosts->address[hosts->count++] = address;
		else if (is_same_host(&address, wanted))
			hosts->address[VX_HOSTS_MAX - 1] = address;
	}
	freeifaddrs(list);
}

bool vx_is_own_host(struct vx_hosts *hosts, const union dgram_address *address, time_t now_s)
{
	if (knows(hosts, address))
		return true;
	if (hosts->asked_s == now_s)
		return false;
	hosts->asked_s = now_s;
	ask_system(hosts, address);
	return knows(hosts, address);
}

static void remove_peer(struct vx_options *options, const union dgram_address *address)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < options->peer_count; i++) {
		if (!is_same_host(&options->peers[i], address))
			options->peers[kept++] = options->peers[i];
	}
	options->peer_count = kept;
}

void vx_remove_own_peers(struct vx_options *options)
{
	union dgram_address address;
	struct ifaddrs *list;

	if (getifaddrs(&list) != 0)
		return;
	for (const struct ifaddrs *item = list; item != NULL; item = item->ifa_next) {
		if (address_of(item, &address) != NULL)
			remove_peer(options, &address);
	}
	freeifaddrs(list);
}

/* ---- the header ---- */

void vx_write_header(uint8_t header[VX_HEADER], uint32_t vni)
{
	memset(header, 0, VX_HEADER);
	header[0] = 0x08;
	header[4] = (uint8_t)(vni >> 16);
	header[5] = (uint8_t)(vni >> 8);
	header[6] = (uint8_t)vni;
}
