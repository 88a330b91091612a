/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/netif.h"

#include "common/number.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

int netif_parse_address(const char *text, struct netif_address *address)
{
	struct netif_address parsed = { .family = strchr(text, ':') ? AF_INET6 : AF_INET };
	unsigned most = parsed.family == AF_INET6 ? 128 : 32;
	const char *slash = strchr(text, '/');
	char host[INET6_ADDRSTRLEN];
	size_t length = slash ? (size_t)(slash - text) : strlen(text);

	if (length >= sizeof(host))
		return EINVAL;
	memcpy(host, text, length);
	host[length] = '\0';
	parsed.prefix = most;
	if (inet_pton(parsed.family, host, parsed.address) != 1)
		return EINVAL;
	if (slash && number_uint(slash + 1, 0, most, &parsed.prefix) != 0)
		return EINVAL;
	*address = parsed;
	return 0;
}
