/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vde_autolink/words.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

struct scan {
	const char *at;
	const struct words_variable *variables;
	struct words *words;
	size_t used;                    /* bytes */
	bool in_word;
	char quote;                     /* 0, ' or " */
};

static int put(struct scan *scan, char c)
{
	struct words *words = scan->words;

	if (!scan->in_word) {
		if (words->count == WORDS_MAX)
			return E2BIG;
		words->word[words->count++] = words->bytes + scan->used;
		scan->in_word = true;
	}
	/* one byte stays for the end of the word */
	if (scan->used + 1 >= sizeof(words->bytes))
		return E2BIG;
	if (c != '\0')
		words->bytes[scan->used++] = c;
	return 0;
}

static void end_word(struct scan *scan)
{
	if (scan->in_word)
		scan->words->bytes[scan->used++] = '\0';
	scan->in_word = false;
}

static const char *value_of(const struct scan *scan, const char *name, size_t length)
{
	for (const struct words_variable *variable = scan->variables; variable->name; variable++)
		if (strlen(variable->name) == length && strncmp(variable->name, name, length) == 0)
			return variable->value;
	return NULL;
}

/* Behind a $. */
static int put_variable(struct scan *scan)
{
	bool braces = *scan->at == '{';
	const char *name = scan->at + braces, *value;
	size_t length = 0;
	int error = 0;

	while (isalnum((unsigned char)name[length]) || name[length] == '_')
		length++;
	if (length == 0 || (braces && name[length] != '}'))
		return EINVAL;
	value = value_of(scan, name, length);
	if (!value) {
		snprintf(scan->words->unknown, sizeof(scan->words->unknown), "%.*s", length < 31 ? (int)length : 31, name);
		return ENOENT;
	}
	scan->at = name + length + braces;
	/* an empty value in quotation marks is a word, too */
	if (scan->quote)
		error = put(scan, '\0');
	while (!error && *value)
		error = put(scan, *value++);
	return error;
}

static int step(struct scan *scan)
{
	char c = *scan->at++;

	if (scan->quote == '\'' || (scan->quote && c == scan->quote)) {
		if (c != scan->quote)
			return put(scan, c);
		scan->quote = '\0';
		return 0;
	}
	if (c == '\\')
		return *scan->at ? put(scan, *scan->at++) : EINVAL;
	if (c == '$')
		return put_variable(scan);
	if (scan->quote)
		return put(scan, c);
	if (c == '\'' || c == '"') {
		scan->quote = c;
		return put(scan, '\0');
	}
	if (c != ' ' && c != '\t')
		return put(scan, c);
	end_word(scan);
	return 0;
}

int words_expand(const char *text, const struct words_variable *variables, struct words *words)
{
	struct scan scan = { .at = text, .variables = variables, .words = words };
	int error = 0;

	words->count = 0;
	words->unknown[0] = '\0';
	while (!error && *scan.at)
		error = step(&scan);
	if (!error && scan.quote)
		error = EINVAL;
	if (!error)
		end_word(&scan);
	words->word[words->count] = NULL;
	return error || words->count > 0 ? error : ENODATA;
}
