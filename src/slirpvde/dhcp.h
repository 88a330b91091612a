/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the program knows of DHCP (RFC 2131), whose server is in libslirp: who holds which address, and how many clients are
 * served at most. libslirp never takes an address back, so a client that was once served stays in the table.
 */
#ifndef VDE_SLIRP_DHCP_H
#define VDE_SLIRP_DHCP_H

#include "slirpvde/engine_config.h"
#include "common/frame.h"

enum {
	DHCP_NAME_SIZE = 64,            /* of a client's host name, cut beyond */
	DHCP_REQUEST_SIZE = 342,        /* of the frame written by dhcp_build_request */
};

struct dhcp_lease {
	uint8_t mac[ETHERNET_ADDRESS_SIZE];
	struct in_addr address;
	bool acknowledged;              /* false: only offered so far */
	uint32_t seconds;               /* granted */
	uint64_t granted_ns;            /* when, by the caller's clock */
	char name[DHCP_NAME_SIZE];      /* as the client gave it: not to be trusted, may be empty */
};

struct dhcp_table {
	unsigned max;                   /* clients served */
	unsigned count;
	struct dhcp_lease lease[ENGINE_DHCP_MAX];
	uint64_t refused;               /* messages of clients beyond max */
	char pending_name[DHCP_NAME_SIZE];      /* of the client whose message is being answered */
};

void dhcp_table_init(struct dhcp_table *table, unsigned max);
/* A frame from a guest: false when it is a DHCP message of a client that must not be served. Other frames: true. */
bool dhcp_from_guest(struct dhcp_table *table, const struct frame *frame);
/* A frame to a guest: notes what the server offers and grants. */
void dhcp_to_guest(struct dhcp_table *table, const struct frame *frame, uint64_t now_ns);

/*
 * Writes a client's request for `address` (with a MAC made up from it) to out, DHCP_REQUEST_SIZE bytes. Given to libslirp at the
 * beginning, it takes an address that no guest may get out of the range.
 */
void dhcp_build_request(uint8_t *out, struct in_addr address);

#endif
