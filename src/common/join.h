/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * TCP segments of one stream that follow one another, joined to one frame that is to be segmented: what a kernel calls generic receive offload. Whoever gets
 * the joined frame passes it through its network stack once, and has the very same segments when it is cut again.
 *
 * Nothing is copied but the headers: the joined frame is a list of pieces in which the payloads stay where they are.
 */
#ifndef VDE_JOIN_H
#define VDE_JOIN_H

#include "common/inet.h"
#include "common/offload.h"

#include <sys/uio.h>

enum {
	JOIN_SEGMENTS_MAX = 64,         /* a further one begins the next join; so does one with which the IP packet would be over 65,535 bytes */
	JOIN_PIECES_MAX = 2 + JOIN_SEGMENTS_MAX,
};

struct join {
	unsigned segments;
	bool open;                      /* another segment may follow */
	bool verified;                  /* the first one's checksum is known to be right */
	bool fixed_id;                  /* all have the same IPv4 identification */
	uint32_t size;                  /* payload of each segment but the last */
	uint32_t payload;               /* of all */
	uint32_t header;                /* where it begins */
	uint8_t flags;                  /* of TCP, of the last segment */
	struct inet_packet packet;      /* of the first */
	uint8_t headers[INET_HEADERS_MAX];
	uint8_t offload_header[OFFLOAD_HEADER_SIZE];
	struct iovec piece[JOIN_PIECES_MAX];    /* after join_finish: offload header, headers, payloads */
};

/*
 * Begins with the frame in these pieces, whose bytes stay until the joined frame is used. False: it is nothing that can be joined. Without a further segment the frame is
 * to be used as it was.
 */
bool join_begin(struct join *join, const struct iovec *piece, unsigned pieces, uint32_t length);
/* Joins the next one. False: it does not fit; the join is as it was, and the frame is left to the caller. */
bool join_add(struct join *join, const struct iovec *piece, unsigned pieces, uint32_t length);
/* After at least two segments: makes the headers. Returns the number of join->piece. */
unsigned join_finish(struct join *join);

#endif
