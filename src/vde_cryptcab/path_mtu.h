/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How large a datagram may be on the way to a peer: packetization layer path MTU discovery (RFC 8899) with the cable's own probes.
 *
 * A probe of every usual size is sent at once; the largest that is acknowledged is the size. It is confirmed with each keepalive; when that
 * stays unanswered three times the size falls to the least and the search begins anew, and so it does when the system reports
 * EMSGSIZE. It may have been the peer that was away, not the path that became narrower: then nobody answers that search, and the first word
 * from the peer begins another. A path that grew is found at the next search, each 10 minutes. Time is an argument; nothing is sent from here.
 */
#ifndef VDE_CRYPTCAB_PATH_MTU_H
#define VDE_CRYPTCAB_PATH_MTU_H

#include "protocol.h"

#include <stdbool.h>
#include <stddef.h>

enum {
	PATH_MTU_MIN = 576,             /* every IPv4 path carries it (RFC 791); what is left when all else failed */
	PATH_MTU_BASE = 1280,           /* assumed at first: every IPv6 path carries it (RFC 8200) */
	PATH_MTU_ROUNDS = 3,
	PATH_MTU_MISSES = 3,
	PATH_MTU_CANDIDATES = 16,
};

#define PATH_MTU_ROUND_TIME (1 * PROTOCOL_SECOND)
#define PATH_MTU_SEARCH_TIME (600 * PROTOCOL_SECOND)

struct path_mtu {
	unsigned overhead;              /* IP and UDP headers, bytes */
	unsigned ceiling;               /* largest IP packet allowed by --mtu */
	size_t size;                    /* largest UDP payload that is known to arrive */
	unsigned rounds;                /* of the search still to be sent */
	uint64_t next_round_ns;
	unsigned misses;                /* keepalives of the full size unanswered in a row */
	bool fell;                      /* for such silence, and nothing was acknowledged since */
};

/* ceiling 0: none. */
void path_mtu_init(struct path_mtu *path, unsigned overhead, unsigned ceiling, uint64_t now_ns);
/* The sizes of the probes due now, at most PATH_MTU_CANDIDATES; returns how many. */
size_t path_mtu_probes(struct path_mtu *path, uint64_t now_ns, size_t sizes[PATH_MTU_CANDIDATES]);
/* A probe of `size` bytes arrived at the peer. */
void path_mtu_acknowledged(struct path_mtu *path, size_t size, uint64_t now_ns);
/* A keepalive of the full size is being sent; the answer to the one before counts until now. */
void path_mtu_keepalive(struct path_mtu *path, uint64_t now_ns);
/* The system refused a datagram of `size` bytes. */
void path_mtu_too_big(struct path_mtu *path, size_t size, uint64_t now_ns);

#endif
