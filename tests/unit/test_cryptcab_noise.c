/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The handshake against the published test vector of Noise_NNpsk0_25519_ChaChaPoly_SHA256 in the collection "cacophony" (the vectors
 * which the Noise project's implementations share), message by message, and what must fail.
 */
#include "vde_cryptcab/noise.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const char prologue_hex[] = "4a6f686e2047616c74";
static const char psk_hex[] = "54686973206973206d7920417573747269616e20706572737065637469766521";
static const char initiator_hex[] = "893e28b9dc6ca8d611ab664754b8ceb7bac5117349a4439a6b0569da977c464a";
static const char responder_hex[] = "bbdb4cdbd309f1a1f2e1456967fe288cadd6f712d65dc7b7793d5e63da6b375b";
/*
 * The handshake hash as a second implementation, made from the specification in Python, computes it. (The value that the collection gives for this
 * pattern is another one; all six of its messages agree with both implementations. The hash is not used after the handshake.)
 */
static const char hash_hex[] = "f4d03dc34495c95729ea6de9e1b59004b59733102488b3e24bc441e0be208eaf";

/* The first two are the handshake; then transport messages, the initiator's and the responder's in turn. */
static const struct { const char *payload, *message; } vector[] = {
	{ "4c756477696720766f6e204d69736573",
	  "ca35def5ae56cec33dc2036731ab14896bc4c75dbb07a61f879f8e3afa4c794479b962b8aff8485742ac32f905ba45369e2465fb59e138a93d67"
	  "a0d1266b6a54" },
	{ "4d757272617920526f746862617264",
	  "95ebc60d2b1fa672c1f46a8aa265ef51bfe38e7ccb39ec5be34069f144808843d6062704d5a9c422a8e834423f8c1feada7e8d0d910a1a2cd030"
	  "fb584221e3" },
	{ "462e20412e20486179656b", "e632c3763d7669067383433197a3baddf146e9e70ad4b4e9e59e0f" },
	{ "4361726c204d656e676572", "64c6bee32ea91c8474bb4c21d7a700109ad45af77b29764ba5eb1e" },
	{ "4a65616e2d426170746973746520536179", "e2fa0bed0603b62d3ccac2ecabbf3fe33f3e86514909b323361626266cb2471cc8" },
	{ "457567656e2042f6686d20766f6e2042617765726b",
	  "0c01dc9cec1fe4ddd692e8dd32188aa351088dc91183639a53b57aa4692b5ebdef8b8ca111" },
};

struct bytes { uint8_t data[256]; size_t length; };

static struct bytes unhex(const char *text)
{
	struct bytes bytes = { .length = strlen(text) / 2 };

	for (size_t i = 0; i < bytes.length; i++) {
		unsigned value;

		assert_int_equal(sscanf(text + 2 * i, "%2x", &value), 1);
		bytes.data[i] = (uint8_t)value;
	}
	return bytes;
}

static void start_both(const struct noise *noise, struct noise_handshake *initiator, struct noise_handshake *responder)
{
	struct bytes prologue = unhex(prologue_hex), psk = unhex(psk_hex);

	assert_true(noise_start(noise, initiator, prologue.data, prologue.length, psk.data));
	assert_true(noise_start(noise, responder, prologue.data, prologue.length, psk.data));
}

static void published_vector(void **state)
{
	struct noise *noise = noise_create();
	struct noise_handshake initiator, responder, other;
	struct bytes first = unhex(vector[0].message), second = unhex(vector[1].message), expected_hash = unhex(hash_hex);
	struct bytes payload;
	uint8_t out[256], forth[32], back[32], forth2[32], back2[32];

	(void)state;
	assert_non_null(noise);
	start_both(noise, &initiator, &responder);

	payload = unhex(vector[0].payload);
	assert_true(noise_write_first(noise, &initiator, unhex(initiator_hex).data, payload.data, payload.length, out));
	assert_memory_equal(out, first.data, first.length);
	assert_true(noise_read_first(noise, &responder, first.data, first.length, out));
	assert_memory_equal(out, payload.data, payload.length);

	payload = unhex(vector[1].payload);
	assert_true(noise_write_second(noise, &responder, unhex(responder_hex).data, payload.data, payload.length, out));
	assert_memory_equal(out, second.data, second.length);
	assert_true(noise_read_second(noise, &initiator, second.data, second.length, out));
	assert_memory_equal(out, payload.data, payload.length);

	assert_memory_equal(initiator.hash, expected_hash.data, 32);
	assert_memory_equal(responder.hash, expected_hash.data, 32);
	other = responder;
	assert_true(noise_split(noise, &initiator, forth, back));
	assert_true(noise_split(noise, &other, forth2, back2));
	assert_memory_equal(forth, forth2, 32);
	assert_memory_equal(back, back2, 32);
	memset(&responder, 0, sizeof(responder));
	assert_memory_equal(&initiator, &responder, sizeof(responder));         /* wiped */

	for (size_t i = 2; i < sizeof(vector) / sizeof(vector[0]); i++) {
		const uint8_t *key = i % 2 == 0 ? forth : back;
		struct noise_cipher *seal = noise_cipher_create(noise, key, true), *open = noise_cipher_create(noise, key, false);
		struct bytes message = unhex(vector[i].message);

		payload = unhex(vector[i].payload);
		assert_true(noise_seal(seal, i / 2 - 1, payload.data, payload.length, out));
		assert_memory_equal(out, message.data, message.length);
		assert_true(noise_open(open, i / 2 - 1, message.data, message.length, message.data));
		assert_memory_equal(message.data, payload.data, payload.length);
		noise_cipher_destroy(seal);
		noise_cipher_destroy(open);
	}
	noise_destroy(noise);
}

/* Every changed bit of either message is refused, and a wrong secret and a wrong prologue too. */
static void changed_messages(void **state)
{
	struct noise *noise = noise_create();
	struct noise_handshake initiator, responder, copy;
	struct bytes first = unhex(vector[0].message), second = unhex(vector[1].message), psk = unhex(psk_hex);
	uint8_t out[256];

	(void)state;
	start_both(noise, &initiator, &responder);
	for (size_t bit = 0; bit < first.length * 8; bit++) {
		struct bytes changed = first;

		changed.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
		copy = responder;
		assert_false(noise_read_first(noise, &copy, changed.data, changed.length, out));
	}
	for (size_t length = 0; length < first.length; length++) {
		copy = responder;
		assert_false(noise_read_first(noise, &copy, first.data, length, out));
	}
	assert_true(noise_write_first(noise, &initiator, unhex(initiator_hex).data, unhex(vector[0].payload).data, 16, out));
	for (size_t bit = 0; bit < second.length * 8; bit++) {
		struct bytes changed = second;

		changed.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
		copy = initiator;
		if (bit == 255)         /* X25519 ignores the highest bit of a point, the hash does not */
			assert_int_equal(changed.data[31] ^ second.data[31], 0x80);
		assert_false(noise_read_second(noise, &copy, changed.data, changed.length, out));
	}
	psk.data[0] ^= 1;
	assert_true(noise_start(noise, &responder, unhex(prologue_hex).data, 9, psk.data));
	assert_false(noise_read_first(noise, &responder, first.data, first.length, out));
	assert_true(noise_start(noise, &responder, unhex(prologue_hex).data, 8, unhex(psk_hex).data));
	assert_false(noise_read_first(noise, &responder, first.data, first.length, out));
	noise_destroy(noise);
}

/* A point of small order makes the shared secret zero: refused, though its sender knows the secret. */
static void small_order_point(void **state)
{
	struct noise *noise = noise_create();
	struct noise_handshake initiator, responder;
	uint8_t out[256], message[256];

	(void)state;
	start_both(noise, &initiator, &responder);
	assert_true(noise_write_first(noise, &initiator, NULL, (const uint8_t *)"x", 1, message));
	assert_true(noise_read_first(noise, &responder, message, 49, out));
	memset(responder.remote_ephemeral, 0, 32);
	assert_false(noise_write_second(noise, &responder, NULL, (const uint8_t *)"", 0, message));
	noise_destroy(noise);
}

/* Two handshakes of the same secret share no bytes: the ephemeral keys are fresh. */
static void fresh_each_time(void **state)
{
	struct noise *noise = noise_create();
	struct noise_handshake a, b;
	uint8_t first[64], second[64];

	(void)state;
	start_both(noise, &a, &b);
	assert_true(noise_write_first(noise, &a, NULL, (const uint8_t *)"", 0, first));
	assert_true(noise_write_first(noise, &b, NULL, (const uint8_t *)"", 0, second));
	assert_memory_not_equal(first, second, 32);
	assert_memory_not_equal(first + 32, second + 32, 16);
	noise_destroy(noise);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(published_vector),
		cmocka_unit_test(changed_messages),
		cmocka_unit_test(small_order_point),
		cmocka_unit_test(fresh_each_time),
	};

	return cmocka_run_group_tests_name("cryptcab noise", tests, NULL, NULL);
}
