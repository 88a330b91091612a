/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The management socket of the switch, seen from its links: reserves ports, tells what happens on them, asks how they are. Nothing waits for an answer. When the switch
 * goes, the monitor tries again, further and further apart.
 */
#ifndef VDE_AUTOLINK_MONITOR_H
#define VDE_AUTOLINK_MONITOR_H

#include "common/log.h"
#include "common/loop.h"

#include <stdbool.h>
#include <stdint.h>

struct monitor;

struct monitor_status {
	bool present;                   /* the port exists and is in use */
	unsigned endpoints;
	uint64_t frames_in;
	bool counted;                   /* frames_in is known: switches may be built without counters */
};

enum monitor_event {
	MONITOR_PLUGGED,                /* something was plugged into the port */
	MONITOR_UNPLUGGED,
	MONITOR_TREE,                   /* its part in the spanning tree changed */
	MONITOR_ROOT,                   /* the port is the way to the tree's root now, and no other; 0: this switch is the root */
};

struct monitor_callbacks {
	/* The switch answers, now or again: what was reserved is to be reserved anew. */
	void (*connected)(void *owner);
	/* The answer to monitor_reserve; 0: it could not be had. */
	void (*reserved)(void *owner, unsigned link, unsigned port);
	void (*status)(void *owner, unsigned link, const struct monitor_status *status);
	void (*event)(void *owner, unsigned port, enum monitor_event event);
};

struct monitor *monitor_create(struct loop *loop, struct log *log, const char *path, const struct monitor_callbacks *callbacks, void *owner);
/* Gives back the ports that monitor_release was called for, if the switch takes it at once. */
void monitor_destroy(struct monitor *monitor);

bool monitor_is_connected(const struct monitor *monitor);
/* Each asks; the answer comes by a callback, with the number of the link. Without a connection nothing comes. port 0: any free one. */
void monitor_reserve(struct monitor *monitor, unsigned link, unsigned port);
void monitor_ask_status(struct monitor *monitor, unsigned link, unsigned port);
void monitor_release(struct monitor *monitor, unsigned port);

#endif
