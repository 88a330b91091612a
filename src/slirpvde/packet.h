/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The IP packet in a frame, its lengths checked once: what looks into frames before or behind libslirp begins here. */
#ifndef VDE_SLIRP_PACKET_H
#define VDE_SLIRP_PACKET_H

#include "common/frame.h"

enum {
	ETHERTYPE_IPV4 = 0x0800,
	ETHERTYPE_ARP = 0x0806,
	ETHERTYPE_IPV6 = 0x86dd,
	IPV4_HEADER_SIZE = 20,          /* without options */
	IPV6_HEADER_SIZE = 40,
	TCP_HEADER_SIZE = 20,           /* without options */
	UDP_HEADER_SIZE = 8,
	PROTOCOL_TCP = 6,
	PROTOCOL_UDP = 17,
	PROTOCOL_ICMPV6 = 58,
};

/* Offsets of fields from the start of their header (RFC 791, 8200, 9293). */
enum {
	IPV4_TOTAL_LENGTH = 2, IPV4_FRAGMENT = 6, IPV4_PROTOCOL = 9, IPV4_CHECKSUM = 10, IPV4_SOURCE = 12,
	IPV4_DESTINATION = 16,
	IPV6_PAYLOAD_LENGTH = 4, IPV6_NEXT_HEADER = 6, IPV6_SOURCE = 8, IPV6_DESTINATION = 24,
	TCP_SOURCE = 0, TCP_DESTINATION = 2, TCP_SEQUENCE = 4, TCP_ACKNOWLEDGEMENT = 8, TCP_OFFSET = 12, TCP_FLAGS = 13,
	TCP_WINDOW = 14, TCP_CHECKSUM = 16,
	UDP_SOURCE = 0, UDP_DESTINATION = 2, UDP_CHECKSUM = 6,
};

enum { TCP_PSH = 0x08, TCP_ACK = 0x10 };

struct packet {
	bool ipv6;
	uint8_t protocol;
	uint8_t *ip;                    /* the IP header, with options, ends at `transport` */
	uint8_t *transport;
	uint32_t length;                /* bytes from transport to the end of the packet; padding is not counted */
};

/*
 * Finds a whole, unfragmented packet in an untagged frame; IPv6 only without extension headers. What `packet` points to
 * is inside the frame. The transport header's own length is the caller's to check.
 */
bool packet_parse(const struct frame *frame, struct packet *packet);
/* Finds a fragment of an IPv4 packet, likewise; `transport` is its data. */
bool packet_parse_fragment(const struct frame *frame, struct packet *packet);

/* Internet checksum (RFC 1071): a sum of 16-bit words with end-around carry, not complemented; and the update of RFC 1624. */
uint32_t checksum_add(uint32_t sum, const uint8_t *data, uint32_t length);
uint16_t checksum_fold(uint32_t sum);

/* Writes `size` bytes (an even number, at an even offset) over `field` and corrects the checksum at `checksum`. */
void checksum_replace(uint8_t *checksum, uint8_t *field, const uint8_t *bytes, unsigned size);

#endif
