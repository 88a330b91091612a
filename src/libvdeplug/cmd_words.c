/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cmd_words.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n';
}

/* Takes one word; the rest begins at *next, behind the blank. Returns 0 or EINVAL. */
static int take_word(char *text, char **next)
{
	char *out = text, quote = 0;

	for (; *text != '\0' && (quote != 0 || !is_blank(*text)); text++) {
		if (quote != 0 && *text == quote) {
			quote = 0;
		} else if (quote == 0 && (*text == '\'' || *text == '"')) {
			quote = *text;
		} else if (*text == '\\' && (quote == 0 || (quote == '"' && (text[1] == '"' || text[1] == '\\')))) {
			if (*++text == '\0')
				return EINVAL;
			*out++ = *text;
		} else {
			*out++ = *text;
		}
	}
	*next = *text != '\0' ? text + 1 : text;
	*out = '\0';
	return quote == 0 ? 0 : EINVAL;
}

int cmd_words_split(char *text, char **words, unsigned max)
{
	unsigned count = 0;

	for (;;) {
		int error;

		while (is_blank(*text))
			text++;
		if (*text == '\0')
			break;
		if (count + 1 >= max)
			return E2BIG;
		words[count++] = text;
		error = take_word(text, &text);
		if (error != 0)
			return error;
	}
	words[count] = NULL;
	return count > 0 ? 0 : EINVAL;
}
