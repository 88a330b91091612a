/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * agno://, with a key that is known. The first byte says what the rest is: a key file, an ethertype, a datagram as it came, or one whose header is still to be encrypted,
 * so that what lies behind the check of the header is reached.
 */
#include "libvdeplug/agno.h"

#include "fuzz.h"

#include <assert.h>
#include <stdlib.h>

enum { NOW = 1700000000, HEADER_AT = ETHERNET_HEADER_SIZE, TYPE_TEXT_MAX = 64 };

static const uint8_t key[AGNO_KEY] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 };

static void decrypt(struct agno *agno, const uint8_t *data, size_t size, bool finish_header)
{
	uint8_t *frame = malloc(size > 0 ? size : 1);
	int written;

	assert(frame != NULL);
	memcpy(frame, data, size);
	if (finish_header && size >= HEADER_AT + AGNO_BLOCK)
		EVP_CipherUpdate(agno->header_out, frame + HEADER_AT, &written, data + HEADER_AT, AGNO_BLOCK);
	assert(agno_decrypt(agno, frame, size, NOW) <= size);
	free(frame);
}

/* Out and back. */
static void encrypt(struct agno *agno, const uint8_t *data, size_t size)
{
	uint8_t *out;
	size_t length, wanted = size < ETHERNET_MIN_SIZE ? ETHERNET_MIN_SIZE : size;

	if (size < ETHERNET_HEADER_SIZE || size > FRAME_MAX_SIZE)
		return;
	out = malloc(size + AGNO_GROWTH);
	assert(out != NULL);
	length = agno_encrypt(agno, data, size, NOW, out);
	assert(length > size && length <= size + AGNO_GROWTH);
	assert(agno_decrypt(agno, out, length, NOW) == wanted && memcmp(out, data, size) == 0);
	free(out);
}

static void read_texts(const uint8_t *data, size_t size, bool is_type)
{
	char text[TYPE_TEXT_MAX];
	uint8_t out[AGNO_KEY];
	uint16_t type;

	if (!is_type) {
		agno_read_key(out, (const char *)data, size);
		return;
	}
	if (size >= sizeof(text))
		size = sizeof(text) - 1;
	memcpy(text, data, size);
	text[size] = '\0';
	if (agno_read_type(&type, text) == 0)
		assert(type == AGNO_TYPE_COPY || type == AGNO_TYPE_RANDOM || (type >= 0x600 && type <= 0xfffe));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct agno agno;

	if (size == 0)
		return 0;
	if (agno_init(&agno, key, AGNO_TYPE_DEFAULT) != 0)
		abort();
	switch (data[0] % 5) {
	case 0: read_texts(data + 1, size - 1, false); break;
	case 1: read_texts(data + 1, size - 1, true); break;
	case 2: decrypt(&agno, data + 1, size - 1, false); break;
	case 3: decrypt(&agno, data + 1, size - 1, true); break;
	default: encrypt(&agno, data + 1, size - 1); break;
	}
	agno_finish(&agno);
	return 0;
}
