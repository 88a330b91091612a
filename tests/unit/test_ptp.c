/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ptp:// with several frames in one datagram: whoever is at the ends, and however they call, what is sent comes, once, in order; and only those get aggregates
 * who said that they take them. A "stranger" is an end of another make: a socket of our own, with the mark or without.
 */
#include <libvdeplug.h>

#include "common/aggregate.h"
#include "common/frame.h"
#include "unit.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { PATIENCE_S = 60, FRAMES = 64, ROOM = 65535, MARK = AGGREGATE_MARK_SIZE + 8, ROUNDS = 60 };

struct world {
	char *directory, first[100], second[101];
	uint8_t out[FRAMES][ROOM], in[FRAMES][ROOM];
};

static int set_up(void **state)
{
	struct world *world = calloc(1, sizeof(*world));

	if (world == NULL)
		return -1;
	world->directory = make_directory();
	snprintf(world->first, sizeof(world->first), "%s/ptp", world->directory);
	snprintf(world->second, sizeof(world->second), "%s+", world->first);
	*state = world;
	alarm(PATIENCE_S);
	return 0;
}

static int tear_down(void **state)
{
	struct world *world = *state;

	alarm(0);
	remove_directory(world->directory);
	free(world);
	return 0;
}

static VDECONN *open_end(const struct world *world, bool aggregates, mode_t mode)
{
	struct vde_open_args args = {.mode = mode};
	char locator[120], description[] = "test";
	VDECONN *conn;

	snprintf(locator, sizeof(locator), "ptp://%s", world->first);
	conn = aggregates ? vde_open_aggregates(locator, description, &args) : vde_open(locator, description, &args);
	assert_non_null(conn);
	assert_int_equal(vde_aggregates(conn), 0);      /* the library sends and receives them itself */
	return conn;
}

static mode_t mode_of(const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	return st.st_mode & 07777;
}

static unsigned next_random(unsigned *state)
{
	*state = *state * 1103515245 + 12345;
	return *state >> 16;
}

/* Frame `number`: its first bytes tell it, the rest follows from it. */
static void make(uint8_t *bytes, size_t length, unsigned number)
{
	memset(bytes, (int)(number % 251), length);
	write_be32(bytes, number);
	bytes[0] = 2;
}

static void check(const struct vde_frame *frame, size_t length, unsigned number)
{
	const uint8_t *bytes = frame->data;

	assert_int_equal(frame->length, length);
	assert_int_equal(read_be32(bytes), (2U << 24) + number);
	assert_int_equal(bytes[4], number % 251);
	assert_memory_equal(bytes + 4, bytes + 5, length - 5);
}

/* ---- strangers ---- */

static int bind_stranger(const char *path, mode_t mode)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	unlink(path);
	strcpy(address.sun_path, path);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(chmod(path, mode), 0);
	return fd;
}

static void connect_stranger(int fd, const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	strcpy(address.sun_path, path);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
}

/* What aggregates to this name begin with. */
static void mark_of(const char *path, uint8_t mark[MARK])
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	memcpy(mark, AGGREGATE_MARK, AGGREGATE_MARK_SIZE);
	write_be32(mark + AGGREGATE_MARK_SIZE, (uint32_t)st.st_mtim.tv_sec);
	write_be32(mark + AGGREGATE_MARK_SIZE + 4, (uint32_t)st.st_mtim.tv_nsec);
}

/* A batch of `count` frames of 60 bytes. Returns how many were taken. */
static int send_sixty(struct world *world, VDECONN *conn, unsigned count, unsigned number)
{
	struct vde_frame frames[FRAMES];

	for (unsigned i = 0; i < count; i++) {
		make(world->out[i], 60, number + i);
		frames[i] = (struct vde_frame){world->out[i], 60, 60};
	}
	return vde_send_batch(conn, frames, count, 0);
}

/* The stranger has got such a batch, as one aggregate or as `count` frames, and nothing else. */
static void expect_sixty(struct world *world, int stranger, const uint8_t *mark, unsigned count, unsigned number)
{
	size_t bytes = MARK + count * (60 + AGGREGATE_LENGTH_SIZE);

	if (mark != NULL) {
		assert_int_equal(recv(stranger, world->in[0], ROOM, 0), bytes);
		assert_memory_equal(world->in[0], mark, MARK);
	}
	for (unsigned i = 0; i < count; i++) {
		uint8_t *place = mark != NULL ? world->in[0] + MARK + i * (60 + AGGREGATE_LENGTH_SIZE) : world->in[0];

		if (mark != NULL)
			assert_int_equal(read_be16(place), 60);
		else
			assert_int_equal(recv(stranger, place, ROOM, 0), 60);
		check(&(struct vde_frame){.data = mark != NULL ? place + AGGREGATE_LENGTH_SIZE : place, .length = 60}, 60, number + i);
	}
	assert_int_equal(recv(stranger, world->in[0], ROOM, 0), -1);
}

/* ---- who takes aggregates ---- */

static void test_mark(void **state)
{
	static const struct { bool aggregates; mode_t asked, mode; } rows[] = {
		{false, 0, 0700}, {true, 0, 01700}, {false, 0777, 0777}, {true, 0777, 01777}, {true, 0640, 01640}, {true, 0604, 01604},
		{false, 01640, 0640}, {true, 07640, 01640}, {false, 01000, 0700},
	};
	struct world *world = *state;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		VDECONN *one = open_end(world, rows[i].aggregates, rows[i].asked), *two = open_end(world, rows[i].aggregates, rows[i].asked);

		assert_int_equal(mode_of(world->first), rows[i].mode);
		assert_int_equal(mode_of(world->second), rows[i].mode);
		vde_close(one);
		vde_close(two);
		assert_int_equal(access(world->first, F_OK), -1);
		assert_int_equal(access(world->second, F_OK), -1);
	}
}

/* A batch to a name with the mark is one datagram; to one without, or when something that is no socket bears the name now, each frame is. */
static void test_only_the_marked_get_aggregates(void **state)
{
	struct world *world = *state;
	uint8_t mark[MARK];

	for (int aggregates = 0; aggregates < 2; aggregates++) {
		for (int marked = 0; marked < 2; marked++) {
			int stranger = bind_stranger(world->first, marked ? 01777 : 0777);
			VDECONN *conn = open_end(world, aggregates, 0);

			mark_of(world->first, mark);
			assert_int_equal(send_sixty(world, conn, 9, 5), 9);
			expect_sixty(world, stranger, marked ? mark : NULL, 9, 5);
			assert_int_equal(send_sixty(world, conn, 1, 20), 1);    /* a lone one never is */
			expect_sixty(world, stranger, NULL, 1, 20);
			vde_close(conn);
			close(stranger);
			unlink(world->first);
		}
	}
}

/* Permissions and owner may change while it is connected, and before. */
static void test_changed_permissions(void **state)
{
	struct world *world = *state;
	VDECONN *one = open_end(world, true, 0), *two;
	struct vde_frame frame = {world->in[0], ROOM, 0};

	assert_int_equal(chmod(world->first, 0777), 0);
	two = open_end(world, true, 0);
	assert_int_equal(send_sixty(world, two, 9, 0), 9);      /* plain: the mark has gone */
	assert_int_equal(chmod(world->first, 01770), 0);
	assert_int_equal(chmod(world->second, 0770), 0);
	for (unsigned i = 0; i < 9; i++) {
		assert_int_equal(vde_recv_batch(one, &frame, 1, 0), 1);
		check(&frame, 60, i);
		assert_int_equal(vde_pending(one), 0);
	}
	vde_close(two);
	two = open_end(world, true, 0);
	assert_int_equal(vde_recv_batch(one, &frame, 1, 0), -1);        /* the goodbye */
	assert_int_equal(send_sixty(world, two, 9, 0), 9);
	assert_int_equal(chmod(world->first, 0700), 0);
	assert_int_equal(vde_recv_batch(one, &frame, 1, 0), 1);
	assert_int_equal(vde_pending(one), 8);
	vde_close(one);
	vde_close(two);
}

/* ---- what is sent comes ---- */

/* Sends what is taken of count frames; receives all of them, in batches of the given sizes, and polls as the header allows. */
static void pass(struct world *world, VDECONN *from, VDECONN *to, const size_t *lengths, unsigned count, size_t size, unsigned asked, unsigned number)
{
	struct vde_frame frames[FRAMES];
	unsigned sent = 0, got = 0;

	for (unsigned i = 0; i < count; i++) {
		make(world->out[i], lengths[i], number + i);
		frames[i] = (struct vde_frame){world->out[i], 0, lengths[i]};
	}
	while (got < count) {
		struct vde_frame in[FRAMES];
		int n = sent < count ? vde_send_batch(from, frames + sent, count - sent, 0) : 0;

		assert_true(n >= 0 || errno == EAGAIN);
		sent += n > 0 ? (unsigned)n : 0;
		for (unsigned i = 0; i < FRAMES; i++)
			in[i] = (struct vde_frame){world->in[i], size, 12345};
		if (vde_pending(to) == 0)
			assert_int_equal(poll(&(struct pollfd){.fd = vde_datafd(to), .events = POLLIN}, 1, PATIENCE_S * 1000), 1);
		n = vde_recv_batch(to, in, asked, 0);
		assert_in_range(n, 1, asked);
		for (int i = 0; i < n; i++, got++) {
			if (lengths[got] > size)
				assert_int_equal(in[i].length, 0);
			else
				check(&in[i], lengths[got], number + got);
		}
	}
	assert_int_equal(vde_pending(to), 0);
}

static void run_mixture(struct world *world, VDECONN *from, VDECONN *to, size_t size, unsigned asked)
{
	unsigned state = 1, number = 0;

	for (unsigned round = 0; round < ROUNDS; round++) {
		unsigned count = round % 4 == 0 ? 1 : 1 + next_random(&state) % FRAMES, kind = next_random(&state) % 4;
		size_t lengths[FRAMES];

		for (unsigned i = 0; i < count; i++) {
			unsigned random = next_random(&state);

			lengths[i] = kind == 0 ? 60 : kind == 1 ? 14 + random % 1500 : kind == 2 ? 1514 : random % 8 == 0 ? ROOM - random % 100 : 14 + random % 9000;
		}
		pass(world, from, to, lengths, count, size, asked, number);
		number += count;
	}
}

static void test_mixture(void **state)
{
	static const unsigned asked[] = {64, 8, 1, 31};
	struct world *world = *state;

	for (int kinds = 0; kinds < 4; kinds++) {
		VDECONN *one = open_end(world, kinds & 1, 0), *two = open_end(world, kinds & 2, 0);

		for (size_t i = 0; i < COUNT_OF(asked); i++) {
			run_mixture(world, one, two, ROOM, asked[i]);
			run_mixture(world, two, one, ROOM, asked[i]);
		}
		if (kinds == 3) {
			run_mixture(world, one, two, 2000, 64);
			run_mixture(world, two, one, 2000, 1);
		}
		vde_close(two);
		vde_close(one);
	}
}

/* Every length, in one go; the first end, which only receives, never connects. */
static void test_every_length(void **state)
{
	struct world *world = *state;
	VDECONN *one = open_end(world, true, 0), *two = open_end(world, true, 0);
	size_t lengths[FRAMES];
	unsigned count = 0;

	for (size_t length = ETHERNET_HEADER_SIZE; length <= FRAME_MAX_SIZE; length += length < 3000 || length > 65400 ? 1 : 97) {
		lengths[count++] = length;
		if (count < FRAMES && length < FRAME_MAX_SIZE)
			continue;
		pass(world, two, one, lengths, count, ROOM, 64, (unsigned)length);
		count = 0;
	}
	assert_int_equal(count, 0);
	vde_close(one);
	vde_close(two);
}

/* A program that calls vde_recv although it took on more gets them all as well. */
static void test_one_by_one(void **state)
{
	struct world *world = *state;
	VDECONN *one = open_end(world, true, 0), *two = open_end(world, true, 0);

	assert_int_equal(vde_recv(one, world->in[0], ROOM, MSG_DONTWAIT), -1);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(send_sixty(world, two, 20, 7), 20);
	for (unsigned i = 0; i < 20; i++) {
		assert_int_equal(vde_recv(one, world->in[0], 100, 0), 60);
		assert_int_equal(vde_pending(one), 19 - i);
		check(&(struct vde_frame){.data = world->in[0], .length = 60}, 60, 7 + i);
	}
	make(world->out[0], 200, 1);
	assert_int_equal(vde_send(two, world->out[0], 200, 0), 200);
	assert_int_equal(vde_recv(one, world->in[0], 100, 0), 1);       /* too long */
	vde_close(two);
	assert_int_equal(vde_recv(one, world->in[0], 100, 0), 1);       /* the goodbye */
	vde_close(one);
}

/* ---- what strangers send ---- */

static struct vde_frame receive_one(struct world *world, VDECONN *conn, unsigned asked)
{
	struct vde_frame frames[FRAMES];

	for (unsigned i = 0; i < FRAMES; i++)
		frames[i] = (struct vde_frame){world->in[i], ROOM, 0};
	assert_int_equal(vde_recv_batch(conn, frames, asked, 0), 1);
	assert_int_equal(vde_pending(conn), 0);
	return frames[0];
}

/* A malformed aggregate is nothing; what only looks like one is a frame. */
static void test_hostile(void **state)
{
	static const struct { const char *rest; size_t length; } malformed[] = {
		{"", 0}, {"\0", 1}, {"\0\x0e", 2}, {"\0\x0e" "1234567890123", 15}, {"\0\x0d" "1234567890123", 15}, {"\0\x0e" "12345678901234\0", 17},
		{"\0\x0e" "12345678901234\0\0", 18}, {"\0\x0e" "12345678901234\xff\xff" "1", 19}, {"\0\0", 2}, {"\0\x0f" "12345678901234", 16},
	};
	static const size_t wrong[] = {AGGREGATE_MARK_SIZE - 1, AGGREGATE_MARK_SIZE, MARK - 1};
	static const unsigned asked[] = {1, 64};
	struct world *world = *state;
	VDECONN *conn = open_end(world, true, 0777);
	uint8_t mark[MARK], datagram[MARK + 100];
	int stranger = bind_stranger(world->second, 0777);

	connect_stranger(stranger, world->first);
	mark_of(world->first, mark);
	memcpy(datagram, mark, MARK);
	for (size_t i = 0; i < 2 * COUNT_OF(malformed); i++) {
		size_t length = malformed[i / 2].length;

		memcpy(datagram + MARK, malformed[i / 2].rest, length);
		assert_int_equal(send(stranger, datagram, MARK + length, 0), MARK + length);
		make(world->out[0], 60, (unsigned)i);
		assert_int_equal(send(stranger, world->out[0], 60, 0), 60);
		if (i % 2 == 0)
			assert_int_equal(vde_recv_batch(conn, &(struct vde_frame){world->in[0], ROOM, 0}, 1, 0), -1);
		struct vde_frame frame = receive_one(world, conn, asked[i % 2]);
		check(&frame, 60, (unsigned)i);
	}
	memcpy(datagram + MARK, "\0\x0e" "12345678901234\0\x0e" "12345678901234", 32);
	for (size_t i = 0; i < COUNT_OF(wrong); i++) {
		datagram[wrong[i]] ^= 1;
		assert_int_equal(send(stranger, datagram, MARK + 32, 0), MARK + 32);
		struct vde_frame frame = receive_one(world, conn, asked[i % 2]);
		assert_int_equal(frame.length, MARK + 32);
		assert_memory_equal(frame.data, datagram, MARK + 32);
		datagram[wrong[i]] ^= 1;
	}
	close(stranger);
	vde_close(conn);
}

/* Who did not say so gets as one frame what begins with anybody's mark. */
static void test_plain_receiver(void **state)
{
	struct world *world = *state;
	VDECONN *conn = open_end(world, false, 0777);
	uint8_t datagram[MARK + 32];
	int stranger = bind_stranger(world->second, 0777);

	connect_stranger(stranger, world->first);
	mark_of(world->first, datagram);
	memcpy(datagram + MARK, "\0\x0e" "12345678901234\0\x0e" "12345678901234", 32);
	assert_int_equal(send(stranger, datagram, sizeof(datagram), 0), sizeof(datagram));
	struct vde_frame frame = receive_one(world, conn, 64);
	assert_int_equal(frame.length, sizeof(datagram));
	assert_memory_equal(frame.data, datagram, sizeof(datagram));
	close(stranger);
	vde_close(conn);
}

/* A frame with the mark of its receiver can only be forged: alone it goes nowhere, in a batch it is one frame. To who takes no aggregates it is nothing special. */
static void test_forged_on_our_side(void **state)
{
	struct world *world = *state;
	int stranger = bind_stranger(world->first, 0777);
	VDECONN *conn = open_end(world, true, 0);
	uint8_t forged[MARK + 32];
	struct vde_frame frame = {forged, sizeof(forged), sizeof(forged)};

	mark_of(world->first, forged);
	memcpy(forged + MARK, "\0\x0e" "12345678901234\0\x0e" "12345678901234", 32);
	assert_int_equal(vde_send(conn, forged, sizeof(forged), 0), sizeof(forged));
	assert_int_equal(recv(stranger, world->in[0], ROOM, 0), sizeof(forged));
	assert_int_equal(vde_send_batch(conn, &frame, 1, 0), 1);
	assert_int_equal(recv(stranger, world->in[0], ROOM, 0), sizeof(forged));
	vde_close(conn);
	assert_int_equal(chmod(world->first, 01777), 0);
	assert_int_equal(recv(stranger, world->in[0], ROOM, 0), 0);     /* the goodbye */
	conn = open_end(world, true, 0);
	assert_int_equal(vde_send(conn, forged, sizeof(forged), 0), sizeof(forged));
	assert_int_equal(recv(stranger, world->in[0], ROOM, 0), -1);
	assert_int_equal(vde_send_batch(conn, &frame, 1, 0), 1);
	assert_int_equal(recv(stranger, world->in[0], ROOM, 0), MARK + AGGREGATE_LENGTH_SIZE + sizeof(forged));
	assert_memory_equal(world->in[0], forged, MARK);
	assert_int_equal(read_be16(world->in[0] + MARK), sizeof(forged));
	assert_memory_equal(world->in[0] + MARK + AGGREGATE_LENGTH_SIZE, forged, sizeof(forged));
	close(stranger);
	vde_close(conn);
}

/* Runts never are in an aggregate, and an empty frame is no goodbye. */
static void test_runts(void **state)
{
	static const size_t lengths[] = {0, 5, 60, 13, 60, 60, 0, 60};
	static const ssize_t datagrams[] = {5, 60, 13, MARK + 2 * (60 + AGGREGATE_LENGTH_SIZE), 60, -1};
	struct world *world = *state;
	int stranger = bind_stranger(world->first, 01777);
	VDECONN *conn = open_end(world, true, 0);
	struct vde_frame frames[COUNT_OF(lengths)];

	for (unsigned i = 0; i < COUNT_OF(lengths); i++) {
		memset(world->out[i], 1, 60);
		frames[i] = (struct vde_frame){world->out[i], 0, lengths[i]};
	}
	for (unsigned done = 0; done < COUNT_OF(lengths); ) {
		int n = vde_send_batch(conn, frames + done, (unsigned)COUNT_OF(lengths) - done, 0);

		assert_true(n > 0);
		done += (unsigned)n;
	}
	for (size_t i = 0; i < COUNT_OF(datagrams); i++)
		assert_int_equal(recv(stranger, world->in[0], ROOM, 0), datagrams[i]);
	close(stranger);
	vde_close(conn);
}

/* Where the system has no room for an aggregate, frames go as before. */
static void test_little_room(void **state)
{
	static const int size = 1;
	struct world *world = *state;
	int stranger = bind_stranger(world->first, 01777);
	VDECONN *conn = open_end(world, true, 0);
	struct vde_frame frames[2];

	assert_int_equal(setsockopt(vde_datafd(conn), SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)), 0);
	for (unsigned i = 0; i < 2; i++) {
		make(world->out[i], 4000, i);
		frames[i] = (struct vde_frame){world->out[i], 0, 4000};
	}
	for (unsigned done = 0; done < 2; done++) {
		assert_int_equal(vde_send_batch(conn, frames + done, 2 - done, 0), 1);
		assert_int_equal(recv(stranger, world->in[0], ROOM, 0), 4000);
		check(&(struct vde_frame){.data = world->in[0], .length = 4000}, 4000, done);
	}
	close(stranger);
	vde_close(conn);
}

/* ---- peers that come and go ---- */

/* Each next peer is spoken to as it wants, whether the one before it said goodbye or just died. */
static void test_next_peers(void **state)
{
	static const struct { bool marked, says_goodbye; } peers[] = {{true, false}, {false, false}, {true, true}, {false, true}, {true, false}, {true, true}};
	struct world *world = *state;
	VDECONN *conn = open_end(world, true, 0777);
	uint8_t mark[MARK];

	for (unsigned i = 0; i < COUNT_OF(peers); i++) {
		int stranger = bind_stranger(world->second, peers[i].marked ? 01777 : 0777);

		mark_of(world->second, mark);
		if (i > 0 && !peers[i - 1].says_goodbye)
			assert_int_equal(send_sixty(world, conn, 3, 0), 3);     /* lost: it finds out by them */
		assert_int_equal(send_sixty(world, conn, 9, i), 9);
		expect_sixty(world, stranger, peers[i].marked ? mark : NULL, 9, i);
		if (peers[i].says_goodbye) {
			connect_stranger(stranger, world->first);
			assert_int_equal(send(stranger, "", 0, 0), 0);
			assert_int_equal(vde_recv_batch(conn, &(struct vde_frame){world->in[0], ROOM, 0}, 1, 0), -1);
			assert_int_equal(errno, EAGAIN);
		}
		close(stranger);
	}
	vde_close(conn);
}

/* Nobody there: frames go nowhere. What is no socket has no mark. */
static void test_nobody(void **state)
{
	struct world *world = *state;
	VDECONN *conn = open_end(world, true, 0);

	assert_int_equal(send_sixty(world, conn, 30, 0), 30);
	assert_int_equal(mkdir(world->second, 01777), 0);
	assert_int_equal(send_sixty(world, conn, 30, 0), 30);
	assert_int_equal(rmdir(world->second), 0);
	vde_close(conn);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_mark, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_only_the_marked_get_aggregates, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_changed_permissions, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_mixture, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_every_length, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_one_by_one, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_hostile, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_plain_receiver, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_forged_on_our_side, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_runts, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_little_room, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_next_peers, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_nobody, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("ptp", tests, NULL, NULL);
}
