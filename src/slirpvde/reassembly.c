/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "slirpvde/reassembly.h"

#include <stdlib.h>

enum { FRAGMENT_MORE = 0x2000, FRAGMENT_OFFSET = 0x1fff, FRAGMENT_UNIT = 8 };

/* A fragment, taken apart. */
struct fragment {
	struct packet packet;
	uint32_t headers;
	uint32_t offset;                /* of its data in the datagram's */
	bool last;
	uint8_t key[12];
};

void reassembly_free(struct reassembly *reassembly)
{
	for (unsigned i = 0; i < REASSEMBLY_MAX; i++)
		free(reassembly->datagram[i].buffer);
}

static void take_apart(const struct frame *frame, struct fragment *fragment)
{
	uint8_t *ip = fragment->packet.ip;
	uint16_t field = read_be16(ip + IPV4_FRAGMENT);

	fragment->headers = (uint32_t)(fragment->packet.transport - frame->data);
	fragment->offset = (field & FRAGMENT_OFFSET) * (uint32_t)FRAGMENT_UNIT;
	fragment->last = !(field & FRAGMENT_MORE);
	memcpy(fragment->key, ip + IPV4_SOURCE, 8);
	memcpy(fragment->key + 8, ip + 4, 2);
	fragment->key[10] = ip[IPV4_PROTOCOL];
	fragment->key[11] = 0;
}

static bool is_sound(const struct fragment *fragment)
{
	const struct packet *packet = &fragment->packet;
	uint32_t ip_header = (uint32_t)(packet->transport - packet->ip);

	return checksum_fold(checksum_add(0, packet->ip, ip_header)) == 0xffff && packet->length > 0 &&
	       (fragment->last || packet->length % FRAGMENT_UNIT == 0) &&
	       fragment->offset + packet->length + ip_header <= 65535 &&
	       fragment->offset + packet->length <= REASSEMBLY_DATA_MAX;
}

static struct datagram *begin(struct reassembly *reassembly, const struct fragment *fragment, uint64_t now_ns)
{
	struct datagram *chosen = &reassembly->datagram[0];
	uint8_t *buffer;

	for (unsigned i = 0; i < REASSEMBLY_MAX && chosen->used; i++) {
		struct datagram *one = &reassembly->datagram[i];

		if (!one->used || one->begun_ns < chosen->begun_ns)
			chosen = one;
	}
	if (chosen->used)
		reassembly->given_up++;
	buffer = chosen->buffer ? chosen->buffer : malloc(REASSEMBLY_HEADERS_MAX + REASSEMBLY_DATA_MAX);
	memset(chosen, 0, sizeof(*chosen));
	chosen->buffer = buffer;
	if (!buffer)
		return NULL;
	chosen->used = true;
	chosen->begun_ns = now_ns;
	memcpy(chosen->key, fragment->key, sizeof(chosen->key));
	return chosen;
}

static struct datagram *find(struct reassembly *reassembly, const struct fragment *fragment, uint64_t now_ns)
{
	for (unsigned i = 0; i < REASSEMBLY_MAX; i++) {
		struct datagram *one = &reassembly->datagram[i];

		if (one->used && now_ns - one->begun_ns > REASSEMBLY_NS) {
			one->used = false;
			reassembly->given_up++;
		}
		if (one->used && memcmp(one->key, fragment->key, sizeof(one->key)) == 0)
			return one;
	}
	return begin(reassembly, fragment, now_ns);
}

/* Notes the bytes; false when some were there. */
static bool mark(struct datagram *datagram, uint32_t offset, uint32_t length)
{
	for (uint32_t unit = offset / FRAGMENT_UNIT; unit * FRAGMENT_UNIT < offset + length; unit++) {
		if (datagram->have[unit / 8] & (1U << (unit % 8)))
			return false;
		datagram->have[unit / 8] |= (uint8_t)(1U << (unit % 8));
	}
	return true;
}

/* False: the datagram makes no sense. */
static bool add(struct datagram *datagram, const struct frame *frame, const struct fragment *fragment)
{
	uint32_t length = fragment->packet.length, end = fragment->offset + length;

	if (fragment->last && datagram->total && datagram->total != end)
		return false;
	if (fragment->last)
		datagram->total = end;
	if (end > datagram->furthest)
		datagram->furthest = end;
	/* What lies behind the end would count as if it filled a hole before it, and what memory held would go out there. */
	if (datagram->total && datagram->furthest > datagram->total)
		return false;
	if (!mark(datagram, fragment->offset, length))
		return false;
	if (fragment->offset == 0) {
		datagram->headers = fragment->headers;
		memcpy(datagram->header, frame->data, fragment->headers);
	}
	memcpy(datagram->buffer + REASSEMBLY_HEADERS_MAX + fragment->offset, fragment->packet.transport, length);
	datagram->received += length;
	return true;
}

/* The whole datagram in one frame. */
static bool finish(struct datagram *datagram, struct frame *frame)
{
	uint32_t ip_header = datagram->headers - ETHERNET_HEADER_SIZE;
	uint8_t *data = datagram->buffer + REASSEMBLY_HEADERS_MAX - datagram->headers;
	uint8_t *ip = data + ETHERNET_HEADER_SIZE;

	datagram->used = false;
	if (ip_header + datagram->total > 65535)
		return false;
	memcpy(data, datagram->header, datagram->headers);
	write_be16(ip + IPV4_TOTAL_LENGTH, (uint16_t)(ip_header + datagram->total));
	write_be16(ip + IPV4_FRAGMENT, 0);
	write_be16(ip + IPV4_CHECKSUM, 0);
	write_be16(ip + IPV4_CHECKSUM, (uint16_t)~checksum_fold(checksum_add(0, ip, ip_header)));
	*frame = (struct frame){ .data = data, .length = datagram->headers + datagram->total };
	return true;
}

bool reassembly_pass(struct reassembly *reassembly, struct frame *frame, uint64_t now_ns)
{
	struct fragment fragment;
	struct datagram *datagram;

	if (!packet_parse_fragment(frame, &fragment.packet))
		return true;
	take_apart(frame, &fragment);
	if (!is_sound(&fragment))
		return false;
	datagram = find(reassembly, &fragment, now_ns);
	if (!datagram)
		return false;
	if (!add(datagram, frame, &fragment)) {
		datagram->used = false;
		reassembly->given_up++;
		return false;
	}
	return datagram->headers && datagram->total && datagram->received == datagram->total && finish(datagram, frame);
}
