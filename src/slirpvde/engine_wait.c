/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The engine's sockets and timers: what libslirp waits for, and what it does when that has come. */
#include "slirpvde/engine_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	NANOSECONDS_PER_MS = 1000000,
	SCARCE = 64,                    /* so near to the last descriptor we ask whether there is another one */
	STARVED_MS = 1000,              /* how soon connections are accepted again when somebody else has closed something */
};

static const struct {
	int slirp;
	short poll;
} poll_bits[] = {
	{ SLIRP_POLL_IN, POLLIN },   { SLIRP_POLL_OUT, POLLOUT }, { SLIRP_POLL_PRI, POLLPRI },
	{ SLIRP_POLL_ERR, POLLERR }, { SLIRP_POLL_HUP, POLLHUP },
};

enum { POLL_BITS = sizeof(poll_bits) / sizeof(poll_bits[0]) };

/* The descriptor numbers that are free are taken first, so that there are enough of them while ours are low. */
static bool is_starved(const struct slirp_engine *engine)
{
	int fd;

	if (engine->highest < engine->descriptors - SCARCE)
		return false;
	fd = fcntl(engine->highest, F_DUPFD_CLOEXEC, 0);
	if (fd >= 0)
		close(fd);
	return fd < 0 && errno == EMFILE;
}

static bool is_listening(int fd)
{
	int value = 0;
	socklen_t size = sizeof(value);

	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &value, &size) == 0 && value != 0;
}

/* A connection that cannot be accepted would make its socket ready again and again. It waits. */
static bool must_wait(struct slirp_engine *engine, int fd)
{
	if (!engine->starved || !is_listening(fd))
		return false;
	engine->left_out = true;
	return true;
}

static int on_add_poll(int fd, int events, void *opaque)
{
	struct slirp_engine *engine = opaque;
	struct pollfd *entry;

	if (must_wait(engine, fd))
		return -1;
	if (engine->poll_count == engine->poll_size) {
		unsigned size = engine->poll_size ? 2 * engine->poll_size : 64;
		struct pollfd *grown = reallocarray(engine->poll, size, sizeof(*grown));

		if (!grown)
			return -1;      /* the descriptor is left out of this turn */
		engine->poll = grown;
		engine->poll_size = size;
	}
	if (fd > engine->highest)
		engine->highest = fd;
	entry = &engine->poll[engine->poll_count];
	*entry = (struct pollfd){ .fd = fd };
	for (unsigned i = 0; i < POLL_BITS; i++)
		if (events & poll_bits[i].slirp)
			entry->events |= poll_bits[i].poll;
	return (int)engine->poll_count++;
}

static int on_get_revents(int index, void *opaque)
{
	struct slirp_engine *engine = opaque;
	int events = 0;
	short revents;

	if (index < 0 || (unsigned)index >= engine->poll_count)
		return 0;
	revents = engine->poll[index].revents;
	for (unsigned i = 0; revents && i < POLL_BITS; i++)
		if (revents & poll_bits[i].poll)
			events |= poll_bits[i].slirp;
	return events;
}

struct pollfd *engine_prepare(struct slirp_engine *engine, unsigned *count, int *timeout_ms)
{
	uint32_t timeout = UINT32_MAX;
	int64_t now_ms = (int64_t)(engine_clock() / NANOSECONDS_PER_MS);

	engine->poll_count = 0;
	engine->starved = is_starved(engine);
	engine->highest = -1;
	engine->left_out = false;
	slirp_pollfds_fill(engine->slirp, &timeout, on_add_poll, engine);
	if (engine->left_out && timeout > STARVED_MS)
		timeout = STARVED_MS;
	for (unsigned i = 0; i < ENGINE_TIMERS_MAX; i++)
		if (engine->timer[i].used && engine->timer[i].running) {
			int64_t left = engine->timer[i].expires_ms - now_ms;

			if (left < (int64_t)timeout)
				timeout = left > 0 ? (uint32_t)left : 0;
		}
	*count = engine->poll_count;
	*timeout_ms = timeout > INT32_MAX ? -1 : (int)timeout;
	return engine->poll;
}

static void run_timers(struct slirp_engine *engine)
{
	int64_t now_ms = (int64_t)(engine_clock() / NANOSECONDS_PER_MS);

	for (unsigned i = 0; i < ENGINE_TIMERS_MAX; i++) {
		struct engine_timer *timer = &engine->timer[i];

		if (!timer->used || !timer->running || timer->expires_ms > now_ms)
			continue;
		timer->running = false;
		slirp_handle_timer(engine->slirp, timer->id, timer->cookie);
	}
}

void engine_process(struct slirp_engine *engine)
{
	run_timers(engine);
	slirp_pollfds_poll(engine->slirp, 0, on_get_revents, engine);
	for (unsigned i = 0; i < engine->poll_count; i++)
		engine->poll[i].revents = 0;
	engine_output_flush(engine);
}

/* What waits for a guest's address does so a second at most, and libslirp looks after it only when sockets are served: as here, where none is. */
void engine_send_waiting(struct slirp_engine *engine)
{
	engine->neighbour_heard = false;
	slirp_pollfds_poll(engine->slirp, 1, on_get_revents, engine);
}
