/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * IPv4 fragments from guests are put together here (RFC 791, section 3.2), so that libslirp sees whole datagrams only: its own
 * reassembly (4.7) can be led to write through a wild pointer by fragments that overlap.
 *
 * Theory of operation: a datagram is known by source, destination, identification and protocol. Its bytes are noted in units of eight, the unit
 * of fragment offsets. A datagram one of whose fragments repeats bytes, contradicts its length, or does not fit, is given up
 * as a whole, as RFC 5722 demands for IPv6: an honest sender does not do that. At most REASSEMBLY_MAX datagrams are under way,
 * the oldest makes room; one that is not complete after REASSEMBLY_NS makes room first.
 */
#ifndef VDE_SLIRP_REASSEMBLY_H
#define VDE_SLIRP_REASSEMBLY_H

#include "slirpvde/packet.h"

#include <stdint.h>

enum {
	REASSEMBLY_MAX = 16,
	REASSEMBLY_DATA_MAX = 65535 - IPV4_HEADER_SIZE,
	REASSEMBLY_HEADERS_MAX = ETHERNET_HEADER_SIZE + 60,     /* with all the options that fit */
};

#define REASSEMBLY_NS 30000000000ULL

struct datagram {
	bool used;
	uint64_t begun_ns;
	uint8_t key[12];
	uint32_t headers;               /* bytes of Ethernet and IP header, of the first fragment; 0: it has not come */
	uint32_t total;                 /* bytes of data; 0: the last fragment has not come */
	uint32_t received;
	uint32_t furthest;              /* where the data ends that lies furthest behind */
	uint8_t have[(REASSEMBLY_DATA_MAX / 8 + 8) / 8];        /* one bit for eight bytes */
	uint8_t header[REASSEMBLY_HEADERS_MAX];
	uint8_t *buffer;                /* room for the headers, then the data; allocated at the first use */
};

struct reassembly {
	struct datagram datagram[REASSEMBLY_MAX];
	uint64_t given_up;              /* datagrams */
};

void reassembly_free(struct reassembly *reassembly);

/*
 * True: the frame may go on. It is what it was, when it carries no fragment; or it has become the whole datagram that its fragment
 * completed, valid until the next call. False: it was a fragment, and is dealt with.
 */
bool reassembly_pass(struct reassembly *reassembly, struct frame *frame, uint64_t now_ns);

#endif
