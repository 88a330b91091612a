/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Settings of a network interface of this namespace: one file per operating system. */
#ifndef VDE_NETIF_H
#define VDE_NETIF_H

#include <stdint.h>

/* An address with its prefix length, checked when it was text. */
struct netif_address {
	int family;                     /* AF_INET or AF_INET6 */
	uint8_t address[16];            /* network order; IPv4: the first 4 */
	unsigned prefix;                /* bits */
};

/* "10.0.0.1/24" or "fd00::1/64". Without a length: 32 or 128. 0 or EINVAL. */
int netif_parse_address(const char *text, struct netif_address *address);

/* Each returns 0 or an errno value; ENODEV: no such interface; ENOSYS: not in this build. */
int netif_add_address(const char *name, const struct netif_address *address);
/*
 * An IPv4 address that is lent for `seconds`: the system removes it then, unless it has been lent anew. A lent one that the interface has had is replaced. Those
 * that were added otherwise stay.
 */
int netif_lend_address(const char *name, const struct netif_address *address, uint32_t seconds);
/* Removes the interface's lent addresses, but not `keep` (NULL: all). */
int netif_end_loans(const char *name, const struct netif_address *keep);
/* Through a router on the interface's network. */
int netif_add_default_route(const char *name, const struct netif_address *router);
int netif_set_mac(const char *name, const uint8_t mac[6]);
int netif_get_mac(const char *name, uint8_t mac[6]);
int netif_up(const char *name);
/* The longest payload of its frames, in bytes. */
int netif_get_mtu(const char *name, unsigned *mtu);

#endif
