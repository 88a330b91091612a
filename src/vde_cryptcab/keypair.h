/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The two transport keys that one handshake made, with their counters: what seals and opens DATA (or frames CLEAR) datagrams. */
#ifndef VDE_CRYPTCAB_KEYPAIR_H
#define VDE_CRYPTCAB_KEYPAIR_H

#include "noise.h"
#include "protocol.h"
#include "replay.h"

struct keypair {
	bool valid;
	enum protocol_mode mode;
	uint32_t local_index;           /* the peer writes it into its datagrams */
	uint32_t remote_index;
	uint64_t created_ns;
	uint64_t next_counter;
	struct noise_cipher *seal, *open;       /* NULL in MODE_CLEAR */
	struct replay window;
};

/* What became of a datagram. */
enum verdict {
	VERDICT_ACCEPTED,
	VERDICT_MALFORMED,      /* not of the protocol, or not meant for this end */
	VERDICT_UNKNOWN,        /* no such key id, index or instance */
	VERDICT_LIMITED,        /* its source, or all together, ask too often */
	VERDICT_FORGED,         /* the seal is not genuine */
	VERDICT_REPLAYED,       /* seen before, or too old */
	VERDICT_EXPIRED,        /* its key is too old */
	VERDICT_COUNT,
};

/* Indices from the handshake; the keys are copied. False: the library failed. */
bool keypair_make(struct keypair *pair, const struct noise *noise, enum protocol_mode mode, const uint8_t seal_key[NOISE_KEY_SIZE],
		  const uint8_t open_key[NOISE_KEY_SIZE], uint32_t local_index, uint32_t remote_index, uint64_t now_ns);
/* Frees and forgets; an invalid one is accepted. */
void keypair_wipe(struct keypair *pair);
/* Moves `from` to `to`, wiping what was there. */
void keypair_move(struct keypair *to, struct keypair *from);

bool keypair_can_send(const struct keypair *pair, uint64_t now_ns);
/* Bytes of datagram that a payload of `length` bytes becomes. */
size_t keypair_datagram_size(const struct keypair *pair, size_t length);
/* Writes the datagram; returns its size, or 0 when the library failed. */
size_t keypair_seal(struct keypair *pair, const uint8_t *payload, size_t length, uint8_t *datagram);
/*
 * Opens a datagram whose header was checked and names local_index, in place. VERDICT_ACCEPTED: payload and its length are set, and this
 * datagram will not be accepted again. `newest` is set when no later counter was accepted before.
 */
enum verdict keypair_open(struct keypair *pair, uint8_t *datagram, size_t length, uint64_t now_ns, uint8_t **payload,
			  size_t *payload_length, bool *newest);

#endif
