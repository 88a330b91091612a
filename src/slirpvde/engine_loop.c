/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "slirpvde/engine_loop.h"

#include <errno.h>
#include <stdlib.h>

/* A descriptor that the engine waited for once and has not closed. */
struct watch {
	struct engine_loop *driver;
	struct loop_io *io;             /* NULL: not registered */
	int fd;
	int index;                      /* in the engine's array; -1: not waited for now */
	unsigned events;                /* LOOP_* it is registered for */
	unsigned position;              /* in driver->watch */
	unsigned generation;            /* of the last update that wanted it */
};

struct engine_loop {
	struct loop *loop;
	struct slirp_engine *engine;
	struct loop_timer *turn;        /* the end of this turn */
	struct loop_timer *deadline;    /* libslirp's timers */
	bool paused;
	bool due;                       /* engine_process has something to do */
	unsigned generation;
	struct pollfd *poll;            /* as of the last engine_prepare */
	struct watch **by_fd;
	unsigned by_fd_size;
	struct watch **watch;           /* all of them */
	unsigned watch_count, watch_size;
};

static void on_ready(void *owner, int fd, unsigned events)
{
	struct watch *watch = owner;
	struct engine_loop *driver = watch->driver;

	(void)fd;
	if (watch->index < 0 || watch->events == 0) {
		/* A hang-up nobody waits for would be reported again and again. */
		loop_remove_io(watch->io);
		watch->io = NULL;
		return;
	}
	driver->poll[watch->index].revents = (short)((events & LOOP_READ ? POLLIN : 0) | (events & LOOP_WRITE ? POLLOUT : 0) |
						     (events & LOOP_HANGUP ? POLLHUP : 0));
	driver->due = true;
	loop_timer_set(driver->turn, 0);
}

/* ---- the table of descriptors ---- */

static struct watch *add_watch(struct engine_loop *driver, int fd)
{
	struct watch *watch;

	if ((unsigned)fd >= driver->by_fd_size) {
		unsigned size = ((unsigned)fd + 64) * 2;
		struct watch **grown = reallocarray(driver->by_fd, size, sizeof(*grown));

		if (!grown)
			return NULL;
		for (unsigned i = driver->by_fd_size; i < size; i++)
			grown[i] = NULL;
		driver->by_fd = grown;
		driver->by_fd_size = size;
	}
	if (driver->watch_count == driver->watch_size) {
		unsigned size = driver->watch_size ? 2 * driver->watch_size : 64;
		struct watch **grown = reallocarray(driver->watch, size, sizeof(*grown));

		if (!grown)
			return NULL;
		driver->watch = grown;
		driver->watch_size = size;
	}
	watch = calloc(1, sizeof(*watch));
	if (!watch)
		return NULL;
	*watch = (struct watch){ .driver = driver, .fd = fd, .index = -1, .position = driver->watch_count };
	driver->watch[driver->watch_count++] = watch;
	driver->by_fd[fd] = watch;
	return watch;
}

void engine_loop_forget(struct engine_loop *driver, int fd)
{
	struct watch *watch = driver && fd >= 0 && (unsigned)fd < driver->by_fd_size ? driver->by_fd[fd] : NULL;

	if (!watch)
		return;
	loop_remove_io(watch->io);
	driver->by_fd[fd] = NULL;
	driver->watch[watch->position] = driver->watch[--driver->watch_count];
	driver->watch[watch->position]->position = watch->position;
	free(watch);
}

/* Asks the loop for `events` of the descriptor. */
static void set_interest(struct engine_loop *driver, struct watch *watch, unsigned events)
{
	watch->events = events;
	if (watch->io)
		loop_set_events(watch->io, events);
	else if (events)
		watch->io = loop_add_io(driver->loop, watch->fd, events, on_ready, watch);
}

static void want(struct engine_loop *driver, int index)
{
	struct pollfd *entry = &driver->poll[index];
	unsigned events = (entry->events & POLLIN ? LOOP_READ : 0U) | (entry->events & POLLOUT ? LOOP_WRITE : 0U);
	struct watch *watch = (unsigned)entry->fd < driver->by_fd_size ? driver->by_fd[entry->fd] : NULL;

	if (!watch)
		watch = add_watch(driver, entry->fd);
	if (!watch)
		return;                 /* no memory: this socket waits for the next turn */
	watch->index = index;
	watch->generation = driver->generation;
	if (watch->events != events || !watch->io)
		set_interest(driver, watch, events);
}

static void update(struct engine_loop *driver)
{
	unsigned count;
	int timeout_ms;

	driver->poll = engine_prepare(driver->engine, &count, &timeout_ms);
	driver->generation++;
	for (unsigned i = 0; !driver->paused && i < count; i++)
		want(driver, (int)i);
	for (unsigned i = 0; i < driver->watch_count; i++) {
		struct watch *watch = driver->watch[i];

		if (watch->generation == driver->generation)
			continue;
		watch->index = -1;
		if (watch->events)
			set_interest(driver, watch, 0);
	}
	if (timeout_ms < 0)
		loop_timer_stop(driver->deadline);
	else
		loop_timer_after(driver->deadline, (uint64_t)timeout_ms * 1000000);
}

static void on_turn(void *owner)
{
	struct engine_loop *driver = owner;

	if (driver->due) {
		driver->due = false;
		engine_process(driver->engine);
	}
	update(driver);
}

static void on_deadline(void *owner)
{
	struct engine_loop *driver = owner;

	loop_timer_stop(driver->turn);
	driver->due = true;
	on_turn(driver);
}

void engine_loop_input(struct engine_loop *driver, struct frame *frames, unsigned count)
{
	engine_input(driver->engine, frames, count);
	loop_timer_set(driver->turn, 0);
}

void engine_loop_kick(struct engine_loop *driver)
{
	loop_timer_set(driver->turn, 0);
}

void engine_loop_pause(struct engine_loop *driver, bool paused)
{
	if (driver->paused == paused)
		return;
	driver->paused = paused;
	loop_timer_set(driver->turn, 0);
}

struct engine_loop *engine_loop_create(struct loop *loop, struct slirp_engine *engine)
{
	struct engine_loop *driver = calloc(1, sizeof(*driver));

	if (!driver)
		return NULL;
	driver->loop = loop;
	driver->engine = engine;
	driver->turn = loop_add_timer(loop, on_turn, driver);
	driver->deadline = loop_add_timer(loop, on_deadline, driver);
	if (!driver->turn || !driver->deadline) {
		engine_loop_destroy(driver);
		errno = ENOMEM;
		return NULL;
	}
	loop_timer_set(driver->turn, 0);
	return driver;
}

void engine_loop_destroy(struct engine_loop *driver)
{
	if (!driver)
		return;
	while (driver->watch_count > 0)
		engine_loop_forget(driver, driver->watch[driver->watch_count - 1]->fd);
	loop_remove_timer(driver->turn);
	loop_remove_timer(driver->deadline);
	free(driver->by_fd);
	free(driver->watch);
	free(driver);
}
