/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/command.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void reply_init(struct reply *reply)
{
	*reply = (struct reply){ 0 };
}

void reply_free(struct reply *reply)
{
	free(reply->text);
	reply_init(reply);
}

/* Makes room for `more` bytes and a NUL. */
static bool reply_reserve(struct reply *reply, size_t more)
{
	size_t size = reply->size ? reply->size : 256;
	char *text;

	if (reply->truncated || more > REPLY_MAX || reply->length + more > REPLY_MAX) {
		reply->truncated = true;
		return false;
	}
	if (reply->length + more < reply->size)
		return true;
	while (size <= reply->length + more)
		size *= 2;
	text = realloc(reply->text, size);
	if (!text) {
		reply->truncated = true;
		return false;
	}
	reply->text = text;
	reply->size = size;
	return true;
}

void reply_append(struct reply *reply, const char *text, size_t length)
{
	if (!reply_reserve(reply, length))
		return;
	memcpy(reply->text + reply->length, text, length);
	reply->length += length;
	reply->text[reply->length] = '\0';
}

void reply_printf(struct reply *reply, const char *format, ...)
{
	size_t room = reply->size - reply->length;
	va_list arguments;
	int length;

	if (reply->truncated)
		return;
	va_start(arguments, format);
	length = vsnprintf(room ? reply->text + reply->length : NULL, room, format, arguments);
	va_end(arguments);
	if (length < 0)
		return;
	if ((size_t)length >= room) {
		if (!reply_reserve(reply, (size_t)length)) {
			if (room)
				reply->text[reply->length] = '\0';
			return;
		}
		va_start(arguments, format);
		vsnprintf(reply->text + reply->length, (size_t)length + 1, format, arguments);
		va_end(arguments);
	}
	reply->length += (size_t)length;
}

/* Width of "-NNs" or "s" after a %, and how many characters that is; 0: no such thing. */
static size_t parse_field(const char *text, size_t *width)
{
	size_t at = 0;

	*width = 0;
	if (text[at] == '-')
		at++;
	for (; text[at] >= '0' && text[at] <= '9' && at < 4; at++)
		*width = *width * 10 + (size_t)(text[at] - '0');
	return text[at] == 's' ? at + 1 : 0;
}

void reply_expand(struct reply *reply, const char *format, const char *const *argument, unsigned count)
{
	unsigned used = 0;

	while (*format) {
		size_t plain = strcspn(format, "%");
		size_t width, field;

		reply_append(reply, format, plain);
		format += plain;
		if (!*format)
			break;
		field = parse_field(format + 1, &width);
		if (field && used < count) {
			const char *text = argument[used++];

			reply_printf(reply, "%-*s", (int)width, text ? text : "");
			format += 1 + field;
		} else {
			reply_append(reply, "%", 1);
			format += format[1] == '%' ? 2 : 1;
		}
	}
}

const struct command *command_find(const struct command_set *set, const char *path)
{
	for (const struct command *row = set->rows; row->path; row++)
		if ((row->run || row->flags & COMMAND_BUILTIN) && strcmp(row->path, path) == 0)
			return row;
	return NULL;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static char *skip_blanks(char *text)
{
	while (is_blank(*text))
		text++;
	return text;
}

static char *skip_word(char *text)
{
	while (*text && !is_blank(*text))
		text++;
	return text;
}

const char *command_split(char *line, char *copy, struct args *args)
{
	char *path = skip_blanks(line);
	char *end = path + strlen(path);
	char *text, *word;

	*args = (struct args){ 0 };
	while (end > path && (is_blank(end[-1]) || end[-1] == '\r'))
		*--end = '\0';
	if (*path == '#')
		*path = '\0';
	text = skip_word(path);
	if (*text) {
		*text = '\0';
		text = skip_blanks(text + 1);
	}
	args->text = text;
	strcpy(copy, text);
	for (word = copy; *word; word = skip_blanks(word)) {
		if (args->count < COMMAND_MAX_WORDS)
			args->word[args->count] = word;
		args->count++;
		word = skip_word(word);
		if (*word)
			*word++ = '\0';
	}
	return path;
}

int command_check_args(const struct command *command, struct args *args)
{
	if (command->flags & COMMAND_RAW) {
		args->count = args->text[0] != '\0';
		args->word[0] = args->count ? args->text : NULL;
	}
	if (args->count > COMMAND_MAX_WORDS || args->count < command->min_args || args->count > command->max_args)
		return EINVAL;
	return 0;
}
