/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/tap.h"

#include <errno.h>

int tap_open(const char *name, char *actual)
{
	(void)name;
	(void)actual;
	errno = ENOSYS;
	return -1;
}

int tap_open_offload(const char *name, char *actual, bool *offload)
{
	*offload = false;
	return tap_open(name, actual);
}

bool tap_is_gone(int error)
{
	(void)error;
	return false;
}

bool tap_has_offload(int fd)
{
	(void)fd;
	return false;
}

void tap_close(int fd)
{
	(void)fd;
}

int tap_up(const char *name)
{
	(void)name;
	return ENOSYS;
}

int macvtap_open(const char *name)
{
	(void)name;
	errno = ENOSYS;
	return -1;
}
