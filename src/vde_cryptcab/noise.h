/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Noise_NNpsk0_25519_ChaChaPoly_SHA256 (Noise Protocol Framework, revision 34), on OpenSSL's EVP.
 *
 *      -> psk, e
 *      <- e, ee
 *
 * The pattern is used unchanged. Functions that return bool return false when a message is not genuine or when the library
 * fails; the caller cannot tell which and must not need to.
 */
#ifndef VDE_CRYPTCAB_NOISE_H
#define VDE_CRYPTCAB_NOISE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	NOISE_KEY_SIZE = 32,
	NOISE_HASH_SIZE = 32,
	NOISE_TAG_SIZE = 16,
};

/* The algorithms, fetched once. */
struct noise;

struct noise *noise_create(void);               /* NULL when the library has not got them */
void noise_destroy(struct noise *noise);        /* NULL is accepted */

/* A handshake in progress. Copying the struct copies the handshake: a reader may try a message on a copy. */
struct noise_handshake {
	uint8_t chaining_key[NOISE_HASH_SIZE];
	uint8_t hash[NOISE_HASH_SIZE];
	uint8_t key[NOISE_KEY_SIZE];
	uint64_t nonce;
	uint8_t psk[NOISE_KEY_SIZE];
	uint8_t ephemeral[NOISE_KEY_SIZE];              /* private */
	uint8_t remote_ephemeral[NOISE_KEY_SIZE];       /* public */
};

/* Fresh random bytes for keys. False when the system has none. */
bool noise_random(uint8_t *out, size_t length);

bool noise_start(const struct noise *noise, struct noise_handshake *handshake, const uint8_t *prologue, size_t prologue_length,
		 const uint8_t psk[NOISE_KEY_SIZE]);
/* Zeroes every secret. */
void noise_wipe(struct noise_handshake *handshake);

/*
 * The first message, 32 + length + 16 bytes to `message`. ephemeral NULL: a fresh one, which is the only use outside of tests.
 */
bool noise_write_first(const struct noise *noise, struct noise_handshake *handshake, const uint8_t *ephemeral, const uint8_t *payload,
		       size_t length, uint8_t *message);
/* `length` counts the message; its payload (length - 48 bytes) is written to `payload`. */
bool noise_read_first(const struct noise *noise, struct noise_handshake *handshake, const uint8_t *message, size_t length,
		      uint8_t *payload);
bool noise_write_second(const struct noise *noise, struct noise_handshake *handshake, const uint8_t *ephemeral,
			const uint8_t *payload, size_t length, uint8_t *message);
bool noise_read_second(const struct noise *noise, struct noise_handshake *handshake, const uint8_t *message, size_t length,
		       uint8_t *payload);
/* The transport keys: initiator to responder, and back. The handshake is wiped. */
bool noise_split(const struct noise *noise, struct noise_handshake *handshake, uint8_t forth[NOISE_KEY_SIZE],
		 uint8_t back[NOISE_KEY_SIZE]);

/* One direction of a transport: seals or opens, not both. The key lies in the library's context, which is wiped when freed. */
struct noise_cipher;

struct noise_cipher *noise_cipher_create(const struct noise *noise, const uint8_t key[NOISE_KEY_SIZE], bool seals);
void noise_cipher_destroy(struct noise_cipher *cipher);         /* NULL is accepted */

/* `out` gets length + 16 bytes; it may be `in`, or not overlap it at all. A nonce must not be used twice: the caller counts. */
bool noise_seal(struct noise_cipher *cipher, uint64_t nonce, const uint8_t *in, size_t length, uint8_t *out);
/* `length` counts the tag; `out` gets length - 16 bytes and may be `in`. False: not genuine, and `out` is not to be read. */
bool noise_open(struct noise_cipher *cipher, uint64_t nonce, const uint8_t *in, size_t length, uint8_t *out);

/* SHA-256 of a label and what follows it. */
bool noise_labelled_hash(const char *label, const uint8_t *data, size_t length, uint8_t out[NOISE_HASH_SIZE]);

#endif
