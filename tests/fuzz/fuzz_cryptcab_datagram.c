/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Datagrams from strangers to both ends of a cable that stands. Input: records of
 *
 *      how 1 | length 2 | bytes        how: bit 0 to the client, else to the server; bits 1-2: what is put before the bytes
 *
 * (nothing; a good header with the key id or index that an onlooker knows). None is genuine, so none may be delivered.
 */
#include "../unit/cryptcab_world.h"
#include "vde_cryptcab/bytes.h"

#include "fuzz.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { RECORD_HEADER = 3, ROOM = 4096 };

static size_t put_header(struct world *world, unsigned how, uint8_t *out)
{
	memset(out, 0, DATA_HEADER_SIZE + KEY_ID_SIZE);
	switch (how >> 1 & 3) {
	case 1:
		out[0] = TYPE_INIT;
		memcpy(out + INIT_KEY_ID, world->key_id, KEY_ID_SIZE);
		return INIT_NOISE;
	case 2:
		out[0] = TYPE_DATA;
		write_le32(out + DATA_RECEIVER, how & 1 ? world->sessions[0].current.local_index
							 : world_peer(world, 0)->current.local_index);
		return DATA_COUNTER;
	case 3:
		out[0] = TYPE_RESPONSE;
		write_le32(out + RESPONSE_RECEIVER, world->sessions[0].handshake_index);
		return RESPONSE_NOISE;
	default:
		return 0;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct world *world = world_create(MODE_SEALED);
	union address stranger = world_address(99, 9);
	uint8_t datagram[2 * ROOM];

	world_start_client(world, 0);
	session_tick(&world->sessions[0], world->now);
	world_carry(world);
	assert(world_peer(world, 0) && world_peer(world, 0)->up);
	while (size >= RECORD_HEADER) {
		unsigned how = data[0];
		size_t length = (size_t)(data[1] << 8 | data[2]) % ROOM, header = put_header(world, how, datagram);

		data += RECORD_HEADER;
		size -= RECORD_HEADER;
		if (length > size)
			length = size;
		memcpy(datagram + header, data, length);
		data += length;
		size -= length;
		if (header == INIT_NOISE && how & 8)    /* of the right length */
			length = INIT_SIZE - header;
		if (world_give(world, how & 1 ? 0 : WORLD_SERVER, &stranger, datagram, header + length) == VERDICT_ACCEPTED)
			abort();
	}
	if (world->queued || world->server.mail.frames || world->clients[0].mail.frames || !world->sessions[0].up)
		abort();
	world_destroy(world);
	return 0;
}
