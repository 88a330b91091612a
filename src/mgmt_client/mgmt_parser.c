/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation
 *
 * A server's stream is lines, and prompts, which have no newline:
 *
 *      banner lines, an empty line
 *      PROMPT                          a word that ends in "$ ": "vde$ ", "VDEwf$ "
 *      [0000 DATA END WITH '.'         a data block, only for some commands
 *       lines, "." ]
 *      1NNN text                       the result; `load` gives one for each line of its file, and one for itself
 *      (empty line) PROMPT
 *
 * "3NNN path text" may stand between any two of these, also right behind a prompt, but never inside a data block, which
 * servers write in one piece. So there are two states, outside and inside a block. Outside, the bytes since the last newline are
 * a prompt as soon as they look like one. Inside, no line is anything but data until "."; the servers of this
 * suite double the dot of a data line that is only a dot.
 */
#include "mgmt_parser.h"

#include <string.h>

void mgmt_parser_init(struct mgmt_parser *parser, mgmt_event_handler *handler, void *owner)
{
	parser->handler = handler;
	parser->owner = owner;
	parser->length = 0;
	parser->in_data = false;
}

static void emit(struct mgmt_parser *parser, enum mgmt_event_kind kind, unsigned code, size_t skip)
{
	struct mgmt_event event = { .kind = kind, .code = code, .text = parser->line + skip, .length = parser->length - skip };

	parser->handler(parser->owner, &event);
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Four digits and a blank or the end: their value; else -1. */
static int line_code(const struct mgmt_parser *parser)
{
	const char *line = parser->line;

	if (parser->length < 4 || !is_digit(line[0]) || !is_digit(line[1]) || !is_digit(line[2]) || !is_digit(line[3]))
		return -1;
	if (parser->length > 4 && line[4] != ' ')
		return -1;
	return (line[0] - '0') * 1000 + (line[1] - '0') * 100 + (line[2] - '0') * 10 + (line[3] - '0');
}

static void data_line(struct mgmt_parser *parser)
{
	if (parser->length == 1 && parser->line[0] == '.') {
		parser->in_data = false;
		emit(parser, MGMT_EVENT_DATA_END, 0, 0);
		return;
	}
	emit(parser, MGMT_EVENT_DATA, 0, parser->length == 2 && memcmp(parser->line, "..", 2) == 0 ? 1 : 0);
}

static void outer_line(struct mgmt_parser *parser)
{
	int code = line_code(parser);
	size_t skip = parser->length > 4 ? 5 : 4;

	if (parser->length == 0)
		return;
	if (code == 0 && strncmp(parser->line, "0000 DATA", 9) == 0) {
		parser->in_data = true;
		emit(parser, MGMT_EVENT_DATA_BEGIN, 0, skip);
	} else if ((code >= 1000 && code <= 1999) || code == MGMT_CODE_END) {
		emit(parser, MGMT_EVENT_CODE, (unsigned)code, skip);
	} else if (code >= 3000 && code <= 3999) {
		emit(parser, MGMT_EVENT_ASYNC, (unsigned)code, skip);
	} else {
		emit(parser, MGMT_EVENT_TEXT, 0, 0);
	}
}

static void end_line(struct mgmt_parser *parser)
{
	if (parser->length > 0 && parser->line[parser->length - 1] == '\r')
		parser->length--;
	parser->line[parser->length] = '\0';
	if (parser->in_data)
		data_line(parser);
	else
		outer_line(parser);
	parser->length = 0;
}

/* One word, then "$ ", and nothing else since the last newline. */
static bool is_prompt(const struct mgmt_parser *parser)
{
	size_t length = parser->length;

	if (parser->in_data || length < 3 || length > MGMT_PARSER_PROMPT_MAX || memcmp(parser->line + length - 2, "$ ", 2) != 0)
		return false;
	return memchr(parser->line, ' ', length - 1) == NULL;
}

void mgmt_parser_feed(struct mgmt_parser *parser, const char *bytes, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (bytes[i] == '\n') {
			end_line(parser);
			continue;
		}
		if (parser->length < MGMT_PARSER_LINE_MAX)
			parser->line[parser->length++] = bytes[i];
		if (bytes[i] == ' ' && is_prompt(parser)) {
			parser->line[parser->length] = '\0';
			emit(parser, MGMT_EVENT_PROMPT, 0, 0);
			parser->length = 0;
		}
	}
}

void mgmt_parser_end(struct mgmt_parser *parser)
{
	if (parser->length > 0)
		end_line(parser);
}
