/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "slirpvde/sandbox.h"

#include <string.h>

static bool achieved(struct log *log, const char *what, int error)
{
	if (error)
		log_debug(log, "sandbox: no %s: %s", what, strerror(error));
	return error == 0;
}

void sandbox_enter(struct log *log, const struct sandbox_config *config, struct sandbox_state *state)
{
	memset(state, 0, sizeof(*state));
	if (!config->runs_programs)
		state->mounts = achieved(log, "mount namespace", sandbox_mount_namespace(config));
	state->capabilities = achieved(log, "dropping of capabilities", sandbox_drop_capabilities());
	state->no_new_privileges = achieved(log, "NO_NEW_PRIVS", sandbox_no_new_privileges());
	if (!config->runs_programs)
		state->system_calls = achieved(log, "filter of system calls", sandbox_filter_system_calls());
}
