/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Drives an engine with the suite's loop.
 *
 * Theory of operation: all that happens in one turn of the loop (frames, ready sockets, timers) is collected; at the end of the turn, by a timer
 * that is due at once, the engine is served once and asked once what it waits for now. A socket stays registered with the loop as
 * long as it is open, and only a change of interest costs a system call; a socket the engine does not wait for at the moment
 * is registered for nothing. So the cost of a turn is one walk through libslirp's sockets, whatever the number of frames in it.
 *
 * While the guests' side cannot take more (engine_loop_pause) sockets are not read: what the world sends waits in the kernel,
 * and TCP slows its senders down.
 */
#ifndef VDE_SLIRP_ENGINE_LOOP_H
#define VDE_SLIRP_ENGINE_LOOP_H

#include "slirpvde/engine.h"
#include "common/loop.h"

struct engine_loop;

/* NULL with errno. Both must outlive it. */
struct engine_loop *engine_loop_create(struct loop *loop, struct slirp_engine *engine);
/* Before engine_destroy; NULL is accepted. */
void engine_loop_destroy(struct engine_loop *driver);

/* Hands over frames as engine_input does. */
void engine_loop_input(struct engine_loop *driver, struct frame *frames, unsigned count);
/* The engine was changed from outside (a redirection was added): look at its descriptors again. */
void engine_loop_kick(struct engine_loop *driver);
void engine_loop_pause(struct engine_loop *driver, bool paused);
/* For engine_callbacks.forget; NULL is accepted. */
void engine_loop_forget(struct engine_loop *driver, int fd);

#endif
