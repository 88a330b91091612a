/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * IPv4 and IPv6 addresses as the user writes them: ADDRESS, ADDRESS/LENGTH, and the parts of a redirection.
 *
 * The whole text must be an address; nothing is guessed from the front of it. Functions return 0, or EINVAL (not an
 * address) or ERANGE (an address, but the length or port is outside its range), and store nothing unless they return 0.
 */
#ifndef VDE_SLIRP_ADDRESS_H
#define VDE_SLIRP_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ADDRESS_TEXT_SIZE = INET6_ADDRSTRLEN + 8 };      /* "[...]/128" and the final NUL */

struct address {
	int family;                     /* AF_INET, AF_INET6; AF_UNSPEC: none */
	union {
		struct in_addr v4;
		struct in6_addr v6;
	};
};

struct network {
	struct address address;         /* host bits as written */
	unsigned length;                /* of the prefix, in bits */
	bool has_length;                /* it was written */
};

/* An address alone; IPv6 with or without brackets. */
int address_parse(const char *text, struct address *address);
/* ADDRESS or ADDRESS/LENGTH. Without a length: `length4` or `length6` is taken. */
int address_parse_network(const char *text, unsigned length4, unsigned length6, struct network *network);

/* Writes the address (IPv6 without brackets) to out and returns out. AF_UNSPEC gives "-". */
const char *address_text(const struct address *address, char out[ADDRESS_TEXT_SIZE]);
bool address_equal(const struct address *a, const struct address *b);

/* Contiguous netmask of `length` bits, in network order. */
struct in_addr address_mask4(unsigned length);
/* Whether address lies in network (same family, same prefix). */
bool address_in_network(const struct address *address, const struct network *network);
/* The network's prefix with the host bits of `host` (IPv4) set instead of its own: 10.0.2.9/24 and 3 give 10.0.2.3. */
struct address address_in_prefix(const struct network *network, uint32_t host);
/* IPv4: every host bit zero, or every host bit one. IPv6: every host bit zero (the anycast address of the routers). */
bool address_is_reserved(const struct address *address, const struct network *network);

/* The address and port as a socket address; returns its length. */
socklen_t address_to_sockaddr(const struct address *address, unsigned port, struct sockaddr_storage *out);

#endif
