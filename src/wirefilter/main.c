/* SPDX-License-Identifier: GPL-2.0-or-later */
/* wirefilter: opens the two ends, moves frames between them through the filter, keeps its time, and ends. */
#include "commands.h"
#include "options.h"

#include "common/daemon.h"
#include "common/loop.h"
#include "wire/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const uint64_t retry_ns = LOOP_SECOND, drain_ns = 5ull * LOOP_SECOND, flush_ns = LOOP_SECOND / 5;

struct program;

struct end {
	struct program *program;
	int side;
	struct wire *wire;              /* NULL while a switch is being waited for */
	struct loop_timer *retry;
	bool paused;
};

struct program {
	struct options options;
	struct log log;
	struct daemon daemon;
	struct pidfile pidfile;
	struct loop *loop;
	struct mgmt *mgmt;
	struct filter filter;
	bool has_filter;
	struct commands commands;
	struct blink blink;
	struct end end[END_COUNT];
	struct loop_timer *timer;       /* of the filter, and of inputs that `speed` keeps waiting */
	struct loop_timer *drain;       /* the last frames of a stream that has ended */
	uint64_t armed;                 /* when timer will fire */
	bool ending;                    /* an input has ended: only what waits is still sent */
	int caught_signal;
};

/* ---- time and flow ---- */

static enum way way_from(int side)
{
	return side == END_LEFT ? WAY_LR : WAY_RL;
}

/* With one way, the left end's wire is also where frames leave. */
static struct wire *wire_of_side(struct program *program, int side)
{
	return program->end[program->options.one_way ? END_LEFT : side].wire;
}

/* An end is not read while the other one is full or while `speed` still sends its last frame. Returns when to look again. */
static uint64_t update_input(struct program *program, int side, uint64_t now)
{
	struct end *end = &program->end[side];
	const struct impair *impair = &program->filter.way[way_from(side)];
	uint64_t busy_until = impair_busy_until(impair);
	bool pause = impair->blocked || busy_until > now;

	if (end->wire && pause != end->paused)
		wire_pause(end->wire, pause);
	end->paused = pause;
	return busy_until > now ? busy_until : UINT64_MAX;
}

static void update(struct program *program)
{
	uint64_t now = loop_clock();
	uint64_t deadline = filter_deadline(&program->filter);

	for (int side = 0; side < END_COUNT; side++) {
		uint64_t resume = update_input(program, side, now);

		if (resume < deadline)
			deadline = resume;
	}
	if (deadline == program->armed && loop_timer_running(program->timer))
		return;
	program->armed = deadline;
	if (deadline == UINT64_MAX)
		loop_timer_stop(program->timer);
	else
		loop_timer_set(program->timer, deadline);
}

static void rescheduled(void *owner)
{
	struct program *program = owner;

	if (program->timer && program->has_filter)
		update(program);
}

static bool is_drained(const struct program *program)
{
	return impair_waiting(&program->filter.way[WAY_LR]) + impair_waiting(&program->filter.way[WAY_RL]) == 0;
}

static void time_has_come(void *owner)
{
	struct program *program = owner;

	filter_run(&program->filter, loop_clock());
	update(program);
	if (program->ending && is_drained(program))
		loop_stop(program->loop, EXIT_SUCCESS);
}

/* ---- frames ---- */

static void came_in(void *owner, struct frame *frames, unsigned count)
{
	struct end *end = owner;
	struct program *program = end->program;

	impair_receive(&program->filter.way[way_from(end->side)], frames, count, loop_clock());
	update(program);
}

static bool send_out(struct program *program, enum way way, const struct frame *frames, unsigned count)
{
	struct wire *wire = wire_of_side(program, way == WAY_LR ? END_RIGHT : END_LEFT);
	static const char *const names[] = { [WAY_LR] = "LR", [WAY_RL] = "RL" };

	if (!wire)
		return true;
	wire_send(wire, frames, count);
	blink_frames(&program->blink, program->options.one_way ? "--" : names[way], frames, count);
	return !wire_is_full(wire);
}

static bool send_right(void *owner, const struct frame *frames, unsigned count)
{
	return send_out(owner, WAY_LR, frames, count);
}

static bool send_left(void *owner, const struct frame *frames, unsigned count)
{
	return send_out(owner, WAY_RL, frames, count);
}

static void has_room(void *owner)
{
	struct end *end = owner;
	struct program *program = end->program;
	bool goes_right = end->side == END_RIGHT || program->options.one_way;

	impair_unblock(&program->filter.way[goes_right ? WAY_LR : WAY_RL]);
	time_has_come(program);
}

/* ---- ends ---- */

static const char *shown_name(const char *name)
{
	return *name ? name : "DEFAULT_SWITCH";
}

static void lost(void *owner, int error);

static const struct wire_callbacks wire_callbacks = { .receive = came_in, .lost = lost, .drained = has_room };

static int open_plug(struct program *program, int side)
{
	struct end *end = &program->end[side];

	end->wire = wire_open_plug(program->loop, program->options.end[side].name, "vde_crosscable", NULL, &wire_callbacks, end);
	if (!end->wire)
		return errno;
	end->paused = false;
	return 0;
}

static void try_again(void *owner)
{
	struct end *end = owner;
	struct program *program = end->program;

	if (open_plug(program, end->side) != 0) {
		loop_timer_after(end->retry, retry_ns);
		return;
	}
	log_info(&program->log, "vdeplug %s: connected again", shown_name(program->options.end[end->side].name));
	update(program);
}

/* Nobody is there to take them: what was on its way to this end is not kept waiting. */
static void wait_for_switch(struct end *end)
{
	struct program *program = end->program;

	wire_close(end->wire);
	end->wire = NULL;
	impair_unblock(&program->filter.way[end->side == END_RIGHT ? WAY_LR : WAY_RL]);
	loop_timer_after(end->retry, retry_ns);
	update(program);
}

static void lost_plug(struct end *end, int error)
{
	struct program *program = end->program;
	const char *name = shown_name(program->options.end[end->side].name);

	log_warn(&program->log, "vdeplug %s: the connection is gone%s%s%s", name, error ? ": " : "", error ? strerror(error) : "",
		 program->options.reconnect ? "; waiting for it" : "");
	if (program->options.reconnect)
		wait_for_switch(end);
	else
		loop_stop(program->loop, EXIT_FAILURE);
}

static void give_up(void *owner)
{
	struct program *program = owner;

	log_warn(&program->log, "frames that were still to wait are lost");
	program->ending = false;
	loop_stop(program->loop, EXIT_SUCCESS);
}

/* The end of a stream ends the program, as soon as the frames that wait have left, or a few seconds later. */
static void lost_stream(struct end *end, int error)
{
	struct program *program = end->program;

	program->ending = error == 0;
	if (error || is_drained(program)) {
		loop_stop(program->loop, EXIT_SUCCESS);
		return;
	}
	loop_timer_after(program->drain, drain_ns);
}

static void lost(void *owner, int error)
{
	struct end *end = owner;

	if (end->program->options.end[end->side].is_plug)
		lost_plug(end, error);
	else
		lost_stream(end, error);
}

static int open_end(struct program *program, int side)
{
	const struct end_choice *choice = &program->options.end[side];
	struct end *end = &program->end[side];
	int error = 0;

	*end = (struct end){ .program = program, .side = side, .retry = loop_add_timer(program->loop, try_again, end) };
	if (!end->retry)
		return ENOMEM;
	if (choice->is_plug) {
		error = open_plug(program, side);
		if (error)
			log_error(&program->log, "vdeplug %s: %s", shown_name(choice->name), strerror(error));
		return error;
	}
	end->wire = wire_open_stream(program->loop, choice->in, choice->out, &wire_callbacks, end);
	if (end->wire)
		return 0;
	error = errno;
	log_errno(&program->log, error, "stdin and stdout");
	return error;
}

/* ---- start and end ---- */

static void finish(void *owner)
{
	struct program *program = owner;

	loop_stop(program->loop, EXIT_SUCCESS);
}

static void caught_signal(void *owner, int number)
{
	struct program *program = owner;

	program->caught_signal = number;
	program->ending = false;
	loop_stop(program->loop, EXIT_SUCCESS);
}

static void session_closed(void *owner, struct mgmt_session *session)
{
	struct program *program = owner;

	commands_forget(&program->commands, session);
}

static void stepped(void *owner, unsigned from, unsigned to)
{
	struct program *program = owner;

	commands_stepped(&program->commands, from, to);
}

static int watch_signals(struct program *program)
{
	static const int ending[] = { SIGTERM, SIGINT, SIGHUP };
	static const int ignored[] = { SIGPIPE, SIGUSR1, SIGUSR2, SIGALRM };
	int error = 0;

	for (size_t i = 0; i < sizeof ending / sizeof *ending; i++)
		error |= loop_add_signal(program->loop, ending[i], caught_signal, program);
	for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++)
		error |= loop_add_signal(program->loop, ignored[i], NULL, program);
	return error;
}

/* The filter as the command line wants it. Returns 0 or an exit status. Before anything is opened or forked. */
static int create_filter(struct program *program)
{
	const struct filter_callbacks callbacks = {
		.clock = loop_clock, .send = { [WAY_LR] = send_right, [WAY_RL] = send_left }, .stepped = stepped,
		.rescheduled = rescheduled, .owner = program,
	};

	if (filter_init(&program->filter, &callbacks, options_seed(&program->options)) != 0)
		return EXIT_FAILURE;
	program->has_filter = true;
	program->commands = (struct commands){ .filter = &program->filter, .blink = &program->blink, .log = &program->log };
	return options_apply(&program->options, &program->filter);
}

static int open_management(struct program *program)
{
	struct mgmt_config config = commands_mgmt_config;
	const struct unixsock_owner owner = { program->options.mgmt_mode.mode, (gid_t)-1 };

	config.owner = program;
	config.shutdown = finish;
	config.session_closed = session_closed;
	program->mgmt = mgmt_create(program->loop, &program->log, &config);
	if (!program->mgmt || commands_add(&program->commands, program->mgmt) != 0)
		return ENOMEM;
	return program->options.mgmt ? mgmt_listen(program->mgmt, program->options.mgmt, &owner) : 0;
}

static int open_blink(struct program *program)
{
	int error = blink_open(&program->blink, program->options.blink, program->options.blink_id);

	if (error)
		log_errno(&program->log, error, "blink socket '%s'", program->options.blink);
	return error;
}

static int run_script(struct program *program)
{
	const char *path = program->options.rcfile;
	int error = path ? mgmt_run_script(program->mgmt, path) : 0;

	if (error)
		log_errno(&program->log, error, "rc file '%s'", path);
	return error;
}

static int open_loop(struct program *program)
{
	program->loop = loop_create();
	if (!program->loop)
		return errno;
	program->timer = loop_add_timer(program->loop, time_has_come, program);
	program->drain = loop_add_timer(program->loop, give_up, program);
	return program->timer && program->drain ? 0 : ENOMEM;
}

/* Signals are left alone until then: what is not open yet may be long in coming, and there is nothing to tidy up. */
static int open_ends(struct program *program)
{
	for (int side = 0; side < END_COUNT; side++) {
		int error = program->options.one_way && side == END_RIGHT ? 0 : open_end(program, side);

		if (error)
			return error;
	}
	return watch_signals(program);
}

static int open_all(struct program *program)
{
	const struct options *options = &program->options;
	int error = open_loop(program);

	if (error) {
		log_errno(&program->log, error, "cannot start");
		return error;
	}
	if ((error = open_ends(program)) || (error = open_blink(program)) || (error = pidfile_create(&program->pidfile, options->pidfile, &program->log)) ||
	    (error = open_management(program)) || (error = run_script(program)))
		return error;
	if (options->serve_console)
		error = mgmt_console(program->mgmt, STDIN_FILENO, STDOUT_FILENO);
	return error;
}

static void announce(struct program *program)
{
	const struct end_choice *end = program->options.end;

	if (end[END_LEFT].is_plug || end[END_RIGHT].is_plug)
		log_info(&program->log, "bidirectional vdeplug filter L=%s R=%s starting...", shown_name(end[END_LEFT].name),
			 shown_name(end[END_RIGHT].name));
	else
		log_info(&program->log, "%sdirectional filter starting...", program->options.one_way ? "mono" : "bi");
}

/* What a slow reader has not taken yet is for it like all that waits when a stream ends. */
static void close_all(struct program *program)
{
	for (int side = 0; side < END_COUNT; side++) {
		if (program->end[side].wire)
			wire_flush(program->end[side].wire, program->ending ? drain_ns : flush_ns);
		wire_close(program->end[side].wire);
		program->end[side].wire = NULL;
	}
	mgmt_destroy(program->mgmt);
	pidfile_remove(&program->pidfile);
	blink_close(&program->blink);
	program->timer = NULL;
	if (program->has_filter)
		filter_free(&program->filter);
	loop_destroy(program->loop);
	options_free(&program->options);
}

/* Who sent an interrupt or hung up shall see that it was one. */
static void die_by_signal(int number)
{
	if (number != SIGINT && number != SIGHUP)
		return;
	signal(number, SIG_DFL);
	loop_unblock_signals();
	raise(number);
}

static int list_presets(struct options *options)
{
	struct reply reply;

	reply_init(&reply);
	commands_list_presets(&reply);
	fputs(reply.text ? reply.text : "", stdout);
	reply_free(&reply);
	options_free(options);
	return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	struct program program = { .pidfile = { .fd = -1 }, .blink = { .fd = -1 } };
	int status;

	daemon_fill_descriptors();
	log_init(&program.log, argv[0]);
	options_parse(&program.options, argc, argv);
	if (program.options.list_presets)
		return list_presets(&program.options);
	status = create_filter(&program);
	if (status) {
		close_all(&program);
		return status;
	}
	daemon_begin(&program.daemon, &program.log, program.options.daemon);
	status = EXIT_FAILURE;
	if (open_all(&program) == 0) {
		daemon_ready(&program.daemon);
		announce(&program);
		update(&program);
		status = loop_run(program.loop);
	}
	close_all(&program);
	die_by_signal(program.caught_signal);
	return status == EXIT_SUCCESS ? EXIT_SUCCESS : EXIT_FAILURE;
}
