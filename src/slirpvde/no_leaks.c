/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Builds without the sanitizers: the counterpart of leaks.c. */
#include "slirpvde/sandbox.h"

#include <stddef.h>

const char *sandbox_extra_directory(void)
{
	return NULL;
}
