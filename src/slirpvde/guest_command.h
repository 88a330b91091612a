/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The command of a redirection, looked at before the first connection is there to find that it cannot be run. */
#ifndef VDE_SLIRP_GUEST_COMMAND_H
#define VDE_SLIRP_GUEST_COMMAND_H

#include "slirpvde/engine_config.h"

/* 0, or EINVAL or ENOENT with the reason: quotes that do not end, a program that is not there. */
int guest_command_check(const char *line, struct engine_error *error);

#endif
