/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation. An encrypted frame is
 *
 *      destination 6, source 6, type 2         in clear
 *      header 16                               AES-128-ECB
 *      payload, a multiple of 16               AES-128-CBC, the plain header being the initialization vector
 *
 * and the plain header: the original type, the number of padding bytes (0 to 15), 0, "agno", the time in seconds (32 bits), four random bytes.
 *
 * There is no checksum in it that needs the key. Who can change frames on their way can change addresses as he likes, and bits of the payload at the price
 * of a garbled block before them; who has recorded a frame can send it again for three seconds. It hides contents from who only listens, no more. The format
 * is what others speak, so it stays.
 *
 * Frames shorter than Ethernet's least are padded first: without a payload the original's receiver would crash.
 */
#include "agno.h"

#include "common/number.h"

#include <errno.h>
#include <sys/random.h>

enum {
	TYPE_MIN = 0x600, TYPE_MAX = 0xfffe,
	TYPE_IPV4 = 0x0800, TYPE_IPV6 = 0x86dd,
	TYPE_OFFSET = 2 * ETHERNET_ADDRESS_SIZE,
	KEY_DIGITS = 2 * AGNO_KEY, KEY_DIGITS_MIN = 2,
	PAYLOAD_OFFSET = ETHERNET_HEADER_SIZE + AGNO_BLOCK,
	PAST_S = 2, FUTURE_S = 1,       /* clocks may differ by so much */
	/* of the plain header */
	AT_PAD = 2, AT_TAG = 4, AT_TIME = 8, AT_RANDOM = 12, RANDOM_SIZE = 4,
};

static const uint8_t tag[] = {'a', 'g', 'n', 'o'};

/* ---- keys and options ---- */

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

int agno_read_key(uint8_t key[AGNO_KEY], const char *text, size_t length)
{
	unsigned digits = 0;

	memset(key, 0, AGNO_KEY);
	for (size_t i = 0; i < length && digits < KEY_DIGITS; i++) {
		int value = hex_value(text[i]);

		if (value < 0)
			continue;
		key[digits / 2] |= (uint8_t)(value << (digits % 2 == 0 ? 4 : 0));
		digits++;
	}
	return digits < KEY_DIGITS_MIN ? EINVAL : 0;
}

int agno_read_type(uint16_t *type, const char *text)
{
	static const struct {
		const char *name;
		uint16_t type;
	} names[] = {
		{"", AGNO_TYPE_DEFAULT}, {"copy", AGNO_TYPE_COPY}, {"rand", AGNO_TYPE_RANDOM}, {"ipv4", TYPE_IPV4}, {"ipv6", TYPE_IPV6},
	};
	unsigned number;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(text, names[i].name) == 0) {
			*type = names[i].type;
			return 0;
		}
	if (number_uint(text, 0, TYPE_MAX, &number) != 0 || (number > 0 && number < TYPE_MIN))
		return EINVAL;
	*type = number > 0 ? (uint16_t)number : AGNO_TYPE_DEFAULT;
	return 0;
}

static EVP_CIPHER_CTX *create(const EVP_CIPHER *cipher, const uint8_t *key, int encrypt)
{
	EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();

	if (context != NULL && EVP_CipherInit_ex(context, cipher, NULL, key, NULL, encrypt) == 1 &&
	    EVP_CIPHER_CTX_set_padding(context, 0) == 1)
		return context;
	EVP_CIPHER_CTX_free(context);
	return NULL;
}

int agno_init(struct agno *agno, const uint8_t key[AGNO_KEY], uint16_t type)
{
	*agno = (struct agno){
		.type = type,
		.header_out = create(EVP_aes_128_ecb(), key, 1), .payload_out = create(EVP_aes_128_cbc(), key, 1),
		.header_in = create(EVP_aes_128_ecb(), key, 0), .payload_in = create(EVP_aes_128_cbc(), key, 0),
		.pool_used = AGNO_RANDOM_POOL,
	};
	return agno->header_out && agno->payload_out && agno->header_in && agno->payload_in ? 0 : ENOMEM;
}

void agno_finish(struct agno *agno)
{
	EVP_CIPHER_CTX_free(agno->header_out);
	EVP_CIPHER_CTX_free(agno->payload_out);
	EVP_CIPHER_CTX_free(agno->header_in);
	EVP_CIPHER_CTX_free(agno->payload_in);
}

/* ---- frames ---- */

/* Whole blocks, in place or not; false when the library refuses. */
static bool run_cipher(EVP_CIPHER_CTX *context, const uint8_t *vector, uint8_t *out, const uint8_t *in, size_t length)
{
	int written = 0;

	if (vector != NULL && EVP_CipherInit_ex(context, NULL, NULL, NULL, vector, -1) != 1)
		return false;
	return EVP_CipherUpdate(context, out, &written, in, (int)length) == 1 && (size_t)written == length;
}

static bool take_random(struct agno *agno, void *out, unsigned size)
{
	if (agno->pool_used + size > sizeof(agno->pool)) {
		if (getrandom(agno->pool, sizeof(agno->pool), 0) != (ssize_t)sizeof(agno->pool))
			return false;
		agno->pool_used = 0;
	}
	memcpy(out, agno->pool + agno->pool_used, size);
	agno->pool_used += size;
	return true;
}

/* The type that a frame travels with. */
static bool choose_type(struct agno *agno, uint16_t original, uint16_t *type)
{
	uint16_t number = 0;

	*type = agno->type == AGNO_TYPE_COPY ? original : agno->type;
	if (agno->type != AGNO_TYPE_RANDOM)
		return true;
	if (!take_random(agno, &number, sizeof(number)))
		return false;
	*type = (uint16_t)(TYPE_MIN + number % (TYPE_MAX - TYPE_MIN + 1));
	return true;
}

size_t agno_encrypt(struct agno *agno, const uint8_t *frame, size_t length, uint32_t now, uint8_t *out)
{
	uint8_t header[AGNO_BLOCK] = {0}, *payload = out + PAYLOAD_OFFSET;
	size_t body = length - ETHERNET_HEADER_SIZE, whole;
	uint16_t type;

	memcpy(payload, frame + ETHERNET_HEADER_SIZE, body);
	if (length < ETHERNET_MIN_SIZE) {
		memset(payload + body, 0, ETHERNET_MIN_SIZE - length);
		body = ETHERNET_MIN_SIZE - ETHERNET_HEADER_SIZE;
	}
	whole = (body + AGNO_BLOCK - 1) / AGNO_BLOCK * AGNO_BLOCK;
	memset(payload + body, 0, whole - body);
	memcpy(header, frame + TYPE_OFFSET, 2);
	header[AT_PAD] = (uint8_t)(whole - body);
	memcpy(header + AT_TAG, tag, sizeof(tag));
	write_be32(header + AT_TIME, now);
	if (!choose_type(agno, read_be16(frame + TYPE_OFFSET), &type) || !take_random(agno, header + AT_RANDOM, RANDOM_SIZE) ||
	    !run_cipher(agno->header_out, NULL, out + ETHERNET_HEADER_SIZE, header, AGNO_BLOCK) ||
	    !run_cipher(agno->payload_out, header, payload, payload, whole))
		return 0;
	memcpy(out, frame, TYPE_OFFSET);
	write_be16(out + TYPE_OFFSET, type);
	return PAYLOAD_OFFSET + whole;
}

static bool is_current(uint32_t then, uint32_t now)
{
	uint32_t age = now - then + FUTURE_S;

	return age <= PAST_S + FUTURE_S;
}

/* Bytes behind the last whole block are a short frame's padding. */
size_t agno_decrypt(struct agno *agno, uint8_t *frame, size_t length, uint32_t now)
{
	uint8_t header[AGNO_BLOCK], *payload = frame + PAYLOAD_OFFSET;
	size_t whole, pad;

	if (length < PAYLOAD_OFFSET || !run_cipher(agno->header_in, NULL, header, frame + ETHERNET_HEADER_SIZE, AGNO_BLOCK))
		return 0;
	if (memcmp(header + AT_TAG, tag, sizeof(tag)) != 0 || !is_current(read_be32(header + AT_TIME), now))
		return 0;
	whole = (length - PAYLOAD_OFFSET) / AGNO_BLOCK * AGNO_BLOCK;
	pad = header[AT_PAD] & (AGNO_BLOCK - 1);
	if (pad > whole || (whole > 0 && !run_cipher(agno->payload_in, header, payload, payload, whole)))
		return 0;
	memcpy(frame + TYPE_OFFSET, header, 2);
	memmove(frame + ETHERNET_HEADER_SIZE, payload, whole - pad);
	return ETHERNET_HEADER_SIZE + whole - pad;
}
