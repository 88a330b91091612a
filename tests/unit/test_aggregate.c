/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/aggregate.h"

#include "common/frame.h"
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

struct world {
	int in, out;
	uint8_t *slot[AGGREGATE_FRAMES];
	uint32_t length[AGGREGATE_FRAMES];
};

static int set_up(void **state)
{
	struct world *world = calloc(1, sizeof(*world));
	int fd[2];

	if (!world || socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, fd) != 0)
		return -1;
	world->in = fd[0];
	world->out = fd[1];
	for (unsigned i = 0; i < AGGREGATE_FRAMES; i++)
		if ((world->slot[i] = malloc(FRAME_MAX_SIZE)) == NULL)
			return -1;
	*state = world;
	return 0;
}

static int tear_down(void **state)
{
	struct world *world = *state;

	for (unsigned i = 0; i < AGGREGATE_FRAMES; i++)
		free(world->slot[i]);
	close(world->in);
	close(world->out);
	free(world);
	return 0;
}

/* Frame `number`, in two pieces as a switch that pushes a tag has it. */
static void make(uint8_t *bytes, uint32_t length, uint8_t number, struct iovec piece[2])
{
	memset(bytes, number, length);
	piece[0] = (struct iovec){ bytes, 12 };
	piece[1] = (struct iovec){ bytes + 12, length - 12 };
}

static size_t receive(struct world *world)
{
	ssize_t n = recv(world->in, world->slot[0], FRAME_MAX_SIZE, 0);

	assert_true(n > 0);
	return (size_t)n;
}

static void test_there_and_back(void **state)
{
	static uint8_t bytes[AGGREGATE_FRAMES][1000];
	struct world *world = *state;

	for (unsigned count = 2; count <= AGGREGATE_FRAMES; count++) {
		struct aggregate aggregate;
		struct iovec piece[2];

		aggregate_start(&aggregate);
		for (unsigned i = 0; i < count; i++) {
			make(bytes[i], 1000 - i, (uint8_t)i, piece);
			assert_true(aggregate_add(&aggregate, piece, 2, 1000 - i));
		}
		assert_int_equal(aggregate_send(&aggregate, world->out), aggregate.bytes);
		size_t length = receive(world);
		assert_true(aggregate_is(world->slot[0], length));
		assert_int_equal(aggregate_spread(world->slot, length, world->length), count);
		for (unsigned i = 0; i < count; i++) {
			assert_int_equal(world->length[i], 1000 - i);
			assert_memory_equal(world->slot[i], bytes[i], 1000 - i);
		}
	}
}

static void test_bounds(void **state)
{
	static uint8_t bytes[FRAME_MAX_SIZE];
	struct aggregate aggregate;
	struct iovec piece[2];

	(void)state;
	make(bytes, FRAME_MAX_SIZE, 1, piece);
	aggregate_start(&aggregate);
	for (unsigned i = 0; i < AGGREGATE_FRAMES; i++)
		assert_true(aggregate_add(&aggregate, piece, 1, 12));
	assert_false(aggregate_add(&aggregate, piece, 1, 12));
	aggregate_start(&aggregate);
	assert_true(aggregate_add(&aggregate, piece, 2, FRAME_MAX_SIZE));       /* the first always */
	assert_false(aggregate_add(&aggregate, piece, 1, 12));
	aggregate_start(&aggregate);
	assert_true(aggregate_add(&aggregate, piece, 2, AGGREGATE_BYTES - AGGREGATE_MARK_SIZE - 2 * AGGREGATE_LENGTH_SIZE - 60));
	assert_false(aggregate_add(&aggregate, piece, 1, 61));
	assert_true(aggregate_add(&aggregate, piece, 1, 60));
}

static void test_a_lone_frame_goes_plain(void **state)
{
	struct world *world = *state;
	uint8_t bytes[100];
	struct iovec piece[2];

	for (unsigned pieces = 1; pieces <= 2; pieces++) {
		struct aggregate aggregate;

		make(bytes, sizeof(bytes), 7, piece);
		if (pieces == 1)
			piece[0].iov_len = sizeof(bytes);
		aggregate_start(&aggregate);
		aggregate_add(&aggregate, piece, pieces, sizeof(bytes));
		assert_int_equal(aggregate_send(&aggregate, world->out), sizeof(bytes));
		assert_int_equal(receive(world), sizeof(bytes));
		assert_memory_equal(world->slot[0], bytes, sizeof(bytes));
	}
}

/* Or else who sends such a frame could send any others. */
static void test_a_frame_with_the_mark_is_wrapped(void **state)
{
	struct world *world = *state;
	uint8_t bytes[100] = AGGREGATE_MARK;
	struct aggregate aggregate;

	aggregate_start(&aggregate);
	aggregate_add(&aggregate, &(struct iovec){ bytes, sizeof(bytes) }, 1, sizeof(bytes));
	assert_int_equal(aggregate_send(&aggregate, world->out), sizeof(bytes) + AGGREGATE_MARK_SIZE + AGGREGATE_LENGTH_SIZE);
	assert_int_equal(aggregate_spread(world->slot, receive(world), world->length), 1);
	assert_int_equal(world->length[0], sizeof(bytes));
	assert_memory_equal(world->slot[0], bytes, sizeof(bytes));
}

static void test_a_full_socket(void **state)
{
	struct world *world = *state;
	uint8_t bytes[1514] = { 0 };
	struct aggregate aggregate;
	unsigned sent = 0;

	aggregate_start(&aggregate);
	while (aggregate_add(&aggregate, &(struct iovec){ bytes, sizeof(bytes) }, 1, sizeof(bytes)))
		;
	while (aggregate_send(&aggregate, world->out) > 0)
		sent++;
	assert_int_equal(errno, EAGAIN);
	assert_true(sent > 1);
}

static const struct row {
	const char *bytes;
	size_t length;
} malformed[] = {
	{ AGGREGATE_MARK, 8 }, { AGGREGATE_MARK "\0", 9 }, { AGGREGATE_MARK "\0\0", 10 }, { AGGREGATE_MARK "\0\x0d" "0123456789abc", 23 },
	{ AGGREGATE_MARK "\0\x0e" "0123456789abc", 23 }, { AGGREGATE_MARK "\0\x0e" "0123456789abcd" "\0", 25 },
	{ AGGREGATE_MARK "\0\x0e" "0123456789abcd" "\0\0", 26 }, { AGGREGATE_MARK "\xff\xff" "0123456789abcd", 24 },
};

static void test_malformed(void **state)
{
	struct world *world = *state;

	for (size_t i = 0; i < COUNT_OF(malformed); i++) {
		memcpy(world->slot[0], malformed[i].bytes, malformed[i].length);
		assert_true(aggregate_is(world->slot[0], malformed[i].length));
		assert_int_equal(aggregate_spread(world->slot, malformed[i].length, world->length), 0);
	}
	assert_false(aggregate_is((const uint8_t *)AGGREGATE_MARK, AGGREGATE_MARK_SIZE - 1));
	assert_false(aggregate_is((const uint8_t *)"\x01\x80\xc2\0\0\x01ve", 8));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_there_and_back, set_up, tear_down),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test_setup_teardown(test_a_lone_frame_goes_plain, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_frame_with_the_mark_is_wrapped, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_full_socket, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_malformed, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("aggregate", tests, NULL, NULL);
}
