/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "wire/attach_program.h"

#include "common/interrupt.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>

enum { DEFAULT_MODE = 0700 };

static const int last[] = { SIGTERM, SIGINT, SIGHUP };
enum { LAST = sizeof(last) / sizeof(last[0]) };

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
	int error = loop_add_signal(program->loop, SIGPIPE, NULL, program);

	for (unsigned i = 0; i < LAST; i++)
		error |= loop_add_signal(program->loop, last[i], caught_signal, program);
	return error;
}

/* A signal has come, and the switch has not answered yet. Only who waits for that, as the caller of -d does, has to know. */
static int give_up(void *owner, int number)
{
	struct attach_program *program = owner;

	pidfile_remove(&program->pidfile);
	return program->options->daemon ? INTERRUPT_STATUS + number : EXIT_SUCCESS;
}

static int open_plug(struct attach_program *program)
{
	const struct attach_options *options = program->options;
	struct interrupt interrupt;
	int error;

	program->config = (struct attach_config){
		.name = options->socket, .description = program->description, .reconnect = options->reconnect, .ended = ended,
		.owner = program,
		.args = { .port = (int)options->port, .group = (char *)(uintptr_t)options->group,
			  .mode = options->mode.set ? options->mode.mode : DEFAULT_MODE },
	};
	interrupt_begin(&interrupt, last, LAST, give_up, program);
	program->attach = attach_open(program->loop, program->log, &program->config);
	error = program->attach ? 0 : errno;
	if (error)
		log_errno(program->log, error, "vde_open %s", options->socket ? options->socket : "default switch");
	interrupt_end(&interrupt);
	return error;
}

static int open_all(struct attach_program *program)
{
	int error;

	program->loop = loop_create();
	if (!program->loop || watch_signals(program) != 0) {
		log_errno(program->log, errno, "cannot start");
		return errno;
	}
	if ((error = pidfile_create(&program->pidfile, program->options->pidfile, program->log)) != 0 || (error = open_plug(program)) != 0)
		return error;
	return program->open_local(program->owner, program->loop, program->attach);
}

int attach_program_run(struct attach_program *program)
{
	struct daemon daemon = { 0 };
	int status = EXIT_FAILURE;

	program->pidfile = (struct pidfile){ .fd = -1 };
	daemon_begin(&daemon, program->log, program->options->daemon);
	if (open_all(program) == 0) {
		daemon_ready(&daemon);
		status = loop_run(program->loop);
	}
	attach_close(program->attach);
	pidfile_remove(&program->pidfile);
	loop_destroy(program->loop);
	return status;
}
