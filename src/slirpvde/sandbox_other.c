/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Systems without Linux's capabilities and mount namespaces. */
#include "slirpvde/sandbox.h"

#include <errno.h>

int sandbox_drop_capabilities(void)
{
	return ENOSYS;
}

int sandbox_no_new_privileges(void)
{
	return ENOSYS;
}

int sandbox_mount_namespace(const struct sandbox_config *config)
{
	(void)config;
	return ENOSYS;
}
