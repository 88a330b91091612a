/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The client's side of the management language, as a pure state machine: bytes go in as they arrive, events come out.
 * It knows no socket and no clock; any split of the same bytes gives the same events.
 */
#ifndef VDE_MGMT_PARSER_H
#define VDE_MGMT_PARSER_H

#include <stdbool.h>
#include <stddef.h>

enum {
	MGMT_PARSER_LINE_MAX = 16384,   /* bytes of a line that are kept; the rest of a longer one is left out */
	MGMT_PARSER_PROMPT_MAX = 64,    /* bytes of a prompt */
	MGMT_CODE_SUCCESS = 1000,
	MGMT_CODE_END = 9999,           /* "END OF SESSION": the answer to logout and shutdown */
};

enum mgmt_event_kind {
	MGMT_EVENT_TEXT,        /* a line that is none of the others: the banner, a line echoed by `load` */
	MGMT_EVENT_DATA_BEGIN,  /* "0000 DATA END WITH '.'" */
	MGMT_EVENT_DATA,        /* a line of the data block */
	MGMT_EVENT_DATA_END,    /* "." */
	MGMT_EVENT_CODE,        /* "1NNN text" and "9999 text": code is the number, text what follows it */
	MGMT_EVENT_ASYNC,       /* "3NNN path text": code is the number as printed, text what follows it */
	MGMT_EVENT_PROMPT,      /* the server awaits a command: the one before is answered in full */
};

struct mgmt_event {
	enum mgmt_event_kind kind;
	unsigned code;
	const char *text;       /* NUL terminated, without the line's end; valid during the call */
	size_t length;          /* of text; a NUL that the server sent counts and ends nothing */
};

typedef void mgmt_event_handler(void *owner, const struct mgmt_event *event);

struct mgmt_parser {
	mgmt_event_handler *handler;
	void *owner;
	size_t length;          /* bytes of `line` in use */
	bool in_data;           /* between DATA_BEGIN and DATA_END */
	char line[MGMT_PARSER_LINE_MAX + 1];
};

void mgmt_parser_init(struct mgmt_parser *parser, mgmt_event_handler *handler, void *owner);
/* Calls the handler for each event that the bytes complete. */
void mgmt_parser_feed(struct mgmt_parser *parser, const char *bytes, size_t count);
/* The connection's end: a line that had no newline is handed over. */
void mgmt_parser_end(struct mgmt_parser *parser);

#endif
