/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation. The checksum of TCP (RFC 9293) and UDP (RFC 768) covers a pseudo header of addresses, protocol and length (RFC 9293 3.1, RFC 8200 8.1). A
 * sender that leaves it to the interface stores the folded sum of the pseudo header alone, not complemented. That very value at that place, in
 * a frame whose sum does not come out right, is an unfinished checksum; anything else is the sender's own, right or wrong, and stays.
 *
 * Cutting repeats the headers before each part. In IPv4 the identification counts up (RFC 791); in TCP the sequence number goes on, FIN and PSH
 * belong to the last part and CWR (RFC 3168) to the first. Fragments, extension headers of IPv6 and other protocols are not touched.
 */
#include "vde_pcapplug/segment.h"

#include <string.h>

enum {
	TYPE_IPV4 = 0x0800, TYPE_IPV6 = 0x86dd, TYPE_QINQ = 0x88a8,
	PROTOCOL_TCP = 6, PROTOCOL_UDP = 17,
	IPV4_MIN = 20, IPV6_SIZE = 40, TCP_MIN = 20, UDP_SIZE = 8,
	TCP_FIN = 0x01, TCP_PSH = 0x08, TCP_CWR = 0x80,
};

struct place {
	uint32_t network, transport;    /* offsets of the two headers */
	uint32_t end;                   /* of the packet; padding may follow */
	uint8_t version, protocol;
};

static uint64_t sum_bytes(const uint8_t *bytes, uint32_t length, uint64_t sum)
{
	uint32_t word;

	for (; length >= 4; bytes += 4, length -= 4) {
		memcpy(&word, bytes, 4);
		sum += word;
	}
	if (length > 0) {
		word = 0;
		memcpy(&word, bytes, length);
		sum += word;
	}
	return sum;
}

/* In the order of bytes as in memory, like everything summed here: ones' complement sums do not mind (RFC 1071). */
static uint16_t fold(uint64_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

static uint64_t pseudo_header(const uint8_t *data, const struct place *at)
{
	uint8_t tail[8] = { 0 };
	const uint8_t *network = data + at->network;

	write_be32(tail, at->end - at->transport);
	tail[7] = at->protocol;
	return sum_bytes(tail, sizeof(tail),
			 at->version == 4 ? sum_bytes(network + 12, 8, 0) : sum_bytes(network + 8, 32, 0));
}

static bool locate_ipv4(const uint8_t *data, uint32_t length, struct place *at)
{
	const uint8_t *ip = data + at->network;
	uint32_t header, total;

	if (length < at->network + IPV4_MIN || ip[0] >> 4 != 4)
		return false;
	header = (ip[0] & 15u) * 4;
	total = read_be16(ip + 2);
	/* a joined packet of more than 65535 bytes says 0 */
	if (total == 0)
		total = length - at->network;
	if (header < IPV4_MIN || total < header || at->network + total > length || (read_be16(ip + 6) & 0x3fff) != 0)
		return false;
	at->version = 4;
	at->protocol = ip[9];
	at->transport = at->network + header;
	at->end = at->network + total;
	return true;
}

static bool locate_ipv6(const uint8_t *data, uint32_t length, struct place *at)
{
	const uint8_t *ip = data + at->network;

	if (length < at->network + IPV6_SIZE || ip[0] >> 4 != 6)
		return false;
	at->version = 6;
	at->protocol = ip[6];
	at->transport = at->network + IPV6_SIZE;
	at->end = at->transport + read_be16(ip + 4);
	if (at->end == at->transport)
		at->end = length;
	return at->end <= length;
}

static bool locate(const uint8_t *data, uint32_t length, struct place *at)
{
	uint32_t offset = 2 * ETHERNET_ADDRESS_SIZE;
	uint16_t type;

	if (length < ETHERNET_HEADER_SIZE)
		return false;
	type = read_be16(data + offset);
	while ((type == ETHERTYPE_VLAN || type == TYPE_QINQ) && offset + 6 <= length) {
		offset += ETHERNET_TAG_SIZE;
		type = read_be16(data + offset);
	}
	at->network = offset + 2;
	if (type == TYPE_IPV4)
		return locate_ipv4(data, length, at);
	return type == TYPE_IPV6 && locate_ipv6(data, length, at);
}

/* Where the checksum is stored; 0: not a whole TCP or UDP header. */
static uint32_t checksum_place(const struct place *at)
{
	uint32_t room = at->end - at->transport;

	if (at->protocol == PROTOCOL_TCP && room >= TCP_MIN)
		return at->transport + 16;
	return at->protocol == PROTOCOL_UDP && room >= UDP_SIZE ? at->transport + 6 : 0;
}

void segment_complete_checksum(uint8_t *data, uint32_t length)
{
	struct place at;
	uint32_t where = locate(data, length, &at) ? checksum_place(&at) : 0;
	uint16_t stored, whole;
	uint64_t pseudo;

	if (where == 0)
		return;
	pseudo = pseudo_header(data, &at);
	memcpy(&stored, data + where, 2);
	if (stored != fold(pseudo))
		return;
	whole = fold(sum_bytes(data + at.transport, at.end - at.transport, pseudo));
	if (whole == 0xffff)
		return;                 /* right as it is, by chance the same number */
	/* the sum of the header and of itself as stored: as the sender left it, so that only the rest is to be added */
	whole = fold(sum_bytes(data + at.transport, at.end - at.transport, 0));
	whole = (uint16_t)~whole;
	if (whole == 0 && at.protocol == PROTOCOL_UDP)
		whole = 0xffff;         /* in UDP zero means none */
	memcpy(data + where, &whole, 2);
}

bool segment_plan(struct segment_plan *plan, const uint8_t *data, uint32_t length, uint32_t mtu)
{
	struct place at;
	uint32_t header;

	if (length <= ETHERNET_HEADER_SIZE + mtu || !locate(data, length, &at) || at.protocol != PROTOCOL_TCP)
		return false;
	if (at.end - at.network <= mtu || at.end - at.transport < TCP_MIN)
		return false;
	header = (data[at.transport + 12] >> 4) * 4u;
	if (header < TCP_MIN || at.end - at.transport < header || at.transport - at.network + header >= mtu)
		return false;
	*plan = (struct segment_plan){
		.header = at.transport + header, .payload = at.end - at.transport - header,
		.size = mtu - (at.transport - at.network) - header, .network = at.network, .transport = at.transport,
		.version = at.version,
	};
	return true;
}

uint32_t segment_count(const struct segment_plan *plan)
{
	return (plan->payload + plan->size - 1) / plan->size;
}

static void write_network(const struct segment_plan *plan, uint32_t index, uint8_t *out, uint32_t length)
{
	uint8_t *ip = out + plan->network;
	uint16_t sum;

	if (plan->version == 6) {
		write_be16(ip + 4, (uint16_t)(length - plan->transport));
		return;
	}
	write_be16(ip + 2, (uint16_t)(length - plan->network));
	write_be16(ip + 4, (uint16_t)(read_be16(ip + 4) + index));
	memset(ip + 10, 0, 2);
	sum = (uint16_t)~fold(sum_bytes(ip, plan->transport - plan->network, 0));
	memcpy(ip + 10, &sum, 2);
}

static void write_transport(const struct segment_plan *plan, uint32_t index, uint8_t *out, uint32_t length)
{
	struct place at = { .network = plan->network, .transport = plan->transport, .end = length, .version = plan->version,
			    .protocol = PROTOCOL_TCP };
	uint8_t *tcp = out + plan->transport;
	uint16_t sum;

	write_be32(tcp + 4, read_be32(tcp + 4) + index * plan->size);
	if (index + 1 < segment_count(plan))
		tcp[13] &= (uint8_t)~(TCP_FIN | TCP_PSH);
	if (index > 0)
		tcp[13] &= (uint8_t)~TCP_CWR;
	memset(tcp + 16, 0, 2);
	sum = (uint16_t)~fold(sum_bytes(tcp, length - plan->transport, pseudo_header(out, &at)));
	memcpy(tcp + 16, &sum, 2);
}

uint32_t segment_write(const struct segment_plan *plan, const uint8_t *data, uint32_t index, uint8_t *out)
{
	uint32_t start = index * plan->size;
	uint32_t size = plan->payload - start < plan->size ? plan->payload - start : plan->size;

	memcpy(out, data, plan->header);
	memcpy(out + plan->header, data + plan->header + start, size);
	write_network(plan, index, out, plan->header + size);
	write_transport(plan, index, out, plan->header + size);
	return plan->header + size;
}
