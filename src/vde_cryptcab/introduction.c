/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "introduction.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char *write_hex(char *out, const uint8_t *bytes, size_t length)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < length; i++) {
		*out++ = digits[bytes[i] >> 4];
		*out++ = digits[bytes[i] & 15];
	}
	return out;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool read_hex(const char *text, uint8_t *out, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		int high = hex_digit(text[2 * i]), low = hex_digit(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		out[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

size_t introduction_write(char *out, const uint8_t key_id[KEY_ID_SIZE], const uint8_t secret[SECRET_SIZE])
{
	char *end = stpcpy(out, INTRODUCTION_WORD);

	end = write_hex(end, key_id, KEY_ID_SIZE);
	*end++ = ' ';
	end = write_hex(end, secret, SECRET_SIZE);
	*end++ = '\n';
	*end = 0;
	return (size_t)(end - out);
}

int introduction_read(const char *line, size_t length, uint8_t key_id[KEY_ID_SIZE], uint8_t secret[SECRET_SIZE])
{
	const size_t word = sizeof(INTRODUCTION_WORD) - 1, id = 2 * KEY_ID_SIZE;

	if (length != word + id + 1 + 2 * SECRET_SIZE || memcmp(line, INTRODUCTION_WORD, word) != 0 || line[word + id] != ' ')
		return EINVAL;
	return read_hex(line + word, key_id, KEY_ID_SIZE) && read_hex(line + word + id + 1, secret, SECRET_SIZE) ? 0 : EINVAL;
}

enum introduction_answer introduction_answer(const char *line, const char **text)
{
	line = strstr(line, INTRODUCTION_WORD);
	if (!line)
		return ANSWER_OTHER;
	line += sizeof(INTRODUCTION_WORD) - 1;
	if (strcmp(line, "ok") == 0 || strcmp(line, "ok\r") == 0)
		return ANSWER_OK;
	if (strncmp(line, "error ", 6) != 0)
		return ANSWER_OTHER;
	*text = line + 6;
	return ANSWER_ERROR;
}

bool line_reader_take(struct line_reader *reader, char byte)
{
	if (byte == '\n') {
		reader->line[reader->length] = 0;
		reader->length = 0;
		return true;
	}
	if (reader->length < INTRODUCTION_LINE_MAX)
		reader->line[reader->length++] = byte;
	return false;
}

static unsigned add_place(char places[][INTRODUCTION_PATH_SIZE], unsigned count, const char *directory, const char *below, unsigned port)
{
	int length;

	if (!directory || directory[0] != '/')
		return count;
	length = snprintf(places[count], INTRODUCTION_PATH_SIZE, "%s%s/vde_cryptcab-%u", directory, below, port);
	return length > 0 && length < INTRODUCTION_PATH_SIZE ? count + 1 : count;
}

unsigned introduction_places(unsigned port, char places[INTRODUCTION_PLACES][INTRODUCTION_PATH_SIZE])
{
	unsigned count = add_place(places, 0, getenv("XDG_RUNTIME_DIR"), "", port);
	char user[32];

	if (geteuid() != 0) {
		snprintf(user, sizeof(user), "/run/user/%u", (unsigned)geteuid());
		count = add_place(places, count, user, "", port);
		count = add_place(places, count, getenv("HOME"), "/.vde2", port);
	}
	return add_place(places, count, "/run", "", port);
}
