/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The server's side of many cables, without sockets: decides which session a datagram belongs to, and which INIT may make a new one.
 *
 * Bounds: max_peers sessions in use, HUB_PENDING_MAX that their client has not confirmed yet (a further one takes the place of the
 * oldest). A stranger makes no state, gets no answer and causes no curve operation.
 */
#ifndef VDE_CRYPTCAB_HUB_H
#define VDE_CRYPTCAB_HUB_H

#include "keystore.h"
#include "ratelimit.h"
#include "session.h"

enum {
	HUB_PENDING_MAX = 64,
	HUB_PEERS_MAX = 4096,
	HUB_PEERS_DEFAULT = 256,
	HUB_SEAL_RATE = 2000,           /* INITs per second of one source that name a key, whose seal is looked at; */
	HUB_SEAL_BURST = 4000,
	HUB_SOURCE_RATE = 20,           /* curve operations for clients that are not known, caused by one source, */
	HUB_SOURCE_BURST = 40,
	HUB_TOTAL_RATE = 200,           /* by all together, */
	HUB_TOTAL_BURST = 400,
	HUB_SESSION_RATE = 10,          /* and by one that is known */
	HUB_SESSION_BURST = 20,
};

enum hub_reason { HUB_CLOSED, HUB_IDLE, HUB_DROPPED, HUB_REPLACED, HUB_SHUTDOWN };

struct hub_callbacks {
	/* The client confirmed its session: give it a plug. False: it cannot be served, and is closed. */
	bool (*peer_up)(void *owner, struct session *session);
	/* A session that was up ends; it is freed after this. */
	void (*peer_down)(void *owner, struct session *session, enum hub_reason reason);
	/* A client that knows a secret is there once too many, and gets no answer. */
	void (*full)(void *owner, const union address *from);
};

struct hub {
	struct session_env *env;
	struct keystore keys;
	struct ratelimit seals, sources;
	struct bucket total;
	struct session **sessions;      /* by slot; NULL: free */
	unsigned slots, max_peers, peers, pending;
	uint64_t idle_ns;
	const struct hub_callbacks *callbacks;
	void *owner;
	uint64_t verdicts[VERDICT_COUNT];       /* of datagrams that no session counted */
	uint64_t refused_full;
};

bool hub_init(struct hub *hub, struct session_env *env, unsigned max_peers, uint64_t idle_ns, uint64_t key_lifetime_ns,
	      const struct hub_callbacks *callbacks, void *owner);
/* Says goodbye to all peers, and forgets everything. */
void hub_free(struct hub *hub, uint64_t now_ns);

/* Any bytes from anywhere. DATA is opened in place. */
enum verdict hub_receive(struct hub *hub, const union address *from, uint8_t *datagram, size_t length, uint64_t now_ns);
/* To be called each second or more often while hub_is_busy. */
void hub_tick(struct hub *hub, uint64_t now_ns);
/* Is there anything that time changes? */
bool hub_is_busy(const struct hub *hub);
/* The system refused a datagram of this size to there. */
void hub_too_big(struct hub *hub, const union address *to, size_t size, uint64_t now_ns);
/* Ends the session in `slot`: its key dies with it when it was introduced. 0, or ENOENT. */
int hub_drop(struct hub *hub, unsigned slot, enum hub_reason reason, uint64_t now_ns);

#endif
