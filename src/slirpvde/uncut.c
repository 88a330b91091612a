/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "slirpvde/uncut.h"

enum { SEGMENT_TCP4 = 1, SEGMENT_TCP6 = 4 };    /* segment types of virtio's net header */

/* A TCP segment with data and without options, ACK set and nothing but PSH beside it. */
static bool is_candidate(const struct frame *frame, struct packet *packet)
{
	if (!packet_parse(frame, packet) || packet->protocol != PROTOCOL_TCP || packet->length <= TCP_HEADER_SIZE)
		return false;
	if (!packet->ipv6 && packet->transport - packet->ip != IPV4_HEADER_SIZE)
		return false;
	return packet->transport[TCP_OFFSET] >> 4 == TCP_HEADER_SIZE / 4 &&
	       (packet->transport[TCP_FLAGS] | TCP_PSH) == (TCP_PSH | TCP_ACK) &&
	       (uint32_t)(packet->transport - frame->data) + packet->length == frame->length;
}

void uncut_begin(struct uncut *uncut, struct frame *frame)
{
	uncut->frame = NULL;
	if (!is_candidate(frame, &uncut->packet) || (uncut->packet.transport[TCP_FLAGS] & TCP_PSH))
		return;
	uncut->frame = frame;
	uncut->segment = uncut->payload = uncut->packet.length - TCP_HEADER_SIZE;
	uncut->segments = 1;
}

/* All of the IP header that is the same in each segment. */
static bool is_same_network(const struct uncut *uncut, const struct packet *next)
{
	const uint8_t *a = uncut->packet.ip, *b = next->ip;

	if (uncut->packet.ipv6 != next->ipv6)
		return false;
	if (next->ipv6)
		return memcmp(a, b, IPV6_PAYLOAD_LENGTH) == 0 &&
		       memcmp(a + IPV6_NEXT_HEADER, b + IPV6_NEXT_HEADER, IPV6_HEADER_SIZE - IPV6_NEXT_HEADER) == 0;
	return memcmp(a, b, 2) == 0 && memcmp(a + IPV4_FRAGMENT, b + IPV4_FRAGMENT, IPV4_CHECKSUM - IPV4_FRAGMENT) == 0 &&
	       memcmp(a + IPV4_SOURCE, b + IPV4_SOURCE, 8) == 0;
}

static bool continues(const struct uncut *uncut, const struct frame *frame, const struct packet *next)
{
	const uint8_t *a = uncut->packet.transport, *b = next->transport;

	return memcmp(uncut->frame->data, frame->data, ETHERNET_HEADER_SIZE) == 0 && is_same_network(uncut, next) &&
	       memcmp(a, b, TCP_SEQUENCE) == 0 && read_be32(b + TCP_SEQUENCE) == read_be32(a + TCP_SEQUENCE) + uncut->payload &&
	       memcmp(a + TCP_ACKNOWLEDGEMENT, b + TCP_ACKNOWLEDGEMENT, 4) == 0 && memcmp(a + TCP_WINDOW, b + TCP_WINDOW, 2) == 0;
}

uint32_t uncut_append(struct uncut *uncut, const struct frame *next, uint32_t room)
{
	struct packet packet;
	uint32_t payload;

	if (!uncut->frame || !is_candidate(next, &packet))
		return 0;
	payload = packet.length - TCP_HEADER_SIZE;
	if (payload > uncut->segment || payload > room || uncut->frame->length + payload > UNCUT_MAX ||
	    uncut->payload != uncut->segment * uncut->segments || (uncut->packet.transport[TCP_FLAGS] & TCP_PSH) ||
	    !continues(uncut, next, &packet))
		return 0;
	memcpy(uncut->frame->data + uncut->frame->length, packet.transport + TCP_HEADER_SIZE, payload);
	uncut->frame->length += payload;
	uncut->payload += payload;
	uncut->segments++;
	uncut->packet.transport[TCP_FLAGS] |= packet.transport[TCP_FLAGS];
	return payload;
}

/* The pseudo-header's sum (RFC 9293, 3.1; RFC 8200, 8.1), which the TCP checksum begins with. */
static uint16_t pseudo_sum(const struct packet *packet, uint32_t length)
{
	uint32_t sum = packet->ipv6 ? checksum_add(0, packet->ip + IPV6_SOURCE, 32) : checksum_add(0, packet->ip + IPV4_SOURCE, 8);

	return checksum_fold(sum + PROTOCOL_TCP + length);
}

void uncut_end(struct uncut *uncut)
{
	struct frame *frame = uncut->frame;
	uint8_t *ip = uncut->packet.ip, *tcp = uncut->packet.transport;
	uint32_t length = TCP_HEADER_SIZE + uncut->payload;

	uncut->frame = NULL;
	if (!frame || uncut->segments < 2)
		return;
	if (uncut->packet.ipv6) {
		write_be16(ip + IPV6_PAYLOAD_LENGTH, (uint16_t)length);
	} else {
		write_be16(ip + IPV4_TOTAL_LENGTH, (uint16_t)(IPV4_HEADER_SIZE + length));
		write_be16(ip + IPV4_CHECKSUM, 0);
		write_be16(ip + IPV4_CHECKSUM, (uint16_t)~checksum_fold(checksum_add(0, ip, IPV4_HEADER_SIZE)));
	}
	write_be16(tcp + TCP_CHECKSUM, pseudo_sum(&uncut->packet, length));
	frame->offload = (struct offload){
		.checksum_start = (uint16_t)(tcp - frame->data), .checksum_offset = TCP_CHECKSUM, .segment_size = (uint16_t)uncut->segment,
		.segment_type = uncut->packet.ipv6 ? SEGMENT_TCP6 : SEGMENT_TCP4,
		.header_size = (uint16_t)(tcp - frame->data + TCP_HEADER_SIZE), .segments = uncut->segments,
	};
}
