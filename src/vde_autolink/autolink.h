/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vde_autolink: kinds of wires, links made of them, and what keeps the links alive. */
#ifndef VDE_AUTOLINK_H
#define VDE_AUTOLINK_H

#include "common/command.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/mgmt.h"
#include "vde_autolink/monitor.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum {
	WIRES_MAX = 64,                 /* kinds of wires; above each bound a command answers 1028, no space left */
	LINKS_MAX = 256,
	ALTERNATIVES_MAX = 16,          /* hosts of a link, and kinds of wires of a link */
	NAME_MAX_BYTES = 63,
	HOST_MAX_BYTES = 255,
};

/* Nanoseconds. */
struct autolink_times {
	uint64_t retry_first;           /* after the first round of failures; doubles with each further one */
	uint64_t retry_last;            /* no try is further from the one before */
	uint64_t alive;                 /* a wire that lived so long was good: what follows begins anew */
	uint64_t check;                 /* between looks at a wire's port */
};

struct wire_type {
	char name[NAME_MAX_BYTES + 1];  /* "": a free row */
	char *command;
};

enum link_state {
	LINK_OFF,                       /* switched off, or without kinds of wires */
	LINK_WAITING,                   /* for the next try, or for its port */
	LINK_STARTED,                   /* the wire runs */
	LINK_UP,                        /* and was plugged in for some time */
	LINK_ENDING,                    /* it was told to end */
};

/* What a change of the spanning tree at the link's port leads to: is anything still coming in? */
enum link_trust {
	LINK_TRUSTED,
	LINK_SUSPECTED,                 /* the frames that came in so far are being asked for */
	LINK_WATCHED,                   /* known; when the next check finds not one more, the far end is gone */
};

struct link {
	char name[NAME_MAX_BYTES + 1];  /* "": a free row */
	char *host[ALTERNATIVES_MAX];
	unsigned hosts;
	char type[ALTERNATIVES_MAX][NAME_MAX_BYTES + 1];
	unsigned types;
	bool on, removed;               /* removed: the row becomes free when the wire has ended */
	enum link_state state;
	unsigned port;                  /* of the switch, reserved; 0: none yet */
	unsigned candidate;             /* the alternative that is tried: hosts in order, for each its kinds in order */
	unsigned failures;              /* in a row */
	bool plugged;                   /* was seen in its port */
	bool to_root;                   /* it was the way to the spanning tree's root */
	enum link_trust trust;
	uint64_t frames_in, started_ns, due_ns;
	pid_t pid;                      /* also the process group; 0: none */
	struct loop_timer *timer;
	struct autolink *autolink;
};

struct autolink {
	struct loop *loop;
	struct log *log;
	struct mgmt *mgmt;
	struct monitor *monitor;
	const char *socket;             /* $mysock */
	struct autolink_times times;
	unsigned scripts;               /* depth of runscript */
	bool closing;
	struct wire_type wire[WIRES_MAX];
	struct link link[LINKS_MAX];
};

/* NULL with errno. switch_mgmt and what autolink is given must outlive it. */
struct autolink *autolink_create(struct loop *loop, struct log *log, const char *socket, const char *switch_mgmt,
				 const struct autolink_times *times);
/* Ends all wires, waiting a moment for each, and gives the ports back. NULL is accepted. */
void autolink_destroy(struct autolink *autolink);

/* All return 0 or an errno value, as the commands answer it. */
int autolink_add_wire(struct autolink *autolink, const char *name, const char *command);
int autolink_remove_wire(struct autolink *autolink, const char *name);
int autolink_add_link(struct autolink *autolink, const char *name, const char *const *hosts, unsigned count);
int autolink_remove_link(struct autolink *autolink, const char *name);
int autolink_add_type(struct autolink *autolink, const char *name, const char *type);
int autolink_remove_type(struct autolink *autolink, const char *name, const char *type);
int autolink_switch(struct autolink *autolink, const char *name, bool on);

struct wire_type *autolink_find_wire(struct autolink *autolink, const char *name);
/* Of the alternative that is tried. */
const char *link_host(const struct link *link);
const char *link_type(const struct link *link);

/* Frees the row. Its wire has ended. */
void link_free(struct link *link);

/* supervise.c: the life of a link's wire. */
void link_wake(struct link *link);              /* something changed: start, or go on waiting */
void link_stop(struct link *link);              /* end its wire, if any, and do not start another */
void link_timer(void *owner);
int supervise_open(struct autolink *autolink);  /* watches children; errno value */
void supervise_end_all(struct autolink *autolink);
extern const struct monitor_callbacks supervise_monitor_callbacks;

extern const struct command autolink_commands[];

#endif
