/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Locators and their parameters: whatever the text, a module's name that cannot leave the module's directory, and strings that end in it.
 * Wrong syntax is told on stderr, a line each: libFuzzer has -close_fd_mask=2 for that.
 */
#include "libvdeplug/locator.h"

#include "fuzz.h"

#include <assert.h>
#include <libvdeplug_mod.h>
#include <stdlib.h>
#include <string.h>

/* A value, if there is one, lies within the text that was parsed. */
static void check_value(const char *text, size_t size, const char *value)
{
	assert(value == NULL || (value >= text && value <= text + size && strlen(value) <= size));
}

static void parse(const char *original, int (*parser)(char *, struct vdeparms *))
{
	char none[] = "", port[] = "port", group[] = "portgroup", mode[] = "mode";
	char *value[4] = { NULL };
	struct vdeparms parms[] = { { none, &value[0] }, { port, &value[1] }, { group, &value[2] }, { mode, &value[3] }, { NULL, NULL } };
	size_t size = strlen(original);
	char *text = strdup(original);

	assert(text != NULL);
	if (parser(text, parms) == 0)
		assert(strlen(text) <= size);
	for (int i = 0; i < 4; i++)
		check_value(text, size, value[i]);
	free(text);
}

static void parse_nested(const char *original)
{
	size_t size = strlen(original);
	char *text = strdup(original);
	char *nested;

	assert(text != NULL);
	nested = vde_parsenestparms(text);
	check_value(text, size, nested);
	free(text);
}

static void check_module(const char *name)
{
	assert(name[0] != '\0');
	assert(strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+-") == strlen(name));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct locator locator;
	char *text = malloc(size + 1);

	assert(text != NULL);
	memcpy(text, data, size);
	text[size] = '\0';
	/* Only what cannot name a file of this machine. */
	if (text[0] != '/') {
		if (locator_resolve(&locator, text, NULL) == 0)
			check_module(locator.module);
		locator_free(&locator);
	}
	parse(text, vde_parseparms);
	parse(text, vde_parsepathparms);
	parse_nested(text);
	strtoullm(text);
	free(text);
	return 0;
}
