/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Locators of switch://, hub://, multi:// and bonding://: the first byte is the kind, the rest the text. What is accepted is in range, and texts end. */
#include "libvdeplug/lan.h"

#include "fuzz.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void check_text(const char *text, size_t size)
{
	assert(memchr(text, '\0', size) != NULL);
}

static void check(const struct lan_request *request, enum lan_kind kind)
{
	assert(request->kind == kind && request->size == sizeof(*request));
	assert(request->mode <= 0666 && request->directory_mode <= 07777 && request->management_mode <= 07777);
	assert(request->numports >= 1 && request->numports <= LAN_PORTS_MAX);
	assert(request->buckets >= 1 && request->buckets <= LAN_BUCKETS_MAX && request->priority <= 0xffff);
	assert(request->fstp <= 1 && request->trunk <= 1 && request->flow <= 1 && request->has_mac <= 1);
	check_text(request->directory, sizeof(request->directory));
	check_text(request->management, sizeof(request->management));
	check_text(request->script, sizeof(request->script));
	check_text(request->taps, sizeof(request->taps));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct lan_request request;
	enum lan_kind kind;
	char *text;
	int error;

	if (size == 0)
		return 0;
	kind = (enum lan_kind)(data[0] % LAN_KINDS);
	text = malloc(size);
	assert(text != NULL);
	memcpy(text, data + 1, size - 1);
	text[size - 1] = '\0';
	error = lan_parse(&request, kind, text, NULL);
	if (error == 0)
		check(&request, kind);
	else
		assert(error == EINVAL || error == ENAMETOOLONG);
	free(text);
	return 0;
}
