/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "slirpvde/dhcp.h"

#include "slirpvde/packet.h"

#include <arpa/inet.h>

enum { PORT_SERVER = 67, PORT_CLIENT = 68 };
enum { BOOTREQUEST = 1, BOOTREPLY = 2 };

/* Offsets from the start of the message (RFC 2131, section 2; the options begin behind RFC 1497's magic cookie). */
enum { BOOTP_OP = 0, BOOTP_HTYPE = 1, BOOTP_HLEN = 2, BOOTP_YIADDR = 16, BOOTP_CHADDR = 28, BOOTP_COOKIE = 236,
       BOOTP_OPTIONS = 240 };
enum { BOOTP_MAGIC = 0x63825363 };
enum { OPTION_PAD = 0, OPTION_HOST_NAME = 12, OPTION_REQUESTED_ADDRESS = 50, OPTION_LEASE_TIME = 51,
       OPTION_MESSAGE_TYPE = 53, OPTION_END = 255 };
enum { DHCPOFFER = 2, DHCPREQUEST = 3, DHCPACK = 5 };

/* The message in a frame, or NULL. */
static const uint8_t *find_message(const struct frame *frame, unsigned op, unsigned port, uint32_t *length)
{
	struct packet packet;
	const uint8_t *message;

	if (!packet_parse(frame, &packet) || packet.ipv6 || packet.protocol != PROTOCOL_UDP ||
	    packet.length < UDP_HEADER_SIZE + BOOTP_COOKIE || read_be16(packet.transport + UDP_DESTINATION) != port)
		return NULL;
	message = packet.transport + UDP_HEADER_SIZE;
	*length = packet.length - UDP_HEADER_SIZE;
	return message[BOOTP_OP] == op && message[BOOTP_HLEN] == ETHERNET_ADDRESS_SIZE ? message : NULL;
}

static const uint8_t *find_option(const uint8_t *message, uint32_t length, unsigned code, unsigned *size)
{
	uint32_t i = BOOTP_OPTIONS;

	if (length < BOOTP_OPTIONS || read_be32(message + BOOTP_COOKIE) != BOOTP_MAGIC)
		return NULL;
	while (i < length && message[i] != OPTION_END) {
		if (message[i] == OPTION_PAD) {
			i++;
			continue;
		}
		if (i + 2 > length || i + 2 + message[i + 1] > length)
			return NULL;
		if (message[i] == code) {
			*size = message[i + 1];
			return message + i + 2;
		}
		i += 2U + message[i + 1];
	}
	return NULL;
}

static struct dhcp_lease *find_lease(struct dhcp_table *table, const uint8_t *mac)
{
	for (unsigned i = 0; i < table->count; i++)
		if (mac_equal(table->lease[i].mac, mac))
			return &table->lease[i];
	return NULL;
}

void dhcp_table_init(struct dhcp_table *table, unsigned max)
{
	memset(table, 0, sizeof(*table));
	table->max = max < ENGINE_DHCP_MAX ? max : ENGINE_DHCP_MAX;
}

static void note_name(struct dhcp_table *table, const uint8_t *message, uint32_t length)
{
	unsigned size = 0;
	const uint8_t *name = find_option(message, length, OPTION_HOST_NAME, &size);

	if (!name)
		size = 0;
	if (size >= sizeof(table->pending_name))
		size = sizeof(table->pending_name) - 1;
	if (size)
		memcpy(table->pending_name, name, size);
	table->pending_name[size] = 0;
}

bool dhcp_from_guest(struct dhcp_table *table, const struct frame *frame)
{
	uint32_t length;
	const uint8_t *message = find_message(frame, BOOTREQUEST, PORT_SERVER, &length);

	if (!message)
		return true;
	note_name(table, message, length);
	if (table->count < table->max || find_lease(table, message + BOOTP_CHADDR))
		return true;
	table->refused++;
	return false;
}

static struct dhcp_lease *find_or_add(struct dhcp_table *table, const uint8_t *mac)
{
	struct dhcp_lease *lease = find_lease(table, mac);

	if (lease || table->count >= table->max)
		return lease;
	lease = &table->lease[table->count++];
	memset(lease, 0, sizeof(*lease));
	memcpy(lease->mac, mac, sizeof(lease->mac));
	return lease;
}

void dhcp_to_guest(struct dhcp_table *table, const struct frame *frame, uint64_t now_ns)
{
	uint32_t length;
	unsigned size = 0, type;
	const uint8_t *message = find_message(frame, BOOTREPLY, PORT_CLIENT, &length), *option;
	struct dhcp_lease *lease;

	if (!message)
		return;
	option = find_option(message, length, OPTION_MESSAGE_TYPE, &size);
	type = option && size == 1 ? *option : DHCPACK;         /* plain BOOTP: an address for ever */
	if (type != DHCPOFFER && type != DHCPACK)
		return;
	lease = find_or_add(table, message + BOOTP_CHADDR);
	if (!lease)
		return;
	memcpy(&lease->address, message + BOOTP_YIADDR, sizeof(lease->address));
	lease->acknowledged |= type == DHCPACK;
	lease->granted_ns = now_ns;
	option = find_option(message, length, OPTION_LEASE_TIME, &size);
	lease->seconds = option && size == 4 ? read_be32(option) : 0;
	memcpy(lease->name, table->pending_name, sizeof(lease->name));
}

static void write_ipv4_udp(uint8_t *ip, uint32_t length)
{
	memset(ip, 0, IPV4_HEADER_SIZE + UDP_HEADER_SIZE);
	ip[0] = 0x45;
	write_be16(ip + IPV4_TOTAL_LENGTH, (uint16_t)length);
	ip[8] = 64;
	ip[IPV4_PROTOCOL] = PROTOCOL_UDP;
	memset(ip + IPV4_DESTINATION, 0xff, 4);
	write_be16(ip + IPV4_CHECKSUM, (uint16_t)~checksum_fold(checksum_add(0, ip, IPV4_HEADER_SIZE)));
	write_be16(ip + IPV4_HEADER_SIZE + UDP_SOURCE, PORT_CLIENT);
	write_be16(ip + IPV4_HEADER_SIZE + UDP_DESTINATION, PORT_SERVER);
	write_be16(ip + IPV4_HEADER_SIZE + 4, (uint16_t)(length - IPV4_HEADER_SIZE));
}

void dhcp_build_request(uint8_t *out, struct in_addr address)
{
	uint8_t *message = out + ETHERNET_HEADER_SIZE + IPV4_HEADER_SIZE + UDP_HEADER_SIZE;
	uint8_t *option = message + BOOTP_OPTIONS;

	memset(out, 0, DHCP_REQUEST_SIZE);
	memset(out, 0xff, ETHERNET_ADDRESS_SIZE);
	out[6] = 0x02;                  /* locally administered; the address makes it unlike any other */
	memcpy(out + 8, &address, sizeof(address));
	write_be16(out + 12, ETHERTYPE_IPV4);
	write_ipv4_udp(out + ETHERNET_HEADER_SIZE, DHCP_REQUEST_SIZE - ETHERNET_HEADER_SIZE);
	message[BOOTP_OP] = BOOTREQUEST;
	message[BOOTP_HTYPE] = 1;
	message[BOOTP_HLEN] = ETHERNET_ADDRESS_SIZE;
	memcpy(message + BOOTP_CHADDR, out + 6, ETHERNET_ADDRESS_SIZE);
	write_be32(message + BOOTP_COOKIE, BOOTP_MAGIC);
	memcpy(option, (const uint8_t[]){ OPTION_MESSAGE_TYPE, 1, DHCPREQUEST, OPTION_REQUESTED_ADDRESS, 4 }, 5);
	memcpy(option + 5, &address, sizeof(address));
	option[9] = OPTION_END;
}
