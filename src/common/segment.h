/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Frames as a machine's own interfaces show them, made into frames as a network carries them. A sender leaves the last of the work to its interface: the
 * checksum of TCP and UDP (only the pseudo header is summed), and the cutting of a long TCP segment; a receiver joins segments again before anyone sees them.
 * On a tap with offload, on a veth, or on a real interface with receive offload, one meets such frames.
 */
#ifndef VDE_SEGMENT_H
#define VDE_SEGMENT_H

#include "common/inet.h"

struct segment_plan {
	uint32_t header;                /* bytes of Ethernet, IP and TCP headers, repeated in each segment: at most INET_HEADERS_MAX */
	uint32_t payload;               /* bytes of the whole that follow */
	uint32_t size;                  /* of them in each segment */
	struct inet_packet packet;      /* where the IP and the TCP header begin */
};

/* Completes a TCP or UDP checksum of which only the pseudo header was summed. Frames that are complete, or of anything else, stay as they are. */
void segment_complete_checksum(uint8_t *data, uint32_t length);

/* True when the frame is TCP with more than `mtu` bytes of IP packet: the plan of cutting it. Its parts are 0 to segment_count - 1. */
bool segment_plan(struct segment_plan *plan, const uint8_t *data, uint32_t length, uint32_t mtu);
/*
 * The same for TCP of any length, with `size` (1 or more) bytes of payload in each part; false when it is no TCP, or without payload. Of `data` only the first
 * min(length, INET_HEADERS_MAX) bytes are read.
 */
bool segment_plan_sized(struct segment_plan *plan, const uint8_t *data, uint32_t length, uint32_t size);
uint32_t segment_count(const struct segment_plan *plan);
/* Payload bytes of part `index`; they begin at index * size. */
uint32_t segment_payload(const struct segment_plan *plan, uint32_t index);
/* Writes part `index`, complete with checksums, to `out`; returns its length: at most header + size. */
uint32_t segment_write(const struct segment_plan *plan, const uint8_t *data, uint32_t index, uint8_t *out);
/*
 * Writes only its headers, plan->header bytes: what follows them stays where it is, at `payload`. `headers` are those of the whole.
 */
void segment_write_header(const struct segment_plan *plan, const uint8_t *headers, const uint8_t *payload, uint32_t index, uint8_t *out);

#endif
