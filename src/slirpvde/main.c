/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * slirpvde: the world for a virtual network, without root. slirpvde6 is the same program with other defaults.
 *
 * Theory of operation: a wire (wire.h) carries frames from and to the switch, an engine (engine.h) is the router behind it, and the driver
 * (engine_loop.h) lets the loop wait for the engine's sockets. Everything is opened first; then the start-up text is written, the program goes
 * to the background if asked to, and shuts itself in (sandbox.h).
 */
#include "config.h"
#include "slirpvde/slirpvde.h"

#include "common/interrupt.h"
#include "common/offload.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static const int ending[] = { SIGTERM, SIGINT, SIGHUP };

enum {
	ENDING = sizeof(ending) / sizeof(ending[0]),
	STATUS_FAILED = 1,
	DESCRIPTORS_MAX = 4096,         /* a guest's flows must not take more: each turn looks at all of them */
};

static bool is_pipe(const struct options *options)
{
	return options->switch_name && strcmp(options->switch_name, "-") == 0;
}

/* ---- frames ----------------------------------------------------------------------------------------------------- */

static void on_frames(void *owner, struct frame *frames, unsigned count)
{
	struct slirpvde *program = owner;

	/* libslirp takes a long segment as it is, but for its checksum. */
	for (unsigned i = 0; i < count; i++)
		if (offload_is_set(&frames[i].offload))
			offload_complete_checksum(&frames[i]);
	engine_loop_input(program->driver, frames, count);
}

static void on_lost(void *owner, int error)
{
	struct slirpvde *program = owner;

	if (error && error != ECONNRESET && error != EPIPE)
		log_errno(&program->log, error, "the connection to the switch is lost");
	loop_stop(program->loop, 0);
}

static void on_drained(void *owner)
{
	struct slirpvde *program = owner;

	engine_loop_pause(program->driver, false);
}

static const struct wire_callbacks wire_callbacks = { on_frames, on_lost, on_drained };

static void on_transmit(void *owner, const struct frame *frames, unsigned count)
{
	struct slirpvde *program = owner;

	if (!program->wire)
		return;
	wire_send(program->wire, frames, count);
	if (program->driver && wire_is_full(program->wire))
		engine_loop_pause(program->driver, true);
}

static void on_message(void *owner, const char *text)
{
	struct slirpvde *program = owner;
	char escaped[512];

	log_escape(escaped, sizeof(escaped), text, strlen(text));
	log_limited(&program->log, &program->guest_limit, "%s", escaped);
}

static void on_forget(void *owner, int fd)
{
	struct slirpvde *program = owner;

	engine_loop_forget(program->driver, fd);
}

static const struct engine_callbacks engine_callbacks = { on_transmit, on_message, on_forget };

/* ---- opening ---------------------------------------------------------------------------------------------------- */

static int fail(struct slirpvde *program, const struct engine_error *error)
{
	log_error(&program->log, "%s", error->text);
	return STATUS_FAILED;
}

static int open_engine(struct slirpvde *program)
{
	struct engine_config config;
	struct engine_error error = { "" };

	if (options_configure(&program->options, &config, &error))
		return fail(program, &error);
	program->messages = (struct engine_messages){ on_message, program };
	engine_catch_messages(&program->messages);
	program->engine = engine_create(&config, &engine_callbacks, program, &error);
	if (!program->engine)
		return fail(program, &error);
	program->driver = engine_loop_create(program->loop, program->engine);
	if (!program->driver) {
		log_errno(&program->log, errno, "event loop");
		return STATUS_FAILED;
	}
	return 0;
}

/* The socket may come later. Its directory may not: the sandbox shows what there is at the start. */
static void warn_of_missing_directory(struct slirpvde *program, const struct forward *forward)
{
	char *directory = forward_directory(forward);

	if (directory && access(directory, F_OK) < 0)
		log_warn(&program->log, "redirection unix '%s': '%s': %s; made later, it stays out of sight, unless with --no-sandbox",
			 forward->target, directory, strerror(errno));
	free(directory);
}

static int open_redirections(struct slirpvde *program)
{
	const struct options *options = &program->options;

	for (unsigned i = 0; i < options->redirection_count; i++) {
		const struct redirection *redirection = &options->redirection[i];
		struct engine_error error = { "out of memory" };
		struct forward forward;
		int failed = forward_parse(redirection->kind, redirection->text, &forward, &error);

		if (!failed)
			failed = forward_add(engine_forwards(program->engine), &forward, &error);
		if (failed) {
			log_error(&program->log, "redirection %s '%s': %s", forward_kind_name(redirection->kind),
				  redirection->text, error.text);
			return STATUS_FAILED;
		}
		if (forward.kind == FORWARD_UNIX && !options->no_sandbox)
			warn_of_missing_directory(program, &forward);
	}
	return 0;
}

/* A signal has come, and the switch has not answered yet. Only who waits for that, as the caller of -d does, has to know. */
static int give_up(void *owner, int number)
{
	struct slirpvde *program = owner;

	mgmt_destroy(program->management);
	pidfile_remove(&program->pidfile);
	return program->options.daemon ? INTERRUPT_STATUS + number : 0;
}

static struct wire *open_plug(struct slirpvde *program)
{
	const struct options *options = &program->options;
	char *group = options->group ? strdup(options->group) : NULL;
	struct vde_open_args args = { .port = (int)options->port, .group = group, .mode = options->mode.set ? options->mode.mode : 0 };
	struct interrupt interrupt;
	struct wire *wire;
	int error;

	interrupt_begin(&interrupt, ending, ENDING, give_up, program);
	wire = wire_open_plug(program->loop, options->switch_name, "slirpvde:", &args, &wire_callbacks, program);
	error = errno;
	interrupt_end(&interrupt);
	free(group);
	errno = error;
	return wire;
}

static int open_wire(struct slirpvde *program)
{
	const struct options *options = &program->options;

	program->wire = is_pipe(options) ? wire_open_stream(program->loop, 0, 1, &wire_callbacks, program) : open_plug(program);
	if (!program->wire) {
		log_errno(&program->log, errno, "Could not connect to the VDE switch at '%s'",
			  options->switch_name && *options->switch_name ? options->switch_name : "*DEFAULT*");
		return STATUS_FAILED;
	}
	engine_give_uncut(program->engine, wire_take_uncut(program->wire));
	return 0;
}

static void on_shutdown(void *owner)
{
	struct slirpvde *program = owner;

	loop_stop(program->loop, 0);
}

static int open_management(struct slirpvde *program)
{
	const struct options *options = &program->options;
	struct mgmt_config config = {
		.banner = "VDE slirpvde V." PACKAGE_VERSION "\n",
		.prompt = "\nVDEslirp$ ",
		.owner = program,
		.shutdown = on_shutdown,
	};
	struct unixsock_owner owner = { options->management_mode.set ? options->management_mode.mode : 0600, (gid_t)-1 };

	if (!options->management)
		return 0;
	program->management = mgmt_create(program->loop, &program->log, &config);
	if (!program->management || mgmt_add_commands(program->management, slirpvde_commands, program)) {
		log_errno(&program->log, ENOMEM, "management");
		return STATUS_FAILED;
	}
	return mgmt_listen(program->management, options->management, &owner) ? STATUS_FAILED : 0;
}

static void on_signal(void *owner, int number)
{
	struct slirpvde *program = owner;

	(void)number;
	loop_stop(program->loop, 0);
}

static int open_loop(struct slirpvde *program)
{
	int error = 0;

	program->loop = loop_create();
	if (!program->loop)
		error = errno;
	for (unsigned i = 0; !error && i < ENDING; i++)
		error = loop_add_signal(program->loop, ending[i], on_signal, program);
	if (!error)
		error = loop_add_signal(program->loop, SIGPIPE, NULL, NULL);
	if (error)
		log_errno(&program->log, error, "event loop");
	return error ? STATUS_FAILED : 0;
}

static int open_all(struct slirpvde *program)
{
	int failed = open_loop(program);

	if (!failed)
		failed = open_engine(program);
	if (!failed)
		failed = open_redirections(program);
	if (!failed)
		failed = open_management(program);
	if (!failed && pidfile_create(&program->pidfile, program->options.pidfile, &program->log))
		failed = STATUS_FAILED;
	if (!failed)
		failed = open_wire(program);
	return failed;
}

/* ---- the sandbox ------------------------------------------------------------------------------------------------ */

/* What must stay in sight, and the names that were made up for it. */
struct sight {
	struct sandbox_path path[SANDBOX_PATHS_MAX];
	char *text[SANDBOX_PATHS_MAX];
	unsigned count;
};

/* The directory of `path`, itself absolute or below the working directory. */
static void show_directory_of(struct sight *sight, const char *path, bool writable)
{
	char directory[PATH_MAX] = "";
	const char *slash = strrchr(path, '/');
	int length = slash ? (int)(slash - path) : 0;
	char *text;

	if (sight->count == SANDBOX_PATHS_MAX || (path[0] != '/' && !getcwd(directory, sizeof(directory))))
		return;
	if (asprintf(&text, "%s%s%.*s", directory, path[0] == '/' || !slash ? "" : "/", length, path) < 0)
		return;
	sight->text[sight->count] = text;
	sight->path[sight->count++] = (struct sandbox_path){ *text ? text : "/", writable };
}

/* Sockets in the file system that this process has bound: they are removed at the end. */
static void show_bound_sockets(struct sight *sight)
{
	for (int fd = 3; fd < 256; fd++) {
		struct sockaddr_un address = { 0 };
		socklen_t size = sizeof(address) - 1;

		if (getsockname(fd, (struct sockaddr *)&address, &size) == 0 && address.sun_family == AF_UNIX &&
		    address.sun_path[0])
			show_directory_of(sight, address.sun_path, true);
	}
}

static void collect(struct slirpvde *program, struct sight *sight)
{
	const struct forward_table *forwards = engine_forwards(program->engine);
	const char *tftp = engine_config(program->engine)->tftp_directory;
	char *resolver = realpath("/etc/resolv.conf", NULL);

	show_directory_of(sight, "/etc/resolv.conf", false);
	if (resolver)
		show_directory_of(sight, resolver, false);
	free(resolver);
	if (tftp)
		sight->path[sight->count++] = (struct sandbox_path){ tftp, false };
	if (program->pidfile.path)
		show_directory_of(sight, program->pidfile.path, true);
	show_bound_sockets(sight);
	if (sandbox_extra_directory())
		sight->path[sight->count++] = (struct sandbox_path){ sandbox_extra_directory(), false };
	for (unsigned i = 0; i < forwards->count; i++)
		if (forwards->row[i].kind == FORWARD_UNIX)
			show_directory_of(sight, forwards->row[i].target, false);
}

static bool has_commands(const struct options *options)
{
	for (unsigned i = 0; i < options->redirection_count; i++)
		if (options->redirection[i].kind == FORWARD_COMMAND)
			return true;
	return false;
}

static void enter_sandbox(struct slirpvde *program)
{
	struct sight *sight = calloc(1, sizeof(*sight));
	struct sandbox_config config = { .runs_programs = has_commands(&program->options) };

	if (!sight)
		return;
	collect(program, sight);
	config.paths = sight->path;
	config.count = sight->count;
	sandbox_enter(&program->log, &config, &program->sandbox);
	for (unsigned i = 0; i < sight->count; i++)
		free(sight->text[i]);
	free(sight);
}

/* ---- life ------------------------------------------------------------------------------------------------------- */

static void limit_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max < DESCRIPTORS_MAX ? limit.rlim_max : DESCRIPTORS_MAX;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static int run(struct slirpvde *program)
{
	struct options *options = &program->options;
	int failed = open_all(program);

	if (failed)
		return failed;
	/* The commands of redirections are started by libslirp: signals are theirs again. */
	pthread_atfork(NULL, NULL, loop_unblock_signals);
	if (!options->quiet)
		options_print(options, engine_config(program->engine), engine_forwards(program->engine));
	daemon_ready(&program->daemon);
	if (!options->no_sandbox)
		enter_sandbox(program);
	failed = loop_run(program->loop);
	if (failed < 0)
		log_errno(&program->log, errno, "event loop");
	return failed < 0 ? STATUS_FAILED : failed;
}

static void close_all(struct slirpvde *program)
{
	mgmt_destroy(program->management);
	engine_loop_destroy(program->driver);
	program->driver = NULL;
	engine_destroy(program->engine);
	wire_close(program->wire);
	pidfile_remove(&program->pidfile);
	loop_destroy(program->loop);
}

int main(int argc, char **argv)
{
	static struct slirpvde program;
	int status;

	daemon_fill_descriptors();
	options_parse(&program.options, argc, argv);
	log_init(&program.log, argv[0]);
	program.log.verbose = program.options.verbose;
	program.pidfile.fd = -1;
	if (is_pipe(&program.options)) {
		program.options.quiet = true;
		program.options.daemon = false;
	}
	limit_descriptors();
	daemon_begin(&program.daemon, &program.log, program.options.daemon);
	status = run(&program);
	close_all(&program);
	return status;
}
