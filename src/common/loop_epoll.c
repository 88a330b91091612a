/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Waiting on Linux: epoll, a signalfd, and a timerfd for deadlines in nanoseconds.
 *
 * The timerfd is armed lazily: one that is armed for an earlier moment than asked stays as it is and costs a wake-up
 * for nothing, which is cheaper than a system call each time the next deadline moves away. It is edge triggered, so
 * it is never read.
 */
#include "common/loop_backend.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

struct loop_backend {
	int epoll_fd;
	int signal_fd;                  /* -1: no signal was asked for yet */
	int timer_fd;
	sigset_t signals;
	uint64_t armed_ns;              /* 0: not armed */
};

static uint32_t to_epoll(unsigned events)
{
	return (events & LOOP_READ ? EPOLLIN : 0u) | (events & LOOP_WRITE ? EPOLLOUT : 0u);
}

/* At an error or a hang-up the functions that wait for reading and writing must run to find out. */
static unsigned from_epoll(uint32_t events, unsigned asked)
{
	unsigned result = (events & EPOLLIN ? LOOP_READ : 0u) | (events & EPOLLOUT ? LOOP_WRITE : 0u);

	if (events & (EPOLLHUP | EPOLLERR))
		result |= LOOP_HANGUP | asked;
	return result;
}

/* Our own descriptors are told apart from a loop_io by the address of the field that holds them. */
static int watch_own(struct loop_backend *backend, int *fd, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = fd };

	return epoll_ctl(backend->epoll_fd, EPOLL_CTL_ADD, *fd, &event) < 0 ? errno : 0;
}

struct loop_backend *loop_backend_create(void)
{
	struct loop_backend *backend = calloc(1, sizeof(*backend));

	if (!backend)
		return NULL;
	sigemptyset(&backend->signals);
	backend->signal_fd = -1;
	backend->timer_fd = -1;
	backend->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (backend->epoll_fd >= 0)
		backend->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (backend->timer_fd < 0 || watch_own(backend, &backend->timer_fd, EPOLLIN | EPOLLET) != 0) {
		int error = errno;

		loop_backend_destroy(backend);
		errno = error;
		return NULL;
	}
	return backend;
}

void loop_backend_destroy(struct loop_backend *backend)
{
	if (backend->epoll_fd >= 0)
		close(backend->epoll_fd);
	if (backend->signal_fd >= 0)
		close(backend->signal_fd);
	if (backend->timer_fd >= 0)
		close(backend->timer_fd);
	free(backend);
}

int loop_backend_add(struct loop_backend *backend, struct loop_io *io)
{
	struct epoll_event event = { .events = to_epoll(io->events), .data.ptr = io };

	return epoll_ctl(backend->epoll_fd, EPOLL_CTL_ADD, io->fd, &event) < 0 ? errno : 0;
}

void loop_backend_modify(struct loop_backend *backend, struct loop_io *io)
{
	struct epoll_event event = { .events = to_epoll(io->events), .data.ptr = io };

	epoll_ctl(backend->epoll_fd, EPOLL_CTL_MOD, io->fd, &event);
}

void loop_backend_remove(struct loop_backend *backend, struct loop_io *io)
{
	struct epoll_event unused = { 0 };

	epoll_ctl(backend->epoll_fd, EPOLL_CTL_DEL, io->fd, &unused);
}

int loop_backend_add_signal(struct loop_backend *backend, int signal_number)
{
	int fd;

	sigaddset(&backend->signals, signal_number);
	fd = signalfd(backend->signal_fd, &backend->signals, SFD_NONBLOCK | SFD_CLOEXEC);
	if (fd < 0)
		return errno;
	if (fd == backend->signal_fd)
		return 0;
	backend->signal_fd = fd;
	return watch_own(backend, &backend->signal_fd, EPOLLIN);
}

int loop_backend_next_signal(struct loop_backend *backend)
{
	struct signalfd_siginfo info;

	return read(backend->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info) ? (int)info.ssi_signo : 0;
}

static void arm_timer(struct loop_backend *backend, uint64_t deadline_ns, uint64_t now_ns)
{
	struct itimerspec when = {
		.it_value.tv_sec = (time_t)(deadline_ns / LOOP_SECOND),
		.it_value.tv_nsec = (long)(deadline_ns % LOOP_SECOND),
	};

	if (backend->armed_ns > now_ns && backend->armed_ns <= deadline_ns)
		return;
	timerfd_settime(backend->timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
	backend->armed_ns = deadline_ns;
}

int loop_backend_wait(struct loop_backend *backend, uint64_t deadline_ns, struct loop_ready *ready, int max,
		      bool *signals)
{
	struct epoll_event events[LOOP_BATCH];
	int timeout = deadline_ns == LOOP_NEVER ? -1 : 0;
	int count, used = 0;

	if (deadline_ns != 0 && deadline_ns != LOOP_NEVER) {
		uint64_t now = loop_clock();

		if (deadline_ns > now) {
			arm_timer(backend, deadline_ns, now);
			timeout = -1;
		}
	}
	count = epoll_wait(backend->epoll_fd, events, max, timeout);
	*signals = false;
	if (count < 0)
		return errno == EINTR ? 0 : -1;
	for (int i = 0; i < count; i++) {
		if (events[i].data.ptr == &backend->signal_fd) {
			*signals = true;
		} else if (events[i].data.ptr != &backend->timer_fd) {
			struct loop_io *io = events[i].data.ptr;

			ready[used++] = (struct loop_ready){ io, from_epoll(events[i].events, io->events) };
		}
	}
	return used;
}
