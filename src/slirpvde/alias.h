/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Redirections of the router's own TCP ports.
 *
 * Theory of operation: libslirp redirects ports of addresses of the virtual network, but refuses its router's own address,
 * which is the one that `-x` always meant. So such a redirection lives at a hidden address of the network, and frames are
 * readdressed on their way: to the hidden address when a guest writes to router:port, back to the router's when the answer
 * comes from hidden:port. Guests never see the hidden address. Checksums are corrected by difference (RFC 1624), so that
 * what was wrong stays wrong.
 */
#ifndef VDE_SLIRP_ALIAS_H
#define VDE_SLIRP_ALIAS_H

#include "common/frame.h"

#include <netinet/in.h>

struct alias {
	struct in_addr router, hidden;
	unsigned count;                 /* ports that are set; 0 costs nothing per frame */
	uint8_t port[65536 / 8];
};

void alias_init(struct alias *alias, struct in_addr router, struct in_addr hidden);
struct in_addr alias_hidden(const struct alias *alias);
void alias_set(struct alias *alias, unsigned port, bool on);
void alias_from_guest(const struct alias *alias, struct frame *frame);
void alias_to_guest(const struct alias *alias, struct frame *frame);

/*
 * A datagram from the host's loopback gets the router's address, to which guests can answer. libslirp 4.7 sees to that itself until a redirection
 * has been used from another address.
 */
void alias_hide_loopback(struct frame *frame, const struct in_addr *router4, const struct in6_addr *router6);

#endif
