/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation. The names are the specification's: a SymmetricState is (chaining_key, hash) with the CipherState
 * (key, nonce) inside; MixHash, MixKey, MixKeyAndHash, EncryptAndHash and Split are clauses 5.2 and 9.2 of it. In a psk pattern
 * each `e` is mixed into the key as well as into the hash, so that the first message is already sealed under psk and e.
 *
 * A context per handshake operation is made and freed by the library; a transport cipher keeps its context, with the key set
 * once, and gets only a nonce per message.
 */
#include "noise.h"
#include "bytes.h"
#include "protocol.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

enum { NONCE_SIZE = 12 };

struct noise {
	EVP_CIPHER *aead;
	EVP_MD *sha256;
	EVP_MAC_CTX *hmac;              /* HMAC-SHA256, to be given a key */
	EVP_MD_CTX *digest;
};

struct noise_cipher {
	EVP_CIPHER_CTX *context;
};

static EVP_MAC_CTX *hmac_context(void)
{
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	EVP_MAC_CTX *context = mac ? EVP_MAC_CTX_new(mac) : NULL;
	char digest[] = "SHA256";
	OSSL_PARAM params[] = { OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0), OSSL_PARAM_construct_end() };

	EVP_MAC_free(mac);
	if (context && EVP_MAC_CTX_set_params(context, params) != 1) {
		EVP_MAC_CTX_free(context);
		return NULL;
	}
	return context;
}

struct noise *noise_create(void)
{
	struct noise *noise = calloc(1, sizeof(*noise));

	if (!noise)
		return NULL;
	noise->aead = EVP_CIPHER_fetch(NULL, "ChaCha20-Poly1305", NULL);
	noise->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	noise->hmac = hmac_context();
	noise->digest = EVP_MD_CTX_new();
	if (noise->aead && noise->sha256 && noise->hmac && noise->digest)
		return noise;
	noise_destroy(noise);
	return NULL;
}

void noise_destroy(struct noise *noise)
{
	if (!noise)
		return;
	EVP_CIPHER_free(noise->aead);
	EVP_MD_free(noise->sha256);
	EVP_MAC_CTX_free(noise->hmac);
	EVP_MD_CTX_free(noise->digest);
	free(noise);
}

bool noise_random(uint8_t *out, size_t length)
{
	return RAND_priv_bytes(out, (int)length) == 1;
}

/* ---- hash and key derivation ---- */

static bool mix_hash(const struct noise *noise, struct noise_handshake *handshake, const uint8_t *data, size_t length)
{
	return EVP_DigestInit_ex(noise->digest, noise->sha256, NULL) == 1 &&
	       EVP_DigestUpdate(noise->digest, handshake->hash, NOISE_HASH_SIZE) == 1 &&
	       EVP_DigestUpdate(noise->digest, data, length) == 1 && EVP_DigestFinal_ex(noise->digest, handshake->hash, NULL) == 1;
}

static bool hmac(const struct noise *noise, const uint8_t key[NOISE_HASH_SIZE], const uint8_t *data, size_t length, uint8_t *out)
{
	size_t written;

	return EVP_MAC_init(noise->hmac, key, NOISE_HASH_SIZE, NULL) == 1 && EVP_MAC_update(noise->hmac, data, length) == 1 &&
	       EVP_MAC_final(noise->hmac, out, &written, NOISE_HASH_SIZE) == 1;
}

/* HKDF of the specification's clause 4.3: up to three outputs of 32 bytes. */
static bool hkdf(const struct noise *noise, const uint8_t chaining_key[NOISE_HASH_SIZE], const uint8_t *material, size_t length,
		 unsigned outputs, uint8_t *const out[])
{
	uint8_t temporary[NOISE_HASH_SIZE], block[NOISE_HASH_SIZE + 1];
	bool good = hmac(noise, chaining_key, material, length, temporary);

	for (unsigned i = 0; i < outputs && good; i++) {
		size_t prefix = i ? NOISE_HASH_SIZE : 0;

		if (i)
			memcpy(block, out[i - 1], NOISE_HASH_SIZE);
		block[prefix] = (uint8_t)(i + 1);
		good = hmac(noise, temporary, block, prefix + 1, out[i]);
	}
	OPENSSL_cleanse(temporary, sizeof(temporary));
	OPENSSL_cleanse(block, sizeof(block));
	return good;
}

static bool mix_key(const struct noise *noise, struct noise_handshake *handshake, const uint8_t *material, size_t length)
{
	uint8_t old[NOISE_HASH_SIZE];
	uint8_t *const out[] = { handshake->chaining_key, handshake->key };
	bool good;

	memcpy(old, handshake->chaining_key, sizeof(old));
	good = hkdf(noise, old, material, length, 2, out);
	OPENSSL_cleanse(old, sizeof(old));
	handshake->nonce = 0;
	return good;
}

static bool mix_key_and_hash(const struct noise *noise, struct noise_handshake *handshake, const uint8_t *material, size_t length)
{
	uint8_t old[NOISE_HASH_SIZE], hash[NOISE_HASH_SIZE];
	uint8_t *const out[] = { handshake->chaining_key, hash, handshake->key };
	bool good;

	memcpy(old, handshake->chaining_key, sizeof(old));
	good = hkdf(noise, old, material, length, 3, out) && mix_hash(noise, handshake, hash, sizeof(hash));
	OPENSSL_cleanse(old, sizeof(old));
	OPENSSL_cleanse(hash, sizeof(hash));
	handshake->nonce = 0;
	return good;
}

/* ---- AEAD ---- */

/* Noise's nonce for ChaChaPoly: 32 zero bits and the number, little endian. */
static void nonce_bytes(uint8_t out[NONCE_SIZE], uint64_t nonce)
{
	memset(out, 0, 4);
	write_le64(out + 4, nonce);
}

/*
 * The cipher goes over the data twice, once to encrypt and once to authenticate: in pieces, so that the second time finds it in the
 * nearest cache.
 */
static bool aead_update(EVP_CIPHER_CTX *context, const uint8_t *in, size_t length, uint8_t *out)
{
	enum { PIECE = 8192 };
	int written;

	for (size_t done = 0, piece; done < length; done += piece) {
		piece = length - done < PIECE ? length - done : PIECE;
		if (EVP_CipherUpdate(context, out + done, &written, in + done, (int)piece) != 1)
			return false;
	}
	return true;
}

static bool aead_seal(EVP_CIPHER_CTX *context, uint64_t nonce, const uint8_t *ad, size_t ad_length, const uint8_t *in, size_t length,
		      uint8_t *out)
{
	uint8_t iv[NONCE_SIZE];
	int written;

	nonce_bytes(iv, nonce);
	return EVP_EncryptInit_ex(context, NULL, NULL, NULL, iv) == 1 &&
	       (ad_length == 0 || EVP_EncryptUpdate(context, NULL, &written, ad, (int)ad_length) == 1) &&
	       aead_update(context, in, length, out) &&
	       EVP_EncryptFinal_ex(context, out + length, &written) == 1 &&
	       EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, NOISE_TAG_SIZE, out + length) == 1;
}

static bool aead_open(EVP_CIPHER_CTX *context, uint64_t nonce, const uint8_t *ad, size_t ad_length, const uint8_t *in, size_t length,
		      uint8_t *out)
{
	uint8_t iv[NONCE_SIZE], tag[NOISE_TAG_SIZE], none[NOISE_TAG_SIZE];
	size_t plain;
	int written;

	if (length < NOISE_TAG_SIZE)
		return false;
	plain = length - NOISE_TAG_SIZE;
	memcpy(tag, in + plain, sizeof(tag));
	nonce_bytes(iv, nonce);
	return EVP_DecryptInit_ex(context, NULL, NULL, NULL, iv) == 1 &&
	       EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, NOISE_TAG_SIZE, tag) == 1 &&
	       (ad_length == 0 || EVP_DecryptUpdate(context, NULL, &written, ad, (int)ad_length) == 1) &&
	       aead_update(context, in, plain, out) &&
	       EVP_DecryptFinal_ex(context, none, &written) == 1;
}

static EVP_CIPHER_CTX *aead_context(const struct noise *noise, const uint8_t key[NOISE_KEY_SIZE], bool seals)
{
	EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();

	if (context && EVP_CipherInit_ex(context, noise->aead, NULL, key, NULL, seals) != 1) {
		EVP_CIPHER_CTX_free(context);
		return NULL;
	}
	return context;
}

static bool encrypt_and_hash(const struct noise *noise, struct noise_handshake *handshake, const uint8_t *in, size_t length, uint8_t *out)
{
	EVP_CIPHER_CTX *context = aead_context(noise, handshake->key, true);
	bool good = context && aead_seal(context, handshake->nonce, handshake->hash, NOISE_HASH_SIZE, in, length, out) &&
		    mix_hash(noise, handshake, out, length + NOISE_TAG_SIZE);

	EVP_CIPHER_CTX_free(context);
	handshake->nonce++;
	return good;
}

static bool decrypt_and_hash(const struct noise *noise, struct noise_handshake *handshake, const uint8_t *in, size_t length, uint8_t *out)
{
	EVP_CIPHER_CTX *context = aead_context(noise, handshake->key, false);
	bool good = context && aead_open(context, handshake->nonce, handshake->hash, NOISE_HASH_SIZE, in, length, out) &&
		    mix_hash(noise, handshake, in, length);

	EVP_CIPHER_CTX_free(context);
	handshake->nonce++;
	return good;
}

/* ---- X25519 ---- */

/* Makes the ephemeral key (or takes the given one) and writes its public half. */
static bool make_ephemeral(struct noise_handshake *handshake, const uint8_t *given, uint8_t public[NOISE_KEY_SIZE])
{
	size_t length = NOISE_KEY_SIZE;
	EVP_PKEY *key;
	bool good;

	if (given)
		memcpy(handshake->ephemeral, given, NOISE_KEY_SIZE);
	else if (!noise_random(handshake->ephemeral, NOISE_KEY_SIZE))
		return false;
	key = EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, NULL, handshake->ephemeral, NOISE_KEY_SIZE);
	good = key && EVP_PKEY_get_raw_public_key(key, public, &length) == 1;
	EVP_PKEY_free(key);
	return good;
}

/* DH(e, re). A result of all zeros (a point of small order) is a failure. */
static bool derive_shared(const struct noise_handshake *handshake, uint8_t shared[NOISE_KEY_SIZE])
{
	static const uint8_t zeros[NOISE_KEY_SIZE];
	EVP_PKEY *own = EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, NULL, handshake->ephemeral, NOISE_KEY_SIZE);
	EVP_PKEY *peer = EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, NULL, handshake->remote_ephemeral, NOISE_KEY_SIZE);
	EVP_PKEY_CTX *context = own ? EVP_PKEY_CTX_new(own, NULL) : NULL;
	size_t length = NOISE_KEY_SIZE;
	bool good = context && peer && EVP_PKEY_derive_init(context) == 1 && EVP_PKEY_derive_set_peer(context, peer) == 1 &&
		    EVP_PKEY_derive(context, shared, &length) == 1 && CRYPTO_memcmp(shared, zeros, NOISE_KEY_SIZE) != 0;

	EVP_PKEY_CTX_free(context);
	EVP_PKEY_free(peer);
	EVP_PKEY_free(own);
	return good;
}

static bool mix_shared(const struct noise *noise, struct noise_handshake *handshake)
{
	uint8_t shared[NOISE_KEY_SIZE];
	bool good = derive_shared(handshake, shared) && mix_key(noise, handshake, shared, sizeof(shared));

	OPENSSL_cleanse(shared, sizeof(shared));
	return good;
}

/* ---- the two messages ---- */

bool noise_start(const struct noise *noise, struct noise_handshake *handshake, const uint8_t *prologue, size_t prologue_length,
		 const uint8_t psk[NOISE_KEY_SIZE])
{
	static const char name[] = PROTOCOL_NOISE_NAME;

	memset(handshake, 0, sizeof(*handshake));
	memcpy(handshake->psk, psk, NOISE_KEY_SIZE);
	/* The name is longer than a hash, so the first hash is the name's (clause 5.2). */
	if (EVP_Digest(name, sizeof(name) - 1, handshake->hash, NULL, noise->sha256, NULL) != 1)
		return false;
	memcpy(handshake->chaining_key, handshake->hash, NOISE_HASH_SIZE);
	return mix_hash(noise, handshake, prologue, prologue_length);
}

void noise_wipe(struct noise_handshake *handshake)
{
	OPENSSL_cleanse(handshake, sizeof(*handshake));
}

/* The token `e` as seen from either end. */
static bool mix_ephemeral(const struct noise *noise, struct noise_handshake *handshake, const uint8_t public[NOISE_KEY_SIZE])
{
	return mix_hash(noise, handshake, public, NOISE_KEY_SIZE) && mix_key(noise, handshake, public, NOISE_KEY_SIZE);
}

bool noise_write_first(const struct noise *noise, struct noise_handshake *handshake, const uint8_t *ephemeral, const uint8_t *payload,
		       size_t length, uint8_t *message)
{
	return mix_key_and_hash(noise, handshake, handshake->psk, NOISE_KEY_SIZE) &&
	       make_ephemeral(handshake, ephemeral, message) && mix_ephemeral(noise, handshake, message) &&
	       encrypt_and_hash(noise, handshake, payload, length, message + NOISE_KEY_SIZE);
}

bool noise_read_first(const struct noise *noise, struct noise_handshake *handshake, const uint8_t *message, size_t length,
		      uint8_t *payload)
{
	if (length < NOISE_KEY_SIZE + NOISE_TAG_SIZE)
		return false;
	memcpy(handshake->remote_ephemeral, message, NOISE_KEY_SIZE);
	return mix_key_and_hash(noise, handshake, handshake->psk, NOISE_KEY_SIZE) && mix_ephemeral(noise, handshake, message) &&
	       decrypt_and_hash(noise, handshake, message + NOISE_KEY_SIZE, length - NOISE_KEY_SIZE, payload);
}

bool noise_write_second(const struct noise *noise, struct noise_handshake *handshake, const uint8_t *ephemeral,
			const uint8_t *payload, size_t length, uint8_t *message)
{
	return make_ephemeral(handshake, ephemeral, message) && mix_ephemeral(noise, handshake, message) &&
	       mix_shared(noise, handshake) && encrypt_and_hash(noise, handshake, payload, length, message + NOISE_KEY_SIZE);
}

bool noise_read_second(const struct noise *noise, struct noise_handshake *handshake, const uint8_t *message, size_t length,
		       uint8_t *payload)
{
	if (length < NOISE_KEY_SIZE + NOISE_TAG_SIZE)
		return false;
	memcpy(handshake->remote_ephemeral, message, NOISE_KEY_SIZE);
	return mix_ephemeral(noise, handshake, message) && mix_shared(noise, handshake) &&
	       decrypt_and_hash(noise, handshake, message + NOISE_KEY_SIZE, length - NOISE_KEY_SIZE, payload);
}

bool noise_split(const struct noise *noise, struct noise_handshake *handshake, uint8_t forth[NOISE_KEY_SIZE],
		 uint8_t back[NOISE_KEY_SIZE])
{
	uint8_t *const out[] = { forth, back };
	bool good = hkdf(noise, handshake->chaining_key, (const uint8_t *)"", 0, 2, out);

	noise_wipe(handshake);
	return good;
}

/* ---- transport ---- */

struct noise_cipher *noise_cipher_create(const struct noise *noise, const uint8_t key[NOISE_KEY_SIZE], bool seals)
{
	struct noise_cipher *cipher = calloc(1, sizeof(*cipher));

	if (!cipher)
		return NULL;
	cipher->context = aead_context(noise, key, seals);
	if (cipher->context)
		return cipher;
	free(cipher);
	return NULL;
}

void noise_cipher_destroy(struct noise_cipher *cipher)
{
	if (!cipher)
		return;
	EVP_CIPHER_CTX_free(cipher->context);
	free(cipher);
}

bool noise_seal(struct noise_cipher *cipher, uint64_t nonce, const uint8_t *in, size_t length, uint8_t *out)
{
	return aead_seal(cipher->context, nonce, NULL, 0, in, length, out);
}

bool noise_open(struct noise_cipher *cipher, uint64_t nonce, const uint8_t *in, size_t length, uint8_t *out)
{
	return aead_open(cipher->context, nonce, NULL, 0, in, length, out);
}

bool noise_labelled_hash(const char *label, const uint8_t *data, size_t length, uint8_t out[NOISE_HASH_SIZE])
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	bool good = context && EVP_DigestInit_ex(context, EVP_sha256(), NULL) == 1 &&
		    EVP_DigestUpdate(context, label, strlen(label) + 1) == 1 && EVP_DigestUpdate(context, data, length) == 1 &&
		    EVP_DigestFinal_ex(context, out, NULL) == 1;

	EVP_MD_CTX_free(context);
	return good;
}
