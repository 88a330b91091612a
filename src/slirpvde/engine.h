/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A virtual network with a way out, on libslirp: frames in, frames out, sockets of the host in between.
 *
 * The engine neither waits nor reads a plug. Whoever drives it (slirpvde with the suite's loop, engine_loop.h; a module of
 * libvdeplug with a thread of its own) does in turns:
 *
 *      engine_prepare          which descriptors, and for how long at most
 *      poll                    or anything that fills in revents
 *      engine_process          when a descriptor is ready or the time is over
 *      engine_input            frames from guests, whenever they come; then engine_prepare again
 *
 * All calls for one engine come from one thread at a time.
 */
#ifndef VDE_SLIRP_ENGINE_H
#define VDE_SLIRP_ENGINE_H

#include "slirpvde/dhcp.h"
#include "slirpvde/engine_config.h"
#include "slirpvde/forward.h"
#include "common/frame.h"

#include <poll.h>

enum { ENGINE_BATCH = 64 };             /* frames given to transmit at most in one call */

struct slirp_engine;

struct engine_callbacks {
	/* Frames for the guests, valid until it returns. */
	void (*transmit)(void *owner, const struct frame *frames, unsigned count);
	/* A remark of libslirp or the engine on what a guest did; may contain what the guest sent. May be NULL. */
	void (*message)(void *owner, const char *text);
	/* The descriptor is about to be closed: no more events for it. May be NULL. */
	void (*forget)(void *owner, int fd);
};

struct engine_counters {
	uint64_t frames_in, frames_out;
	uint64_t segments_joined;       /* of frames_in: see coalesce.h */
	uint64_t foreign;               /* of frames_in: to another station, left alone */
	uint64_t dhcp_refused;
};

/*
 * The configuration must have been completed; it is copied, but not its strings. NULL with errno and the reason.
 */
struct slirp_engine *engine_create(const struct engine_config *config, const struct engine_callbacks *callbacks, void *owner,
				   struct engine_error *error);
void engine_destroy(struct slirp_engine *engine);

/* Whether TCP segments to guests may be transmitted uncut, as frames that are to be segmented (frame->offload). At first they may not. */
void engine_give_uncut(struct slirp_engine *engine, bool wanted);

/* Frames from guests, finished; their bytes are changed. A TCP segment may be longer than any interface would send. What they cause to be sent is transmitted before it returns. */
void engine_input(struct slirp_engine *engine, struct frame *frames, unsigned count);

/*
 * Returns the descriptors to wait for, `*count` of them, their events set and revents zero; and the time in milliseconds after which
 * engine_process is due (negative: never). The array is the engine's and stays as it is until the next call.
 */
struct pollfd *engine_prepare(struct slirp_engine *engine, unsigned *count, int *timeout_ms);
/* Serves what revents of the array says, and timers; clears revents. */
void engine_process(struct slirp_engine *engine);

/*
 * What libslirp itself complains of, for all engines of this process, until it ends; may contain what a guest sent. messages must stay.
 */
struct engine_messages {
	void (*call)(void *owner, const char *text);
	void *owner;
};
void engine_catch_messages(struct engine_messages *messages);

const struct engine_config *engine_config(const struct slirp_engine *engine);
struct forward_table *engine_forwards(struct slirp_engine *engine);
const struct dhcp_table *engine_leases(const struct slirp_engine *engine);
void engine_count(const struct slirp_engine *engine, struct engine_counters *counters);
/* libslirp's tables of connections and of neighbours, to be freed with free(). NULL when memory is short. */
char *engine_connections(struct slirp_engine *engine);
char *engine_neighbours(struct slirp_engine *engine);
/* Nanoseconds of CLOCK_MONOTONIC: the clock of leases and timers. */
uint64_t engine_clock(void);

#endif
