/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation. What an INIT must pass before it costs a curve operation, cheapest first: its length; a known key id; a token of its
 * source, for a look at the seal, which only a holder of the secret can make; and an attempt number above the last one of its instance, when that is remembered. Of a
 * client that is known it then needs a token of that client's; else it may be a recorded one, and needs one of its source and one of the bucket for
 * all. So strangers, who can write any source on what they send and record what others sent, take nothing from the clients that are connected: neither
 * without the key id, nor, unless thousands come each second, with it.
 *
 * Local indices carry the slot in their low half: finding a DATA's session is one look into an array.
 */
#include "hub.h"

#include "bytes.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

bool hub_init(struct hub *hub, struct session_env *env, unsigned max_peers, uint64_t idle_ns, uint64_t key_lifetime_ns,
	      const struct hub_callbacks *callbacks, void *owner)
{
	uint64_t secret[2];

	memset(hub, 0, sizeof(*hub));
	hub->env = env;
	hub->max_peers = max_peers;
	hub->slots = max_peers + HUB_PENDING_MAX;
	hub->idle_ns = idle_ns;
	hub->callbacks = callbacks;
	hub->owner = owner;
	if (!noise_random((uint8_t *)secret, sizeof(secret)))
		return false;
	ratelimit_init(&hub->seals, secret[0], HUB_SEAL_RATE, HUB_SEAL_BURST);
	ratelimit_init(&hub->sources, secret[1], HUB_SOURCE_RATE, HUB_SOURCE_BURST);
	hub->sessions = calloc(hub->slots, sizeof(*hub->sessions));
	return hub->sessions && keystore_init(&hub->keys, key_lifetime_ns);
}

static void remove_session(struct hub *hub, struct session *session, enum hub_reason reason)
{
	hub->sessions[session->slot] = NULL;
	if (session->user_knows) {
		hub->peers--;
		hub->callbacks->peer_down(hub->owner, session, reason);
	} else {
		hub->pending--;
	}
	session_wipe(session);
	free(session);
}

void hub_free(struct hub *hub, uint64_t now_ns)
{
	for (unsigned slot = 0; hub->sessions && slot < hub->slots; slot++)
		hub_drop(hub, slot, HUB_SHUTDOWN, now_ns);
	free(hub->sessions);
	hub->sessions = NULL;
	keystore_wipe(&hub->keys);
}

int hub_drop(struct hub *hub, unsigned slot, enum hub_reason reason, uint64_t now_ns)
{
	struct session *session = slot < hub->slots ? hub->sessions[slot] : NULL;
	const struct key *key;

	if (!session)
		return ENOENT;
	session_say_close(session, now_ns);
	key = keystore_find(&hub->keys, session->key_id, now_ns);
	if (key && !key->permanent)
		keystore_remove(&hub->keys, session->key_id);
	remove_session(hub, session, reason);
	return 0;
}

/* ---- INIT ---- */

static struct session *find_instance(const struct hub *hub, const uint8_t key_id[KEY_ID_SIZE], const uint8_t instance[INSTANCE_SIZE])
{
	for (unsigned slot = 0; slot < hub->slots; slot++) {
		struct session *session = hub->sessions[slot];

		if (session && memcmp(session->instance, instance, INSTANCE_SIZE) == 0 &&
		    memcmp(session->key_id, key_id, KEY_ID_SIZE) == 0)
			return session;
	}
	return NULL;
}

static void forget_oldest_pending(struct hub *hub)
{
	struct session *oldest = NULL;

	for (unsigned slot = 0; slot < hub->slots; slot++) {
		struct session *session = hub->sessions[slot];

		if (session && !session->user_knows && (!oldest || session->created_ns < oldest->created_ns))
			oldest = session;
	}
	if (oldest)
		remove_session(hub, oldest, HUB_IDLE);
}

static struct session *add_pending(struct hub *hub, const uint8_t key_id[KEY_ID_SIZE], const uint8_t instance[INSTANCE_SIZE],
				   const union address *from, uint64_t now_ns)
{
	struct session *session;
	unsigned slot = 0;

	if (hub->peers >= hub->max_peers) {
		hub->refused_full++;
		hub->callbacks->full(hub->owner, from);
		return NULL;
	}
	if (hub->pending >= HUB_PENDING_MAX)
		forget_oldest_pending(hub);
	while (slot < hub->slots && hub->sessions[slot])
		slot++;
	session = slot < hub->slots ? malloc(sizeof(*session)) : NULL;
	if (!session)
		return NULL;
	session_start_server(session, hub->env, (uint16_t)slot, key_id, instance, from, now_ns);
	hub->sessions[slot] = session;
	hub->pending++;
	return session;
}

static bool take_token(struct bucket *bucket, unsigned rate, unsigned burst, uint64_t now_ns)
{
	return bucket_take(bucket, PROTOCOL_SECOND / rate, PROTOCOL_SECOND / rate * burst, now_ns);
}

static enum verdict session_for_newcomer(struct hub *hub, const uint8_t *key_id, const uint8_t *payload, const union address *from,
					 uint64_t now_ns, struct session **found)
{
	if (!ratelimit_take(&hub->sources, address_source_key(from), now_ns) ||
	    !take_token(&hub->total, HUB_TOTAL_RATE, HUB_TOTAL_BURST, now_ns))
		return VERDICT_LIMITED;
	*found = add_pending(hub, key_id, payload, from, now_ns);
	return *found ? VERDICT_ACCEPTED : VERDICT_LIMITED;
}

/* The session that a genuine INIT is for: its instance's, else a new one. */
static enum verdict session_for_init(struct hub *hub, const uint8_t *key_id, const uint8_t *payload, const union address *from,
				     uint64_t now_ns, struct session **found)
{
	struct session *session = find_instance(hub, key_id, payload);

	if (!session)
		return session_for_newcomer(hub, key_id, payload, from, now_ns, found);
	if (read_le64(payload + INSTANCE_SIZE) <= session->attempt)
		return VERDICT_REPLAYED;
	if (!take_token(&session->inits, HUB_SESSION_RATE, HUB_SESSION_BURST, now_ns))
		return VERDICT_LIMITED;
	*found = session;
	return VERDICT_ACCEPTED;
}

static bool open_init(const struct hub *hub, const struct key *key, const uint8_t *datagram, struct noise_handshake *handshake,
		      uint8_t payload[INIT_PAYLOAD_SIZE])
{
	uint8_t prologue[PROLOGUE_SIZE];
	const struct noise *noise = hub->env->noise;

	return noise_start(noise, handshake, prologue, protocol_prologue(hub->env->mode, key->id, prologue), key->secret) &&
	       noise_read_first(noise, handshake, datagram + INIT_NOISE, INIT_SIZE - INIT_NOISE, payload);
}

static enum verdict receive_init(struct hub *hub, const union address *from, const uint8_t *datagram, uint64_t now_ns)
{
	struct noise_handshake handshake;
	uint8_t payload[INIT_PAYLOAD_SIZE];
	struct session *session = NULL;
	const struct key *key;
	enum verdict verdict = VERDICT_FORGED;

	key = keystore_find(&hub->keys, datagram + INIT_KEY_ID, now_ns);
	if (!key)
		return VERDICT_UNKNOWN;
	if (!ratelimit_take(&hub->seals, address_source_key(from), now_ns))
		return VERDICT_LIMITED;
	if (open_init(hub, key, datagram, &handshake, payload))
		verdict = session_for_init(hub, key->id, payload, from, now_ns, &session);
	if (session && !session_answer(session, &handshake, read_le32(datagram + INIT_SENDER),
				       read_le64(payload + INSTANCE_SIZE), from, now_ns))
		verdict = VERDICT_FORGED;
	noise_wipe(&handshake);
	return verdict;
}

/* ---- DATA ---- */

/*
 * A client that was introduced again has another secret, and so another session. The one before would lead to the same place by a second port of the
 * switch: frames would arrive twice, and come back to where they came from. Nothing is said on it, since the client takes words of both for its own.
 */
static void forget_namesakes(struct hub *hub, const struct session *session)
{
	for (unsigned slot = 0; slot < hub->slots; slot++) {
		struct session *other = hub->sessions[slot];

		if (other && other != session && memcmp(other->instance, session->instance, INSTANCE_SIZE) == 0)
			remove_session(hub, other, HUB_REPLACED);
	}
}

static void announce(struct hub *hub, struct session *session, uint64_t now_ns)
{
	forget_namesakes(hub, session);
	hub->pending--;
	hub->peers++;
	session->user_knows = true;
	if (hub->peers <= hub->max_peers && hub->callbacks->peer_up(hub->owner, session))
		return;
	session_say_close(session, now_ns);
	session->closed = true;
}

static enum verdict receive_data(struct hub *hub, const union address *from, uint8_t *datagram, size_t length, uint64_t now_ns)
{
	unsigned slot = read_le32(datagram + DATA_RECEIVER) & 0xffff;
	struct session *session = slot < hub->slots ? hub->sessions[slot] : NULL;
	enum verdict verdict;

	if (!session)
		return VERDICT_UNKNOWN;
	verdict = session_receive(session, from, datagram, length, now_ns);
	if (session->up && !session->user_knows)
		announce(hub, session, now_ns);
	if (session->closed)
		remove_session(hub, session, HUB_CLOSED);
	return verdict;
}

enum verdict hub_receive(struct hub *hub, const union address *from, uint8_t *datagram, size_t length, uint64_t now_ns)
{
	enum verdict verdict = VERDICT_MALFORMED;

	if (datagram_is_sound(datagram, length) && datagram[0] == TYPE_INIT)
		verdict = receive_init(hub, from, datagram, now_ns);
	else if (datagram_is_sound(datagram, length) && datagram[0] != TYPE_RESPONSE)
		verdict = receive_data(hub, from, datagram, length, now_ns);
	hub->verdicts[verdict]++;
	return verdict;
}

/* ---- time ---- */

static bool is_over(const struct hub *hub, const struct session *session, uint64_t now_ns)
{
	if (session->user_knows)
		return now_ns - session->last_heard_ns >= hub->idle_ns;
	return now_ns - session->created_ns >= PENDING_TIME;
}

void hub_tick(struct hub *hub, uint64_t now_ns)
{
	for (unsigned slot = 0; slot < hub->slots; slot++) {
		struct session *session = hub->sessions[slot];

		if (!session)
			continue;
		if (session->user_knows)
			keystore_touch(&hub->keys, session->key_id, now_ns);
		if (is_over(hub, session, now_ns))
			remove_session(hub, session, HUB_IDLE);
		else
			session_tick(session, now_ns);
	}
	keystore_expire(&hub->keys, now_ns);
}

bool hub_is_busy(const struct hub *hub)
{
	return hub->peers || hub->pending || hub->keys.count > hub->keys.permanent;
}

void hub_too_big(struct hub *hub, const union address *to, size_t size, uint64_t now_ns)
{
	for (unsigned slot = 0; slot < hub->slots; slot++)
		if (hub->sessions[slot] && address_equal(&hub->sessions[slot]->address, to))
			session_too_big(hub->sessions[slot], size, now_ns);
}
