/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "slirpvde/packet.h"

enum { FRAGMENT_MORE_AND_OFFSET = 0x3fff };

static bool parse_ipv4(uint8_t *ip, uint32_t available, struct packet *packet)
{
	uint32_t header, total;

	if (available < IPV4_HEADER_SIZE || ip[0] >> 4 != 4)
		return false;
	header = (ip[0] & 15U) * 4;
	total = read_be16(ip + IPV4_TOTAL_LENGTH);
	if (header < IPV4_HEADER_SIZE || total < header || total > available)
		return false;
	*packet = (struct packet){ false, ip[IPV4_PROTOCOL], ip, ip + header, total - header };
	return true;
}

static bool is_fragment(const struct packet *packet)
{
	return (read_be16(packet->ip + IPV4_FRAGMENT) & FRAGMENT_MORE_AND_OFFSET) != 0;
}

static bool parse_ipv6(uint8_t *ip, uint32_t available, struct packet *packet)
{
	uint32_t payload;

	if (available < IPV6_HEADER_SIZE || ip[0] >> 4 != 6)
		return false;
	payload = read_be16(ip + IPV6_PAYLOAD_LENGTH);
	if (payload > available - IPV6_HEADER_SIZE)
		return false;
	*packet = (struct packet){ true, ip[IPV6_NEXT_HEADER], ip, ip + IPV6_HEADER_SIZE, payload };
	return true;
}

bool packet_parse(const struct frame *frame, struct packet *packet)
{
	uint32_t available;

	if (frame->length < ETHERNET_HEADER_SIZE)
		return false;
	available = frame->length - ETHERNET_HEADER_SIZE;
	switch (frame_outer_type(frame)) {
	case ETHERTYPE_IPV4:
		return parse_ipv4(frame->data + ETHERNET_HEADER_SIZE, available, packet) && !is_fragment(packet);
	case ETHERTYPE_IPV6:
		return parse_ipv6(frame->data + ETHERNET_HEADER_SIZE, available, packet);
	default:
		return false;
	}
}

bool packet_parse_fragment(const struct frame *frame, struct packet *packet)
{
	return frame->length >= ETHERNET_HEADER_SIZE && frame_outer_type(frame) == ETHERTYPE_IPV4 &&
	       parse_ipv4(frame->data + ETHERNET_HEADER_SIZE, frame->length - ETHERNET_HEADER_SIZE, packet) &&
	       is_fragment(packet);
}

uint16_t checksum_fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

uint32_t checksum_add(uint32_t sum, const uint8_t *data, uint32_t length)
{
	uint64_t total = sum;

	for (; length >= 2; data += 2, length -= 2)
		total += read_be16(data);
	if (length)
		total += (uint32_t)data[0] << 8;
	while (total >> 16)
		total = (total & 0xffff) + (total >> 16);
	return (uint32_t)total;
}

void checksum_replace(uint8_t *checksum, uint8_t *field, const uint8_t *bytes, unsigned size)
{
	uint32_t sum = (uint16_t)~read_be16(checksum);

	for (unsigned i = 0; i < size; i += 2)
		sum += (uint16_t)~read_be16(field + i) + (uint32_t)read_be16(bytes + i);
	memcpy(field, bytes, size);
	write_be16(checksum, (uint16_t)~checksum_fold(sum));
}
