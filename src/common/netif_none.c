/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/netif.h"

#include <errno.h>

int netif_add_address(const char *name, const struct netif_address *address)
{
	(void)name;
	(void)address;
	return ENOSYS;
}

int netif_lend_address(const char *name, const struct netif_address *address, uint32_t seconds)
{
	(void)name;
	(void)address;
	(void)seconds;
	return ENOSYS;
}

int netif_end_loans(const char *name, const struct netif_address *keep)
{
	(void)name;
	(void)keep;
	return ENOSYS;
}

int netif_add_default_route(const char *name, const struct netif_address *router)
{
	(void)name;
	(void)router;
	return ENOSYS;
}

int netif_set_mac(const char *name, const uint8_t mac[6])
{
	(void)name;
	(void)mac;
	return ENOSYS;
}

int netif_get_mac(const char *name, uint8_t mac[6])
{
	(void)name;
	(void)mac;
	return ENOSYS;
}

int netif_up(const char *name)
{
	(void)name;
	return ENOSYS;
}

int netif_get_mtu(const char *name, unsigned *mtu)
{
	(void)name;
	(void)mtu;
	return ENOSYS;
}
