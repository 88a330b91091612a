/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation.
 *
 * Only the client begins handshakes: at the start, when its key is REKEY_AFTER_TIME old, and when it has sent something and heard nothing for
 * SILENCE_HANDSHAKE_TIME (a restarted server answers nothing else). The old key goes on serving until the new one is made,
 * so that a rekey costs no frame. Unanswered INITs are repeated after 1, 2, 4 and then each 5 seconds, each with a fresh ephemeral key.
 *
 * An answer is tried on a copy of the handshake; a false one changes nothing. The client then sends a keepalive at once, which
 * makes the server take the new key into use.
 *
 * Where the peer is: it is believed to be where a genuine DATA with the highest counter so far came from, and nowhere else (not from where an INIT came:
 * that may be replayed). In MODE_CLEAR nothing is genuine, and the address changes only with a completed handshake.
 */
#include "session.h"

#include "bytes.h"
#include "common/frame.h"

#include <openssl/crypto.h>
#include <string.h>

/* ---- making and forgetting ---- */

static void start(struct session *session, struct session_env *env, uint64_t now_ns)
{
	memset(session, 0, sizeof(*session));
	session->env = env;
	session->created_ns = session->last_heard_ns = now_ns;
}

bool session_start_client(struct session *session, struct session_env *env, const union address *server,
			  const uint8_t key_id[KEY_ID_SIZE], const uint8_t secret[SECRET_SIZE], uint64_t now_ns)
{
	start(session, env, now_ns);
	session->client = true;
	session->home = session->address = *server;
	session_set_key(session, key_id, secret, now_ns);
	return noise_random(session->instance, INSTANCE_SIZE);
}

void session_set_key(struct session *session, const uint8_t key_id[KEY_ID_SIZE], const uint8_t secret[SECRET_SIZE], uint64_t now_ns)
{
	memcpy(session->key_id, key_id, KEY_ID_SIZE);
	memcpy(session->secret, secret, SECRET_SIZE);
	noise_wipe(&session->handshake);
	session->handshake_pending = false;
	session->handshake_tries = 0;
	session->handshake_due_ns = now_ns;
	session->unanswered_since_ns = 0;
}

void session_start_server(struct session *session, struct session_env *env, uint16_t slot, const uint8_t key_id[KEY_ID_SIZE],
			  const uint8_t instance[INSTANCE_SIZE], const union address *from, uint64_t now_ns)
{
	start(session, env, now_ns);
	session->slot = slot;
	session->address = *from;
	memcpy(session->key_id, key_id, KEY_ID_SIZE);
	memcpy(session->instance, instance, INSTANCE_SIZE);
}

static void wipe_keys(struct session *session)
{
	keypair_wipe(&session->current);
	keypair_wipe(&session->previous);
	keypair_wipe(&session->next);
	noise_wipe(&session->handshake);
	session->handshake_pending = false;
	session->up = false;
}

void session_wipe(struct session *session)
{
	wipe_keys(session);
	reassembly_free(&session->reassembly);
	OPENSSL_cleanse(session, sizeof(*session));
}

/* An index for a new pair of keys: unlike those of the pairs that live. False: no randomness. */
static bool fresh_index(const struct session *session, uint32_t *index)
{
	uint8_t random[2];

	do {
		if (!noise_random(random, sizeof(random)))
			return false;
		*index = (uint32_t)(random[0] << 8 | random[1]) << 16 | session->slot;
	} while ((session->current.valid && session->current.local_index == *index) ||
		 (session->previous.valid && session->previous.local_index == *index) ||
		 (session->next.valid && session->next.local_index == *index));
	return true;
}

/* ---- sealed datagrams ---- */

static void send_payload(struct session *session, const uint8_t *payload, size_t length, uint64_t now_ns)
{
	const struct session_env *env = session->env;
	struct keypair *pair = &session->current;
	uint8_t *datagram;
	size_t size;

	if (!keypair_can_send(pair, now_ns))
		return;
	datagram = env->callbacks->buffer(env->owner, keypair_datagram_size(pair, length));
	size = keypair_seal(pair, payload, length, datagram);
	if (size == 0)
		return;
	if (!session->waiting_since_ns)
		session->waiting_since_ns = now_ns;
	env->callbacks->send(env->owner, &session->address, datagram, size);
}

/* A probe that becomes a datagram of `size` bytes; 0: the shortest. */
static void send_probe(struct session *session, size_t size, uint64_t now_ns)
{
	uint8_t *payload = session->env->scratch;
	size_t overhead = keypair_datagram_size(&session->current, 0);
	size_t length = size > overhead + PROBE_SIZE ? size - overhead : PROBE_SIZE;

	memset(payload, 0, length);
	payload[0] = KIND_PROBE;
	write_be16(payload + KIND_SIZE, (uint16_t)(length + overhead));
	send_payload(session, payload, length, now_ns);
}

void session_say_close(struct session *session, uint64_t now_ns)
{
	const uint8_t payload = KIND_CLOSE;

	if (session->up)
		send_payload(session, &payload, 1, now_ns);
}

static void send_fragments(struct session *session, uint8_t *frame, size_t length, size_t room, uint64_t now_ns)
{
	struct fragment_header header = { .number = session->frame_number++, .length = (uint16_t)length };
	unsigned count = fragment_count(length, room - FRAGMENT_HEADER_SIZE);

	if (count == 0) {
		session->counters.dropped_size++;
		return;
	}
	header.count = (uint8_t)count;
	/* Each piece's header is written over the end of the piece before, which is already sent. */
	for (header.index = 0; header.index < count; header.index++) {
		size_t size, begin = fragment_piece(&header, &size);
		uint8_t *payload = frame + begin - FRAME_HEADROOM;

		if (size == 0)
			break;
		payload[0] = KIND_FRAGMENT;
		fragment_write_header(&header, payload + KIND_SIZE);
		send_payload(session, payload, FRAME_HEADROOM + size, now_ns);
	}
}

void session_send_frame(struct session *session, uint8_t *frame, size_t length, uint64_t now_ns)
{
	size_t room;

	if (!session->up || !keypair_can_send(&session->current, now_ns)) {
		session->counters.dropped_down++;
		return;
	}
	if (length < ETHERNET_HEADER_SIZE || length > FRAME_MAX_SIZE) {
		session->counters.dropped_size++;
		return;
	}
	session->counters.frames_out++;
	session->counters.bytes_out += length;
	room = session->path.size - keypair_datagram_size(&session->current, KIND_SIZE);
	if (length > room) {
		send_fragments(session, frame, length, room, now_ns);
		return;
	}
	frame[-1] = KIND_FRAME;
	send_payload(session, frame - 1, length + KIND_SIZE, now_ns);
}

bool session_send_uncut(struct session *session, uint8_t *frame, size_t length, uint8_t type, uint16_t size, uint64_t now_ns)
{
	uint8_t *payload = frame - UNCUT_HEADER_SIZE - KIND_SIZE;

	if (!session->up || length > FRAME_MAX_SIZE ||
	    keypair_datagram_size(&session->current, KIND_SIZE + UNCUT_HEADER_SIZE + length) > session->path.size)
		return false;
	session->counters.frames_out++;
	session->counters.bytes_out += length;
	payload[0] = KIND_UNCUT;
	payload[KIND_SIZE] = type;
	write_be16(payload + KIND_SIZE + 1, size);
	send_payload(session, payload, KIND_SIZE + UNCUT_HEADER_SIZE + length, now_ns);
	return true;
}

/* ---- what a genuine datagram carries ---- */

static void handle_frame(struct session *session, uint8_t *body, size_t length, bool transient)
{
	const struct session_env *env = session->env;

	if (length < ETHERNET_HEADER_SIZE || length > FRAME_MAX_SIZE)
		return;
	session->counters.frames_in++;
	session->counters.bytes_in += length;
	env->callbacks->deliver(env->owner, session, body, length, transient);
}

static void handle_uncut(struct session *session, uint8_t *body, size_t length)
{
	const struct session_env *env = session->env;

	if (length < UNCUT_HEADER_SIZE + ETHERNET_HEADER_SIZE || length > UNCUT_HEADER_SIZE + FRAME_MAX_SIZE || !env->callbacks->deliver_uncut)
		return;
	session->counters.frames_in++;
	session->counters.bytes_in += length - UNCUT_HEADER_SIZE;
	env->callbacks->deliver_uncut(env->owner, session, body + UNCUT_HEADER_SIZE, length - UNCUT_HEADER_SIZE, body[0], read_be16(body + 1));
}

static void handle_fragment(struct session *session, const uint8_t *body, size_t length, uint64_t now_ns)
{
	size_t frame_length;
	uint8_t *frame = reassembly_add(&session->reassembly, body, length, now_ns, &frame_length);

	if (frame)
		handle_frame(session, frame, frame_length, true);
}

static void answer_probe(struct session *session, size_t datagram_size, uint64_t now_ns)
{
	uint8_t payload[PROBE_SIZE] = { KIND_PROBE_ACK };

	write_be16(payload + KIND_SIZE, (uint16_t)datagram_size);
	send_payload(session, payload, sizeof(payload), now_ns);
}

static void handle_payload(struct session *session, uint8_t *payload, size_t length, size_t datagram_size, uint64_t now_ns)
{
	if (length == 0)
		return;         /* alive, no more */
	switch (payload[0]) {
	case KIND_FRAME:
		handle_frame(session, payload + KIND_SIZE, length - KIND_SIZE, false);
		break;
	case KIND_FRAGMENT:
		handle_fragment(session, payload + KIND_SIZE, length - KIND_SIZE, now_ns);
		break;
	case KIND_UNCUT:
		handle_uncut(session, payload + KIND_SIZE, length - KIND_SIZE);
		break;
	case KIND_PROBE:
		if (length >= PROBE_SIZE)
			answer_probe(session, datagram_size, now_ns);
		break;
	case KIND_PROBE_ACK:
		if (length >= PROBE_SIZE)
			path_mtu_acknowledged(&session->path, read_be16(payload + KIND_SIZE), now_ns);
		break;
	case KIND_CLOSE:
		session->closed = true;
		break;
	default:
		break;          /* a kind of a later version: nothing for us */
	}
}

/* ---- coming up ---- */

static void set_address(struct session *session, const union address *from, uint64_t now_ns)
{
	if (address_equal(&session->address, from))
		return;
	session->address = *from;
	session->counters.roamed++;
	path_mtu_init(&session->path, address_overhead(from), session->env->mtu_ceiling, now_ns);
}

/* New keys are in use. */
static void come_up(struct session *session, const union address *from, uint64_t now_ns)
{
	set_address(session, from, now_ns);
	session->counters.handshakes++;
	session->waiting_since_ns = 0;
	session->last_heard_ns = now_ns;
	if (session->up)
		return;
	session->up = true;
	session->up_since_ns = now_ns;
	session->next_keepalive_ns = now_ns + session->env->keepalive_ns;
	path_mtu_init(&session->path, address_overhead(from), session->env->mtu_ceiling, now_ns);
}

size_t protocol_prologue(enum protocol_mode mode, const uint8_t key_id[KEY_ID_SIZE], uint8_t *out)
{
	memcpy(out, PROTOCOL_PROLOGUE, sizeof(PROTOCOL_PROLOGUE));
	out[sizeof(PROTOCOL_PROLOGUE)] = (uint8_t)mode;
	memcpy(out + sizeof(PROTOCOL_PROLOGUE) + 1, key_id, KEY_ID_SIZE);
	return PROLOGUE_SIZE;
}

/* ---- the client's handshake ---- */

static bool make_init(struct session *session, uint8_t *datagram)
{
	const struct noise *noise = session->env->noise;
	uint8_t prologue[PROLOGUE_SIZE], payload[INIT_PAYLOAD_SIZE];

	memcpy(payload, session->instance, INSTANCE_SIZE);
	write_le64(payload + INSTANCE_SIZE, ++session->attempt);
	memset(datagram, 0, HEADER_TYPE_SIZE);
	datagram[0] = TYPE_INIT;
	write_le32(datagram + INIT_SENDER, session->handshake_index);
	memcpy(datagram + INIT_KEY_ID, session->key_id, KEY_ID_SIZE);
	return noise_start(noise, &session->handshake, prologue, protocol_prologue(session->env->mode, session->key_id, prologue),
			   session->secret) &&
	       noise_write_first(noise, &session->handshake, NULL, payload, sizeof(payload), datagram + INIT_NOISE);
}

static void send_init(struct session *session, uint64_t now_ns)
{
	const struct session_env *env = session->env;
	unsigned doublings = session->handshake_tries < 3 ? session->handshake_tries : 3;
	uint64_t wait = RETRY_FIRST_TIME << doublings;
	uint8_t *datagram;

	session->handshake_tries++;
	session->handshake_due_ns = now_ns + (wait < RETRY_MAX_TIME ? wait : RETRY_MAX_TIME);
	if (!session->unanswered_since_ns)
		session->unanswered_since_ns = now_ns;
	if (!fresh_index(session, &session->handshake_index))
		return;
	datagram = env->callbacks->buffer(env->owner, INIT_SIZE);
	session->handshake_pending = make_init(session, datagram);
	if (session->handshake_pending)
		env->callbacks->send(env->owner, &session->home, datagram, INIT_SIZE);
}

static enum verdict receive_response(struct session *session, const union address *from, const uint8_t *datagram, uint64_t now_ns)
{
	const struct noise *noise = session->env->noise;
	struct noise_handshake attempt;
	uint8_t forth[NOISE_KEY_SIZE], back[NOISE_KEY_SIZE], none[1];
	struct keypair pair = { 0 };
	bool good;

	if (!session->handshake_pending || read_le32(datagram + RESPONSE_RECEIVER) != session->handshake_index)
		return VERDICT_UNKNOWN;
	attempt = session->handshake;
	good = noise_read_second(noise, &attempt, datagram + RESPONSE_NOISE, RESPONSE_SIZE - RESPONSE_NOISE, none) &&
	       noise_split(noise, &attempt, forth, back) &&
	       keypair_make(&pair, noise, session->env->mode, forth, back, session->handshake_index,
			    read_le32(datagram + RESPONSE_SENDER), now_ns);
	noise_wipe(&attempt);
	OPENSSL_cleanse(forth, sizeof(forth));
	OPENSSL_cleanse(back, sizeof(back));
	if (!good)
		return VERDICT_FORGED;
	noise_wipe(&session->handshake);
	session->handshake_pending = false;
	session->handshake_tries = 0;
	session->unanswered_since_ns = 0;
	keypair_move(&session->previous, &session->current);
	keypair_move(&session->current, &pair);
	come_up(session, from, now_ns);
	send_probe(session, 0, now_ns);         /* lets the server take the new keys into use */
	return VERDICT_ACCEPTED;
}

static bool needs_handshake(const struct session *session, uint64_t now_ns)
{
	return !session->current.valid || now_ns - session->current.created_ns >= REKEY_AFTER_TIME ||
	       session->current.next_counter >= REKEY_AFTER_MESSAGES ||
	       (session->waiting_since_ns && now_ns - session->waiting_since_ns >= SILENCE_HANDSHAKE_TIME);
}

/* ---- the server's handshake ---- */

bool session_answer(struct session *session, struct noise_handshake *handshake, uint32_t sender_index, uint64_t attempt,
		    const union address *from, uint64_t now_ns)
{
	const struct session_env *env = session->env;
	uint8_t forth[NOISE_KEY_SIZE], back[NOISE_KEY_SIZE];
	uint8_t *datagram = env->callbacks->buffer(env->owner, RESPONSE_SIZE);
	uint32_t index;
	bool good;

	session->attempt = attempt;
	memset(datagram, 0, HEADER_TYPE_SIZE);
	good = fresh_index(session, &index) &&
	       noise_write_second(env->noise, handshake, NULL, (const uint8_t *)"", 0, datagram + RESPONSE_NOISE) &&
	       noise_split(env->noise, handshake, forth, back) &&
	       keypair_make(&session->next, env->noise, env->mode, back, forth, index, sender_index, now_ns);
	noise_wipe(handshake);
	OPENSSL_cleanse(forth, sizeof(forth));
	OPENSSL_cleanse(back, sizeof(back));
	if (!good)
		return false;
	datagram[0] = TYPE_RESPONSE;
	write_le32(datagram + RESPONSE_SENDER, index);
	write_le32(datagram + RESPONSE_RECEIVER, sender_index);
	env->callbacks->send(env->owner, from, datagram, RESPONSE_SIZE);
	return true;
}

/* ---- receiving ---- */

bool datagram_is_sound(const uint8_t *datagram, size_t length)
{
	if (length < DATA_HEADER_SIZE || datagram[1] || datagram[2] || datagram[3])
		return false;
	switch (datagram[0]) {
	case TYPE_INIT:
		return length == INIT_SIZE;
	case TYPE_RESPONSE:
		return length == RESPONSE_SIZE;
	case TYPE_DATA:
		return length >= DATAGRAM_OVERHEAD_SEALED;
	case TYPE_CLEAR:
		return true;
	default:
		return false;
	}
}

static struct keypair *find_pair(struct session *session, uint32_t index)
{
	struct keypair *pairs[] = { &session->current, &session->next, &session->previous };

	for (unsigned i = 0; i < 3; i++)
		if (pairs[i]->valid && pairs[i]->local_index == index)
			return pairs[i];
	return NULL;
}

/* The first genuine DATA under the server's new keys: its client has them too. */
static void confirm_next(struct session *session, const union address *from, uint64_t now_ns)
{
	keypair_move(&session->previous, &session->current);
	keypair_move(&session->current, &session->next);
	come_up(session, from, now_ns);
}

static enum verdict receive_data(struct session *session, const union address *from, uint8_t *datagram, size_t length, uint64_t now_ns)
{
	struct keypair *pair = find_pair(session, read_le32(datagram + DATA_RECEIVER));
	size_t payload_length;
	enum verdict verdict;
	uint8_t *payload;
	bool newest;

	if (!pair)
		return VERDICT_UNKNOWN;
	verdict = keypair_open(pair, datagram, length, now_ns, &payload, &payload_length, &newest);
	if (verdict != VERDICT_ACCEPTED)
		return verdict;
	if (pair == &session->next)
		confirm_next(session, from, now_ns);
	else if (pair == &session->current && newest && session->env->mode == MODE_SEALED)
		set_address(session, from, now_ns);
	session->last_heard_ns = now_ns;
	session->waiting_since_ns = 0;
	handle_payload(session, payload, payload_length, length, now_ns);
	return VERDICT_ACCEPTED;
}

enum verdict session_receive(struct session *session, const union address *from, uint8_t *datagram, size_t length, uint64_t now_ns)
{
	enum verdict verdict = VERDICT_MALFORMED;

	if (datagram[0] == TYPE_RESPONSE && session->client)
		verdict = receive_response(session, from, datagram, now_ns);
	else if (datagram[0] == TYPE_DATA || datagram[0] == TYPE_CLEAR)
		verdict = receive_data(session, from, datagram, length, now_ns);
	session->counters.verdicts[verdict]++;
	if (session->closed && session->client) {
		/* The server may be back in a moment: begin again. */
		wipe_keys(session);
		session->closed = false;
		session->handshake_tries = 0;
		session->handshake_due_ns = now_ns + RETRY_FIRST_TIME;
	}
	return verdict;
}

/* ---- time ---- */

static void tick_keepalive(struct session *session, uint64_t now_ns)
{
	if (now_ns >= session->next_keepalive_ns) {
		path_mtu_keepalive(&session->path, now_ns);
		send_probe(session, session->path.size, now_ns);
		/* An unanswered one is repeated soon: the path may have become narrower. */
		session->next_keepalive_ns = now_ns + session->env->keepalive_ns;
		session->next_question_ns = now_ns + PROTOCOL_SECOND;
	} else if (session->path.misses && session->path.misses <= PATH_MTU_MISSES && now_ns >= session->next_question_ns) {
		path_mtu_keepalive(&session->path, now_ns);
		send_probe(session, session->path.size, now_ns);
		session->next_question_ns = now_ns + PROTOCOL_SECOND;
	} else if (session->client && session->waiting_since_ns && now_ns - session->waiting_since_ns >= SILENCE_PROBE_TIME &&
		   now_ns >= session->next_question_ns) {
		send_probe(session, 0, now_ns);
		session->next_question_ns = now_ns + PROTOCOL_SECOND;
	}
}

static void tick_path(struct session *session, uint64_t now_ns)
{
	size_t sizes[PATH_MTU_CANDIDATES];
	size_t count = path_mtu_probes(&session->path, now_ns, sizes);

	for (size_t i = 0; i < count; i++)
		send_probe(session, sizes[i], now_ns);
}

/* Keys that may not be used any more are wiped, not kept. */
static void expire_keys(struct session *session, uint64_t now_ns)
{
	struct keypair *pairs[] = { &session->current, &session->previous, &session->next };

	for (unsigned i = 0; i < 3; i++)
		if (pairs[i]->valid && now_ns - pairs[i]->created_ns >= REJECT_AFTER_TIME)
			keypair_wipe(pairs[i]);
	if (!session->current.valid)
		session->up = false;
}

void session_tick(struct session *session, uint64_t now_ns)
{
	expire_keys(session, now_ns);
	if (session->client && needs_handshake(session, now_ns) && now_ns >= session->handshake_due_ns)
		send_init(session, now_ns);
	if (session->up) {
		tick_keepalive(session, now_ns);
		tick_path(session, now_ns);
	}
	reassembly_expire(&session->reassembly, now_ns);
}

void session_too_big(struct session *session, size_t size, uint64_t now_ns)
{
	path_mtu_too_big(&session->path, size, now_ns);
}
