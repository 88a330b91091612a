/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Waiting with ppoll, for systems without epoll.
 *
 * Signals stay blocked except while ppoll waits: it lifts the block and sleeps in one step, so none is missed, and
 * the handler has only to note which one came. A handler gets no argument of ours, hence the one array below that is
 * not part of a struct.
 */
#include "common/loop_backend.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

struct loop_backend {
	struct pollfd *fds;
	struct loop_io **ios;           /* of the same index */
	unsigned count, size;
	unsigned first;                 /* where the next search for ready ones begins, so that all get their turn */
	sigset_t signals;
};

static volatile sig_atomic_t signal_came[NSIG];

static void note_signal(int signal_number)
{
	signal_came[signal_number] = 1;
}

struct loop_backend *loop_backend_create(void)
{
	struct loop_backend *backend = calloc(1, sizeof(*backend));

	if (backend)
		sigemptyset(&backend->signals);
	return backend;
}

void loop_backend_destroy(struct loop_backend *backend)
{
	free(backend->fds);
	free(backend->ios);
	free(backend);
}

static short to_poll(unsigned events)
{
	return (short)((events & LOOP_READ ? POLLIN : 0) | (events & LOOP_WRITE ? POLLOUT : 0));
}

/* At an error or a hang-up the functions that wait for reading and writing must run to find out. */
static unsigned from_poll(short events, unsigned asked)
{
	unsigned result = (events & POLLIN ? LOOP_READ : 0u) | (events & POLLOUT ? LOOP_WRITE : 0u);

	if (events & (POLLHUP | POLLERR | POLLNVAL))
		result |= LOOP_HANGUP | asked;
	return result;
}

static int grow(struct loop_backend *backend)
{
	unsigned size = backend->size ? backend->size * 2 : 16;
	struct pollfd *fds = realloc(backend->fds, size * sizeof(*fds));
	struct loop_io **ios;

	if (!fds)
		return ENOMEM;
	backend->fds = fds;
	ios = realloc(backend->ios, size * sizeof(struct loop_io *));
	if (!ios)
		return ENOMEM;
	backend->ios = ios;
	backend->size = size;
	return 0;
}

int loop_backend_add(struct loop_backend *backend, struct loop_io *io)
{
	if (backend->count == backend->size && grow(backend) != 0)
		return ENOMEM;
	io->backend_index = backend->count++;
	backend->fds[io->backend_index] = (struct pollfd){ .fd = io->fd, .events = to_poll(io->events) };
	backend->ios[io->backend_index] = io;
	return 0;
}

void loop_backend_modify(struct loop_backend *backend, struct loop_io *io)
{
	backend->fds[io->backend_index].events = to_poll(io->events);
}

void loop_backend_remove(struct loop_backend *backend, struct loop_io *io)
{
	unsigned last = --backend->count;

	backend->fds[io->backend_index] = backend->fds[last];
	backend->ios[io->backend_index] = backend->ios[last];
	backend->ios[io->backend_index]->backend_index = io->backend_index;
}

int loop_backend_add_signal(struct loop_backend *backend, int signal_number)
{
	struct sigaction action = { .sa_handler = note_signal };

	sigaddset(&backend->signals, signal_number);
	return sigaction(signal_number, &action, NULL) < 0 ? errno : 0;
}

int loop_backend_next_signal(struct loop_backend *backend)
{
	for (int i = 1; i < NSIG; i++) {
		if (signal_came[i] && sigismember(&backend->signals, i) == 1) {
			signal_came[i] = 0;
			return i;
		}
	}
	return 0;
}

/* The mask while waiting: as it is, without the signals of this loop. */
static void waiting_mask(const struct loop_backend *backend, sigset_t *mask)
{
	sigprocmask(SIG_BLOCK, NULL, mask);
	for (int i = 1; i < NSIG; i++)
		if (sigismember(&backend->signals, i) == 1)
			sigdelset(mask, i);
}

int loop_backend_wait(struct loop_backend *backend, uint64_t deadline_ns, struct loop_ready *ready, int max,
		      bool *signals)
{
	uint64_t now = loop_clock();
	uint64_t wait = deadline_ns > now ? deadline_ns - now : 0;
	struct timespec time = { .tv_sec = (time_t)(wait / LOOP_SECOND), .tv_nsec = (long)(wait % LOOP_SECOND) };
	sigset_t mask;
	int left, used = 0;

	waiting_mask(backend, &mask);
	left = ppoll(backend->fds, backend->count, deadline_ns == LOOP_NEVER ? NULL : &time, &mask);
	*signals = true;
	if (left < 0)
		return errno == EINTR ? 0 : -1;
	if (backend->first >= backend->count)
		backend->first = 0;
	for (unsigned i = 0; i < backend->count && left > 0 && used < max; i++) {
		unsigned index = (backend->first + i) % backend->count;
		struct pollfd *polled = &backend->fds[index];

		if (!polled->revents)
			continue;
		left--;
		ready[used++] = (struct loop_ready){ backend->ios[index],
						     from_poll(polled->revents, backend->ios[index]->events) };
		if (used == max)
			backend->first = index + 1;
	}
	return used;
}
