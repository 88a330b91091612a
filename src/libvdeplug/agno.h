/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The frames of agno://. See agno.c for the format and for what it does not give.
 */
#ifndef VDE_AGNO_H
#define VDE_AGNO_H

#include "common/frame.h"

#include <openssl/evp.h>

enum {
	AGNO_KEY = 16,                  /* bytes: AES-128 */
	AGNO_BLOCK = 16,
	AGNO_GROWTH = 64,               /* of the shortest frame; of most frames 16 to 31 */
	AGNO_RANDOM_POOL = 256,
	AGNO_TYPE_DEFAULT = 0xa6de,
	AGNO_TYPE_COPY = 0,             /* the type of the frame itself */
	AGNO_TYPE_RANDOM = 1,           /* another one for each frame */
};

struct agno {
	uint16_t type;                  /* of what is sent, or one of the two above */
	EVP_CIPHER_CTX *header_out, *payload_out;       /* the writer's */
	EVP_CIPHER_CTX *header_in, *payload_in;         /* the reader's */
	unsigned pool_used;
	uint8_t pool[AGNO_RANDOM_POOL]; /* random bytes in advance */
};

/*
 * Reads the key from the text of a key file: the hexadecimal digits in it, at most 32 of them, whatever stands between; a shorter key is filled up with zeros.
 * Returns 0, or EINVAL: less than two digits.
 */
int agno_read_key(uint8_t key[AGNO_KEY], const char *text, size_t length);
/* "copy", "ipv4", "ipv6", "rand", or a number; "" and 0: the default. Returns 0 or EINVAL. */
int agno_read_type(uint16_t *type, const char *text);

/* Returns 0 or an errno value. To be ended by agno_finish, also after an error. */
int agno_init(struct agno *agno, const uint8_t key[AGNO_KEY], uint16_t type);
void agno_finish(struct agno *agno);

/*
 * Encrypts a frame of at least ETHERNET_HEADER_SIZE bytes to `out`, which has room for length + AGNO_GROWTH. Returns the new length; 0 when it could not be
 * done. now: seconds of the calendar.
 */
size_t agno_encrypt(struct agno *agno, const uint8_t *frame, size_t length, uint32_t now, uint8_t *out);
/* Decrypts in place. Returns the frame's length; 0: not for us, too old or too short. */
size_t agno_decrypt(struct agno *agno, uint8_t *frame, size_t length, uint32_t now);

#endif
