/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What loop.c asks of the system: to wait for descriptors, signals and a deadline. One file per manner of waiting
 * (loop_epoll.c, loop_poll.c); configure chooses.
 */
#ifndef VDE_LOOP_BACKEND_H
#define VDE_LOOP_BACKEND_H

#include "loop.h"

enum { LOOP_BATCH = 64 };               /* events fetched in one turn; more wait for the next one */

#define LOOP_NEVER UINT64_MAX           /* deadline: none */

struct loop_io {
	struct loop *loop;
	struct loop_io *next, *previous;
	loop_io_callback *call;
	void *owner;
	int fd;
	unsigned events;
	int ready_slot;                 /* where an event for it waits to be delivered in this turn; -1: none */
	unsigned backend_index;         /* the backend's own */
	bool always_ready;              /* a regular file: not known to the backend */
};

struct loop_ready {
	struct loop_io *io;             /* NULL: it was removed after the event was fetched */
	unsigned events;
};

struct loop_backend;

/* NULL with errno. */
struct loop_backend *loop_backend_create(void);
void loop_backend_destroy(struct loop_backend *backend);

/* Return 0 or an errno value. EPERM from add: this kind of descriptor cannot be waited for, it is always ready. */
int loop_backend_add(struct loop_backend *backend, struct loop_io *io);
void loop_backend_modify(struct loop_backend *backend, struct loop_io *io);
void loop_backend_remove(struct loop_backend *backend, struct loop_io *io);

/* The signal is blocked already. Returns 0 or an errno value. */
int loop_backend_add_signal(struct loop_backend *backend, int signal_number);
/* Takes one signal that has arrived; 0: none. Called after a wait that set *signals. */
int loop_backend_next_signal(struct loop_backend *backend);

/*
 * Waits until an event, a signal or deadline_ns (CLOCK_MONOTONIC; 0: does not wait; LOOP_NEVER). Fills at most `max`
 * entries (at most LOOP_BATCH). Returns their number, or -1 with errno. *signals: signals may be there to take.
 */
int loop_backend_wait(struct loop_backend *backend, uint64_t deadline_ns, struct loop_ready *ready, int max,
		      bool *signals);

#endif
