/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vde_switch/uplink.h"

#include "vde_switch/port.h"
#include "vde_switch/switch.h"

enum {
	ETHERTYPE_IPV4 = 0x0800, ETHERTYPE_IPV6 = 0x86dd,
	IPV4_HEADER = 20, IPV6_HEADER = 40, PORTS_SIZE = 4,
	PROTOCOL_TCP = 6, PROTOCOL_UDP = 17,
	IPV4_FRAGMENT = 0x3fff,         /* MF and the offset: a fragment may have no ports */
	FNV_BASIS = 0x811c9dc5, FNV_PRIME = 0x01000193,
};

struct port *uplink_port(const struct vde_switch *sw)
{
	return port_get(sw, sw->uplink.port);
}

static uint32_t mix(uint32_t hash, const uint8_t *bytes, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		hash = (hash ^ bytes[i]) * FNV_PRIME;
	return hash;
}

static bool has_ports(uint8_t protocol)
{
	return protocol == PROTOCOL_TCP || protocol == PROTOCOL_UDP;
}

/* 0: not a whole header. */
static uint32_t ipv4_flow(const uint8_t *ip, uint32_t length)
{
	uint32_t header = (ip[0] & 0x0fu) * 4, hash;

	if (length < IPV4_HEADER || header < IPV4_HEADER)
		return 0;
	hash = mix(FNV_BASIS, ip + 12, 8);
	if (has_ports(ip[9]) && (read_be16(ip + 6) & IPV4_FRAGMENT) == 0 && length >= header + PORTS_SIZE)
		hash = mix(hash, ip + header, PORTS_SIZE);
	return hash | 1;
}

static uint32_t ipv6_flow(const uint8_t *ip, uint32_t length)
{
	uint32_t hash;

	if (length < IPV6_HEADER)
		return 0;
	hash = mix(FNV_BASIS, ip + 8, 32);
	if (has_ports(ip[6]) && length >= IPV6_HEADER + PORTS_SIZE)
		hash = mix(hash, ip + IPV6_HEADER, PORTS_SIZE);
	return hash | 1;
}

uint32_t uplink_flow(const struct frame *frame)
{
	uint32_t at = ETHERNET_HEADER_SIZE, hash = 0;
	uint16_t type = frame_outer_type(frame);

	if (type == ETHERTYPE_VLAN && frame->length >= at + ETHERNET_TAG_SIZE) {
		type = read_be16(frame->data + at + 2);
		at += ETHERNET_TAG_SIZE;
	}
	if (type == ETHERTYPE_IPV4 && frame->length > at)
		hash = ipv4_flow(frame->data + at, frame->length - at);
	else if (type == ETHERTYPE_IPV6 && frame->length > at)
		hash = ipv6_flow(frame->data + at, frame->length - at);
	if (hash == 0)
		hash = mix(FNV_BASIS, frame->data, 2 * ETHERNET_ADDRESS_SIZE);
	return hash ^ hash >> 16;
}

static bool keeps_up(const struct port *port)
{
	for (const struct endpoint *endpoint = port->endpoints; endpoint; endpoint = endpoint->next)
		if (!txqueue_is_empty(&endpoint->queue))
			return false;
	return true;
}

static struct port *next_in_turn(struct vde_switch *sw)
{
	struct port *busy = NULL;

	for (unsigned i = 0; i < sw->active_count; i++) {
		struct port *port = sw->active[sw->uplink.turn++ % sw->active_count];

		if (port->number == sw->uplink.port)
			continue;
		if (keeps_up(port))
			return port;
		if (!busy)
			busy = port;
	}
	return busy;
}

static struct port *of_flow(struct vde_switch *sw, const struct frame *frame)
{
	unsigned others = sw->active_count - port_is_active(uplink_port(sw));
	unsigned wanted;

	if (others == 0)
		return NULL;
	wanted = uplink_flow(frame) % others;
	for (unsigned i = 0; i < sw->active_count; i++) {
		if (sw->active[i]->number == sw->uplink.port)
			continue;
		if (wanted-- == 0)
			return sw->active[i];
	}
	return NULL;
}

struct port *uplink_choose(struct vde_switch *sw, const struct frame *frame)
{
	return sw->uplink.mode == UPLINK_FLOW ? of_flow(sw, frame) : next_in_turn(sw);
}
