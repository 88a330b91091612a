/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/inet.h"

enum { TYPE_IPV4 = 0x0800, TYPE_IPV6 = 0x86dd, TYPE_QINQ = 0x88a8, FRAGMENT_MORE_AND_OFFSET = 0x3fff };

uint64_t inet_sum(const uint8_t *bytes, uint32_t length, uint64_t sum)
{
	uint64_t other = 0;
	uint32_t word[4];

	for (; length >= sizeof(word); bytes += sizeof(word), length -= sizeof(word)) {
		memcpy(word, bytes, sizeof(word));
		sum += (uint64_t)word[0] + word[1];
		other += (uint64_t)word[2] + word[3];
	}
	sum += other;
	for (; length > 0; bytes += 4, length -= length < 4 ? length : 4) {
		word[0] = 0;
		memcpy(word, bytes, length < 4 ? length : 4);
		sum += word[0];
	}
	return sum;
}

uint16_t inet_fold(uint64_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

uint64_t inet_pseudo_sum(const uint8_t *data, const struct inet_packet *packet)
{
	uint8_t tail[8] = { 0 };
	const uint8_t *network = data + packet->network;

	write_be32(tail, packet->end - packet->transport);
	tail[7] = packet->protocol;
	return inet_sum(tail, sizeof(tail),
			packet->version == 4 ? inet_sum(network + 12, 8, 0) : inet_sum(network + 8, 32, 0));
}

static bool locate_ipv4(const uint8_t *data, uint32_t length, struct inet_packet *packet)
{
	const uint8_t *ip = data + packet->network;
	uint32_t header, total;

	if (length < packet->network + IPV4_MIN_SIZE || ip[0] >> 4 != 4)
		return false;
	header = (ip[0] & 15u) * 4;
	total = read_be16(ip + 2);
	/* a joined packet of more than 65535 bytes says 0 */
	if (total == 0)
		total = length - packet->network;
	if (header < IPV4_MIN_SIZE || total < header || packet->network + total > length ||
	    (read_be16(ip + 6) & FRAGMENT_MORE_AND_OFFSET) != 0)
		return false;
	packet->version = 4;
	packet->protocol = ip[9];
	packet->transport = packet->network + header;
	packet->end = packet->network + total;
	return true;
}

static bool locate_ipv6(const uint8_t *data, uint32_t length, struct inet_packet *packet)
{
	const uint8_t *ip = data + packet->network;

	if (length < packet->network + IPV6_FIXED_SIZE || ip[0] >> 4 != 6)
		return false;
	packet->version = 6;
	packet->protocol = ip[6];
	packet->transport = packet->network + IPV6_FIXED_SIZE;
	packet->end = packet->transport + read_be16(ip + 4);
	if (packet->end == packet->transport)
		packet->end = length;
	return packet->end <= length;
}

bool inet_locate(const uint8_t *data, uint32_t length, struct inet_packet *packet)
{
	uint32_t offset = 2 * ETHERNET_ADDRESS_SIZE;
	uint16_t type;

	if (length < ETHERNET_HEADER_SIZE)
		return false;
	type = read_be16(data + offset);
	for (int tags = 0; tags < INET_TAGS_MAX && (type == ETHERTYPE_VLAN || type == TYPE_QINQ) && offset + 6 <= length; tags++) {
		offset += ETHERNET_TAG_SIZE;
		type = read_be16(data + offset);
	}
	packet->network = offset + 2;
	if (type == TYPE_IPV4)
		return locate_ipv4(data, length, packet);
	return type == TYPE_IPV6 && locate_ipv6(data, length, packet);
}

uint32_t inet_tcp_payload(const uint8_t *data, const struct inet_packet *packet)
{
	uint32_t room = packet->end - packet->transport, header;

	if (packet->protocol != INET_TCP || room < TCP_MIN_SIZE)
		return 0;
	header = (data[packet->transport + 12] >> 4) * 4u;
	return header >= TCP_MIN_SIZE && header <= room ? packet->transport + header : 0;
}
