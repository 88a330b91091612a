/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The cable's whole wire protocol: every datagram, length, limit and time. doc/cryptcab-protocol.md has the reasons.
 *
 * A datagram starts with its type and three zero bytes; any other value there is dropped. Integers are little endian, but for
 * the lengths inside a sealed payload, which are big endian like the frames they stand before.
 *
 *      INIT      client to server       type 0 0 0 | sender index 4 | key id 16 | e 32 | sealed { instance 16, attempt 8 } 40
 *      RESPONSE  server to client       type 0 0 0 | sender index 4 | receiver index 4 | e 32 | sealed { } 16
 *      DATA      both                   type 0 0 0 | receiver index 4 | counter 8 | sealed { payload } 16 + n
 *      CLEAR     both, with -x alone    type 0 0 0 | receiver index 4 | counter 8 | payload n
 *
 * INIT and RESPONSE carry the two messages of Noise_NNpsk0_25519_ChaChaPoly_SHA256, unchanged; what precedes `e` is framing. DATA carries
 * a Noise transport message whose nonce is the counter. The payload's first byte is its kind; an empty payload says "I am alive".
 */
#ifndef VDE_CRYPTCAB_PROTOCOL_H
#define VDE_CRYPTCAB_PROTOCOL_H

#include <stdint.h>

#define PROTOCOL_NOISE_NAME "Noise_NNpsk0_25519_ChaChaPoly_SHA256"
/* The prologue is this text with its NUL, the mode byte (enum protocol_mode) and the key id: both ends must agree on all. */
#define PROTOCOL_PROLOGUE "VDE cryptcab 1"
#define PROTOCOL_DEFAULT_PORT 7667

/* Labels that keep each use of a hash apart from the others. */
#define PROTOCOL_LABEL_SECRET "VDE cryptcab 1 pre-shared file"
#define PROTOCOL_LABEL_KEY_ID "VDE cryptcab 1 key id"
#define PROTOCOL_LABEL_CLEAR "VDE cryptcab 1 no encryption"

enum protocol_type {
	TYPE_INIT = 1,
	TYPE_RESPONSE = 2,
	TYPE_COOKIE = 3,                /* reserved; never sent, always dropped */
	TYPE_DATA = 4,
	TYPE_CLEAR = 5,
};

enum protocol_mode {
	MODE_SEALED = 0,
	MODE_CLEAR = 1,                 /* -x on both ends */
};

enum payload_kind {
	KIND_FRAME = 1,                 /* kind 1 | a whole Ethernet frame */
	KIND_FRAGMENT = 2,              /* kind 1 | struct fragment_header 8 | piece: see fragment.h */
	KIND_PROBE = 3,                 /* kind 1 | size of this datagram 2 | zeros: keepalive and path MTU probe in one */
	KIND_PROBE_ACK = 4,             /* kind 1 | size 2 of the probe as it arrived */
	KIND_CLOSE = 5,                 /* kind 1: the sender is going; its session is over */
	KIND_UNCUT = 6,                 /* kind 1 | segment type 1 | segment size 2 | a TCP frame to be cut into segments of that size: offload.h */
};

enum protocol_sizes {
	KEY_ID_SIZE = 16,
	SECRET_SIZE = 32,
	INSTANCE_SIZE = 16,             /* random, made at each start of a client */
	TAG_SIZE = 16,                  /* Poly1305 */

	HEADER_TYPE_SIZE = 4,
	DATA_HEADER_SIZE = 16,
	INIT_PAYLOAD_SIZE = INSTANCE_SIZE + 8,
	INIT_SIZE = 4 + 4 + KEY_ID_SIZE + 32 + INIT_PAYLOAD_SIZE + TAG_SIZE,
	RESPONSE_SIZE = 4 + 4 + 4 + 32 + TAG_SIZE,      /* smaller than what asks for it: no amplification */

	PROLOGUE_SIZE = sizeof(PROTOCOL_PROLOGUE) + 1 + KEY_ID_SIZE,

	KIND_SIZE = 1,
	PROBE_SIZE = KIND_SIZE + 2,
	FRAGMENT_HEADER_SIZE = 8,
	UNCUT_HEADER_SIZE = 3,
	FRAME_HEADROOM = KIND_SIZE + FRAGMENT_HEADER_SIZE,      /* bytes before a frame that sending it may overwrite */

	UDP_PAYLOAD_MAX = 65507,
	DATAGRAM_OVERHEAD_SEALED = DATA_HEADER_SIZE + TAG_SIZE,
};

/* Offsets in a datagram. */
enum protocol_offsets {
	INIT_SENDER = 4,
	INIT_KEY_ID = 8,
	INIT_NOISE = 24,
	RESPONSE_SENDER = 4,
	RESPONSE_RECEIVER = 8,
	RESPONSE_NOISE = 12,
	DATA_RECEIVER = 4,
	DATA_COUNTER = 8,
	DATA_PAYLOAD = 16,
};

/* Counters. WireGuard's numbers, the window wider because a path may carry hundreds of thousands of frames a second. */
#define REKEY_AFTER_MESSAGES (UINT64_C(1) << 60)
#define REJECT_AFTER_MESSAGES (REKEY_AFTER_MESSAGES + (UINT64_C(1) << 32))

/* Times in nanoseconds. */
#define PROTOCOL_SECOND UINT64_C(1000000000)
#define REKEY_AFTER_TIME (120 * PROTOCOL_SECOND)        /* the client begins a new handshake */
#define REJECT_AFTER_TIME (180 * PROTOCOL_SECOND)       /* nothing is sealed or opened with a key older than this */
#define RETRY_FIRST_TIME (1 * PROTOCOL_SECOND)          /* an unanswered INIT is repeated after 1, 2, 4, 5, 5, ... seconds */
#define RETRY_MAX_TIME (5 * PROTOCOL_SECOND)
#define KEEPALIVE_TIME (25 * PROTOCOL_SECOND)           /* a probe of the full path size, each way */
#define KEEPALIVE_SHORT_TIME (10 * PROTOCOL_SECOND)     /* the client's with -k */
#define SILENCE_PROBE_TIME (2 * PROTOCOL_SECOND)        /* sent, and heard nothing since: ask */
#define SILENCE_HANDSHAKE_TIME (6 * PROTOCOL_SECOND)    /* still nothing: the server may have been restarted */
#define PENDING_TIME (10 * PROTOCOL_SECOND)             /* a handshake that its client does not confirm is forgotten */
#define IDLE_TIME_DEFAULT_S 120                         /* a peer that is silent so long is gone */
#define ADMITTED_UNUSED_TIME_DEFAULT_S 300              /* an introduced secret without a session lives so long */

#endif
