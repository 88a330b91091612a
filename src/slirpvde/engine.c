/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "slirpvde/engine_private.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

uint64_t engine_clock(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

/* ---- what libslirp asks for ------------------------------------------------------------------------------------- */

static void on_guest_error(const char *text, void *opaque)
{
	struct slirp_engine *engine = opaque;

	if (engine->callbacks.message)
		engine->callbacks.message(engine->owner, text);
}

static int64_t on_clock(void *opaque)
{
	(void)opaque;
	return (int64_t)engine_clock();
}

static void *on_timer_new(SlirpTimerId id, void *cookie, void *opaque)
{
	struct slirp_engine *engine = opaque;

	for (unsigned i = 0; i < ENGINE_TIMERS_MAX; i++)
		if (!engine->timer[i].used) {
			engine->timer[i] = (struct engine_timer){ .used = true, .id = id, .cookie = cookie };
			return &engine->timer[i];
		}
	return NULL;
}

static void on_timer_free(void *timer, void *opaque)
{
	(void)opaque;
	if (timer)
		((struct engine_timer *)timer)->used = false;
}

static void on_timer_mod(void *opaque_timer, int64_t expires_ms, void *opaque)
{
	struct engine_timer *timer = opaque_timer;

	(void)opaque;
	if (!timer)
		return;
	timer->expires_ms = expires_ms;
	timer->running = true;
}

static void on_register(int fd, void *opaque)
{
	(void)fd;
	(void)opaque;
}

static void on_unregister(int fd, void *opaque)
{
	struct slirp_engine *engine = opaque;

	if (engine->callbacks.forget)
		engine->callbacks.forget(engine->owner, fd);
}

static void on_notify(void *opaque)
{
	(void)opaque;                   /* the driver prepares anew after everything it does */
}

static const SlirpCb slirp_callbacks = {
	.send_packet = engine_output_packet,
	.guest_error = on_guest_error,
	.clock_get_ns = on_clock,
	.timer_new_opaque = on_timer_new,
	.timer_free = on_timer_free,
	.timer_mod = on_timer_mod,
	.register_poll_fd = on_register,
	.unregister_poll_fd = on_unregister,
	.notify = on_notify,
};

/* ---- input ------------------------------------------------------------------------------------------------------ */

/*
 * libslirp takes every frame for its own. A hub or a switch that does not know a station yet shows frames between other
 * stations as well; answering those would break their connections. Its own addresses are 52:55 and an IPv4 address of
 * the network, and 52:56 and the end of an IPv6 address.
 */
static bool is_for_us(const struct slirp_engine *engine, const struct frame *frame)
{
	const uint8_t *mac = frame_destination(frame);
	struct address address = { .family = AF_INET };

	if (mac_is_group(mac))
		return true;
	if (mac[0] != 0x52 || (mac[1] != 0x55 && mac[1] != 0x56))
		return false;
	memcpy(&address.v4, mac + 2, sizeof(address.v4));
	return mac[1] == 0x56 || engine->config.host4.address.family != AF_INET ||
	       address_in_network(&address, &engine->config.host4);
}

static void give_to_slirp(void *owner, const uint8_t *data, uint32_t length)
{
	struct slirp_engine *engine = owner;

	slirp_input(engine->slirp, data, (int)length);
}

/*
 * What looks like IPv4 and is none that can be taken apart is not for libslirp to stumble over; nor is a fragment that did not complete
 * its datagram.
 */
static bool make_whole(struct slirp_engine *engine, struct frame *frame)
{
	struct packet packet;

	if (frame_outer_type(frame) != ETHERTYPE_IPV4)
		return true;
	/* Only fragments cost a look at the clock. */
	if (packet_parse(frame, &packet))
		return true;
	return packet_parse_fragment(frame, &packet) && reassembly_pass(&engine->reassembly, frame, engine_clock());
}

/* A guest's address at the link, of ARP or neighbour discovery. */
static bool tells_neighbour(const struct frame *frame)
{
	struct packet packet;

	if (frame_outer_type(frame) == ETHERTYPE_ARP)
		return true;
	return frame_outer_type(frame) == ETHERTYPE_IPV6 && packet_parse(frame, &packet) && packet.protocol == PROTOCOL_ICMPV6;
}

static void input_frame(struct slirp_engine *engine, struct frame *frame)
{
	const uint8_t *received = frame->data;

	engine->counters.frames_in++;
	if (frame->length < ETHERNET_HEADER_SIZE || frame->length > FRAME_MAX_SIZE)
		return;
	if (!is_for_us(engine, frame)) {
		engine->counters.foreign++;
		return;
	}
	if (engine->config.dhcp && !dhcp_from_guest(&engine->leases, frame)) {
		on_guest_error("DHCP: all addresses are given away, a further client gets no answer", engine);
		return;
	}
	if (!make_whole(engine, frame))
		return;
	engine->neighbour_heard |= tells_neighbour(frame);
	alias_from_guest(&engine->alias, frame);
	coalesce_add(&engine->coalescer, frame);
	/* A datagram put together stays only until the next fragment. */
	if (frame->data != received)
		coalesce_flush(&engine->coalescer);
}

void engine_give_uncut(struct slirp_engine *engine, bool wanted)
{
	engine->uncut = wanted;
}

void engine_input(struct slirp_engine *engine, struct frame *frames, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		input_frame(engine, &frames[i]);
	coalesce_flush(&engine->coalescer);
	if (engine->neighbour_heard)
		engine_send_waiting(engine);
	engine_output_flush(engine);
}

/* ---- life ------------------------------------------------------------------------------------------------------- */

static struct sockaddr_in outbound4(const struct engine_config *config)
{
	struct sockaddr_storage address;

	address_to_sockaddr(&config->outbound4, 0, &address);
	return *(struct sockaddr_in *)&address;
}

static struct sockaddr_in6 outbound6(const struct engine_config *config)
{
	struct sockaddr_storage address;

	address_to_sockaddr(&config->outbound6, 0, &address);
	return *(struct sockaddr_in6 *)&address;
}

static void fill_ipv4(const struct engine_config *config, SlirpConfig *slirp)
{
	if (config->host4.address.family != AF_INET)
		return;
	slirp->in_enabled = true;
	slirp->vhost = config->host4.address.v4;
	slirp->vnetmask = address_mask4(config->host4.length);
	slirp->vnetwork.s_addr = slirp->vhost.s_addr & slirp->vnetmask.s_addr;
	slirp->vnameserver = config->dns4.v4;
	slirp->vdhcp_start = config->dhcp ? config->dhcp_start.v4 : address_in_prefix(&config->host4, 15).v4;
}

static void fill_ipv6(const struct engine_config *config, SlirpConfig *slirp)
{
	if (config->host6.address.family != AF_INET6)
		return;
	slirp->in6_enabled = true;
	slirp->vhost6 = config->host6.address.v6;
	slirp->vprefix_addr6 = address_in_prefix(&config->host6, 0).v6;
	slirp->vprefix_len = (uint8_t)config->host6.length;
	slirp->vnameserver6 = config->dns6.v6;
}

static Slirp *create_slirp(struct slirp_engine *engine)
{
	const struct engine_config *config = &engine->config;
	SlirpConfig slirp = {
		.version = 4,
		.restricted = config->restricted,
		.vhostname = config->hostname,
		.tftp_server_name = config->tftp_server_name,
		.tftp_path = config->tftp_directory,
		.bootfile = config->bootfile,
		.vdnssearch = config->dns_search,
		.vdomainname = config->domain,
		.if_mtu = config->mtu,
		.if_mru = config->mru,
		.disable_host_loopback = config->no_host_loopback,
		.outbound_addr = config->outbound4.family == AF_INET ? &engine->from4 : NULL,
		.outbound_addr6 = config->outbound6.family == AF_INET6 ? &engine->from6 : NULL,
		.disable_dns = config->no_dns,
		.disable_dhcp = !config->dhcp,
	};

	engine->from4 = outbound4(config);
	engine->from6 = outbound6(config);
	fill_ipv4(config, &slirp);
	fill_ipv6(config, &slirp);
	return slirp_new(&slirp, &slirp_callbacks, engine);
}

/* The address behind redirections of the router's ports: one that is nobody's. */
static struct in_addr hidden_address(const struct engine_config *config)
{
	struct address address = address_in_prefix(&config->host4, FORWARD_ALIAS_BITS);

	for (uint32_t bits = 1; bits < 255; bits++) {
		if (!address_is_reserved(&address, &config->host4) && !address_equal(&address, &config->dns4) &&
		    !address_equal(&address, &config->host4.address) && !address_equal(&address, &config->dhcp_start))
			break;
		address = address_in_prefix(&config->host4, bits);
	}
	return address.v4;
}

static bool is_for_clients(const struct slirp_engine *engine, const struct address *address)
{
	const struct engine_config *config = &engine->config;

	return address_in_network(address, &config->host4) && !address_is_reserved(address, &config->host4) &&
	       !address_equal(address, &config->host4.address) && !address_equal(address, &config->dns4) &&
	       address->v4.s_addr != engine->alias.hidden.s_addr;
}

/*
 * libslirp gives addresses in a row from the first. Those of the row that are the router's, the DNS server's, the hidden one, or no
 * address of the network are taken out of it, and those beyond the number of clients, which a client could ask for.
 */
static void reserve_addresses(struct slirp_engine *engine)
{
	const struct engine_config *config = &engine->config;
	uint32_t start = ntohl(config->dhcp_start.v4.s_addr), left = config->dhcp_count;
	uint8_t request[DHCP_REQUEST_SIZE];

	engine->muted = true;
	for (uint32_t i = 0; i < ENGINE_DHCP_MAX; i++) {
		struct address address = { .family = AF_INET, .v4.s_addr = htonl(start + i) };

		if (left && is_for_clients(engine, &address)) {
			left--;
			continue;
		}
		dhcp_build_request(request, address.v4);
		slirp_input(engine->slirp, request, sizeof(request));
	}
	engine->muted = false;
}

static int descriptors(void)
{
	long most = sysconf(_SC_OPEN_MAX);

	return most < 0 || most > INT_MAX ? INT_MAX : (int)most;
}

struct slirp_engine *engine_create(const struct engine_config *config, const struct engine_callbacks *callbacks, void *owner,
				   struct engine_error *error)
{
	struct slirp_engine *engine = calloc(1, sizeof(*engine));

	if (!engine) {
		engine_fail(error, "out of memory");
		errno = ENOMEM;
		return NULL;
	}
	engine->config = *config;
	engine->callbacks = *callbacks;
	engine->owner = owner;
	engine->highest = -1;
	engine->descriptors = descriptors();
	alias_init(&engine->alias, config->host4.address.v4, hidden_address(config));
	dhcp_table_init(&engine->leases, config->dhcp_count);
	coalesce_init(&engine->coalescer, give_to_slirp, engine);
	engine->slirp = create_slirp(engine);
	if (!engine->slirp) {
		engine_fail(error, "libslirp %s refuses this configuration", slirp_version_string());
		free(engine);
		errno = EINVAL;
		return NULL;
	}
	forward_table_init(&engine->forwards, engine->slirp, &engine->config, &engine->alias);
	if (config->dhcp)
		reserve_addresses(engine);
	return engine;
}

void engine_destroy(struct slirp_engine *engine)
{
	if (!engine)
		return;
	engine->muted = true;
	forward_table_clear(&engine->forwards);
	slirp_cleanup(engine->slirp);
	reassembly_free(&engine->reassembly);
	free(engine->poll);
	free(engine);
}

const struct engine_config *engine_config(const struct slirp_engine *engine)
{
	return &engine->config;
}

struct forward_table *engine_forwards(struct slirp_engine *engine)
{
	return &engine->forwards;
}

const struct dhcp_table *engine_leases(const struct slirp_engine *engine)
{
	return &engine->leases;
}

void engine_count(const struct slirp_engine *engine, struct engine_counters *counters)
{
	*counters = engine->counters;
	counters->segments_joined = engine->coalescer.segments_joined;
	counters->dhcp_refused = engine->leases.refused;
}

/* These come from glib's allocator, which is the C library's. */
char *engine_connections(struct slirp_engine *engine)
{
	return slirp_connection_info(engine->slirp);
}

char *engine_neighbours(struct slirp_engine *engine)
{
	return slirp_neighbor_info(engine->slirp);
}
