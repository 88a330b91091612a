/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The event loop: descriptors, timers and signals as calls of functions, one at a time, in one thread.
 *
 * Times are nanoseconds of CLOCK_MONOTONIC. Adding something allocates and may fail (NULL with errno); everything
 * else cannot fail or block. A callback may remove anything, itself included: an event that was already fetched for a
 * removed descriptor is not delivered.
 */
#ifndef VDE_LOOP_H
#define VDE_LOOP_H

#include <stdbool.h>
#include <stdint.h>

struct loop;
struct loop_io;
struct loop_timer;
struct loop_signal;

enum loop_event {
	LOOP_READ = 1,                  /* readable, or the end was reached */
	LOOP_WRITE = 2,
	LOOP_HANGUP = 4,                /* peer gone or error; always reported, need not be asked for */
};

enum {
	LOOP_SECOND = 1000000000,       /* nanoseconds */
	LOOP_REST_MAX = 1000000,
};

typedef void loop_io_callback(void *owner, int fd, unsigned events);
typedef void loop_timer_callback(void *owner);
typedef void loop_signal_callback(void *owner, int signal_number);

struct loop *loop_create(void);
/* Frees the loop and whatever is still registered; closes no descriptor of the caller. NULL is accepted. */
void loop_destroy(struct loop *loop);

/* Calls back until loop_stop; returns the status given there, or -1 with errno when waiting itself fails. */
int loop_run(struct loop *loop);
void loop_stop(struct loop *loop, int status);
/*
 * One turn: waits at most timeout_ns (negative: until something happens), calls back, returns. For tests and
 * embedding.
 */
int loop_turn(struct loop *loop, int64_t timeout_ns);

/*
 * Before the next turn waits, the process sleeps for `ns`, at most LOOP_REST_MAX and no longer than to the next timer; nothing is called back
 * meanwhile. For events that come in quick succession and are cheaper together.
 */
void loop_rest(struct loop *loop, uint64_t ns);

/* The clock; and the clock as read at the start of this turn, which costs nothing. */
uint64_t loop_clock(void);
uint64_t loop_now(const struct loop *loop);

struct loop_io *loop_add_io(struct loop *loop, int fd, unsigned events, loop_io_callback *call, void *owner);
void loop_set_events(struct loop_io *io, unsigned events);
void loop_remove_io(struct loop_io *io);        /* before the descriptor is closed; NULL is accepted */

/* A new timer is not running. It fires once for each loop_timer_set, at or after `deadline_ns`. */
struct loop_timer *loop_add_timer(struct loop *loop, loop_timer_callback *call, void *owner);
void loop_timer_set(struct loop_timer *timer, uint64_t deadline_ns);
void loop_timer_after(struct loop_timer *timer, uint64_t delay_ns);
void loop_timer_stop(struct loop_timer *timer);
bool loop_timer_running(const struct loop_timer *timer);
void loop_remove_timer(struct loop_timer *timer);       /* NULL is accepted */

/*
 * A signal becomes an event. It is blocked in the process from here on; a child must call loop_unblock_signals before
 * exec. call == NULL: the signal is ignored.
 */
int loop_add_signal(struct loop *loop, int signal_number, loop_signal_callback *call, void *owner);
void loop_unblock_signals(void);

#endif
