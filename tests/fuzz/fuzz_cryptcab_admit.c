/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The introduction's lines, at the server's door and from ssh's output, and what follows -c. */
#include "vde_cryptcab/address.h"
#include "vde_cryptcab/introduction.h"

#include "fuzz.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static void check_line(const char *line)
{
	uint8_t key_id[KEY_ID_SIZE], secret[SECRET_SIZE];
	char again[INTRODUCTION_LINE_MAX + 2];
	struct address_target target;
	const char *text = NULL;

	if (introduction_read(line, strlen(line), key_id, secret) == 0) {
		size_t length = introduction_write(again, key_id, secret);

		assert(length == strlen(line) + 1 && strncmp(again, line, length - 1) == 0);
	}
	if (introduction_answer(line, &text) == ANSWER_ERROR)
		assert(text && strlen(text) < strlen(line));
	if (address_parse_target(&target, line, 7667) == 0) {
		assert(target.host[0] && target.host[0] != '-' && target.user[0] != '-');
		assert(strlen(target.host) < sizeof(target.host) && target.port >= 1 && target.port <= 65535);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct line_reader reader = { .length = 0 };

	for (size_t i = 0; i < size; i++)
		if (line_reader_take(&reader, (char)data[i]))
			check_line(reader.line);
	return 0;
}
