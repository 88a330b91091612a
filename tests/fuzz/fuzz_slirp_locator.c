/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The text of slirp://: options and lists of redirections. Wrong texts are told on stderr: libFuzzer has -close_fd_mask=2 for that. */
#include "libvdeplug/slirp_options.h"

#include "fuzz.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static void read_list(enum forward_kind kind, char *list)
{
	char *item;

	while ((item = slirp_options_next(kind, &list)) != NULL) {
		struct engine_error error;
		struct forward forward;
		char text[FORWARD_TEXT_SIZE];

		if (forward_parse(kind, item, &forward, &error) != 0)
			continue;
		assert(strlen(forward_text(&forward, text)) < FORWARD_TEXT_SIZE);
		forward_free(&forward);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slirp_options options;
	struct engine_error error;
	char *text = malloc(size + 1);

	assert(text != NULL);
	memcpy(text, data, size);
	text[size] = '\0';
	if (slirp_options_parse(&options, text, &error) == 0) {
		assert(options.config.mtu >= ENGINE_MTU_MIN && options.config.mtu <= ENGINE_MTU_MAX);
		for (enum forward_kind kind = 0; kind < FORWARD_KINDS; kind++)
			read_list(kind, options.forwards[kind]);
	}
	slirp_options_free(&options);
	free(text);
	return 0;
}
