/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "wire/attach_program.h"

#include "common/daemon.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>

enum { DEFAULT_MODE = 0700 };

/* A switch that ends takes the plug's descriptors with it in any order: how that looks from here is no failure. */
static void ended(void *owner, int error)
{
	struct attach_program *program = owner;

	if (error == ECONNRESET || error == EPIPE)
		error = 0;
	if (error)
		log_errno(program->log, error, "the cable is cut");
	loop_stop(program->loop, error ? EXIT_FAILURE : EXIT_SUCCESS);
}

static void caught_signal(void *owner, int number)
{
	struct attach_program *program = owner;

	(void)number;
	loop_stop(program->loop, EXIT_SUCCESS);
}

static int watch_signals(struct attach_program *program)
{
	static const int last[] = { SIGTERM, SIGINT, SIGHUP };
	int error = loop_add_signal(program->loop, SIGPIPE, NULL, program);

	for (unsigned i = 0; i < sizeof(last) / sizeof(last[0]); i++)
		error |= loop_add_signal(program->loop, last[i], caught_signal, program);
	return error;
}

static int open_plug(struct attach_program *program)
{
	const struct attach_options *options = program->options;
	int error;

	program->config = (struct attach_config){
		.name = options->socket, .description = program->description, .reconnect = options->reconnect, .ended = ended,
		.owner = program,
		.args = { .port = (int)options->port, .group = (char *)(uintptr_t)options->group,
			  .mode = options->mode.set ? options->mode.mode : DEFAULT_MODE },
	};
	program->attach = attach_open(program->loop, program->log, &program->config);
	if (program->attach)
		return 0;
	error = errno;
	log_errno(program->log, error, "vde_open %s", options->socket ? options->socket : "default switch");
	return error;
}

static int open_all(struct attach_program *program, struct pidfile *pidfile)
{
	int error;

	program->loop = loop_create();
	if (!program->loop || watch_signals(program) != 0) {
		log_errno(program->log, errno, "cannot start");
		return errno;
	}
	if ((error = pidfile_create(pidfile, program->options->pidfile, program->log)) != 0 || (error = open_plug(program)) != 0)
		return error;
	return program->open_local(program->owner, program->loop, program->attach);
}

int attach_program_run(struct attach_program *program)
{
	struct pidfile pidfile = { .fd = -1 };
	struct daemon daemon = { 0 };
	int status = EXIT_FAILURE;

	daemon_begin(&daemon, program->log, program->options->daemon);
	if (open_all(program, &pidfile) == 0) {
		daemon_ready(&daemon);
		status = loop_run(program->loop);
	}
	attach_close(program->attach);
	pidfile_remove(&pidfile);
	loop_destroy(program->loop);
	return status;
}
