/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Drives an engine behind one epoll descriptor, for who has a loop of his own and can only be given a descriptor to wait for.
 *
 * Theory of operation: the descriptor is readable when a socket of the engine is ready, when its timer is due, or when engine_epoll_call was called; then
 * engine_epoll_run is to be called, which never blocks. A socket stays registered while the engine waits for it, and only a change of interest costs a
 * system call. The timer is only set when it would be due too late: one that is due too early does no harm.
 */
#ifndef VDE_SLIRP_ENGINE_EPOLL_H
#define VDE_SLIRP_ENGINE_EPOLL_H

#include "slirpvde/engine.h"

struct engine_epoll;

/* NULL with errno. The engine must outlive it. */
struct engine_epoll *engine_epoll_create(struct slirp_engine *engine);
/* NULL is accepted. */
void engine_epoll_destroy(struct engine_epoll *driver);
int engine_epoll_descriptor(const struct engine_epoll *driver);
/* Makes the descriptor readable, until engine_epoll_run is called, or stays so with `on`; or takes that back. */
void engine_epoll_call(struct engine_epoll *driver, bool on);
/* Serves what is ready, and asks the engine what it waits for now. */
void engine_epoll_run(struct engine_epoll *driver);
/* The engine's callback `forget`; NULL and unknown descriptors are accepted. */
void engine_epoll_forget(struct engine_epoll *driver, int fd);

#endif
