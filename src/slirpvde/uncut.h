/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * TCP segments of one stream that libslirp sends one after the other become one frame that is to be segmented later, by whoever is nearest to the guest
 * (a tap with offload: by the guest's own kernel, that is, never). What coalesce.h does for the way to the host.
 *
 * Theory of operation. libslirp's segments follow one another without a gap, carry no options, and are alike but for sequence number, identification (which
 * counts up) and PSH; so a segment is appended to the frame before when it continues it: same addresses, ports, acknowledgement and window, all of one size but
 * the last, which may be shorter or carry PSH. Only its payload is copied. Lengths and the IPv4 header's checksum are made when the frame is complete; the TCP
 * checksum is left to be done, with the sum of the pseudo header in its place.
 */
#ifndef VDE_SLIRP_UNCUT_H
#define VDE_SLIRP_UNCUT_H

#include "slirpvde/packet.h"

enum {
	UNCUT_MAX = 64000,              /* bytes of a frame: with what goes before it, a record of 65,535 */
};

/* What is known of the last frame of the output. */
struct uncut {
	struct frame *frame;            /* NULL: none that may be continued */
	struct packet packet;
	uint32_t segment;               /* bytes of payload of its first segment */
	uint32_t payload;               /* of all */
	uint16_t segments;
};

/* The frame was put last; it may be continued. Its bytes must stay until uncut_end, with room behind for as much as is appended. */
void uncut_begin(struct uncut *uncut, struct frame *frame);
/* Appends a frame to the last one; returns how many bytes longer that is. 0: it does not continue it. At most `room` bytes are appended. */
uint32_t uncut_append(struct uncut *uncut, const struct frame *next, uint32_t room);
/* The last frame is complete: writes what its headers lack. */
void uncut_end(struct uncut *uncut);

#endif
