/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * TCP segments of one stream that came in one batch are handed on as one long segment.
 *
 * Theory of operation: for every segment libslirp makes one system call towards the host and one acknowledgement towards the
 * guest, whatever its size. A guest that sends in bursts is therefore served many times faster when the burst arrives
 * as one segment (the same idea as "generic receive offload" in a kernel). Segments are joined when they follow one another without
 * a gap in the batch, carry data, no options, no flag besides ACK and PSH, and acknowledge the same byte. The data is
 * not summed again: the sum of a segment's data follows from its checksum (RFC 1071), so a damaged segment makes the joined one
 * fail its check in libslirp, and the guest sends again. Everything else passes as it is, in the order it came.
 *
 * The other way around: of acknowledgements without data of one stream that directly follow one another, each of which
 * acknowledges more than the one before, only the last says something.
 */
#ifndef VDE_SLIRP_COALESCE_H
#define VDE_SLIRP_COALESCE_H

#include "slirpvde/packet.h"

enum {
	COALESCE_MAX = 20480,           /* bytes of a joined packet: half of a window, so that guest and host work at once */
};

typedef void coalesce_output(void *owner, const uint8_t *frame, uint32_t length);

struct coalescer {
	coalesce_output *output;
	void *owner;
	struct frame held;              /* not given on yet; length 0: none */
	struct packet packet;           /* of held */
	uint32_t data;                  /* bytes of TCP data in held; 0: an acknowledgement */
	uint32_t data_sum;              /* their sum */
	bool joined;                    /* held is in the buffer below */
	uint64_t segments_joined;       /* that were appended to another */
	uint8_t buffer[ETHERNET_HEADER_SIZE + COALESCE_MAX];
};

void coalesce_init(struct coalescer *coalescer, coalesce_output *output, void *owner);
/* Gives the frame on, now or with a later call. Its bytes must stay until coalesce_flush. */
void coalesce_add(struct coalescer *coalescer, const struct frame *frame);
/* Gives on what is held: the end of a batch. */
void coalesce_flush(struct coalescer *coalescer);

#endif
