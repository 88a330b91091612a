/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Builds without libseccomp, and those with sanitizers, whose own work at the end of a program needs more than serving does. */
#include "slirpvde/sandbox.h"

#include <errno.h>

int sandbox_filter_system_calls(void)
{
	return ENOSYS;
}
