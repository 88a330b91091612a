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

/* Replaces address `from` at `offset` of the IP header by `to` when the TCP port at `port_offset` is a redirected one. */
static void readdress(const struct alias *alias, struct frame *frame, unsigned offset, unsigned port_offset,
		      const struct in_addr *from, const struct in_addr *to)
{
	struct packet packet;
	uint8_t *field;

	if (alias->count == 0 || !packet_parse(frame, &packet) || packet.ipv6 || packet.protocol != PROTOCOL_TCP ||
	    packet.length < TCP_HEADER_SIZE)
		return;
	field = packet.ip + offset;
	if (memcmp(field, from, sizeof(*from)) != 0 || !is_set(alias, read_be16(packet.transport + port_offset)))
		return;
	/* The address counts in both sums: in the header, and in the pseudo-header of TCP. */
	checksum_replace(packet.transport + TCP_CHECKSUM, field, (const uint8_t *)to, sizeof(*to));
	memcpy(field, from, sizeof(*from));
	checksum_replace(packet.ip + IPV4_CHECKSUM, field, (const uint8_t *)to, sizeof(*to));
}

void alias_from_guest(const struct alias *alias, struct frame *frame)
{
	readdress(alias, frame, IPV4_DESTINATION, TCP_DESTINATION, &alias->router, &alias->hidden);
}

void alias_to_guest(const struct alias *alias, struct frame *frame)
{
	readdress(alias, frame, IPV4_SOURCE, TCP_SOURCE, &alias->hidden, &alias->router);
}
