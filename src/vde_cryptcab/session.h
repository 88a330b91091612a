/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One end of one cable: a state machine that owns its keys and knows its peer's address. No socket, no clock and no loop: datagrams and
 * the time come in as arguments, datagrams and frames go out through callbacks, so that a test can hold both ends.
 *
 * Both ends keep three pairs of keys: `current` to send with; `previous`, to open what was sent before the last handshake; and, at the
 * server, `next`: made by an INIT, and made current only by the first genuine DATA under it, since an INIT may be a recorded one.
 */
#ifndef VDE_CRYPTCAB_SESSION_H
#define VDE_CRYPTCAB_SESSION_H

#include "address.h"
#include "fragment.h"
#include "keypair.h"
#include "path_mtu.h"
#include "ratelimit.h"

struct session;

struct session_callbacks {
	/* Room for one datagram of `size` bytes, to be given to send() next. Never NULL. */
	uint8_t *(*buffer)(void *owner, size_t size);
	void (*send)(void *owner, const union address *to, uint8_t *datagram, size_t length);
	/*
	 * A frame of the peer's, 14 to 65535 bytes. It lies in the datagram given to session_receive; transient: it lies
	 * elsewhere and is gone when this returns.
	 */
	void (*deliver)(void *owner, struct session *session, uint8_t *frame, size_t length, bool transient);
	/* A TCP frame to be cut, if the three agree with one another, which nobody has looked at. NULL: it is dropped. */
	void (*deliver_uncut)(void *owner, struct session *session, uint8_t *frame, size_t length, uint8_t type, uint16_t size);
};

/* What all sessions of a program share. */
struct session_env {
	struct noise *noise;
	enum protocol_mode mode;
	unsigned mtu_ceiling;           /* largest IP packet, 0: no bound */
	uint64_t keepalive_ns;
	const struct session_callbacks *callbacks;
	void *owner;
	uint8_t scratch[UDP_PAYLOAD_MAX];       /* probes are made here */
};

struct session_counters {
	uint64_t frames_in, bytes_in, frames_out, bytes_out;
	uint64_t dropped_down;          /* frames while there was no key to send with */
	uint64_t dropped_size;          /* frames too long even for fragments */
	uint64_t verdicts[VERDICT_COUNT];
	uint64_t roamed, handshakes;
};

struct session {
	struct session_env *env;
	bool client;
	uint16_t slot;                  /* low half of every local index */
	uint8_t key_id[KEY_ID_SIZE];
	uint8_t secret[SECRET_SIZE];    /* client only */
	uint8_t instance[INSTANCE_SIZE];
	uint64_t attempt;               /* client: of the last INIT sent; server: of the last accepted */
	struct bucket inits;            /* server: the hub's limit of answers to this client */

	struct keypair current, previous, next;
	struct noise_handshake handshake;       /* client: the INIT that waits for its answer */
	bool handshake_pending;
	uint32_t handshake_index;
	unsigned handshake_tries;
	uint64_t handshake_due_ns;
	uint64_t unanswered_since_ns;           /* first INIT without an answer; 0: none */

	union address address;          /* where the peer is */
	union address home;             /* client: where INITs go */
	bool up;                        /* frames can be sent */
	bool closed;                    /* the peer said so, or it must not live on; the owner removes it */
	uint64_t created_ns, up_since_ns, last_heard_ns;
	uint64_t waiting_since_ns;      /* first datagram sent since the peer was heard; 0: none */
	uint64_t next_keepalive_ns, next_question_ns;
	struct path_mtu path;
	struct reassembly reassembly;
	uint32_t frame_number;
	struct session_counters counters;
	void *user;                     /* the owner's: its plug */
	bool user_knows;                /* the hub announced it */
};

/* The client's end. False: no randomness. Nothing is sent before session_tick. */
bool session_start_client(struct session *session, struct session_env *env, const union address *server,
			  const uint8_t key_id[KEY_ID_SIZE], const uint8_t secret[SECRET_SIZE], uint64_t now_ns);
/* Another secret for the same cable, after a new introduction. */
void session_set_key(struct session *session, const uint8_t key_id[KEY_ID_SIZE], const uint8_t secret[SECRET_SIZE], uint64_t now_ns);

/* The server's end, empty until session_answer. */
void session_start_server(struct session *session, struct session_env *env, uint16_t slot, const uint8_t key_id[KEY_ID_SIZE],
			  const uint8_t instance[INSTANCE_SIZE], const union address *from, uint64_t now_ns);
/* Answers an INIT, whose first message `handshake` has read, to where it came from. Consumes the handshake. */
bool session_answer(struct session *session, struct noise_handshake *handshake, uint32_t sender_index, uint64_t attempt,
		    const union address *from, uint64_t now_ns);

/* Forgets everything, keys wiped. Says nothing to the peer. */
void session_wipe(struct session *session);
/* Tells the peer that this end is going. */
void session_say_close(struct session *session, uint64_t now_ns);

/* What both ends mix in before the handshake: PROLOGUE_SIZE bytes to `out`; returns that. */
size_t protocol_prologue(enum protocol_mode mode, const uint8_t key_id[KEY_ID_SIZE], uint8_t *out);

/* Is it a datagram with this protocol's header, of a type and length that exist? */
bool datagram_is_sound(const uint8_t *datagram, size_t length);

/*
 * A sound datagram: RESPONSE, DATA or CLEAR. It is opened in place. After it `closed` may be set.
 */
enum verdict session_receive(struct session *session, const union address *from, uint8_t *datagram, size_t length, uint64_t now_ns);
/*
 * Sends a frame of 14 to 65535 bytes, in pieces when the path needs it. FRAME_HEADROOM bytes before it must be
 * writable; they and the frame's own bytes are changed.
 */
void session_send_frame(struct session *session, uint8_t *frame, size_t length, uint64_t now_ns);
/*
 * Sends a TCP frame that is to be cut into segments of `size` bytes of payload as one datagram. False: the path does not take one so long, and nothing was sent. In
 * pieces it does not go: one lost would be the loss of all.
 */
bool session_send_uncut(struct session *session, uint8_t *frame, size_t length, uint8_t type, uint16_t size, uint64_t now_ns);
/* To be called at least each second. */
void session_tick(struct session *session, uint64_t now_ns);
/* The system refused a datagram of this size to the peer's address. */
void session_too_big(struct session *session, size_t size, uint64_t now_ns);

#endif
