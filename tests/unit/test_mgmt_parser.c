/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "mgmt_client/mgmt_parser.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TRACE_SIZE = 65536 };

static const char letters[] = { [MGMT_EVENT_TEXT] = 'T', [MGMT_EVENT_DATA_BEGIN] = '{', [MGMT_EVENT_DATA] = 'D',
				[MGMT_EVENT_DATA_END] = '}', [MGMT_EVENT_CODE] = 'C', [MGMT_EVENT_ASYNC] = 'A',
				[MGMT_EVENT_PROMPT] = 'P' };

static void trace_event(void *owner, const struct mgmt_event *event)
{
	char *trace = owner;
	size_t used = strlen(trace);

	assert_int_equal(event->text[event->length], '\0');
	if (event->code != 0)
		snprintf(trace + used, TRACE_SIZE - used, "%c%u:%s|", letters[event->kind], event->code, event->text);
	else
		snprintf(trace + used, TRACE_SIZE - used, "%c%s|", letters[event->kind], event->text);
}

static void parse(const char *bytes, size_t count, size_t piece, char *trace)
{
	struct mgmt_parser *parser = malloc(sizeof(*parser));

	trace[0] = '\0';
	mgmt_parser_init(parser, trace_event, trace);
	for (size_t at = 0; at < count; at += piece)
		mgmt_parser_feed(parser, bytes + at, count - at < piece ? count - at : piece);
	mgmt_parser_end(parser);
	free(parser);
}

static const struct {
	const char *bytes, *events;
} streams[] = {
	{ "", "" },
	{ "VDE switch V.2.3.2\n(C) Somebody\n\nvde$ ", "TVDE switch V.2.3.2|T(C) Somebody|Pvde$ |" },
	{ "\nVDEwf$ ", "PVDEwf$ |" },
	{ "vde$ 1000 Success\n\nvde$ ", "Pvde$ |C1000:Success|Pvde$ |" },
	{ "1006 No such device or address\n\nvde$ ", "C1006:No such device or address|Pvde$ |" },
	{ "0000 DATA END WITH '.'\nNumports=32\n.\n1000 Success\n\nvde$ ",
	  "{DATA END WITH '.'|DNumports=32|}.|C1000:Success|Pvde$ |" },
	/* inside a block nothing but "." ends it */
	{ "0000 DATA END WITH '.'\n1000 Success\nvde$ \n\n3021 x\n..\n. \n.\n1000 Success\n",
	  "{DATA END WITH '.'|D1000 Success|Dvde$ |D|D3021 x|D.|D. |}.|C1000:Success|" },
	/* asynchronous lines before and behind a prompt */
	{ "1000 Success\n3021 port/+ 01\n\nvde$ 3022 port/- 01\n3031 x\n", "C1000:Success|A3021:port/+ 01|Pvde$ |A3022:port/- 01|A3031:x|" },
	/* load: an echo and a code for each line */
	{ "vde[/root/my.rc]: port/create 23\n1000 Success\n1000 Success\n\nvde$ ",
	  "Tvde[/root/my.rc]: port/create 23|C1000:Success|C1000:Success|Pvde$ |" },
	{ "9999 END OF SESSION", "C9999:END OF SESSION|" },
	{ "1000\n10000 x\n1000x\n2000 x\n0000 nothing\n", "C1000:|T10000 x|T1000x|T2000 x|T0000 nothing|" },
	{ "1000 Success\r\n\r\nvde$ ", "C1000:Success|Pvde$ |" },
	/* a sentence is no prompt */
	{ "it costs 5$ and more\n$ \n", "Tit costs 5$ and more|T$ |" },
};

static void test_streams(void **state)
{
	char *trace = malloc(TRACE_SIZE);

	(void)state;
	for (size_t i = 0; i < sizeof(streams) / sizeof(streams[0]); i++)
		for (size_t piece = 1; piece <= strlen(streams[i].bytes) + 1; piece++) {
			parse(streams[i].bytes, strlen(streams[i].bytes), piece, trace);
			assert_string_equal(trace, streams[i].events);
		}
	free(trace);
}

static void test_long_line(void **state)
{
	enum { LENGTH = 3 * MGMT_PARSER_LINE_MAX };
	char *bytes = malloc(LENGTH + 16), *trace = malloc(TRACE_SIZE);

	(void)state;
	memset(bytes, 'x', LENGTH);
	memcpy(bytes + LENGTH, "\n1000 Success\n", 15);
	parse(bytes, LENGTH + 14, 1000, trace);
	assert_int_equal(strlen(trace), 1 + MGMT_PARSER_LINE_MAX + 1 + strlen("C1000:Success|"));
	assert_string_equal(trace + 1 + MGMT_PARSER_LINE_MAX, "|C1000:Success|");
	free(bytes);
	free(trace);
}

static void test_nul_bytes(void **state)
{
	char *trace = malloc(TRACE_SIZE);

	(void)state;
	parse("1000 a\0b\n1000 Success\n", 22, 3, trace);
	assert_string_equal(trace, "C1000:a|C1000:Success|");
	free(trace);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_streams),
		cmocka_unit_test(test_long_line),
		cmocka_unit_test(test_nul_bytes),
	};

	return cmocka_run_group_tests_name("mgmt_parser", tests, NULL, NULL);
}
