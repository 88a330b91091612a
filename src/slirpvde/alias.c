/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "slirpvde/alias.h"

#include "slirpvde/packet.h"

void alias_init(struct alias *alias, struct in_addr router, struct in_addr hidden)
{
	memset(alias, 0, sizeof(*alias));
	alias->router = router;
	alias->hidden = hidden;
}

struct in_addr alias_hidden(const struct alias *alias)
{
	return alias->hidden;
}

static bool is_set(const struct alias *alias, unsigned port)
{
	return (alias->port[port / 8] >> (port % 8)) & 1;
}

void alias_set(struct alias *alias, unsigned port, bool on)
{
	if (port > 65535 || is_set(alias, port) == on)
		return;
	alias->port[port / 8] ^= (uint8_t)(1U << (port % 8));
	alias->count = on ? alias->count + 1 : alias->count - 1;
}

/* The address counts in both sums: in the transport's through its pseudo-header, and, in IPv4, in the header's. */
static void replace_address(struct packet *packet, unsigned offset, unsigned checksum, const void *to)
{
	uint8_t *field = packet->ip + offset;
	unsigned size = packet->ipv6 ? 16 : 4;
	uint8_t before[16];

	memcpy(before, field, size);
	checksum_replace(packet->transport + checksum, field, to, size);
	if (packet->ipv6)
		return;
	memcpy(field, before, size);
	checksum_replace(packet->ip + IPV4_CHECKSUM, field, to, size);
}

/* Replaces address `from` at `offset` of the IP header by `to` when the TCP port at `port_offset` is a redirected one. */
static void readdress(const struct alias *alias, struct frame *frame, unsigned offset, unsigned port_offset,
		      const struct in_addr *from, const struct in_addr *to)
{
	struct packet packet;

	if (alias->count == 0 || !packet_parse(frame, &packet) || packet.ipv6 || packet.protocol != PROTOCOL_TCP ||
	    packet.length < TCP_HEADER_SIZE)
		return;
	if (memcmp(packet.ip + offset, from, sizeof(*from)) == 0 && is_set(alias, read_be16(packet.transport + port_offset)))
		replace_address(&packet, offset, TCP_CHECKSUM, to);
}

void alias_from_guest(const struct alias *alias, struct frame *frame)
{
	readdress(alias, frame, IPV4_DESTINATION, TCP_DESTINATION, &alias->router, &alias->hidden);
}

void alias_to_guest(const struct alias *alias, struct frame *frame)
{
	readdress(alias, frame, IPV4_SOURCE, TCP_SOURCE, &alias->hidden, &alias->router);
}

/* A glance that spares all other frames being taken apart. */
static bool is_perhaps_udp(const struct frame *frame)
{
	const uint8_t *ip = frame->data + ETHERNET_HEADER_SIZE;

	return frame->length >= ETHERNET_HEADER_SIZE + IPV4_HEADER_SIZE + UDP_HEADER_SIZE &&
	       (ip[IPV4_PROTOCOL] == PROTOCOL_UDP || ip[IPV6_NEXT_HEADER] == PROTOCOL_UDP);
}

void alias_hide_loopback(struct frame *frame, const struct in_addr *router4, const struct in6_addr *router6)
{
	struct packet packet;

	if (!is_perhaps_udp(frame) || !packet_parse(frame, &packet) || packet.protocol != PROTOCOL_UDP || packet.length < UDP_HEADER_SIZE)
		return;
	if (!packet.ipv6 && packet.ip[IPV4_SOURCE] == IN_LOOPBACKNET)
		replace_address(&packet, IPV4_SOURCE, UDP_CHECKSUM, router4);
	else if (packet.ipv6 && memcmp(packet.ip + IPV6_SOURCE, &in6addr_loopback, sizeof(in6addr_loopback)) == 0)
		replace_address(&packet, IPV6_SOURCE, UDP_CHECKSUM, router6);
}
