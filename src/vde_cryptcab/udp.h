/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The UDP socket: both address families, datagrams in batches, with segmentation (UDP GSO) and coalescing (UDP GRO) where the
 * kernel has them. Nothing is ever fragmented by IP.
 *
 * What is sent waits in an arena until udp_flush, so that a run of datagrams of one size to one address is one send. What the system
 * does not take at once is dropped and counted, as Ethernet would.
 */
#ifndef VDE_CRYPTCAB_UDP_H
#define VDE_CRYPTCAB_UDP_H

#include "address.h"
#include "common/log.h"
#include "common/loop.h"

struct udp;

struct udp_callbacks {
	/* One datagram, which may be changed in place; it lies there until batch_end returns. */
	void (*receive)(void *owner, const union address *from, uint8_t *datagram, size_t length);
	void (*batch_end)(void *owner);
	/* The way to `to` does not take datagrams of this size. */
	void (*too_big)(void *owner, const union address *to, size_t size);
};

struct udp_counters {
	uint64_t datagrams_in, datagrams_out, sends, receives;
	uint64_t dropped_busy, errors;
};

/* port 0: any. Returns NULL with errno. */
struct udp *udp_open(struct loop *loop, struct log *log, unsigned port, const struct udp_callbacks *callbacks, void *owner);
void udp_close(struct udp *udp);        /* NULL is accepted */

/* Looks the host up (may block) for this socket's family. 0, or EAI_* of getaddrinfo. */
int udp_resolve(const struct udp *udp, const char *host, unsigned port, union address *address);

/* Room for one datagram of at most `size` bytes (UDP_PAYLOAD_MAX at most), to be given to udp_queue next. */
uint8_t *udp_buffer(struct udp *udp, size_t size);
void udp_queue(struct udp *udp, const union address *to, uint8_t *datagram, size_t length);
void udp_flush(struct udp *udp);
/* Stops or resumes reading; while paused, what arrives waits in the system. */
void udp_pause(struct udp *udp, bool paused);
const struct udp_counters *udp_counters(const struct udp *udp);

#endif
