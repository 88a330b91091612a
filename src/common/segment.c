/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation. The checksum of TCP (RFC 9293) and UDP (RFC 768) covers a pseudo header of addresses, protocol and length (RFC 9293 3.1, RFC 8200 8.1). A
 * sender that leaves it to the interface stores the folded sum of the pseudo header alone, not complemented. That very value at that place, in
 * a frame whose sum does not come out right, is an unfinished checksum; anything else is the sender's own, right or wrong, and stays.
 *
 * Cutting repeats the headers before each part. In IPv4 the identification counts up (RFC 791); in TCP the sequence number goes on, FIN and PSH
 * belong to the last part and CWR (RFC 3168) to the first. Fragments, extension headers of IPv6 and other protocols are not touched.
 */
#include "common/segment.h"

/* Where the checksum is stored; 0: not a whole TCP or UDP header. */
static uint32_t checksum_place(const struct inet_packet *at)
{
	uint32_t room = at->end - at->transport;

	if (at->protocol == INET_TCP && room >= TCP_MIN_SIZE)
		return at->transport + TCP_SUM;
	return at->protocol == INET_UDP && room >= UDP_FIXED_SIZE ? at->transport + UDP_SUM : 0;
}

void segment_complete_checksum(uint8_t *data, uint32_t length)
{
	struct inet_packet at;
	uint32_t where = inet_locate(data, length, &at) ? checksum_place(&at) : 0;
	uint16_t stored, whole;
	uint64_t pseudo, rest;

	if (where == 0)
		return;
	pseudo = inet_pseudo_sum(data, &at);
	memcpy(&stored, data + where, 2);
	if (stored != inet_fold(pseudo))
		return;
	rest = inet_sum(data + at.transport, at.end - at.transport, 0);
	if (inet_fold(rest + pseudo) == 0xffff)
		return;                 /* right as it is, by chance the same number */
	/* the pseudo header is in there, as stored by the sender */
	whole = (uint16_t)~inet_fold(rest);
	if (whole == 0 && at.protocol == INET_UDP)
		whole = 0xffff;         /* in UDP zero means none */
	memcpy(data + where, &whole, 2);
}

bool segment_plan_sized(struct segment_plan *plan, const uint8_t *data, uint32_t length, uint32_t size)
{
	struct inet_packet at;
	uint32_t header = inet_locate(data, length, &at) ? inet_tcp_payload(data, &at) : 0;

	if (header == 0 || header == at.end)
		return false;
	*plan = (struct segment_plan){ .header = header, .payload = at.end - header, .size = size, .packet = at };
	return true;
}

bool segment_plan(struct segment_plan *plan, const uint8_t *data, uint32_t length, uint32_t mtu)
{
	if (length <= ETHERNET_HEADER_SIZE + mtu || !segment_plan_sized(plan, data, length, 0))
		return false;
	uint32_t headers = plan->header - plan->packet.network;
	plan->size = mtu - headers;
	return plan->packet.end - plan->packet.network > mtu && headers < mtu;
}

uint32_t segment_count(const struct segment_plan *plan)
{
	return (plan->payload + plan->size - 1) / plan->size;
}

uint32_t segment_payload(const struct segment_plan *plan, uint32_t index)
{
	uint32_t left = plan->payload - index * plan->size;

	return left < plan->size ? left : plan->size;
}

static void write_network(const struct segment_plan *plan, uint32_t index, uint8_t *out, uint32_t length)
{
	uint32_t network = plan->packet.network, transport = plan->packet.transport;
	uint8_t *ip = out + network;
	uint16_t sum;

	if (plan->packet.version == 6) {
		write_be16(ip + 4, (uint16_t)(length - transport));
		return;
	}
	write_be16(ip + 2, (uint16_t)(length - network));
	write_be16(ip + 4, (uint16_t)(read_be16(ip + 4) + index));
	memset(ip + 10, 0, 2);
	sum = (uint16_t)~inet_fold(inet_sum(ip, transport - network, 0));
	memcpy(ip + 10, &sum, 2);
}

static void write_transport(const struct segment_plan *plan, uint32_t index, uint8_t *out, uint64_t payload_sum)
{
	struct inet_packet at = plan->packet;
	uint8_t *tcp = out + at.transport;
	uint16_t sum;

	at.end = plan->header + segment_payload(plan, index);
	write_be32(tcp + 4, read_be32(tcp + 4) + index * plan->size);
	if (index + 1 < segment_count(plan))
		tcp[13] &= (uint8_t)~(TCP_FLAG_FIN | TCP_FLAG_PSH);
	if (index > 0)
		tcp[13] &= (uint8_t)~TCP_FLAG_CWR;
	memset(tcp + TCP_SUM, 0, 2);
	sum = (uint16_t)~inet_fold(inet_sum(tcp, plan->header - at.transport, inet_pseudo_sum(out, &at) + payload_sum));
	memcpy(tcp + TCP_SUM, &sum, 2);
}

void segment_write_header(const struct segment_plan *plan, const uint8_t *headers, const uint8_t *payload, uint32_t index, uint8_t *out)
{
	uint32_t size = segment_payload(plan, index);

	memcpy(out, headers, plan->header);
	write_network(plan, index, out, plan->header + size);
	write_transport(plan, index, out, inet_sum(payload, size, 0));
}

uint32_t segment_write(const struct segment_plan *plan, const uint8_t *data, uint32_t index, uint8_t *out)
{
	uint32_t size = segment_payload(plan, index);

	memcpy(out + plan->header, data + plan->header + index * plan->size, size);
	segment_write_header(plan, data, out + plan->header, index, out);
	return plan->header + size;
}
