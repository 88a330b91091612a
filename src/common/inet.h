/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The IP packet in a frame: where its headers are, and Internet checksums (RFC 1071). Everything is given as offsets, so that the same holds for a
 * frame in several pieces of which only the headers are at hand.
 */
#ifndef VDE_INET_H
#define VDE_INET_H

#include "common/frame.h"

enum {
	INET_TAGS_MAX = 3,              /* 802.1Q and 802.1ad tags looked through */
	INET_IP_MAX = 60,               /* an IP header with all its options */
	INET_TCP_MAX = 60,              /* a TCP header, likewise */
	/* In so many first bytes of a frame lie all headers that are looked at. */
	INET_HEADERS_MAX = ETHERNET_HEADER_SIZE + INET_TAGS_MAX * ETHERNET_TAG_SIZE + INET_IP_MAX + INET_TCP_MAX,
	INET_TCP = 6,                   /* protocol numbers */
	INET_UDP = 17,
	IPV4_MIN_SIZE = 20,
	IPV6_FIXED_SIZE = 40,
	TCP_MIN_SIZE = 20,
	UDP_FIXED_SIZE = 8,
	TCP_SUM = 16, UDP_SUM = 6,      /* offsets of the checksums in their headers */
	TCP_FLAG_FIN = 0x01, TCP_FLAG_PSH = 0x08, TCP_FLAG_ACK = 0x10, TCP_FLAG_CWR = 0x80,
};

struct inet_packet {
	uint32_t network, transport;    /* offsets of the two headers */
	uint32_t end;                   /* of the packet; padding may follow */
	uint8_t version, protocol;
};

/*
 * Finds a whole, unfragmented packet in a frame of `length` bytes; IPv6 only without extension headers. Of `data` no more than the first
 * min(length, INET_HEADERS_MAX) bytes are read. The transport header's own length is the caller's to check.
 */
bool inet_locate(const uint8_t *data, uint32_t length, struct inet_packet *packet);
/* Offset of the payload of a TCP packet; 0: the header is not whole. */
uint32_t inet_tcp_payload(const uint8_t *data, const struct inet_packet *packet);

/*
 * Sums in the order of bytes as in memory: stored with memcpy they are right on every machine. A piece that begins at an odd offset of what is summed
 * must not be added.
 */
uint64_t inet_sum(const uint8_t *bytes, uint32_t length, uint64_t sum);
uint16_t inet_fold(uint64_t sum);
/* The sum of the pseudo header of addresses, protocol and length (RFC 9293 3.1, RFC 8200 8.1). */
uint64_t inet_pseudo_sum(const uint8_t *data, const struct inet_packet *packet);

#endif
