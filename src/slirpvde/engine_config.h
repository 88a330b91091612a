/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a virtual network looks like: addresses, services, limits. Filled by a program, completed and checked here. */
#ifndef VDE_SLIRP_ENGINE_CONFIG_H
#define VDE_SLIRP_ENGINE_CONFIG_H

#include "slirpvde/address.h"

enum {
	ENGINE_ERROR_SIZE = 320,
	ENGINE_MTU_MIN = 576,           /* the least every IPv4 host must take (RFC 791); 1280 with IPv6 (RFC 8200) */
	ENGINE_MTU_MAX = 65521,         /* what libslirp takes */
	ENGINE_DHCP_MAX = 16,           /* addresses that libslirp's DHCP server can give: a constant in it */
	ENGINE_LENGTH4 = 24,            /* prefix lengths when none is written */
	ENGINE_LENGTH6 = 64,
};

/* One line for the user: what is wrong, with the value. */
struct engine_error {
	char text[ENGINE_ERROR_SIZE];
};

/* Strings and arrays belong to the caller and must outlive the engine. Zero means "the default" or "off" everywhere. */
struct engine_config {
	struct network host4, host6;    /* the router's address in each family; AF_UNSPEC: that family is off */
	struct address dns4, dns6;      /* what guests are told to ask; by default host bits 3 of the prefix */
	bool no_dns;                    /* do not forward questions sent to them to the host's resolvers */
	bool dhcp;
	struct address dhcp_start;      /* default: host bits 15 */
	unsigned dhcp_count;            /* clients served; default and most: ENGINE_DHCP_MAX */
	bool advertise;                 /* send IPv6 router advertisements */
	bool restricted;                /* guests reach redirections and services only, not the host nor the world */
	bool no_host_loopback;          /* the router's address does not lead to the host's 127.0.0.1 and ::1 */
	unsigned mtu, mru;              /* longest packet to and from guests; default 1500, and that of mtu */
	struct address outbound4, outbound6;    /* source addresses of connections to the world */
	const char *hostname;           /* the DHCP server's name for itself */
	const char *domain;
	const char **dns_search;        /* NULL terminated */
	const char *tftp_directory;
	const char *tftp_server_name;   /* DHCP option 66 */
	const char *bootfile;
};

/*
 * Fills in what was left out and checks the rest: addresses inside their network, different from one another, lengths and
 * sizes in range. Returns 0, or EINVAL with the reason in error.
 */
int engine_config_complete(struct engine_config *config, struct engine_error *error);

/* Writes a reason; returns EINVAL, to be returned in turn. */
int engine_fail(struct engine_error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
