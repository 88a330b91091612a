/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Ethernet (IEEE 802.3) and 802.1Q layout: names, sizes and accessors.
 *
 * Every program takes a frame's bytes apart here and nowhere else. A frame is what crosses a VDE wire:
 * destination, source, optional tag, type, payload; no preamble and no FCS.
 */
#ifndef VDE_FRAME_H
#define VDE_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum {
	ETHERNET_ADDRESS_SIZE = 6,
	ETHERNET_HEADER_SIZE = 14,      /* two addresses and the type: the least that is a frame */
	ETHERNET_MIN_SIZE = 60,         /* without FCS; shorter frames are padded with zeros */
	ETHERNET_TAG_SIZE = 4,          /* an 802.1Q tag: TPID and TCI */
	FRAME_MAX_SIZE = 65535,         /* longest frame that passes; longer ones are dropped, never cut */
	ETHERTYPE_VLAN = 0x8100,        /* 802.1Q TPID */
};

enum {
	VLAN_NONE = 4095,               /* reserved VID: "no VLAN" as a port's untagged VLAN */
	VLAN_MAX = 4094,                /* highest VID that a frame may carry */
	VLAN_COUNT = 4096,
	VLAN_VID_MASK = 0x0fff,
};

/*
 * What a device leaves to whoever finishes the frame (offload.h): the checksum, the cutting of a long TCP segment. All zero: a plain frame. A frame that
 * is to be segmented has its checksum to be done too.
 */
struct offload {
	uint16_t checksum_start;        /* offset at which the checksum begins, 0: none to do */
	uint16_t checksum_offset;       /* where, after checksum_start, the sum is stored */
	uint16_t segment_size;          /* payload bytes per segment, 0: not to be segmented */
	uint16_t segment_type;          /* of virtio's net header */
	uint16_t header_size;           /* bytes before the payload, when it is to be segmented: they are repeated in each segment */
	uint16_t segments;              /* how many frames it will be, 0: it is one already */
};

/* One frame in a buffer. `data` has room for a tag in front and for padding behind (see struct frame_buffer users). */
struct frame {
	uint8_t *data;                  /* the destination address */
	uint32_t length;                /* bytes from data, without FCS */
	uint16_t vid;                   /* after ingress: the VLAN it travels in */
	bool tagged;                    /* data carries an 802.1Q tag */
	struct offload offload;         /* all zero: a plain frame */
};

static inline uint16_t read_be16(const uint8_t *p)
{
	return (uint16_t)((p[0] << 8) | p[1]);
}

static inline uint32_t read_be32(const uint8_t *p)
{
	return ((uint32_t)p[0] << 24) | ((uint32_t)p[1] << 16) | ((uint32_t)p[2] << 8) | p[3];
}

static inline void write_be16(uint8_t *p, uint16_t value)
{
	p[0] = (uint8_t)(value >> 8);
	p[1] = (uint8_t)value;
}

static inline void write_be32(uint8_t *p, uint32_t value)
{
	write_be16(p, (uint16_t)(value >> 16));
	write_be16(p + 2, (uint16_t)value);
}

static inline const uint8_t *frame_destination(const struct frame *frame)
{
	return frame->data;
}

static inline const uint8_t *frame_source(const struct frame *frame)
{
	return frame->data + ETHERNET_ADDRESS_SIZE;
}

/* The type field that follows the addresses: the TPID when the frame is tagged. */
static inline uint16_t frame_outer_type(const struct frame *frame)
{
	return read_be16(frame->data + 2 * ETHERNET_ADDRESS_SIZE);
}

/* Group addresses (multicast and broadcast) have the lowest bit of the first byte set (802.3 clause 3.2.3). */
static inline bool mac_is_group(const uint8_t *mac)
{
	return (mac[0] & 1) != 0;
}

static inline bool mac_equal(const uint8_t *a, const uint8_t *b)
{
	return memcmp(a, b, ETHERNET_ADDRESS_SIZE) == 0;
}

/* The address as the low 48 bits of a number, for keys. */
static inline uint64_t mac_to_u64(const uint8_t *mac)
{
	return ((uint64_t)read_be16(mac) << 32) | read_be32(mac + 2);
}

#endif
