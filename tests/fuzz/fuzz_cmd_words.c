/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The words of cmd://: whatever the text, at most as many as there is room for, all within it. */
#include "libvdeplug/cmd_words.h"

#include "fuzz.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static char *copy(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	assert(text != NULL);
	memcpy(text, data, size);
	text[size] = '\0';
	return text;
}

static void split(const uint8_t *data, size_t size)
{
	char *text = copy(data, size), *words[16];

	if (cmd_words_split(text, words, 16) == 0) {
		for (unsigned i = 0; words[i] != NULL; i++)
			assert(i < 15 && words[i] >= text && words[i] + strlen(words[i]) <= text + size);
	}
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	split(data, size);
	return 0;
}
