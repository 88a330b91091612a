/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cryptcab_world.h"

#include "common/frame.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdlib.h>
#include <string.h>

union address world_address(unsigned host, unsigned port)
{
	union address address = { 0 };

	address.in.sin_family = AF_INET;
	address.in.sin_addr.s_addr = htonl(0xc0000200 + host);
	address.in.sin_port = htons((uint16_t)port);
	return address;
}

uint64_t world_random(struct world *world)
{
	world->random ^= world->random << 13;
	world->random ^= world->random >> 7;
	world->random ^= world->random << 17;
	return world->random;
}

static uint8_t *give_buffer(void *owner, size_t size)
{
	struct side *side = owner;

	assert(size <= sizeof(side->buffer));
	return side->buffer;
}

static void post(void *owner, const union address *to, uint8_t *datagram, size_t length)
{
	struct side *side = owner;
	struct world *world = side->world;
	struct letter *letter = &world->queue[world->queued];

	if (world->queued == WORLD_QUEUE || length + address_overhead(to) > world->mtu)
		return;
	*letter = (struct letter){ side->address, *to, length, malloc(length) };
	assert(letter->bytes);
	memcpy(letter->bytes, datagram, length);
	world->queued++;
}

static void take_frame(void *owner, struct session *session, uint8_t *frame, size_t length, bool transient)
{
	struct side *side = owner;
	struct mailbox *mail = &side->mail;

	(void)session, (void)transient;
	assert(length >= ETHERNET_HEADER_SIZE && length <= FRAME_MAX_SIZE);
	memcpy(mail->last, frame, length);
	mail->last_length = length;
	mail->sum += read_be32(frame + 6);
	mail->frames++;
}

static bool peer_up(void *owner, struct session *session)
{
	struct side *side = owner;

	(void)session;
	side->mail.ups++;
	return !side->world->refuse_up;
}

static void peer_down(void *owner, struct session *session, enum hub_reason reason)
{
	struct side *side = owner;

	(void)session;
	side->mail.downs++;
	side->mail.last_reason = reason;
}

static void take_uncut(void *owner, struct session *session, uint8_t *frame, size_t length, uint8_t type, uint16_t size)
{
	struct side *side = owner;

	(void)session;
	assert(length >= ETHERNET_HEADER_SIZE && length <= FRAME_MAX_SIZE);
	memcpy(side->mail.last, frame, length);
	side->mail.last_length = length;
	side->mail.uncut++;
	side->mail.segment_type = type;
	side->mail.segment_size = size;
}

static const struct session_callbacks session_callbacks = { give_buffer, post, take_frame, take_uncut };
/* hub.refused_full says it, too. */
static void full(void *owner, const union address *from)
{
	(void)owner;
	(void)from;
}

static const struct hub_callbacks hub_callbacks = { peer_up, peer_down, full };

static void init_side(struct world *world, struct side *side, int who, enum protocol_mode mode)
{
	side->world = world;
	side->who = who;
	side->address = who == WORLD_SERVER ? world_address(1, 7667) : world_address(10 + (unsigned)who, 40000);
	side->env.noise = world->noise;
	side->env.mode = mode;
	side->env.keepalive_ns = KEEPALIVE_TIME;
	side->env.callbacks = &session_callbacks;
	side->env.owner = side;
}

static void start_server(struct world *world)
{
	bool good = hub_init(&world->hub, &world->server.env, 8, IDLE_TIME_DEFAULT_S * PROTOCOL_SECOND,
			     ADMITTED_UNUSED_TIME_DEFAULT_S * PROTOCOL_SECOND, &hub_callbacks, &world->server);

	assert(good);
	good = keystore_add(&world->hub.keys, world->key_id, world->secret, true, world->now);
	assert(good);
	(void)good;
}

struct world *world_create(enum protocol_mode mode)
{
	struct world *world = calloc(1, sizeof(*world));

	assert(world);
	world->now = 1000 * PROTOCOL_SECOND;
	world->random = 88172645463325252u;
	world->mtu = 1500;
	world->noise = noise_create();
	assert(world->noise);
	memset(world->key_id, 0x11, sizeof(world->key_id));
	memset(world->secret, 0x22, sizeof(world->secret));
	init_side(world, &world->server, WORLD_SERVER, mode);
	for (int i = 0; i < WORLD_CLIENTS; i++)
		init_side(world, &world->clients[i], i, mode);
	start_server(world);
	return world;
}

void world_destroy(struct world *world)
{
	world_discard(world);
	hub_free(&world->hub, world->now);
	world_discard(world);
	for (unsigned i = 0; i < WORLD_CLIENTS; i++)
		if (world->started[i])
			session_wipe(&world->sessions[i]);
	noise_destroy(world->noise);
	free(world);
}

void world_start_client(struct world *world, unsigned client)
{
	bool good;

	if (world->started[client])
		session_wipe(&world->sessions[client]);
	good = session_start_client(&world->sessions[client], &world->clients[client].env, &world->server.address, world->key_id,
				    world->secret, world->now);
	assert(good);
	(void)good;
	world->started[client] = true;
}

void world_restart_server(struct world *world)
{
	size_t before = world->queued;

	hub_free(&world->hub, world->now);
	while (world->queued > before)
		free(world->queue[--world->queued].bytes);
	start_server(world);
}

static int find_addressee(const struct world *world, const union address *to)
{
	if (address_equal(to, &world->server.address))
		return WORLD_SERVER;
	for (int i = 0; i < WORLD_CLIENTS; i++)
		if (address_equal(to, &world->clients[i].address))
			return i;
	return WORLD_NOBODY;
}

enum verdict world_give(struct world *world, int to, const union address *from, const uint8_t *bytes, size_t length)
{
	enum verdict verdict = VERDICT_MALFORMED;
	uint8_t *copy = malloc(length + 1);     /* its exact size, so that a read beyond is seen */

	assert(copy);
	memcpy(copy, bytes, length);
	if (to == WORLD_SERVER)
		verdict = hub_receive(&world->hub, from, copy, length, world->now);
	else if (to >= 0 && world->started[to] && datagram_is_sound(copy, length))
		verdict = session_receive(&world->sessions[to], from, copy, length, world->now);
	free(copy);
	return verdict;
}

void world_carry(struct world *world)
{
	for (unsigned steps = 0; world->queued && steps < 100000; steps++) {
		size_t pick = world->reorder ? world_random(world) % world->queued : 0;
		struct letter letter = world->queue[pick];

		memmove(&world->queue[pick], &world->queue[pick + 1], (--world->queued - pick) * sizeof(letter));
		if (world_random(world) % 100 >= world->loss_percent)
			world_give(world, find_addressee(world, &letter.to), &letter.from, letter.bytes, letter.length);
		free(letter.bytes);
	}
}

void world_discard(struct world *world)
{
	while (world->queued)
		free(world->queue[--world->queued].bytes);
}

void world_pass(struct world *world, uint64_t ns)
{
	for (uint64_t end = world->now + ns; world->now < end;) {
		for (unsigned i = 0; i < WORLD_CLIENTS; i++)
			if (world->started[i])
				session_tick(&world->sessions[i], world->now);
		hub_tick(&world->hub, world->now);
		world_carry(world);
		world->now += PROTOCOL_SECOND / 2;
	}
}

static uint8_t *make_frame(uint8_t *room, unsigned number, size_t length)
{
	uint8_t *frame = room + FRAME_HEADROOM;

	for (size_t i = 0; i < length; i++)
		frame[i] = (uint8_t)(number + i * 3 + i / 256);
	memset(frame, 0xff, 6);
	write_be32(frame + 6, number);
	return frame;
}

void world_frame_up(struct world *world, unsigned client, unsigned number, size_t length)
{
	uint8_t *room = malloc(FRAME_HEADROOM + length);

	assert(room);
	session_send_frame(&world->sessions[client], make_frame(room, number, length), length, world->now);
	free(room);
}

void world_frame_down(struct world *world, unsigned client, unsigned number, size_t length)
{
	struct session *session = world_peer(world, client);
	uint8_t *room = malloc(FRAME_HEADROOM + length);

	assert(room);
	if (session)
		session_send_frame(session, make_frame(room, number, length), length, world->now);
	free(room);
}

struct session *world_peer(struct world *world, unsigned client)
{
	for (unsigned slot = 0; slot < world->hub.slots; slot++) {
		struct session *session = world->hub.sessions[slot];

		if (session && memcmp(session->instance, world->sessions[client].instance, INSTANCE_SIZE) == 0)
			return session;
	}
	return NULL;
}
