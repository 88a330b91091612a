/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Values and traces from any text. What is accepted is within its bounds and can be printed and read back. */
#include "wirefilter/trace.h"
#include "wirefilter/value.h"

#include "fuzz.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static void try_value(const char *text)
{
	struct value_setting setting, again;
	char printed[VALUE_TEXT_SIZE];

	if (value_parse(text, &setting) != 0)
		return;
	assert(setting.value.base >= 0 && setting.value.base <= 1e18);
	assert(setting.value.variation >= 0 && setting.value.variation <= 1e18);
	assert(setting.way[WAY_LR] || setting.way[WAY_RL]);
	assert(value_parse(value_print(printed, &setting.value), &again) == 0);
	assert(fabs(again.value.base - setting.value.base) <= setting.value.base * 1e-5);
	assert(again.value.distribution == setting.value.distribution);
}

static void try_trace(const char *text, size_t size, bool repeats)
{
	struct trace trace = { .repeats = repeats, .start = 1000 };
	unsigned line;

	if (trace_parse(&trace, text, size, &line) == 0) {
		for (uint64_t now = 0; now < UINT64_MAX / 8; now = now * 5 + 999) {
			const struct trace_row *row = trace_at(&trace, now);

			assert(!row || (row->loss >= 0 && row->loss <= 100 && row->delay >= 0));
		}
	}
	trace_free(&trace);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	if (!text)
		abort();
	memcpy(text, data, size);
	text[size] = '\0';
	try_value(text);
	try_trace(text, size, false);
	try_trace(text, size, true);
	free(text);
	return 0;
}
