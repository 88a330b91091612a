/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The text of vde:// (first byte even), and what a switch answers to a request: any bytes, and the end. Wrong texts are told on stderr: libFuzzer has
 * -close_fd_mask=2 for that.
 */
#include "libvdeplug/module_vde.c"

#include "fuzz.h"

#include <assert.h>

enum { ANSWER_MAX = 4096 };     /* bytes; what is longer would not be written at once */

static void parse(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	struct wish wish;

	assert(text != NULL);
	memcpy(text, data, size);
	text[size] = '\0';
	if (parse_wish(&wish, text, NULL) == 0) {
		assert(wish.port >= PORT_ZERO && wish.port <= PLUG_PORT_MAX && wish.mode > 0 && wish.mode <= 0777);
		assert(wish.port_group == NULL || (wish.port_group[0] != '\0' && strchr(wish.port_group, '/') == NULL && wish.port == PORT_ANY));
		assert(strlen(wish.directory) <= size);
	}
	free(text);
}

static void answer(const uint8_t *data, size_t size)
{
	struct handshake hs = {.data_fd = -1};
	int pair[2], error;

	assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	assert(write(pair[1], data, size) == (ssize_t)size);
	close(pair[1]);
	hs.control_fd = pair[0];
	error = read_reply(&hs);
	if (size == 0)
		assert(error == ECONNREFUSED);
	else if (size < PLUG_REPLY_SIZE)
		assert(error == EPROTO);
	else
		assert((error == 0) == (hs.switch_data.sun_family == AF_UNIX) && memcmp(&hs.switch_data, data, PLUG_REPLY_SIZE) == 0);
	plug_offers_aggregates(&hs.switch_data);
	close(pair[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > 0 && data[0] % 2 == 0)
		parse(data + 1, size - 1);
	else if (size > 0 && size <= ANSWER_MAX)
		answer(data + 1, size - 1);
	return 0;
}
