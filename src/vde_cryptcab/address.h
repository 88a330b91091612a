/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A UDP address of either family, as datagrams come from and go to. */
#ifndef VDE_CRYPTCAB_ADDRESS_H
#define VDE_CRYPTCAB_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

enum {
	ADDRESS_TEXT_SIZE = 64,         /* "[ipv6%12345]:port" and more */
	ADDRESS_HOST_SIZE = 256,
	ADDRESS_USER_SIZE = 64,
};

union address {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;        /* IPv4 as ::ffff:a.b.c.d on a dual stack socket */
};

socklen_t address_length(const union address *address);
bool address_equal(const union address *a, const union address *b);
/* True for IPv4, written either way. */
bool address_is_ipv4(const union address *address);
/* Bytes of IP and UDP headers before a datagram to there. */
unsigned address_overhead(const union address *address);
/* "192.0.2.1:7667" or "[2001:db8::1]:7667" to `out` (ADDRESS_TEXT_SIZE bytes); returns out. */
char *address_format(const union address *address, char *out);
/* Whom a datagram is charged to: the IPv4 address, or the /64 that one IPv6 host may use as it likes. */
uint64_t address_source_key(const union address *address);

/* What follows -c: [USER@]HOST[:PORT], HOST a name, an IPv4 address, or an IPv6 address in brackets (or bare, without port). */
struct address_target {
	char user[ADDRESS_USER_SIZE];           /* "": none given */
	char host[ADDRESS_HOST_SIZE];           /* without brackets */
	unsigned port;
};

/* 0, or EINVAL: not of that form, or the user or host begins with '-', which ssh would read as an option. */
int address_parse_target(struct address_target *target, const char *text, unsigned default_port);

#endif
