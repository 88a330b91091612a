/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation
 *
 * A turn: wait (loop_backend.h) for at most LOOP_BATCH events or the earliest timer; then call signals, descriptors,
 * timers, in this order. What was fetched stands in `ready`; a descriptor knows its place there, so that removing it
 * also removes its event, and its memory is never looked at again.
 *
 * Timers stand in a binary heap ordered by deadline, equal ones in the order they were set. The heap's memory is
 * taken when a timer is added, so setting one cannot fail. A timer that is set by a callback of this turn waits for
 * the next turn even if its time has come: a timer that sets itself to "now" does not starve the descriptors.
 *
 * Regular files cannot be waited for; they are ready in each turn, which then does not sleep.
 */
#include "common/loop.h"
#include "common/loop_backend.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

struct loop_timer {
	struct loop *loop;
	struct loop_timer *next, *previous;
	loop_timer_callback *call;
	void *owner;
	uint64_t deadline_ns;
	uint64_t sequence;
	unsigned position;              /* in the heap, from 1; 0: not running */
};

struct loop_signal {
	loop_signal_callback *call;
	void *owner;
};

struct loop {
	struct loop_backend *backend;
	struct loop_io *ios;
	struct loop_io *always;         /* always ready ones, the least recently called first */
	struct loop_timer *timers;
	struct loop_timer **heap;       /* 1-based */
	unsigned heap_count, heap_size, timer_count;
	uint64_t sequence;              /* counts settings of timers */
	uint64_t now_ns;
	struct loop_ready ready[LOOP_BATCH];
	int ready_count;
	struct loop_signal signals[NSIG];
	bool in_turn, stopped;
	uint64_t rest_ns;               /* asked for by loop_rest */
	int status;
};

uint64_t loop_clock(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * LOOP_SECOND + (uint64_t)now.tv_nsec;
}

uint64_t loop_now(const struct loop *loop)
{
	return loop->now_ns;
}

struct loop *loop_create(void)
{
	struct loop *loop = calloc(1, sizeof(*loop));

	if (!loop)
		return NULL;
	loop->now_ns = loop_clock();
	loop->backend = loop_backend_create();
	if (!loop->backend) {
		free(loop);
		return NULL;
	}
	return loop;
}

void loop_destroy(struct loop *loop)
{
	if (!loop)
		return;
	assert(!loop->in_turn);
	while (loop->ios)
		loop_remove_io(loop->ios);
	while (loop->always)
		loop_remove_io(loop->always);
	while (loop->timers)
		loop_remove_timer(loop->timers);
	loop_backend_destroy(loop->backend);
	free(loop->heap);
	free(loop);
}

/* ---- descriptors ---- */

static void io_link_first(struct loop_io **list, struct loop_io *io)
{
	io->previous = NULL;
	io->next = *list;
	if (io->next)
		io->next->previous = io;
	*list = io;
}

static void io_unlink(struct loop_io **list, struct loop_io *io)
{
	if (io->previous)
		io->previous->next = io->next;
	else
		*list = io->next;
	if (io->next)
		io->next->previous = io->previous;
}

static void io_link_last(struct loop_io **list, struct loop_io *io)
{
	struct loop_io *last = *list;

	while (last && last->next)
		last = last->next;
	io->next = NULL;
	io->previous = last;
	if (last)
		last->next = io;
	else
		*list = io;
}

struct loop_io *loop_add_io(struct loop *loop, int fd, unsigned events, loop_io_callback *call, void *owner)
{
	struct loop_io *io = calloc(1, sizeof(*io));
	int error;

	if (!io)
		return NULL;
	*io = (struct loop_io){
		.loop = loop, .fd = fd, .events = events, .call = call, .owner = owner, .ready_slot = -1,
	};
	error = loop_backend_add(loop->backend, io);
	if (error && error != EPERM) {
		free(io);
		errno = error;
		return NULL;
	}
	io->always_ready = error == EPERM;
	io_link_first(io->always_ready ? &loop->always : &loop->ios, io);
	return io;
}

void loop_set_events(struct loop_io *io, unsigned events)
{
	if (io->events == events)
		return;
	io->events = events;
	if (!io->always_ready)
		loop_backend_modify(io->loop->backend, io);
}

void loop_remove_io(struct loop_io *io)
{
	if (!io)
		return;
	if (io->ready_slot >= 0)
		io->loop->ready[io->ready_slot].io = NULL;
	if (!io->always_ready)
		loop_backend_remove(io->loop->backend, io);
	io_unlink(io->always_ready ? &io->loop->always : &io->loop->ios, io);
	free(io);
}

/* ---- timers: a binary heap ---- */

static bool timer_before(const struct loop_timer *a, const struct loop_timer *b)
{
	return a->deadline_ns != b->deadline_ns ? a->deadline_ns < b->deadline_ns : a->sequence < b->sequence;
}

static void heap_put(struct loop *loop, unsigned position, struct loop_timer *timer)
{
	loop->heap[position] = timer;
	timer->position = position;
}

/* Puts `timer` at `position` or above, moving later ones down. */
static void heap_rise(struct loop *loop, unsigned position, struct loop_timer *timer)
{
	for (; position > 1 && timer_before(timer, loop->heap[position / 2]); position /= 2)
		heap_put(loop, position, loop->heap[position / 2]);
	heap_put(loop, position, timer);
}

/* Puts `timer` at `position` or below, moving earlier ones up. */
static void heap_sink(struct loop *loop, unsigned position, struct loop_timer *timer)
{
	for (;;) {
		unsigned child = position * 2;

		if (child < loop->heap_count && timer_before(loop->heap[child + 1], loop->heap[child]))
			child++;
		if (child > loop->heap_count || !timer_before(loop->heap[child], timer))
			break;
		heap_put(loop, position, loop->heap[child]);
		position = child;
	}
	heap_put(loop, position, timer);
}

static void heap_place(struct loop *loop, unsigned position, struct loop_timer *timer)
{
	if (position > 1 && timer_before(timer, loop->heap[position / 2]))
		heap_rise(loop, position, timer);
	else
		heap_sink(loop, position, timer);
}

struct loop_timer *loop_add_timer(struct loop *loop, loop_timer_callback *call, void *owner)
{
	struct loop_timer *timer;

	if (loop->timer_count + 1 >= loop->heap_size) {
		unsigned size = loop->heap_size ? loop->heap_size * 2 : 16;
		struct loop_timer **heap = realloc(loop->heap, size * sizeof(struct loop_timer *));

		if (!heap)
			return NULL;
		loop->heap = heap;
		loop->heap_size = size;
	}
	timer = calloc(1, sizeof(*timer));
	if (!timer)
		return NULL;
	*timer = (struct loop_timer){ .loop = loop, .call = call, .owner = owner, .next = loop->timers };
	if (timer->next)
		timer->next->previous = timer;
	loop->timers = timer;
	loop->timer_count++;
	return timer;
}

void loop_timer_set(struct loop_timer *timer, uint64_t deadline_ns)
{
	struct loop *loop = timer->loop;

	timer->deadline_ns = deadline_ns;
	timer->sequence = ++loop->sequence;
	heap_place(loop, timer->position ? timer->position : ++loop->heap_count, timer);
}

void loop_timer_after(struct loop_timer *timer, uint64_t delay_ns)
{
	uint64_t now = loop_clock();

	loop_timer_set(timer, delay_ns < LOOP_NEVER - 1 - now ? now + delay_ns : LOOP_NEVER - 1);
}

void loop_timer_stop(struct loop_timer *timer)
{
	struct loop *loop = timer->loop;
	unsigned position = timer->position;
	struct loop_timer *last;

	if (position == 0)
		return;
	timer->position = 0;
	last = loop->heap[loop->heap_count--];
	if (last != timer)
		heap_place(loop, position, last);
}

bool loop_timer_running(const struct loop_timer *timer)
{
	return timer->position != 0;
}

void loop_remove_timer(struct loop_timer *timer)
{
	if (!timer)
		return;
	loop_timer_stop(timer);
	if (timer->previous)
		timer->previous->next = timer->next;
	else
		timer->loop->timers = timer->next;
	if (timer->next)
		timer->next->previous = timer->previous;
	timer->loop->timer_count--;
	free(timer);
}

/* ---- signals ---- */

int loop_add_signal(struct loop *loop, int signal_number, loop_signal_callback *call, void *owner)
{
	sigset_t one;

	if (signal_number < 1 || signal_number >= NSIG)
		return EINVAL;
	if (!call)
		return signal(signal_number, SIG_IGN) == SIG_ERR ? errno : 0;
	/* Inherited as ignored, it would have the kernel bury children before they can be waited for. */
	if (signal_number == SIGCHLD && signal(SIGCHLD, SIG_DFL) == SIG_ERR)
		return errno;
	sigemptyset(&one);
	sigaddset(&one, signal_number);
	if (sigprocmask(SIG_BLOCK, &one, NULL) < 0)
		return errno;
	loop->signals[signal_number] = (struct loop_signal){ call, owner };
	return loop_backend_add_signal(loop->backend, signal_number);
}

void loop_unblock_signals(void)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
}

/* ---- a turn ---- */

/* Puts the always ready ones in front of what the backend will find, each called one to the end of its queue. */
static int fetch_always_ready(struct loop *loop)
{
	struct loop_io *io = loop->always, *next;
	struct loop_io *last_before = loop->always;
	int count = 0;

	while (last_before && last_before->next)
		last_before = last_before->next;
	for (; io && count < LOOP_BATCH / 2; io = next) {
		bool at_end = io == last_before;

		next = io->next;
		if (io->events) {
			loop->ready[count++] = (struct loop_ready){ io, io->events };
			io_unlink(&loop->always, io);
			io_link_last(&loop->always, io);
		}
		if (at_end)
			break;
	}
	return count;
}

/* The moment up to which this turn may sleep. */
static uint64_t turn_deadline(const struct loop *loop, int64_t timeout_ns)
{
	uint64_t deadline = LOOP_NEVER;

	if (timeout_ns == 0)
		return 0;
	if (timeout_ns > 0)
		deadline = loop_clock() + (uint64_t)timeout_ns;
	if (loop->heap_count > 0 && loop->heap[1]->deadline_ns < deadline)
		deadline = loop->heap[1]->deadline_ns;
	return deadline;
}

static void call_signals(struct loop *loop)
{
	int number;

	while ((number = loop_backend_next_signal(loop->backend)) != 0) {
		struct loop_signal *entry = &loop->signals[number];

		if (entry->call)
			entry->call(entry->owner, number);
	}
}

static void call_ios(struct loop *loop)
{
	for (int i = 0; i < loop->ready_count; i++) {
		struct loop_io *io = loop->ready[i].io;
		unsigned events;

		if (!io)
			continue;
		io->ready_slot = -1;
		/* An earlier callback may have lost interest. */
		events = loop->ready[i].events & (io->events | LOOP_HANGUP);
		if (events)
			io->call(io->owner, io->fd, events);
	}
	loop->ready_count = 0;
}

static void call_timers(struct loop *loop)
{
	uint64_t newest = loop->sequence;

	while (loop->heap_count > 0) {
		struct loop_timer *timer = loop->heap[1];

		if (timer->deadline_ns > loop->now_ns || timer->sequence > newest)
			break;
		loop_timer_stop(timer);
		timer->call(timer->owner);
	}
}

void loop_rest(struct loop *loop, uint64_t ns)
{
	loop->rest_ns = ns < LOOP_REST_MAX ? ns : LOOP_REST_MAX;
}

static void rest(struct loop *loop)
{
	uint64_t now = loop_clock(), end = now + loop->rest_ns;

	if (loop->heap_count > 0 && loop->heap[1]->deadline_ns < end)
		end = loop->heap[1]->deadline_ns;
	loop->rest_ns = 0;
	if (end > now)
		nanosleep(&(struct timespec){ .tv_nsec = (long)(end - now) }, NULL);
}

int loop_turn(struct loop *loop, int64_t timeout_ns)
{
	bool signals = false;
	int always, found;

	assert(!loop->in_turn);
	if (loop->rest_ns > 0)
		rest(loop);
	always = loop->always ? fetch_always_ready(loop) : 0;
	found = loop_backend_wait(loop->backend, always ? 0 : turn_deadline(loop, timeout_ns), loop->ready + always,
				  LOOP_BATCH - always, &signals);
	if (found < 0)
		return -1;
	loop->now_ns = loop_clock();
	loop->ready_count = always + found;
	for (int i = 0; i < loop->ready_count; i++)
		loop->ready[i].io->ready_slot = i;
	loop->in_turn = true;
	if (signals)
		call_signals(loop);
	call_ios(loop);
	call_timers(loop);
	loop->in_turn = false;
	return 0;
}

int loop_run(struct loop *loop)
{
	loop->stopped = false;
	while (!loop->stopped)
		if (loop_turn(loop, -1) < 0)
			return -1;
	return loop->status;
}

void loop_stop(struct loop *loop, int status)
{
	loop->stopped = true;
	loop->status = status;
}
