/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A wire's command, on the first line; on the second a host: whatever is in it stays one word. */
#include "vde_autolink/words.h"

#include "fuzz.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), *host;
	struct words *words = malloc(sizeof(*words)), *plain = malloc(sizeof(*plain));
	int error, plain_error;

	assert(text && words && plain);
	memcpy(text, data, size);
	text[size] = '\0';
	host = strchr(text, '\n');
	if (host)
		*host++ = '\0';
	const struct words_variable variables[] = { { "mysock", "/tmp/a b" }, { "myport", "7" }, { "remotehost", host ? host : "" }, { NULL, NULL } };
	const struct words_variable simple[] = { { "mysock", "x" }, { "myport", "x" }, { "remotehost", host && *host ? "x" : "" }, { NULL, NULL } };
	error = words_expand(text, variables, words);
	plain_error = words_expand(text, simple, plain);
	if (error == 0) {
		assert(plain_error == 0 && words->count == plain->count && words->word[words->count] == NULL);
		for (unsigned i = 0; i < words->count; i++)
			assert(words->word[i] >= words->bytes && words->word[i] + strlen(words->word[i]) < words->bytes + sizeof(words->bytes));
	} else {
		assert(error == plain_error || error == E2BIG);
	}
	free(plain);
	free(words);
	free(text);
	return 0;
}
