/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "slirpvde/engine_epoll.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum { EVENTS_MAX = 64, NS_PER_MS = 1000000, NS_PER_S = 1000000000 };

/* What the engine waits for at a descriptor; events 0: nothing, it is not registered. */
struct watch {
	uint32_t events;                /* EPOLL*, as registered */
	unsigned generation;            /* of the last update that wanted it */
	int index;                      /* in the engine's array */
};

struct engine_epoll {
	struct slirp_engine *engine;
	int epoll, event, timer;
	bool called;                    /* `event` is readable */
	uint64_t armed_ns;              /* when the timer is due; 0: never */
	unsigned generation;
	struct pollfd *poll;            /* as of the last engine_prepare */
	struct watch *watch;            /* by descriptor */
	unsigned watch_count;
};

static const struct {
	short poll;
	uint32_t epoll;
} event_bits[] = {
	{POLLIN, EPOLLIN}, {POLLOUT, EPOLLOUT}, {POLLPRI, EPOLLPRI}, {POLLERR, EPOLLERR}, {POLLHUP, EPOLLHUP},
};

enum { EVENT_BITS = sizeof(event_bits) / sizeof(event_bits[0]) };

static uint32_t to_epoll(short events)
{
	uint32_t result = 0;

	for (unsigned i = 0; i < EVENT_BITS; i++)
		if ((events & event_bits[i].poll) != 0)
			result |= event_bits[i].epoll;
	return result;
}

static short to_poll(uint32_t events)
{
	short result = 0;

	for (unsigned i = 0; i < EVENT_BITS; i++)
		if ((events & event_bits[i].epoll) != 0)
			result = (short)(result | event_bits[i].poll);
	return result;
}

/* ---- interest ---- */

static struct watch *watch_of(struct engine_epoll *driver, int fd)
{
	unsigned count = driver->watch_count;
	struct watch *grown;

	if (fd >= 0 && (unsigned)fd < count)
		return &driver->watch[fd];
	if (fd < 0)
		return NULL;
	count = ((unsigned)fd + 32) * 2;
	grown = reallocarray(driver->watch, count, sizeof(*grown));
	if (grown == NULL)
		return NULL;
	memset(grown + driver->watch_count, 0, (count - driver->watch_count) * sizeof(*grown));
	driver->watch = grown;
	driver->watch_count = count;
	return &driver->watch[fd];
}

static void set_interest(struct engine_epoll *driver, int fd, struct watch *watch, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.fd = fd};
	int operation = events == 0 ? EPOLL_CTL_DEL : watch->events == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;

	if (watch->events == events)
		return;
	watch->events = epoll_ctl(driver->epoll, operation, fd, &event) == 0 ? events : 0;
}

void engine_epoll_forget(struct engine_epoll *driver, int fd)
{
	if (driver != NULL && fd >= 0 && (unsigned)fd < driver->watch_count)
		set_interest(driver, fd, &driver->watch[fd], 0);
}

static void set_timer(struct engine_epoll *driver, int timeout_ms)
{
	uint64_t due = engine_clock() + (uint64_t)(timeout_ms > 0 ? timeout_ms : 0) * NS_PER_MS;
	struct itimerspec time = {.it_value = {.tv_sec = (time_t)(due / NS_PER_S), .tv_nsec = (long)(due % NS_PER_S)}};

	if (timeout_ms < 0 || (driver->armed_ns != 0 && driver->armed_ns <= due))
		return;
	if (timerfd_settime(driver->timer, TFD_TIMER_ABSTIME, &time, NULL) == 0)
		driver->armed_ns = due;
}

static void update(struct engine_epoll *driver)
{
	unsigned count;
	int timeout_ms;

	driver->poll = engine_prepare(driver->engine, &count, &timeout_ms);
	driver->generation++;
	for (unsigned i = 0; i < count; i++) {
		struct watch *watch = watch_of(driver, driver->poll[i].fd);

		if (watch == NULL)
			continue;       /* no memory: this socket waits for the next turn */
		watch->generation = driver->generation;
		watch->index = (int)i;
		set_interest(driver, driver->poll[i].fd, watch, to_epoll(driver->poll[i].events));
	}
	for (unsigned fd = 0; fd < driver->watch_count; fd++)
		if (driver->watch[fd].events != 0 && driver->watch[fd].generation != driver->generation)
			set_interest(driver, (int)fd, &driver->watch[fd], 0);
	set_timer(driver, timeout_ms);
}

/* ---- events ---- */

void engine_epoll_call(struct engine_epoll *driver, bool on)
{
	uint64_t one = 1;
	ssize_t n;

	if (driver->called == on)
		return;
	n = on ? write(driver->event, &one, sizeof(one)) : read(driver->event, &one, sizeof(one));
	if (n == (ssize_t)sizeof(one))
		driver->called = on;
}

static void timer_is_due(struct engine_epoll *driver)
{
	uint64_t times;

	if (read(driver->timer, &times, sizeof(times)) == (ssize_t)sizeof(times))
		driver->armed_ns = 0;
}

void engine_epoll_run(struct engine_epoll *driver)
{
	struct epoll_event events[EVENTS_MAX];
	int count = epoll_wait(driver->epoll, events, EVENTS_MAX, 0);
	bool due = false;

	for (int i = 0; i < count; i++) {
		int fd = events[i].data.fd;

		if (fd == driver->event)
			continue;
		due = true;
		if (fd == driver->timer)
			timer_is_due(driver);
		else
			driver->poll[driver->watch[fd].index].revents = to_poll(events[i].events);
	}
	if (due)
		engine_process(driver->engine);
	engine_epoll_call(driver, false);
	update(driver);
}

/* ---- life ---- */

int engine_epoll_descriptor(const struct engine_epoll *driver)
{
	return driver->epoll;
}

static int open_descriptors(struct engine_epoll *driver)
{
	int own[2];

	driver->epoll = epoll_create1(EPOLL_CLOEXEC);
	driver->event = own[0] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	driver->timer = own[1] = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	for (unsigned i = 0; i < 2; i++) {
		struct epoll_event event = {.events = EPOLLIN, .data.fd = own[i]};

		if (own[i] < 0 || epoll_ctl(driver->epoll, EPOLL_CTL_ADD, own[i], &event) != 0)
			return errno;
	}
	return 0;
}

struct engine_epoll *engine_epoll_create(struct slirp_engine *engine)
{
	struct engine_epoll *driver = calloc(1, sizeof(*driver));
	int error;

	if (driver == NULL)
		return NULL;
	driver->engine = engine;
	driver->event = driver->timer = -1;
	error = open_descriptors(driver);
	if (error == 0) {
		update(driver);
		return driver;
	}
	engine_epoll_destroy(driver);
	errno = error;
	return NULL;
}

void engine_epoll_destroy(struct engine_epoll *driver)
{
	const int fds[] = {driver != NULL ? driver->epoll : -1, driver != NULL ? driver->event : -1, driver != NULL ? driver->timer : -1};

	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	if (driver != NULL)
		free(driver->watch);
	free(driver);
}
