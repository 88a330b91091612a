/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A server with its clients and the network between them in memory: datagrams wait in a list until they are carried, so that a test
 * can look at them, change, lose, repeat and reorder them. Time stands still until the test moves it.
 */
#ifndef TEST_CRYPTCAB_WORLD_H
#define TEST_CRYPTCAB_WORLD_H

#include "vde_cryptcab/hub.h"

enum { WORLD_CLIENTS = 4, WORLD_QUEUE = 4096, WORLD_SERVER = -1, WORLD_NOBODY = -2 };

struct letter {
	union address from, to;
	size_t length;
	uint8_t *bytes;
};

struct mailbox {
	unsigned frames, ups, downs;
	size_t last_length;
	uint8_t last[FRAME_HEADROOM + 65535];
	uint64_t sum;                   /* of the frames' numbers */
	enum hub_reason last_reason;
	unsigned uncut;                 /* frames to be cut, in `last` too */
	uint8_t segment_type;
	uint16_t segment_size;
};

struct world;

struct side {
	struct world *world;
	int who;
	union address address;
	struct session_env env;
	struct mailbox mail;
	uint8_t buffer[UDP_PAYLOAD_MAX];
};

struct world {
	uint64_t now;
	struct noise *noise;
	struct side server, clients[WORLD_CLIENTS];
	struct session sessions[WORLD_CLIENTS];
	bool started[WORLD_CLIENTS];
	struct hub hub;
	uint8_t key_id[KEY_ID_SIZE], secret[SECRET_SIZE];
	struct letter queue[WORLD_QUEUE];
	size_t queued;
	unsigned mtu;                   /* larger packets are lost on the way */
	unsigned loss_percent;
	bool reorder;
	bool refuse_up;                 /* peer_up says no */
	uint64_t random;
};

/* A server that knows one permanent key, and no client. */
struct world *world_create(enum protocol_mode mode);
void world_destroy(struct world *world);
/* A client with the world's key at its own address. */
void world_start_client(struct world *world, unsigned client);
/* The server process dies without a word, and another starts. */
void world_restart_server(struct world *world);

/* Gives one datagram to whoever has the address. */
enum verdict world_give(struct world *world, int to, const union address *from, const uint8_t *bytes, size_t length);
/* Carries what waits and what that causes, until nothing waits. */
void world_carry(struct world *world);
void world_discard(struct world *world);
/* Ticks all for so long, in steps of half a second, carrying. */
void world_pass(struct world *world, uint64_t ns);
uint64_t world_random(struct world *world);

/* Sends frame `number`, of `length` bytes, from the client to the server; or from the server to the client. */
void world_frame_up(struct world *world, unsigned client, unsigned number, size_t length);
void world_frame_down(struct world *world, unsigned client, unsigned number, size_t length);
/* The server's session for this client, NULL when there is none. */
struct session *world_peer(struct world *world, unsigned client);

union address world_address(unsigned host, unsigned port);

#endif
