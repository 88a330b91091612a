/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whole cables in memory, and everything that a hostile network may do to them: nothing is delivered that was not sent once by the peer, and
 * an established session never falls.
 */
#include "cryptcab_world.h"

#include "vde_cryptcab/bytes.h"
#include "common/frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SECOND PROTOCOL_SECOND

static struct world *connected(enum protocol_mode mode)
{
	struct world *world = world_create(mode);

	world_start_client(world, 0);
	world_pass(world, 3 * SECOND);
	assert_true(world->sessions[0].up);
	assert_non_null(world_peer(world, 0));
	assert_true(world_peer(world, 0)->up);
	assert_int_equal(world->server.mail.ups, 1);
	return world;
}

/* The cable carries a frame each way, and exactly that. */
static void assert_works(struct world *world, unsigned client)
{
	static unsigned number = 1000;
	struct mailbox *up = &world->server.mail, *down = &world->clients[client].mail;
	unsigned frames_up = up->frames, frames_down = down->frames;

	world_frame_up(world, client, ++number, 100);
	world_carry(world);
	assert_int_equal(up->frames, frames_up + 1);
	assert_int_equal(read_be32(up->last + 6), number);
	world_frame_down(world, client, ++number, 100);
	world_carry(world);
	assert_int_equal(down->frames, frames_down + 1);
	assert_int_equal(read_be32(down->last + 6), number);
}

static void frames_of_all_sizes(void **state)
{
	static const size_t sizes[] = { 14, 15, 59, 60, 1000, 1438, 1439, 1440, 1514, 1518, 2000, 9014, 20000, 65534, 65535 };
	enum protocol_mode modes[] = { MODE_SEALED, MODE_CLEAR };

	(void)state;
	for (unsigned m = 0; m < 2; m++) {
		struct world *world = connected(modes[m]);
		struct mailbox *mail = &world->server.mail;

		for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
			unsigned before = mail->frames;

			world_frame_up(world, 0, i, sizes[i]);
			world_carry(world);
			assert_int_equal(mail->frames, before + 1);
			assert_int_equal(mail->last_length, sizes[i]);
			for (size_t j = 10; j < sizes[i]; j++)
				assert_int_equal(mail->last[j], (uint8_t)(i + j * 3 + j / 256));
			before = world->clients[0].mail.frames;
			world_frame_down(world, 0, i, sizes[i]);
			world_carry(world);
			assert_int_equal(world->clients[0].mail.frames, before + 1);
			assert_int_equal(world->clients[0].mail.last_length, sizes[i]);
		}
		world_destroy(world);
	}
}

/* A frame is one datagram when it fits, of the size that protocol.h says; a longer one is pieces that all fit. */
static void one_frame_per_datagram(void **state)
{
	struct world *world = connected(MODE_SEALED);

	(void)state;
	assert_int_equal(world->sessions[0].path.size, 1472);
	world_frame_up(world, 0, 1, 1439);
	assert_int_equal(world->queued, 1);
	assert_int_equal(world->queue[0].length, 1472);
	world_carry(world);
	world_frame_up(world, 0, 1, 1514);
	assert_int_equal(world->queued, 2);
	assert_int_equal(world->queue[0].length, world->queue[1].length);       /* equal sizes: one segmented send */
	assert_int_equal(world->queue[0].length, 757 + DATAGRAM_OVERHEAD_SEALED + KIND_SIZE + FRAGMENT_HEADER_SIZE);
	world_destroy(world);
}

/* A frame that is to be cut is one datagram where the path takes it, and nothing where it does not. */
static void uncut_frames(void **state)
{
	static uint8_t room[FRAME_HEADROOM + 40000];
	struct world *world = world_create(MODE_SEALED);
	uint8_t *frame = room + FRAME_HEADROOM;

	(void)state;
	world->mtu = 65535;
	world_start_client(world, 0);
	world_pass(world, 3 * SECOND);
	for (unsigned i = 0; i < 40000; i++)
		frame[i] = (uint8_t)(i * 7);
	assert_true(session_send_uncut(&world->sessions[0], frame, 40000, 1, 1448, world->now));
	assert_int_equal(world->queued, 1);
	world_carry(world);
	assert_int_equal(world->server.mail.uncut, 1);
	assert_int_equal(world->server.mail.last_length, 40000);
	assert_memory_equal(world->server.mail.last, frame, 40000);
	assert_int_equal(world->server.mail.segment_type, 1);
	assert_int_equal(world->server.mail.segment_size, 1448);
	world_destroy(world);

	world = connected(MODE_SEALED);
	assert_false(session_send_uncut(&world->sessions[0], frame, 3000, 1, 1448, world->now));
	assert_int_equal(world->queued, 0);
	world_destroy(world);
}

/* ---- hostile networks ---- */

struct capture { uint8_t *bytes; size_t length; int to; union address from; };

/* Runs a handshake and a frame each way, keeping a copy of each datagram. */
static size_t record(struct world *world, struct capture *captures, size_t max)
{
	size_t count = 0;

	for (unsigned round = 0; round < 12; round++) {
		if (round == 6)
			world_frame_up(world, 0, 7, 80);
		if (round == 7)
			world_frame_down(world, 0, 8, 80);
		if (round == 8)
			world_frame_up(world, 0, 9, 2000);
		session_tick(&world->sessions[0], world->now);
		hub_tick(&world->hub, world->now);
		while (world->queued) {
			struct letter letter = world->queue[0];
			int to = address_equal(&letter.to, &world->server.address) ? WORLD_SERVER : 0;

			memmove(world->queue, world->queue + 1, --world->queued * sizeof(letter));
			world_give(world, to, &letter.from, letter.bytes, letter.length);
			if (count < max)
				captures[count++] = (struct capture){ letter.bytes, letter.length, to, letter.from };
			else
				free(letter.bytes);
		}
		world->now += SECOND / 2;
	}
	return count;
}

static void free_captures(struct capture *captures, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(captures[i].bytes);
}

static unsigned all_frames(const struct world *world)
{
	return world->server.mail.frames + world->clients[0].mail.frames;
}

enum { CAPTURES = 64 };

/* The one of each type, both directions: what the attacks below begin from. */
static struct world *recorded(enum protocol_mode mode, struct capture *captures, size_t *count)
{
	struct world *world = world_create(mode);
	unsigned types = 0;

	world_start_client(world, 0);
	*count = record(world, captures, CAPTURES);
	for (size_t i = 0; i < *count; i++)
		types |= 1u << captures[i].bytes[0];
	assert_int_equal(types, (1u << TYPE_INIT) | (1u << TYPE_RESPONSE) | (1u << (mode ? TYPE_CLEAR : TYPE_DATA)));
	assert_int_equal(world->server.mail.frames, 2);
	assert_int_equal(world->clients[0].mail.frames, 1);
	return world;
}

/* Nothing may be accepted by the one it is given to, answered, delivered, or change where the session is believed to be. */
static void assert_refused(struct world *world, const struct capture *capture, const uint8_t *bytes, size_t length, const char *what)
{
	unsigned frames = all_frames(world), downs = world->server.mail.downs;
	union address stranger = world_address(99, 9);
	enum verdict verdict;

	world->now += SECOND / 10;      /* tokens come back: it is the seal that must refuse */
	verdict = world_give(world, capture->to, &stranger, bytes, length);
	if (verdict == VERDICT_ACCEPTED || world->queued || all_frames(world) != frames || world->server.mail.downs != downs)
		fail_msg("%s: type %u, length %zu of %zu, verdict %d", what, bytes[0], length, capture->length, verdict);
	assert_false(address_equal(&world->sessions[0].address, &stranger));
}

static void replayed(void **state)
{
	struct capture captures[CAPTURES];
	size_t count;
	struct world *world = recorded(MODE_SEALED, captures, &count);

	(void)state;
	for (unsigned round = 0; round < 3; round++)
		for (size_t i = 0; i < count; i++)
			assert_refused(world, &captures[i], captures[i].bytes, captures[i].length, "replayed");
	world_pass(world, SECOND);
	assert_works(world, 0);
	world_pass(world, 130 * SECOND);        /* beyond a rekey */
	assert_true(world->sessions[0].counters.handshakes >= 2);
	for (size_t i = 0; i < count; i++)
		assert_refused(world, &captures[i], captures[i].bytes, captures[i].length, "replayed after a rekey");
	assert_works(world, 0);
	free_captures(captures, count);
	world_destroy(world);
}

/* Each datagram arrives changed before it arrives as it was: the change is refused, the original accepted. */
static void bits_flipped(void **state)
{
	struct capture captures[CAPTURES];
	size_t count;
	struct world *world = recorded(MODE_SEALED, captures, &count);
	struct world *fresh = connected(MODE_SEALED);

	(void)state;
	for (size_t i = 0; i < count; i++)
		for (size_t bit = 0; bit < captures[i].length * 8 && bit < 8 * 200; bit++) {
			captures[i].bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
			assert_refused(world, &captures[i], captures[i].bytes, captures[i].length, "bit flipped");
			captures[i].bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
	world_pass(world, 10 * SECOND);
	assert_works(world, 0);

	world_frame_up(fresh, 0, 5, 100);       /* a DATA that has not arrived yet */
	for (size_t bit = 0; bit < fresh->queue[0].length * 8; bit++) {
		fresh->queue[0].bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_not_equal(world_give(fresh, WORLD_SERVER, &fresh->queue[0].from, fresh->queue[0].bytes,
						fresh->queue[0].length), VERDICT_ACCEPTED);
		fresh->queue[0].bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	assert_int_equal(fresh->server.mail.frames, 0);
	world_carry(fresh);
	assert_int_equal(fresh->server.mail.frames, 1);
	free_captures(captures, count);
	world_destroy(world);
	world_destroy(fresh);
}

/* The handshake's own datagrams, each changed at every bit, cut and extended before the true one comes: it still succeeds. */
static void handshake_attacked(void **state)
{
	struct world *world = world_create(MODE_SEALED);
	uint8_t longer[INIT_SIZE + 300] = { 0 };

	(void)state;
	world_start_client(world, 0);
	session_tick(&world->sessions[0], world->now);
	for (unsigned message = 0; message < 2; message++) {
		struct letter letter = world->queue[0];
		int to = message ? 0 : WORLD_SERVER;
		unsigned pending = world->hub.pending;

		assert_int_equal(world->queued, 1);
		world->queued = 0;
		for (size_t bit = 0; bit < letter.length * 8; bit++) {
			if (bit / 8 >= 4 && bit / 8 < 8)
				continue;       /* the sender's index is framing: it only says where an answer would go */
			letter.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
			world->now += SECOND / 10;
			assert_int_not_equal(world_give(world, to, &letter.from, letter.bytes, letter.length), VERDICT_ACCEPTED);
			letter.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
		memcpy(longer, letter.bytes, letter.length);
		for (size_t length = 0; length < sizeof(longer); length++)
			if (length != letter.length) {
				world->now += SECOND / 10;
				assert_int_not_equal(world_give(world, to, &letter.from, longer, length), VERDICT_ACCEPTED);
			}
		assert_int_equal(world->queued, 0);
		assert_int_equal(world->hub.pending, pending);
		assert_int_equal(world_give(world, to, &letter.from, letter.bytes, letter.length), VERDICT_ACCEPTED);
		free(letter.bytes);
	}
	world_carry(world);
	assert_works(world, 0);
	world_destroy(world);
}

static void cut_and_extended(void **state)
{
	struct capture captures[CAPTURES];
	size_t count;
	struct world *world = recorded(MODE_SEALED, captures, &count);
	uint8_t *longer = calloc(1, 70000);

	(void)state;
	for (size_t i = 0; i < count; i++) {
		for (size_t length = 0; length < captures[i].length; length++)
			assert_refused(world, &captures[i], captures[i].bytes, length, "cut");
		memcpy(longer, captures[i].bytes, captures[i].length);
		for (size_t more = 1; more < 300; more++)
			assert_refused(world, &captures[i], longer, captures[i].length + more, "extended");
		assert_refused(world, &captures[i], longer, 65507, "extended");
	}
	world_pass(world, 10 * SECOND);
	assert_works(world, 0);
	free(longer);
	free_captures(captures, count);
	world_destroy(world);
}

static void reflected(void **state)
{
	struct capture captures[CAPTURES];
	size_t count;
	struct world *world = recorded(MODE_SEALED, captures, &count);

	(void)state;
	for (size_t i = 0; i < count; i++) {
		struct capture back = captures[i];

		back.to = back.to == WORLD_SERVER ? 0 : WORLD_SERVER;
		assert_refused(world, &back, back.bytes, back.length, "reflected");
		if (back.bytes[0] == TYPE_DATA) {       /* and with the index of whom it is thrown at */
			write_le32(back.bytes + DATA_RECEIVER, back.to == WORLD_SERVER ? world_peer(world, 0)->current.local_index
										      : world->sessions[0].current.local_index);
			assert_refused(world, &back, back.bytes, back.length, "reflected with a good index");
		}
	}
	assert_works(world, 0);
	free_captures(captures, count);
	world_destroy(world);
}

static void strangers(void **state)
{
	struct world *world = connected(MODE_SEALED);
	uint8_t bytes[2000];
	unsigned ups = world->server.mail.ups;

	(void)state;
	for (unsigned i = 0; i < 200000; i++) {
		size_t length = world_random(world) % (i % 3 ? 200 : sizeof(bytes));
		union address from = world_address((unsigned)world_random(world), (unsigned)world_random(world));

		for (size_t j = 0; j < length; j += 8) {
			uint64_t random = world_random(world);

			memcpy(bytes + j, &random, length - j < 8 ? length - j : 8);
		}
		if (length >= DATA_HEADER_SIZE && i % 4) {
			memset(bytes, 0, 4);
			bytes[0] = (uint8_t)(i % 7);
			if (i % 4 == 1)         /* knows the key id, which travels in the clear */
				length = INIT_SIZE, bytes[0] = TYPE_INIT, memcpy(bytes + INIT_KEY_ID, world->key_id, KEY_ID_SIZE);
			if (i % 4 == 2)         /* and the index */
				write_le32(bytes + DATA_RECEIVER, world_peer(world, 0)->current.local_index);
		}
		assert_int_not_equal(world_give(world, WORLD_SERVER, &from, bytes, length), VERDICT_ACCEPTED);
	}
	assert_int_equal(world->queued, 0);             /* no answer to any of them */
	assert_int_equal(world->hub.pending, 0);        /* no state */
	assert_int_equal(world->server.mail.ups, ups);
	assert_works(world, 0);
	world_destroy(world);
}

/* A recorded INIT of a client that the server has forgotten: it is answered, and that is all that ever comes of it. */
static void old_init(void **state)
{
	struct capture captures[CAPTURES];
	size_t count, init = 0;
	struct world *world = recorded(MODE_SEALED, captures, &count);
	union address stranger = world_address(99, 9);

	(void)state;
	while (captures[init].bytes[0] != TYPE_INIT)
		init++;
	world_restart_server(world);
	world_start_client(world, 1);
	world_pass(world, 3 * SECOND);
	assert_works(world, 1);
	world->started[0] = false;
	for (unsigned i = 0; i < 1000; i++)
		world_give(world, WORLD_SERVER, &stranger, captures[init].bytes, captures[init].length);
	assert_int_equal(world->queued, 1);             /* one answer, smaller than the question */
	assert_int_equal(world->queue[0].length, RESPONSE_SIZE);
	assert_true(RESPONSE_SIZE < INIT_SIZE);
	world_discard(world);
	assert_int_equal(world->hub.pending, 1);
	assert_int_equal(world->server.mail.ups, 2);
	for (size_t i = 0; i < count; i++)              /* and its DATA open nothing: the server's ephemeral key is another */
		if (captures[i].to == WORLD_SERVER && captures[i].bytes[0] == TYPE_DATA)
			assert_refused(world, &captures[i], captures[i].bytes, captures[i].length, "of an old session");
	world_pass(world, 15 * SECOND);
	assert_int_equal(world->hub.pending, 0);
	assert_works(world, 1);
	session_wipe(&world->sessions[0]);
	free_captures(captures, count);
	world_destroy(world);
}

/* An answer to an INIT replayed while its client is connected must not move or break the session. */
static void replayed_from_elsewhere(void **state)
{
	struct world *world = connected(MODE_SEALED);
	union address elsewhere = world_address(77, 7);

	(void)state;
	world_frame_up(world, 0, 1, 100);
	world_frame_up(world, 0, 2, 100);
	assert_int_equal(world->queued, 2);
	/* The attacker's copies come first and from elsewhere: each is what the peer sent, once; the session follows, */
	world_give(world, WORLD_SERVER, &elsewhere, world->queue[1].bytes, world->queue[1].length);
	assert_true(address_equal(&world_peer(world, 0)->address, &elsewhere));
	world_carry(world);
	assert_int_equal(world->server.mail.frames, 2);
	/* and returns with the next datagram of the true peer; the older ones do not move it. */
	assert_true(address_equal(&world_peer(world, 0)->address, &elsewhere));
	assert_works(world, 0);
	assert_true(address_equal(&world_peer(world, 0)->address, &world->clients[0].address));
	world_destroy(world);
}

static void beyond_the_window(void **state)
{
	struct world *world = connected(MODE_SEALED);
	struct letter early;
	unsigned frames;

	(void)state;
	world_frame_up(world, 0, 1, 60);
	early = world->queue[0];
	world->queued = 0;
	for (unsigned i = 0; i < REPLAY_WINDOW + 10; i++) {
		world_frame_up(world, 0, 2, 60);
		world_carry(world);
	}
	frames = world->server.mail.frames;
	assert_int_equal(world_give(world, WORLD_SERVER, &early.from, early.bytes, early.length), VERDICT_REPLAYED);
	assert_int_equal(world->server.mail.frames, frames);
	free(early.bytes);
	assert_works(world, 0);
	world_destroy(world);
}

/* ---- life ---- */

static void client_moves(void **state)
{
	struct world *world = connected(MODE_SEALED);

	(void)state;
	for (unsigned i = 0; i < 5; i++) {
		world->clients[0].address = world_address(50 + i, 1000 + i);
		assert_works(world, 0);
	}
	assert_int_equal(world_peer(world, 0)->counters.roamed, 5);
	assert_int_equal(world->server.mail.ups, 1);
	world_destroy(world);
}

/* In the clear nothing proves who sent a datagram: only a new handshake moves the session. */
static void clear_does_not_move(void **state)
{
	struct world *world = connected(MODE_CLEAR);
	union address elsewhere = world_address(77, 7), home = world->clients[0].address;

	(void)state;
	world_frame_up(world, 0, 1, 100);
	world_give(world, WORLD_SERVER, &elsewhere, world->queue[0].bytes, world->queue[0].length);
	world_discard(world);
	assert_true(address_equal(&world_peer(world, 0)->address, &home));
	world->clients[0].address = world_address(60, 6);
	world_pass(world, 60 * SECOND);
	assert_works(world, 0);
	world_destroy(world);
}

/* -x is for both ends: one alone gets no answer. */
static void clear_and_sealed_do_not_meet(void **state)
{
	struct world *world = world_create(MODE_SEALED);

	(void)state;
	world->clients[0].env.mode = MODE_CLEAR;
	world_start_client(world, 0);
	world_pass(world, 20 * SECOND);
	assert_false(world->sessions[0].up);
	assert_int_equal(world->server.mail.ups, 0);
	world_destroy(world);
}

static void rekeys_without_loss(void **state)
{
	struct world *world = connected(MODE_SEALED);
	unsigned sent = 0;

	(void)state;
	for (unsigned i = 0; i < 2000; i++) {           /* 1000 seconds, frames all the time, rekeys among them */
		world_frame_up(world, 0, 1, 100);
		world_frame_down(world, 0, 1, 100);
		sent++;
		world_pass(world, SECOND / 2);
		world_carry(world);
	}
	assert_int_equal(world->server.mail.frames, sent);
	assert_int_equal(world->clients[0].mail.frames, sent);
	assert_in_range(world->sessions[0].counters.handshakes, 8, 10);
	assert_int_equal(world->server.mail.ups, 1);
	world_destroy(world);
}

/* A key is not used longer than REJECT_AFTER_TIME, even if no handshake succeeds. */
static void old_keys_die(void **state)
{
	struct world *world = connected(MODE_SEALED);
	struct letter late;
	unsigned frames = world->server.mail.frames;

	(void)state;
	world_frame_up(world, 0, 1, 100);
	late = world->queue[0];
	world->queued = 0;
	world->now += REJECT_AFTER_TIME;
	assert_int_equal(world_give(world, WORLD_SERVER, &late.from, late.bytes, late.length), VERDICT_EXPIRED);
	world_frame_up(world, 0, 1, 100);
	assert_int_equal(world->queued, 0);             /* nor sealed */
	assert_int_equal(world->server.mail.frames, frames);
	session_tick(&world->sessions[0], world->now);
	assert_null(world->sessions[0].current.seal);
	free(late.bytes);
	world_pass(world, 10 * SECOND);
	assert_works(world, 0);
	world_destroy(world);
}

static void counters_end(void **state)
{
	struct world *world = connected(MODE_SEALED);

	(void)state;
	world->sessions[0].current.next_counter = REKEY_AFTER_MESSAGES;
	assert_works(world, 0);
	world_pass(world, SECOND);
	assert_true(world->sessions[0].current.next_counter < 1000);    /* a new key */
	assert_works(world, 0);
	world->sessions[0].current.next_counter = REJECT_AFTER_MESSAGES;
	world_frame_up(world, 0, 1, 100);
	assert_int_equal(world->queued, 0);
	world_pass(world, 3 * SECOND);
	assert_works(world, 0);
	world_destroy(world);
}

static void server_restarts(void **state)
{
	struct world *world = connected(MODE_SEALED);

	(void)state;
	world_restart_server(world);
	world_frame_up(world, 0, 1, 100);               /* somebody notices */
	world_pass(world, 12 * SECOND);
	assert_works(world, 0);
	world_restart_server(world);                    /* nobody does, but the keepalive */
	world_pass(world, 40 * SECOND);
	assert_works(world, 0);
	world_destroy(world);
}

/* -k: for those between the ends who forget soon. */
static void keepalives(void **state)
{
	static const uint64_t times[] = { KEEPALIVE_TIME, KEEPALIVE_SHORT_TIME };

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct world *world = world_create(MODE_SEALED);
		uint64_t silence = 0;

		world->clients[0].env.keepalive_ns = times[i];
		world->server.env.keepalive_ns = REKEY_AFTER_TIME;
		world_start_client(world, 0);
		world_pass(world, 8 * SECOND);
		for (unsigned step = 0; step < 120; step++) {
			world_pass(world, SECOND / 2);
			if (world->now - world_peer(world, 0)->last_heard_ns > silence)
				silence = world->now - world_peer(world, 0)->last_heard_ns;
		}
		assert_in_range(silence, times[i] - SECOND, times[i] + SECOND);
		world_destroy(world);
	}
}

/* A cable that is dead for a while is not a narrower one. */
static void outage(void **state)
{
	struct world *world = connected(MODE_SEALED);
	const size_t size = world->sessions[0].path.size;

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		world->mtu = 0;
		world_pass(world, 60 * SECOND);
		if (i)
			world_restart_server(world);
		world->mtu = 1500;
		world_pass(world, 40 * SECOND);
		assert_works(world, 0);
		assert_int_equal(world->sessions[0].path.size, size);
		assert_int_equal(world_peer(world, 0)->path.size, size);
	}
	world_destroy(world);
}

static void client_restarts(void **state)
{
	struct world *world = connected(MODE_SEALED);

	(void)state;
	world_start_client(world, 0);
	world_pass(world, 2 * SECOND);
	assert_works(world, 0);
	assert_int_equal(world->hub.peers, 2);
	world_pass(world, 130 * SECOND);
	assert_int_equal(world->hub.peers, 1);
	assert_int_equal(world->server.mail.last_reason, HUB_IDLE);
	session_say_close(&world->sessions[0], world->now);     /* an orderly end needs no waiting */
	world_carry(world);
	assert_int_equal(world->hub.peers, 0);
	assert_int_equal(world->server.mail.last_reason, HUB_CLOSED);
	world_destroy(world);
}

static void server_says_goodbye(void **state)
{
	struct world *world = connected(MODE_SEALED);
	unsigned slot = world_peer(world, 0)->slot;

	(void)state;
	assert_int_equal(hub_drop(&world->hub, slot, HUB_DROPPED, world->now), 0);
	assert_int_not_equal(hub_drop(&world->hub, slot, HUB_DROPPED, world->now), 0);
	world_carry(world);
	assert_false(world->sessions[0].up);
	world_pass(world, 5 * SECOND);          /* its key is permanent: it comes back */
	assert_works(world, 0);
	world_destroy(world);
}

/* From before a rekey to when the old key is dead, `flood` comes each half second, before the client's own. */
static void pass_rekey_under(struct world *world, void (*flood)(struct world *world))
{
	world_pass(world, REKEY_AFTER_TIME - 20 * SECOND);
	for (unsigned i = 0; i < 2 * ((REJECT_AFTER_TIME - REKEY_AFTER_TIME) / SECOND + 40); i++) {
		flood(world);
		world_pass(world, SECOND / 2);
	}
	assert_works(world, 0);
	assert_in_range(world->sessions[0].counters.handshakes, 2, 3);
	assert_int_equal(world->server.mail.downs, 0);
}

/* INITs as an onlooker makes them up: the key id is known, the address is the client's. */
static void forge_inits(struct world *world)
{
	uint8_t bytes[INIT_SIZE] = { TYPE_INIT };

	memcpy(bytes + INIT_KEY_ID, world->key_id, KEY_ID_SIZE);
	for (unsigned i = 0; i < 100; i++)
		assert_int_not_equal(world_give(world, WORLD_SERVER, &world->clients[0].address, bytes, sizeof(bytes)), VERDICT_ACCEPTED);
}

static void rekeys_under_forged_inits(void **state)
{
	struct world *world = connected(MODE_SEALED);

	(void)state;
	pass_rekey_under(world, forge_inits);
	world_destroy(world);
}

/* INITs of clients that never came further, from everywhere, as one who recorded many might send them. */
static void send_recorded_inits(struct world *world)
{
	static unsigned host;

	for (unsigned i = 0; i < 200; i++) {
		union address from = world_address(1000 + ++host, 5);

		world_start_client(world, 1);
		session_tick(&world->sessions[1], world->now);
		assert_int_equal(world->queued, 1);
		world_give(world, WORLD_SERVER, &from, world->queue[0].bytes, world->queue[0].length);
		world_discard(world);
	}
	session_wipe(&world->sessions[1]);
	world->started[1] = false;
}

static void rekeys_under_recorded_inits(void **state)
{
	struct world *world = connected(MODE_SEALED);

	(void)state;
	pass_rekey_under(world, send_recorded_inits);
	world_destroy(world);
}

static void introduced_key_dies(void **state)
{
	struct world *world = world_create(MODE_SEALED);
	uint8_t id[KEY_ID_SIZE] = "introduced";

	(void)state;
	world_start_client(world, 0);
	assert_true(keystore_add(&world->hub.keys, id, world->secret, false, world->now));
	session_set_key(&world->sessions[0], id, world->secret, world->now);
	world_pass(world, 3 * SECOND);
	assert_works(world, 0);
	world_pass(world, 1000 * SECOND);       /* in use: it lives */
	assert_works(world, 0);
	world->loss_percent = 100;
	world_pass(world, 430 * SECOND);
	world->loss_percent = 0;
	assert_null(keystore_find(&world->hub.keys, id, world->now));
	world_pass(world, 30 * SECOND);
	assert_false(world->sessions[0].up);
	world_destroy(world);
}

/* A client that was introduced again while its session stood: it must not be at two ports of the switch. */
static void introduced_again(void **state)
{
	struct world *world = connected(MODE_SEALED);
	uint8_t id[KEY_ID_SIZE] = "another", secret[SECRET_SIZE] = "another";

	(void)state;
	assert_true(keystore_add(&world->hub.keys, id, secret, false, world->now));
	session_set_key(&world->sessions[0], id, secret, world->now);
	world_pass(world, REKEY_AFTER_TIME + 2 * SECOND);
	assert_int_equal(world->hub.peers, 1);
	assert_int_equal(world->server.mail.downs, 1);
	assert_int_equal(world->server.mail.last_reason, HUB_REPLACED);
	assert_memory_equal(world_peer(world, 0)->key_id, id, KEY_ID_SIZE);
	assert_works(world, 0);
	world_destroy(world);
}

static void many_clients(void **state)
{
	struct world *world = world_create(MODE_SEALED);

	(void)state;
	for (unsigned i = 0; i < WORLD_CLIENTS; i++)
		world_start_client(world, i);
	world_pass(world, 4 * SECOND);
	for (unsigned i = 0; i < WORLD_CLIENTS; i++)
		assert_works(world, i);         /* one shared secret, four cables: none hears another's frames */
	assert_int_equal(world->hub.peers, WORLD_CLIENTS);
	world_destroy(world);
}

static void peers_are_bounded(void **state)
{
	struct world *world = world_create(MODE_SEALED);

	(void)state;
	for (unsigned i = 0; i < 40; i++) {
		world_start_client(world, 0);   /* each start is a client of its own */
		world_pass(world, SECOND);
		assert_true(world->hub.peers <= 8);
	}
	assert_true(world->hub.refused_full > 0);
	world_destroy(world);
}

/* INITs whose clients never confirm: the oldest gives way, and a newcomer is served all the same. */
static void pending_is_bounded(void **state)
{
	struct world *world = world_create(MODE_SEALED);

	(void)state;
	for (unsigned i = 0; i < 3 * HUB_PENDING_MAX; i++) {
		world_start_client(world, 1);
		session_tick(&world->sessions[1], world->now);
		assert_int_equal(world->queued, 1);
		assert_int_equal(world_give(world, WORLD_SERVER, &world->queue[0].from, world->queue[0].bytes, world->queue[0].length),
				 VERDICT_ACCEPTED);
		world_discard(world);
		world->now += SECOND / 20;
		assert_true(world->hub.pending <= HUB_PENDING_MAX);
	}
	assert_int_equal(world->hub.pending, HUB_PENDING_MAX);
	world_start_client(world, 0);
	world_pass(world, SECOND);
	assert_works(world, 0);
	world_destroy(world);
}

/* A rekey: what was sealed under the old key and comes late is still opened; and its INIT, come from elsewhere, moves nothing. */
static void late_and_led_astray(void **state)
{
	struct world *world = connected(MODE_SEALED);
	union address elsewhere = world_address(77, 7), home = world->clients[0].address;
	unsigned frames = world->server.mail.frames;
	struct letter late[3];

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		if (i < 2)
			world_frame_up(world, 0, 5, 100);
		else
			world_frame_down(world, 0, 5, 100);
		late[i] = world->queue[0];
		world->queued = 0;
	}
	world_pass(world, REKEY_AFTER_TIME - 10 * SECOND);
	while (world->queued == 0) {
		world->now += SECOND / 2;
		session_tick(&world->sessions[0], world->now);
		if (world->queued && world->queue[0].bytes[0] != TYPE_INIT)
			world_carry(world);
	}
	world_give(world, WORLD_SERVER, &elsewhere, world->queue[0].bytes, world->queue[0].length);
	assert_true(address_equal(&world->queue[1].to, &elsewhere));    /* the answer goes there, */
	assert_true(address_equal(&world_peer(world, 0)->address, &home));      /* the frames do not */
	world_discard(world);
	assert_int_equal(world_give(world, WORLD_SERVER, &late[0].from, late[0].bytes, late[0].length), VERDICT_ACCEPTED);
	world_pass(world, 5 * SECOND);
	assert_int_equal(world->sessions[0].counters.handshakes, 2);
	assert_int_equal(world_give(world, WORLD_SERVER, &late[1].from, late[1].bytes, late[1].length), VERDICT_ACCEPTED);
	assert_int_equal(world_give(world, 0, &late[2].from, late[2].bytes, late[2].length), VERDICT_ACCEPTED);
	assert_int_equal(world->server.mail.frames, frames + 2);
	assert_works(world, 0);
	for (unsigned i = 0; i < 3; i++)
		free(late[i].bytes);
	world_destroy(world);
}

static void loss_and_reordering(void **state)
{
	struct world *world = world_create(MODE_SEALED);
	struct mailbox *mail = &world->server.mail;
	unsigned sent = 0, before;

	(void)state;
	world->loss_percent = 30;
	world->reorder = true;
	world_start_client(world, 0);
	world_pass(world, 30 * SECOND);
	assert_true(world->sessions[0].up);
	before = mail->frames;
	for (unsigned i = 0; i < 1200; i++) {           /* 10 minutes: some rekeys */
		for (unsigned j = 0; j < 5; j++, sent++)
			world_frame_up(world, 0, 1, 300);
		world_pass(world, SECOND / 2);
	}
	world_carry(world);
	assert_in_range(mail->frames - before, sent * 65 / 100, sent * 75 / 100);
	assert_int_equal(mail->sum, mail->frames);      /* every one was a frame that was sent */
	assert_int_equal(mail->downs, 0);
	assert_int_equal(world->sessions[0].path.size, 1472);
	world_destroy(world);
}

static void narrow_path(void **state)
{
	struct world *world = connected(MODE_SEALED);

	(void)state;
	assert_int_equal(world->sessions[0].path.size, 1472);
	world->mtu = 1400;                              /* a black hole: nothing says so */
	world_pass(world, 60 * SECOND);
	assert_int_equal(world->sessions[0].path.size, 1372);
	assert_int_equal(world_peer(world, 0)->path.size, 1372);
	world_frame_up(world, 0, 3, 9014);
	world_carry(world);
	assert_int_equal(world->server.mail.last_length, 9014);
	world->mtu = 9000;
	world_pass(world, 700 * SECOND);
	assert_int_equal(world->sessions[0].path.size, 8972);
	world_destroy(world);
}

static void refused_plug(void **state)
{
	struct world *world = world_create(MODE_SEALED);

	(void)state;
	world->refuse_up = true;
	world_start_client(world, 0);
	world_pass(world, 5 * SECOND);
	assert_int_equal(world->hub.peers, 0);
	world->refuse_up = false;
	world_pass(world, 60 * SECOND);
	assert_works(world, 0);
	world_destroy(world);
}

/* No nonce serves twice under one key, whatever is sent: the counters on the wire are all different per index. */
static void nonces_are_unique(void **state)
{
	struct world *world = connected(MODE_SEALED);
	uint64_t last = 0;
	bool first = true;

	(void)state;
	for (unsigned i = 0; i < 50; i++) {
		world_frame_up(world, 0, i, 3000);
		for (size_t j = 0; j < world->queued; j++) {
			uint64_t counter = read_le64(world->queue[j].bytes + DATA_COUNTER);

			assert_true(first || counter > last);
			first = false;
			last = counter;
		}
		world_discard(world);
	}
	world_destroy(world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_of_all_sizes),
		cmocka_unit_test(one_frame_per_datagram),
		cmocka_unit_test(uncut_frames),
		cmocka_unit_test(replayed),
		cmocka_unit_test(bits_flipped),
		cmocka_unit_test(handshake_attacked),
		cmocka_unit_test(cut_and_extended),
		cmocka_unit_test(reflected),
		cmocka_unit_test(strangers),
		cmocka_unit_test(old_init),
		cmocka_unit_test(replayed_from_elsewhere),
		cmocka_unit_test(beyond_the_window),
		cmocka_unit_test(client_moves),
		cmocka_unit_test(clear_does_not_move),
		cmocka_unit_test(clear_and_sealed_do_not_meet),
		cmocka_unit_test(rekeys_without_loss),
		cmocka_unit_test(old_keys_die),
		cmocka_unit_test(counters_end),
		cmocka_unit_test(server_restarts),
		cmocka_unit_test(keepalives),
		cmocka_unit_test(outage),
		cmocka_unit_test(client_restarts),
		cmocka_unit_test(server_says_goodbye),
		cmocka_unit_test(introduced_key_dies),
		cmocka_unit_test(introduced_again),
		cmocka_unit_test(rekeys_under_forged_inits),
		cmocka_unit_test(rekeys_under_recorded_inits),
		cmocka_unit_test(many_clients),
		cmocka_unit_test(peers_are_bounded),
		cmocka_unit_test(pending_is_bounded),
		cmocka_unit_test(late_and_led_astray),
		cmocka_unit_test(loss_and_reordering),
		cmocka_unit_test(narrow_path),
		cmocka_unit_test(refused_plug),
		cmocka_unit_test(nonces_are_unique),
	};

	return cmocka_run_group_tests_name("cryptcab session", tests, NULL, NULL);
}
