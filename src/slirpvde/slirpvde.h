/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What main.c and commands.c share: the program as a value. */
#ifndef VDE_SLIRPVDE_H
#define VDE_SLIRPVDE_H

#include "slirpvde/engine.h"
#include "slirpvde/engine_loop.h"
#include "slirpvde/options.h"
#include "slirpvde/sandbox.h"
#include "common/command.h"
#include "common/daemon.h"
#include "common/log.h"
#include "common/mgmt.h"
#include "wire/wire.h"

struct slirpvde {
	struct options options;
	struct log log;
	struct log_limit guest_limit;   /* of remarks on what guests do */
	struct daemon daemon;
	struct pidfile pidfile;
	struct loop *loop;
	struct engine_messages messages;
	struct slirp_engine *engine;
	struct engine_loop *driver;
	struct wire *wire;
	struct mgmt *management;
	struct sandbox_state sandbox;
};

extern const struct command slirpvde_commands[];

#endif
