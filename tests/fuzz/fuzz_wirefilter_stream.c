/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any bytes as a vdestream, through a filter that delays, doubles, cuts and damages, out as a vdestream again. What leaves is well formed. */
#include "wire/wire.h"
#include "wirefilter/filter.h"

#include "fuzz.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct bench {
	struct filter filter;
	struct wire *wire;
	bool ended;
};

static bool send_on(void *owner, const struct frame *frames, unsigned count)
{
	struct bench *bench = owner;

	wire_send(bench->wire, frames, count);
	return !wire_is_full(bench->wire);
}

static void came_in(void *owner, struct frame *frames, unsigned count)
{
	struct bench *bench = owner;

	for (unsigned i = 0; i < count; i++)
		assert(frames[i].length >= ETHERNET_HEADER_SIZE && frames[i].length <= FRAME_MAX_SIZE);
	impair_receive(&bench->filter.way[WAY_LR], frames, count, loop_clock());
}

static void lost(void *owner, int error)
{
	struct bench *bench = owner;

	(void)error;
	bench->ended = true;
}

static void has_room(void *owner)
{
	struct bench *bench = owner;

	impair_unblock(&bench->filter.way[WAY_LR]);
}

/* The other end: reads what came out as far as it is there. Records must lie one behind the other. */
static void check_output(int fd)
{
	uint8_t bytes[65536 * 4];
	ssize_t got = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);
	size_t at = 0;

	while (got > 0 && at + 2 <= (size_t)got) {
		uint16_t length = read_be16(bytes + at);

		assert(length >= ETHERNET_HEADER_SIZE);
		at += 2u + length;
	}
}

static void run(struct bench *bench, struct loop *loop, int fd, const uint8_t *data, size_t size)
{
	size_t sent = 0;

	for (int turns = 0; turns < 300 && !bench->ended; turns++) {
		size_t piece = size - sent > 700 ? 700 : size - sent;

		if (piece && send(fd, data + sent, piece, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)piece)
			sent += piece;
		else if (sent == size)
			shutdown(fd, SHUT_WR);
		loop_turn(loop, 0);
		filter_run(&bench->filter, loop_clock());
	}
	filter_run(&bench->filter, loop_clock() + LOOP_SECOND);
	check_output(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct wire_callbacks wire_callbacks = { came_in, lost, has_room };
	struct bench bench = { .ended = false };
	const struct filter_callbacks callbacks = { loop_clock, { send_on, send_on }, NULL, NULL, &bench };
	struct loop *loop = loop_create();
	int ends[2];

	if (size > 100000 || !loop || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0 || filter_init(&bench.filter, &callbacks, 1) != 0) {
		loop_destroy(loop);
		return 0;
	}
	filter_set_text(&bench.filter, DELAY, "0.01+0.01");
	filter_set_text(&bench.filter, DUPLICATE, "30");
	filter_set_text(&bench.filter, TRUNCATE, "30");
	filter_set_text(&bench.filter, NOISE, "1000");
	bench.wire = wire_open_stream(loop, ends[0], ends[0], &wire_callbacks, &bench);
	if (!bench.wire)
		abort();
	run(&bench, loop, ends[1], data, size);
	wire_close(bench.wire);
	filter_free(&bench.filter);
	loop_destroy(loop);
	close(ends[0]);
	close(ends[1]);
	return 0;
}
