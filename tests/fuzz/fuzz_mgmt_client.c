/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The client's side of the management protocol: any bytes, in any pieces, give the same events; blocks become JSON; lists are completed. */
#include "mgmt_client/mgmt_parser.h"
#include "vdecmd/command_source.h"
#include "vdecmd/json_block.h"
#include "vdeterm/completion.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINES_MAX = 512 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
	uint64_t digest;                /* of all events */
	char *line[LINES_MAX];
	size_t lines;
	bool rule_seen;
	struct word_list words;
};

static void mix(struct seen *seen, const void *bytes, size_t count)
{
	const uint8_t *byte = bytes;

	for (size_t i = 0; i < count; i++)
		seen->digest = (seen->digest ^ byte[i]) * 1099511628211u;
}

static void take(void *owner, const struct mgmt_event *event)
{
	struct seen *seen = owner;

	if (event->text[event->length] != '\0')
		abort();
	mix(seen, &event->kind, sizeof(event->kind));
	mix(seen, &event->code, sizeof(event->code));
	mix(seen, event->text, event->length);
	if (event->kind != MGMT_EVENT_DATA)
		return;
	listing_line(argument_listing(ARGUMENT_COMMAND), &seen->rule_seen, event->text, &seen->words);
	listing_line(argument_listing(ARGUMENT_PORT), &seen->rule_seen, event->text, &seen->words);
	if (seen->lines < LINES_MAX)
		seen->line[seen->lines++] = strdup(event->text);
}

static void forget(struct seen *seen)
{
	for (size_t i = 0; i < seen->lines; i++)
		free(seen->line[i]);
	word_list_clear(&seen->words);
}

static void parse(struct seen *seen, const uint8_t *data, size_t size, size_t piece)
{
	static struct mgmt_parser parser;

	memset(seen, 0, sizeof(*seen));
	mgmt_parser_init(&parser, take, seen);
	for (size_t at = 0; at < size; at += piece)
		mgmt_parser_feed(&parser, (const char *)data + at, size - at < piece ? size - at : piece);
	mgmt_parser_end(&parser);
}

static void as_json(struct seen *seen)
{
	static const char *const commands[] = { "port/print", "hash/print", "vlan/print", "showinfo", "fstp/print", "help" };
	FILE *out = fopen("/dev/null", "w");

	if (out == NULL)
		return;
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		json_block(out, commands[i], seen->line, seen->lines);
	fclose(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct seen whole, bytes;

	parse(&whole, data, size, size > 0 ? size : 1);
	parse(&bytes, data, size, 1);
	if (whole.digest != bytes.digest)
		abort();
	as_json(&whole);
	for (size_t i = 0; i < whole.lines; i++) {
		command_source_is_old_script(whole.line[i]);
		argument_kind(whole.line[i], (unsigned)i % 4);
	}
	forget(&whole);
	forget(&bytes);
	return 0;
}
