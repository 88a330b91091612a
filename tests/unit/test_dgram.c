/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Datagrams in batches: whatever the lengths, the trains and the size of the batches, what is sent is received, once and in order. */
#include "libvdeplug/dgram.h"

#include "unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <unistd.h>

enum { BUFFER = 65536, FRAMES = 64, STEPS = 400 };

struct world {
	struct dgram out, in;
	union dgram_address to;
	uint8_t *buffer[FRAMES];
	unsigned accepted, refused;
};

static bool accept_odd_headers(void *owner, const uint8_t *header, const uint8_t *frame, size_t length, const union dgram_address *from)
{
	struct world *world = owner;
	uint8_t clean[4] = {1, 2, 3, header[3]};

	assert_memory_equal(header, clean, sizeof(clean));
	assert_int_equal(from->ip4.sin_addr.s_addr, htonl(INADDR_LOOPBACK));
	if (length > 0)
		assert_true(frame[0] < 0x80);
	if ((header[3] & 1) == 0)
		world->refused++;
	else
		world->accepted++;
	return (header[3] & 1) != 0;
}

static int bound_socket(union dgram_address *address)
{
	socklen_t size = sizeof(*address);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	memset(address, 0, sizeof(*address));
	address->ip4.sin_family = AF_INET;
	address->ip4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, &address->any, sizeof(address->ip4)), 0);
	assert_int_equal(getsockname(fd, &address->any, &size), 0);
	dgram_set_rcvbuf(fd, DGRAM_RCVBUF);
	return fd;
}

static void make_world(struct world *world, bool headers)
{
	union dgram_address own;

	memset(world, 0, sizeof(*world));
	dgram_init(&world->in, bound_socket(&world->to));
	dgram_init(&world->out, bound_socket(&own));
	if (headers) {
		world->in.header_size = world->out.header_size = 4;
		memcpy(world->out.header, "\1\2\3\1", 4);
		world->in.accept = accept_odd_headers;
		world->in.owner = world;
	}
	for (unsigned i = 0; i < FRAMES; i++)
		assert_non_null(world->buffer[i] = malloc(BUFFER));
}

static void end_world(struct world *world)
{
	close(world->in.fd);
	close(world->out.fd);
	dgram_destroy(&world->in);
	dgram_destroy(&world->out);
	for (unsigned i = 0; i < FRAMES; i++)
		free(world->buffer[i]);
}

static void set_frames(struct world *world, struct vde_frame *frames, size_t size)
{
	for (unsigned i = 0; i < FRAMES; i++)
		frames[i] = (struct vde_frame){world->buffer[i], size, 12345};
}

/* Sends frames whose first two bytes are their number, the rest what follows from it. */
static void send_frames(struct world *world, unsigned first, const size_t *lengths, unsigned count)
{
	static uint8_t bytes[FRAMES][2048];
	const union dgram_address *to[FRAMES];
	struct vde_frame frames[FRAMES];
	unsigned done = 0;

	for (unsigned i = 0; i < count; i++) {
		memset(bytes[i], (int)((first + i) & 0x7f), sizeof(bytes[i]));
		bytes[i][0] = (uint8_t)((first + i) >> 8 & 0x7f);
		bytes[i][1] = (uint8_t)(first + i);
		frames[i] = (struct vde_frame){bytes[i], 0, lengths[i]};
		to[i] = &world->to;
	}
	while (done < count) {
		int n = dgram_send(&world->out, frames + done, to + done, count - done, MSG_DONTWAIT);

		assert_true(n > 0);
		done += (unsigned)n;
	}
}

static void check_frame(const struct vde_frame *frame, unsigned number, size_t length)
{
	const uint8_t *bytes = frame->data;

	assert_int_equal(frame->length, length);
	assert_int_equal(bytes[0] << 8 | bytes[1], number & 0x7fff);
	for (size_t i = 2; i < length; i++)
		assert_int_equal(bytes[i], number & 0x7f);
}

/* A caller who asks for `count` at a time until all have come, and who polls as the header allows. */
static void receive_frames(struct world *world, unsigned first, const size_t *lengths, unsigned total, const unsigned *counts, unsigned *turn)
{
	unsigned got = 0;
	bool poll_first = true;

	while (got < total) {
		unsigned count = counts[(*turn)++ % 4];
		struct vde_frame frames[FRAMES];
		int n;

		if (poll_first)
			assert_int_equal(poll(&(struct pollfd){.fd = world->in.fd, .events = POLLIN}, 1, 5000), 1);
		set_frames(world, frames, BUFFER);
		n = dgram_recv(&world->in, frames, count, 0);
		poll_first = dgram_pending(&world->in) == 0;
		if (n < 0) {
			assert_true(errno == EAGAIN || errno == ENOMSG);
			poll_first = true;
			continue;
		}
		assert_in_range(n, 1, count);
		for (int i = 0; i < n; i++, got++)
			check_frame(&frames[i], first + got, lengths[got]);
	}
	assert_int_equal(got, total);
}

static unsigned next_random(unsigned *state)
{
	*state = *state * 1103515245 + 12345;
	return *state >> 16;
}

/* Runs of equal lengths, a shorter one behind some, in batches of all sizes. */
static void run_mixture(bool headers, const unsigned *counts)
{
	struct world world;
	unsigned state = 1, number = 0, turn = 0;

	make_world(&world, headers);
	for (unsigned step = 0; step < STEPS; step++) {
		size_t lengths[FRAMES], length = 0;
		unsigned total = 1 + next_random(&state) % FRAMES, left = 0;

		for (unsigned i = 0; i < total; i++) {
			if (left == 0) {
				left = 1 + next_random(&state) % 20;
				length = 14 + next_random(&state) % 600;
			}
			lengths[i] = --left == 0 && next_random(&state) % 2 == 0 ? 14 : length;
		}
		send_frames(&world, number, lengths, total);
		receive_frames(&world, number, lengths, total, counts, &turn);
		number += total;
	}
	end_world(&world);
}

static void test_mixture(void **state)
{
	static const unsigned counts[][4] = {{64, 64, 64, 64}, {1, 1, 1, 1}, {64, 8, 1, 64}, {64, 1, 5, 3}};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(counts); i++) {
		run_mixture(false, counts[i]);
		run_mixture(true, counts[i]);
	}
}

/* Many messages at once that turn out to be trains, more than fit one batch: nothing is lost. */
static void test_more_than_fits(void **state)
{
	static const unsigned counts[] = {64, 64, 64, 64};
	size_t one[FRAMES], lengths[20 * FRAMES];
	struct world world;
	unsigned number = 0, turn = 0;

	(void)state;
	make_world(&world, true);
	for (unsigned i = 0; i < FRAMES; i++)
		one[i] = 20 + i;                /* growing: no trains, so that many messages are asked for next */
	send_frames(&world, number, one, FRAMES);
	receive_frames(&world, number, one, FRAMES, counts, &turn);
	number += FRAMES;
	for (unsigned i = 0; i < 20 * FRAMES; i++)
		lengths[i] = 100;
	for (unsigned i = 0; i < 20; i++)
		send_frames(&world, number + i * FRAMES, lengths, FRAMES);
	receive_frames(&world, number, lengths, 20 * FRAMES, counts, &turn);
	end_world(&world);
}

/* Those that are refused are not there, alone and within trains, and the others keep their order. */
static void test_refused(void **state)
{
	static const unsigned asked[] = {64, 64, 3, 1};
	struct world world;

	(void)state;
	make_world(&world, true);
	for (unsigned round = 0; round < COUNT_OF(asked); round++) {
		size_t lengths[FRAMES];
		struct vde_frame frames[FRAMES];
		unsigned got = 0;

		for (unsigned i = 0; i < FRAMES; i++)
			lengths[i] = round % 2 == 0 ? 50 : 20 + i;
		for (unsigned i = 0; i < FRAMES; i += 4) {
			world.out.header[3] = i % 8 == 0;
			send_frames(&world, i, lengths + i, 4);
		}
		for (unsigned calls = 0; got < FRAMES / 2 && calls < 1000; calls++) {
			int n;

			set_frames(&world, frames, BUFFER);
			n = dgram_recv(&world.in, frames, asked[round], 0);
			for (int k = 0; k < n; k++, got++)
				check_frame(&frames[k], got / 4 * 8 + got % 4, lengths[got / 4 * 8 + got % 4]);
		}
		assert_int_equal(got, FRAMES / 2);
		assert_int_equal(world.accepted, FRAMES / 2 * (round + 1));
		for (int n = 0; n >= 0; n = dgram_recv(&world.in, frames, 64, 0))
			;
		assert_int_equal(world.refused, FRAMES / 2 * (round + 1));
	}
	end_world(&world);
}

/* Longer than the buffer: a length of 0, and the next ones are whole. Empty ones are nothing. */
static void test_too_long(void **state)
{
	size_t lengths[] = {30, 900, 30, 900, 900, 40};
	struct vde_frame frames[FRAMES];
	struct world world;
	unsigned got = 0;

	(void)state;
	make_world(&world, false);
	assert_int_equal(sendto(world.out.fd, "", 0, 0, &world.to.any, sizeof(world.to.ip4)), 0);
	send_frames(&world, 0, lengths, COUNT_OF(lengths));
	for (unsigned calls = 0; got < COUNT_OF(lengths) && calls < 100; calls++) {
		int n;

		set_frames(&world, frames, 100);
		n = dgram_recv(&world.in, frames, 2, 0);
		for (int i = 0; i < n; i++, got++) {
			if (lengths[got] > 100)
				assert_int_equal(frames[i].length, 0);
			else
				check_frame(&frames[i], got, lengths[got]);
		}
	}
	assert_int_equal(got, COUNT_OF(lengths));
	assert_int_equal(dgram_recv(&world.in, frames, 2, 0), -1);
	assert_int_equal(errno, EAGAIN);
	end_world(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mixture),
		cmocka_unit_test(test_more_than_fits),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_too_long),
	};

	return cmocka_run_group_tests_name("datagrams", tests, NULL, NULL);
}
