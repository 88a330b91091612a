/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "address.h"

#include "common/frame.h"
#include "common/number.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { IPV4_UDP_HEADERS = 28, IPV6_UDP_HEADERS = 48, IPV4_IN_IPV6 = 12 };

socklen_t address_length(const union address *address)
{
	return address->sa.sa_family == AF_INET ? sizeof(address->in) : sizeof(address->in6);
}

bool address_equal(const union address *a, const union address *b)
{
	if (a->sa.sa_family != b->sa.sa_family)
		return false;
	if (a->sa.sa_family == AF_INET)
		return a->in.sin_port == b->in.sin_port && a->in.sin_addr.s_addr == b->in.sin_addr.s_addr;
	return a->in6.sin6_port == b->in6.sin6_port && a->in6.sin6_scope_id == b->in6.sin6_scope_id &&
	       memcmp(&a->in6.sin6_addr, &b->in6.sin6_addr, sizeof(a->in6.sin6_addr)) == 0;
}

bool address_is_ipv4(const union address *address)
{
	return address->sa.sa_family == AF_INET || IN6_IS_ADDR_V4MAPPED(&address->in6.sin6_addr);
}

unsigned address_overhead(const union address *address)
{
	return address_is_ipv4(address) ? IPV4_UDP_HEADERS : IPV6_UDP_HEADERS;
}

static const uint8_t *ipv4_bytes(const union address *address)
{
	if (address->sa.sa_family == AF_INET)
		return (const uint8_t *)&address->in.sin_addr;
	return address->in6.sin6_addr.s6_addr + IPV4_IN_IPV6;
}

char *address_format(const union address *address, char *out)
{
	bool ipv4 = address_is_ipv4(address);
	unsigned port = ntohs(address->sa.sa_family == AF_INET ? address->in.sin_port : address->in6.sin6_port);
	char text[INET6_ADDRSTRLEN] = "?";

	if (ipv4)
		inet_ntop(AF_INET, ipv4_bytes(address), text, sizeof(text));
	else
		inet_ntop(AF_INET6, &address->in6.sin6_addr, text, sizeof(text));
	snprintf(out, ADDRESS_TEXT_SIZE, ipv4 ? "%s:%u" : "[%s]:%u", text, port);
	return out;
}

uint64_t address_source_key(const union address *address)
{
	const uint8_t *ipv6 = address->in6.sin6_addr.s6_addr;

	if (address_is_ipv4(address))
		return read_be32(ipv4_bytes(address));  /* no global IPv6 prefix begins with 32 zero bits */
	return (uint64_t)read_be32(ipv6) << 32 | read_be32(ipv6 + 4);
}

/* ---- [USER@]HOST[:PORT] ---- */

static int copy_part(char *out, size_t size, const char *start, size_t length)
{
	if (length == 0 || length >= size || start[0] == '-')
		return EINVAL;
	memcpy(out, start, length);
	out[length] = 0;
	return 0;
}

/* Finds where the host ends and the port begins. */
static int split_host(const char *text, const char **host, size_t *length, const char **port)
{
	const char *end;

	if (text[0] == '[') {
		end = strchr(text, ']');
		if (!end || (end[1] != 0 && end[1] != ':'))
			return EINVAL;
		*host = text + 1;
		*port = end[1] ? end + 2 : NULL;
	} else {
		const char *colon = strchr(text, ':');
		bool bare_ipv6 = colon && strchr(colon + 1, ':');

		end = colon && !bare_ipv6 ? colon : text + strlen(text);
		*host = text;
		*port = *end ? end + 1 : NULL;
	}
	*length = (size_t)(end - *host);
	return 0;
}

int address_parse_target(struct address_target *target, const char *text, unsigned default_port)
{
	const char *at = strchr(text, '@'), *host, *port;
	size_t length;

	memset(target, 0, sizeof(*target));
	target->port = default_port;
	if (at) {
		if (copy_part(target->user, sizeof(target->user), text, (size_t)(at - text)) != 0)
			return EINVAL;
		text = at + 1;
	}
	if (strpbrk(text, "@ \t\n") || split_host(text, &host, &length, &port) != 0)
		return EINVAL;
	if (copy_part(target->host, sizeof(target->host), host, length) != 0)
		return EINVAL;
	if (port && number_uint(port, 1, 65535, &target->port) != 0)
		return EINVAL;
	return 0;
}
