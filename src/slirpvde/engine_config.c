/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "slirpvde/engine_config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

enum { HOST_BITS_ROUTER = 2, HOST_BITS_DNS = 3, HOST_BITS_DHCP = 15 };
enum { LENGTH4_MIN = 4, LENGTH4_MAX = 30, LENGTH6_MIN = 8, LENGTH6_MAX = 126, LENGTH6_AUTOCONF = 64 };

int engine_fail(struct engine_error *error, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(error->text, sizeof(error->text), format, args);
	va_end(args);
	return EINVAL;
}

static bool host_may_have(const struct address *address)
{
	if (address->family == AF_INET) {
		uint32_t first = ntohl(address->v4.s_addr) >> 24;

		return first != 0 && first != 127 && first < 224;
	}
	return !IN6_IS_ADDR_MULTICAST(&address->v6) && !IN6_IS_ADDR_LINKLOCAL(&address->v6) &&
	       !IN6_IS_ADDR_V4MAPPED(&address->v6);
}

static int complete_host(struct network *host, unsigned min, unsigned max, struct engine_error *error)
{
	char text[ADDRESS_TEXT_SIZE];
	struct network prefix = *host;

	if (host->address.family == AF_UNSPEC)
		return 0;
	address_text(&host->address, text);
	if (host->length < min || host->length > max)
		return engine_fail(error, "host %s/%u: the length of the prefix must be %u to %u", text, host->length, min, max);
	if (!host_may_have(&host->address))
		return engine_fail(error, "host %s: not an address that a host can have", text);
	prefix.address = address_in_prefix(host, 0);
	if (address_equal(&host->address, &prefix.address))
		host->address = address_in_prefix(host, HOST_BITS_ROUTER);
	if (address_is_reserved(&host->address, host))
		return engine_fail(error, "host %s/%u: the network's own or broadcast address", text, host->length);
	return 0;
}

/*
 * The DNS address may lie outside (guests then go to that server themselves) and may be the router's, but inside it must be
 * one that a host can have.
 */
static int complete_dns(const struct network *host, struct address *dns, struct engine_error *error)
{
	char text[ADDRESS_TEXT_SIZE];

	if (host->address.family == AF_UNSPEC) {
		if (dns->family != AF_UNSPEC)
			return engine_fail(error, "dns %s: no host address of that family", address_text(dns, text));
		return 0;
	}
	if (dns->family == AF_UNSPEC) {
		*dns = address_in_prefix(host, HOST_BITS_DNS);
		if (address_equal(dns, &host->address))
			*dns = address_in_prefix(host, HOST_BITS_ROUTER);
	}
	if (address_in_network(dns, host) && address_is_reserved(dns, host))
		return engine_fail(error, "dns %s: the network's own or broadcast address", address_text(dns, text));
	return 0;
}

static bool dhcp_start_fits(const struct engine_config *config, const struct address *start)
{
	return address_in_network(start, &config->host4) && !address_is_reserved(start, &config->host4) &&
	       !address_equal(start, &config->host4.address) && !address_equal(start, &config->dns4);
}

static int complete_dhcp(struct engine_config *config, struct engine_error *error)
{
	char text[ADDRESS_TEXT_SIZE], host[ADDRESS_TEXT_SIZE];

	if (!config->dhcp)
		return 0;
	if (config->host4.address.family != AF_INET)
		return engine_fail(error, "dhcp: there is no IPv4 host address to serve from");
	if (config->dhcp_start.family == AF_UNSPEC) {
		config->dhcp_start = address_in_prefix(&config->host4, HOST_BITS_DHCP);
		/* A network too small for 15: the first address that is free. */
		for (uint32_t bits = 1; bits < HOST_BITS_DHCP && !dhcp_start_fits(config, &config->dhcp_start); bits++)
			config->dhcp_start = address_in_prefix(&config->host4, bits);
	}
	if (!dhcp_start_fits(config, &config->dhcp_start))
		return engine_fail(error, "dhcp %s: not an address for a guest in the network of %s/%u",
				   address_text(&config->dhcp_start, text), address_text(&config->host4.address, host),
				   config->host4.length);
	if (config->dhcp_count == 0)
		config->dhcp_count = ENGINE_DHCP_MAX;
	if (config->dhcp_count > ENGINE_DHCP_MAX)
		return engine_fail(error, "dhcp: %u clients: at most %d", config->dhcp_count, ENGINE_DHCP_MAX);
	return 0;
}

static int check_rest(const struct engine_config *config, struct engine_error *error)
{
	bool ipv6 = config->host6.address.family == AF_INET6;
	unsigned mtu_min = ipv6 ? 1280 : ENGINE_MTU_MIN;

	if (config->host4.address.family == AF_UNSPEC && !ipv6)
		return engine_fail(error, "no host address");
	if (config->mtu < mtu_min || config->mtu > ENGINE_MTU_MAX)
		return engine_fail(error, "mtu %u: must be %u to %d", config->mtu, mtu_min, ENGINE_MTU_MAX);
	if (config->mru < mtu_min || config->mru > ENGINE_MTU_MAX)
		return engine_fail(error, "mru %u: must be %u to %d", config->mru, mtu_min, ENGINE_MTU_MAX);
	if (config->advertise && !ipv6)
		return engine_fail(error, "router advertisements: there is no IPv6 host address to take the prefix from");
	if (config->advertise && config->host6.length != LENGTH6_AUTOCONF)
		return engine_fail(error, "router advertisements: the prefix has %u bits; guests need %d to form an address",
				   config->host6.length, LENGTH6_AUTOCONF);
	return 0;
}

int engine_config_complete(struct engine_config *config, struct engine_error *error)
{
	int failed = complete_host(&config->host4, LENGTH4_MIN, LENGTH4_MAX, error);

	if (!failed)
		failed = complete_host(&config->host6, LENGTH6_MIN, LENGTH6_MAX, error);
	if (!failed)
		failed = complete_dns(&config->host4, &config->dns4, error);
	if (!failed)
		failed = complete_dns(&config->host6, &config->dns6, error);
	if (!failed)
		failed = complete_dhcp(config, error);
	if (config->mtu == 0)
		config->mtu = 1500;
	if (config->mru == 0)
		config->mru = config->mtu;
	return failed ? failed : check_rest(config, error);
}
