/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the program is at either end: the loop, the UDP socket, and cables, each a session on one side and a plug in the switch on
 * the other. Frames pass in batches: what one receive brought for a cable is one send to its plug, and back.
 */
#ifndef VDE_CRYPTCAB_NODE_H
#define VDE_CRYPTCAB_NODE_H

#include "common/cli.h"
#include "common/daemon.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/mgmt.h"
#include "session.h"
#include "udp.h"
#include "wire/wire.h"

enum {
	NODE_TICK_MS = 500,
	NODE_PAUSE_TICKS = 10,          /* for so long at most nothing is read */
	NODE_COPIES = 512 << 10,        /* reassembled frames of one batch; when it is full the batch is handed over early */
};

struct options {
	const char *socket;
	const char *connect;            /* NULL: a server */
	unsigned port;                  /* 0: not given */
	const char *preshared;
	bool clear, keepalive, daemon, reconnect, stats;
	unsigned verbose;
	const char *pidfile, *ssh;
	struct cli_group admit_group;
	unsigned max_peers, idle_s, key_lifetime_s, mtu;
	const char *management;
	struct cli_mode management_mode;
	struct cli_group management_group;
	unsigned admit;                 /* 0: not given */
};

struct node;

/* A session's plug. */
struct cable {
	struct node *node;
	struct session *session;
	struct wire *wire;              /* NULL: the switch is away, and comes back or not */
	struct loop_timer *retry;
	char description[80];
	struct frame frames[WIRE_BATCH];
	unsigned count;
	struct cable *next_dirty;       /* in the list of cables with frames in this batch */
	bool dirty;
	bool full;                      /* the switch takes no more for the moment */
};

struct node {
	const struct options *options;
	struct log *log;
	struct log_limit limit;
	struct loop *loop;
	struct udp *udp;
	struct mgmt *mgmt;
	struct session_env *env;
	struct loop_timer *tick;
	struct cable *dirty;
	unsigned cables, full_cables, paused_ticks;
	uint8_t *copies;
	uint8_t *part;                  /* a segment of a frame that is cut, with room before it */
	size_t copies_used;
	uint64_t started_ns;
	void (*ticked)(void *owner);
	void *owner;
};

/* Opens the socket and what both ends need. `udp_calls` and `ticked` are given `owner`. Returns 0 or an errno value, already logged. */
int node_open(struct node *node, const struct options *options, struct loop *loop, struct log *log, unsigned port,
	      const struct udp_callbacks *udp_calls, void (*ticked)(void *owner), void *owner);
/* Sends what waits, closes. */
void node_close(struct node *node);
/* The secret that the options name: of -P, or of -x, which everybody knows. 0 or an errno value, already logged. */
int node_secret(const struct node *node, uint8_t secret[SECRET_SIZE]);
/* Runs `ticked` each NODE_TICK_MS, or no more. */
void node_set_ticking(struct node *node, bool ticking);
/* After a batch of datagrams: hands the cables' frames to their plugs. */
void node_hand_over(struct node *node);

/* Plugs in. NULL with errno. The cable does not own its session. */
struct cable *cable_open(struct node *node, struct session *session, const char *description);
void cable_close(struct cable *cable);          /* NULL is accepted */

#endif
