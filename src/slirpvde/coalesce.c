/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "slirpvde/coalesce.h"

void coalesce_init(struct coalescer *coalescer, coalesce_output *output, void *owner)
{
	memset(coalescer, 0, sizeof(*coalescer));
	coalescer->output = output;
	coalescer->owner = owner;
}

/* A TCP segment without options in a packet without options, ACK set and nothing but PSH beside it. */
static bool is_candidate(const struct frame *frame, struct packet *packet)
{
	if (!packet_parse(frame, packet) || packet->protocol != PROTOCOL_TCP || packet->length < TCP_HEADER_SIZE)
		return false;
	if (!packet->ipv6 && packet->transport - packet->ip != IPV4_HEADER_SIZE)
		return false;
	return packet->transport[TCP_OFFSET] >> 4 == TCP_HEADER_SIZE / 4 &&
	       (packet->transport[TCP_FLAGS] | TCP_PSH) == (TCP_PSH | TCP_ACK);
}

/* The pseudo-header (RFC 9293, 3.1; RFC 8200, 8.1) and the TCP header with its checksum field. */
static uint32_t header_sum(const struct packet *packet, uint32_t length)
{
	uint32_t sum = packet->ipv6 ? checksum_add(0, packet->ip + IPV6_SOURCE, 32)
				    : checksum_add(0, packet->ip + IPV4_SOURCE, 8);

	return checksum_add(sum + PROTOCOL_TCP + length, packet->transport, TCP_HEADER_SIZE);
}

static uint32_t data_sum(const struct packet *packet)
{
	return (uint16_t)~checksum_fold(header_sum(packet, packet->length));
}

static bool same_stream(const struct packet *a, const struct packet *b)
{
	unsigned offset = a->ipv6 ? IPV6_SOURCE : IPV4_SOURCE;
	unsigned size = a->ipv6 ? 32 : 8;

	return a->ipv6 == b->ipv6 && memcmp(a->transport, b->transport, 4) == 0 &&
	       memcmp(a->ip + offset, b->ip + offset, size) == 0;
}

static bool may_append(const struct coalescer *held, const struct packet *next)
{
	uint32_t data = next->length - TCP_HEADER_SIZE;

	return held->data > 0 && held->data % 2 == 0 && data > 0 && same_stream(&held->packet, next) &&
	       read_be32(next->transport + TCP_SEQUENCE) ==
		       read_be32(held->packet.transport + TCP_SEQUENCE) + held->data &&
	       memcmp(next->transport + TCP_ACKNOWLEDGEMENT, held->packet.transport + TCP_ACKNOWLEDGEMENT, 4) == 0 &&
	       held->held.length + data <= sizeof(held->buffer);
}

/* An acknowledgement of more by the same segment number makes the held one superfluous. */
static bool supersedes(const struct coalescer *held, const struct packet *next)
{
	const uint8_t *a = held->packet.transport, *b = next->transport;

	return held->data == 0 && same_stream(&held->packet, next) &&
	       memcmp(a + TCP_SEQUENCE, b + TCP_SEQUENCE, 4) == 0 &&
	       (int32_t)(read_be32(b + TCP_ACKNOWLEDGEMENT) - read_be32(a + TCP_ACKNOWLEDGEMENT)) > 0;
}

static void hold(struct coalescer *coalescer, const struct frame *frame, const struct packet *packet)
{
	coalescer->held = *frame;
	coalescer->packet = *packet;
	/* Ethernet padding is no part of the packet and must not end up between two segments. */
	coalescer->held.length = (uint32_t)(packet->transport + packet->length - frame->data);
	coalescer->data = packet->length - TCP_HEADER_SIZE;
	coalescer->joined = false;
}

static void move_to_buffer(struct coalescer *c)
{
	ptrdiff_t ip = c->packet.ip - c->held.data, transport = c->packet.transport - c->held.data;

	c->data_sum = data_sum(&c->packet);
	memcpy(c->buffer, c->held.data, c->held.length);
	c->held.data = c->buffer;
	c->packet.ip = c->buffer + ip;
	c->packet.transport = c->buffer + transport;
	c->joined = true;
}

static void append(struct coalescer *c, const struct packet *next)
{
	uint32_t data = next->length - TCP_HEADER_SIZE;

	if (!c->joined)
		move_to_buffer(c);
	memcpy(c->buffer + c->held.length, next->transport + TCP_HEADER_SIZE, data);
	c->held.length += data;
	c->data += data;
	c->data_sum += data_sum(next);
	c->packet.transport[TCP_FLAGS] |= next->transport[TCP_FLAGS];
	memcpy(c->packet.transport + TCP_WINDOW, next->transport + TCP_WINDOW, 2);
	c->segments_joined++;
}

/* Lengths and sums of the joined packet. */
static void finish_headers(struct coalescer *c)
{
	uint32_t length = TCP_HEADER_SIZE + c->data;
	uint8_t *ip = c->packet.ip, *tcp = c->packet.transport;

	if (c->packet.ipv6) {
		write_be16(ip + IPV6_PAYLOAD_LENGTH, (uint16_t)length);
	} else {
		write_be16(ip + IPV4_TOTAL_LENGTH, (uint16_t)(IPV4_HEADER_SIZE + length));
		write_be16(ip + IPV4_CHECKSUM, 0);
		write_be16(ip + IPV4_CHECKSUM, (uint16_t)~checksum_fold(checksum_add(0, ip, IPV4_HEADER_SIZE)));
	}
	write_be16(tcp + TCP_CHECKSUM, 0);
	write_be16(tcp + TCP_CHECKSUM, (uint16_t)~checksum_fold(header_sum(&c->packet, length) + checksum_fold(c->data_sum)));
}

void coalesce_flush(struct coalescer *coalescer)
{
	if (coalescer->held.length == 0)
		return;
	if (coalescer->joined)
		finish_headers(coalescer);
	coalescer->output(coalescer->owner, coalescer->held.data, coalescer->held.length);
	coalescer->held.length = 0;
}

void coalesce_add(struct coalescer *coalescer, const struct frame *frame)
{
	struct packet packet;

	if (!is_candidate(frame, &packet)) {
		coalesce_flush(coalescer);
		coalescer->output(coalescer->owner, frame->data, frame->length);
		return;
	}
	if (coalescer->held.length > 0 && may_append(coalescer, &packet)) {
		append(coalescer, &packet);
		return;
	}
	if (coalescer->held.length > 0 && !supersedes(coalescer, &packet))
		coalesce_flush(coalescer);
	hold(coalescer, frame, &packet);
}
