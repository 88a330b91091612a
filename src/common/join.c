/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation. Cutting (segment.c) repeats the headers, counts up sequence number and IPv4 identification, and gives PSH and FIN to the last segment; so
 * two segments may be joined when that restores both: same link header, addresses, ports, TTL, class, fragment bits, acknowledgement, window and options,
 * ACK the only flag (besides PSH and FIN of the last), sequence numbers without a gap, full size but for the last. The identification counts up, or is the
 * same in packets that must not be fragmented, where it means nothing (RFC 6864 4.1): that is the one field which may come out of the cutting as another.
 *
 * The receiver of a joined frame takes its data for verified, so each segment's checksums are verified here first; what is damaged is passed
 * on as it is, alone. The sum is one pass over the data, which the receiver then does not make.
 */
#include "common/join.h"

enum { PACKET_MAX = 65535, DONT_FRAGMENT = 0x4000, MAY_END = TCP_FLAG_PSH | TCP_FLAG_FIN };

/* A frame that may be joined. */
struct segment {
	const uint8_t *headers;
	struct inet_packet packet;
	uint32_t header, payload;
	const uint8_t *data;            /* the payload */
	uint8_t gathered[INET_HEADERS_MAX];
};

static void find_headers(struct segment *segment, const struct iovec *piece, unsigned pieces)
{
	uint32_t size = 0;

	segment->headers = piece->iov_base;
	if (pieces == 1 || piece->iov_len >= INET_HEADERS_MAX)
		return;
	for (unsigned i = 0; i < pieces && size < INET_HEADERS_MAX; i++) {
		uint32_t part = INET_HEADERS_MAX - size;

		if (part > piece[i].iov_len)
			part = (uint32_t)piece[i].iov_len;
		memcpy(segment->gathered + size, piece[i].iov_base, part);
		size += part;
	}
	segment->headers = segment->gathered;
}

static bool is_plain_ipv4(const uint8_t *ip, const struct inet_packet *packet)
{
	return packet->transport - packet->network == IPV4_MIN_SIZE && read_be16(ip + 2) != 0 &&
	       inet_fold(inet_sum(ip, IPV4_MIN_SIZE, 0)) == 0xffff;
}

static bool is_plain(const struct segment *segment)
{
	const struct inet_packet *packet = &segment->packet;
	const uint8_t *ip = segment->headers + packet->network, *tcp = segment->headers + packet->transport;

	if (packet->network > ETHERNET_HEADER_SIZE + OFFLOAD_TAGS_MAX * ETHERNET_TAG_SIZE)
		return false;
	if (packet->version == 4 ? !is_plain_ipv4(ip, packet) : read_be16(ip + 4) == 0)
		return false;
	return (tcp[12] & 15) == 0 && (tcp[13] | MAY_END) == (TCP_FLAG_ACK | MAY_END);
}

static bool examine(struct segment *segment, const struct iovec *piece, unsigned pieces, uint32_t length)
{
	const struct iovec *last = &piece[pieces - 1];

	find_headers(segment, piece, pieces);
	if (!inet_locate(segment->headers, length, &segment->packet))
		return false;
	segment->header = inet_tcp_payload(segment->headers, &segment->packet);
	if (segment->header == 0 || segment->header == segment->packet.end || !is_plain(segment))
		return false;
	/* Padding is no part of the packet; it comes back when the frame is cut. */
	if (segment->packet.end != length && length != ETHERNET_MIN_SIZE)
		return false;
	segment->payload = segment->packet.end - segment->header;
	segment->data = (const uint8_t *)last->iov_base + last->iov_len - (length - segment->header);
	return last->iov_len >= length - segment->header;
}

/* Headers as they are at `headers`, payload at `data`. */
static bool verify(const uint8_t *headers, const struct inet_packet *packet, uint32_t header, const uint8_t *data)
{
	uint64_t sum = inet_pseudo_sum(headers, packet) + inet_sum(headers + packet->transport, header - packet->transport, 0);

	return inet_fold(inet_sum(data, packet->end - header, sum)) == 0xffff;
}

bool join_begin(struct join *join, const struct iovec *piece, unsigned pieces, uint32_t length)
{
	struct segment segment;

	join->segments = 0;
	if (!examine(&segment, piece, pieces, length) || (segment.headers[segment.packet.transport + 13] & MAY_END))
		return false;
	memcpy(join->headers, segment.headers, segment.header);
	join->packet = segment.packet;
	join->header = segment.header;
	join->size = join->payload = segment.payload;
	join->flags = TCP_FLAG_ACK;
	join->open = true;
	join->verified = join->fixed_id = false;
	join->segments = 1;
	join->piece[2] = (struct iovec){ (uint8_t *)(uintptr_t)segment.data, segment.payload };
	return true;
}

static bool same(const uint8_t *a, const uint8_t *b, uint32_t from, uint32_t to)
{
	return memcmp(a + from, b + from, to - from) == 0;
}

/* IPv4 but for length, identification and checksum; IPv6 but for its length. */
static bool is_same_network(const struct join *join, const uint8_t *ip)
{
	const uint8_t *first = join->headers + join->packet.network;

	if (join->packet.version == 6)
		return same(first, ip, 0, 4) && same(first, ip, 6, IPV6_FIXED_SIZE);
	return same(first, ip, 0, 2) && same(first, ip, 6, 10) && same(first, ip, 12, IPV4_MIN_SIZE);
}

/* TCP but for sequence number, flags and checksum. */
static bool is_same_stream(const struct join *join, const uint8_t *tcp)
{
	const uint8_t *first = join->headers + join->packet.transport;

	return read_be32(tcp + 4) == read_be32(first + 4) + join->payload && same(first, tcp, 0, 4) && same(first, tcp, 8, 13) &&
	       same(first, tcp, 14, 16) && same(first, tcp, 18, join->header - join->packet.transport);
}

/* False: neither in sequence nor all the same. *fixed: the latter. */
static bool follows(const struct join *join, const uint8_t *ip, bool *fixed)
{
	const uint8_t *first = join->headers + join->packet.network;

	*fixed = join->fixed_id;
	if (join->packet.version == 6)
		return true;
	uint16_t distance = (uint16_t)(read_be16(ip + 4) - read_be16(first + 4));
	if (join->segments == 1)
		*fixed = distance == 0;
	return *fixed ? distance == 0 && (read_be16(ip + 6) & DONT_FRAGMENT) : distance == join->segments;
}

static bool fits(const struct join *join, const struct segment *segment, bool *fixed)
{
	const struct inet_packet *packet = &segment->packet;

	return packet->network == join->packet.network && packet->version == join->packet.version && segment->header == join->header &&
	       segment->payload <= join->size && join->header - packet->network + join->payload + segment->payload <= PACKET_MAX &&
	       same(join->headers, segment->headers, 0, packet->network) && is_same_network(join, segment->headers + packet->network) &&
	       is_same_stream(join, segment->headers + packet->transport) && follows(join, segment->headers + packet->network, fixed);
}

bool join_add(struct join *join, const struct iovec *piece, unsigned pieces, uint32_t length)
{
	struct segment segment;
	bool fixed;

	if (!join->open || join->segments == JOIN_SEGMENTS_MAX || !examine(&segment, piece, pieces, length) || !fits(join, &segment, &fixed))
		return false;
	if (!join->verified)
		join->verified = join->open = verify(join->headers, &join->packet, join->header, join->piece[2].iov_base);
	if (!join->open || !verify(segment.headers, &segment.packet, segment.header, segment.data))
		return false;
	join->fixed_id = fixed;
	join->piece[2 + join->segments++] = (struct iovec){ (uint8_t *)(uintptr_t)segment.data, segment.payload };
	join->payload += segment.payload;
	join->flags = segment.headers[segment.packet.transport + 13];
	join->open = segment.payload == join->size && !(join->flags & MAY_END);
	return true;
}

static void write_network(struct join *join)
{
	uint8_t *ip = join->headers + join->packet.network;
	uint16_t sum;

	if (join->packet.version == 6) {
		write_be16(ip + 4, (uint16_t)(join->packet.end - join->packet.transport));
		return;
	}
	write_be16(ip + 2, (uint16_t)(join->packet.end - join->packet.network));
	memset(ip + 10, 0, 2);
	sum = (uint16_t)~inet_fold(inet_sum(ip, IPV4_MIN_SIZE, 0));
	memcpy(ip + 10, &sum, 2);
}

unsigned join_finish(struct join *join)
{
	struct offload offload = {
		.checksum_start = (uint16_t)join->packet.transport, .checksum_offset = TCP_SUM, .segment_size = (uint16_t)join->size,
		.segment_type = join->packet.version == 4 ? OFFLOAD_TCP_IPV4 : OFFLOAD_TCP_IPV6, .header_size = (uint16_t)join->header,
		.segments = (uint16_t)join->segments,
	};
	uint8_t *tcp = join->headers + join->packet.transport;
	uint16_t sum;

	join->packet.end = join->header + join->payload;
	write_network(join);
	tcp[13] = join->flags;
	sum = inet_fold(inet_pseudo_sum(join->headers, &join->packet));
	memcpy(tcp + TCP_SUM, &sum, 2);
	offload_write(&offload, join->offload_header);
	join->piece[0] = (struct iovec){ join->offload_header, sizeof(join->offload_header) };
	join->piece[1] = (struct iovec){ join->headers, join->header };
	return 2 + join->segments;
}
