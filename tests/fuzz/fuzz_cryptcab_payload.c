/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a peer that holds the secret may say: arbitrary payloads under good seals, to both ends, and INITs with arbitrary contents.
 * Input: records of
 *
 *      how 1 | length 2 | bytes        how: bit 0 to the client, else to the server; bit 1: an INIT (to the server); bit 2: time passes
 *
 * Whatever is delivered is a frame (the world asserts its length), and memory is bounded.
 */
#include "../unit/cryptcab_world.h"
#include "vde_cryptcab/bytes.h"

#include "fuzz.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { RECORD_HEADER = 3, ROOM = 4096 };

static void say_payload(struct world *world, unsigned how, const uint8_t *bytes, size_t length)
{
	struct session *peer = world_peer(world, 0), *speaker = how & 1 ? peer : &world->sessions[0];
	uint8_t datagram[ROOM + DATAGRAM_OVERHEAD_SEALED];
	size_t size;

	if (!speaker || !keypair_can_send(&speaker->current, world->now))
		return;
	size = keypair_seal(&speaker->current, bytes, length, datagram);
	world_give(world, how & 1 ? 0 : WORLD_SERVER, how & 1 ? &world->server.address : &world->clients[0].address, datagram, size);
}

/* Instance and attempt as the input has them, under a good seal. */
static void say_init(struct world *world, const uint8_t *bytes, size_t length)
{
	struct noise_handshake handshake;
	uint8_t datagram[INIT_SIZE] = { TYPE_INIT }, payload[INIT_PAYLOAD_SIZE] = { 0 }, prologue[PROLOGUE_SIZE];

	memcpy(payload, bytes, length < sizeof(payload) ? length : sizeof(payload));
	memcpy(datagram + INIT_KEY_ID, world->key_id, KEY_ID_SIZE);
	if (!noise_start(world->noise, &handshake, prologue, protocol_prologue(MODE_SEALED, world->key_id, prologue), world->secret) ||
	    !noise_write_first(world->noise, &handshake, NULL, payload, sizeof(payload), datagram + INIT_NOISE))
		abort();
	world_give(world, WORLD_SERVER, &world->clients[1].address, datagram, sizeof(datagram));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct world *world = world_create(MODE_SEALED);

	world_start_client(world, 0);
	session_tick(&world->sessions[0], world->now);
	world_carry(world);
	while (size >= RECORD_HEADER) {
		unsigned how = data[0];
		size_t length = (size_t)(data[1] << 8 | data[2]) % ROOM;

		data += RECORD_HEADER;
		size -= RECORD_HEADER;
		if (length > size)
			length = size;
		if (how & 2)
			say_init(world, data, length);
		else
			say_payload(world, how, data, length);
		data += length;
		size -= length;
		if (how & 4)
			world_pass(world, PROTOCOL_SECOND);
		world_discard(world);
		assert(world->hub.pending <= HUB_PENDING_MAX && world->hub.peers <= 8);
	}
	world_destroy(world);
	return 0;
}
