/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Any lines as commands, each followed by frames both ways and a little time: whatever was set, the filter ends, keeps its bounds and
 * loses no count. Lines that would open files are left out.
 */
#include "wirefilter/commands.h"

#include "fuzz.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { LINES_MAX = 60 };

static uint64_t one_second_past_boot(void)
{
	return 1000000000;
}

static bool check_frames(void *owner, const struct frame *frames, unsigned count)
{
	(void)owner;
	assert(count > 0 && count <= IMPAIR_BATCH);
	for (unsigned i = 0; i < count; i++)
		assert(frames[i].length >= ETHERNET_HEADER_SIZE && frames[i].length <= FRAME_MAX_SIZE);
	return true;
}

static void no_shutdown(void *owner)
{
	(void)owner;
}

static void check_counts(const struct impair *impair)
{
	const struct impair_counters *c = &impair->counters;
	uint64_t dropped = 0;

	for (int i = 0; i < DROP_COUNT; i++)
		dropped += c->dropped[i];
	assert(c->frames_in + c->duplicated == c->frames_out + dropped + impair_waiting(impair));
	assert(impair_waiting(impair) > 0 || impair->queued_bytes == 0);
}

static void use(struct filter *filter, uint64_t *now)
{
	static const uint32_t lengths[] = { 14, 60, 1514, 300 };
	uint8_t bytes[1514];

	for (int i = 0; i < 8; i++) {
		struct frame frame = { .data = bytes, .length = lengths[i / 2] };

		memset(bytes, i, sizeof(bytes));
		impair_receive(&filter->way[i % 2], &frame, 1, *now);
		*now += 1000000;
		filter_run(filter, *now);
	}
	for (int way = 0; way < WAY_COUNT; way++)
		check_counts(&filter->way[way]);
}

static bool opens_files(const char *line)
{
	return strstr(line, "load") || strstr(line, "trace");
}

static void run_lines(struct mgmt *mgmt, struct filter *filter, char *text)
{
	uint64_t now = one_second_past_boot();
	char *rest = text, *line;

	for (int i = 0; i < LINES_MAX && (line = strsep(&rest, "\n")); i++) {
		struct reply reply;

		reply_init(&reply);
		if (!opens_files(line)) {
			mgmt_execute(mgmt, line, &reply);
			assert(!reply.length || reply.text[reply.length - 1] == '\n' || strstr(reply.text, "9999"));
		}
		reply_free(&reply);
		use(filter, &now);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct filter_callbacks callbacks = { one_second_past_boot, { check_frames, check_frames }, NULL, NULL, NULL };
	struct mgmt_config config = commands_mgmt_config;
	struct blink blink = { .fd = -1 };
	struct commands commands;
	struct filter filter;
	struct loop *loop = loop_create();
	struct log log;
	struct mgmt *mgmt;
	char *text = malloc(size + 1);

	config.shutdown = no_shutdown;
	log_init(&log, "fuzz");
	log.to_syslog = false;
	mgmt = loop ? mgmt_create(loop, &log, &config) : NULL;
	if (!text || !mgmt || filter_init(&filter, &callbacks, size) != 0)
		abort();
	memcpy(text, data, size);
	text[size] = '\0';
	filter.bidirectional = size & 1;
	commands = (struct commands){ .filter = &filter, .blink = &blink, .log = &log };
	commands_add(&commands, mgmt);
	run_lines(mgmt, &filter, text);
	mgmt_destroy(mgmt);
	loop_destroy(loop);
	filter_free(&filter);
	free(text);
	return 0;
}
