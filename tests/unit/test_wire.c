/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Wires over pipes and socket pairs: nothing lost, nothing disordered, nothing blocked. */
#include "wire/wire_internal.h"

#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { TURNS = 2000 };

/* An owner of a wire that remembers what it was told. */
struct owner {
	struct wire *wire;
	unsigned frames, lost, drained, bad;
	uint32_t next;                  /* number expected in the next frame */
	int error;
	bool close_in_receive, pause_in_receive, check_numbers;
	size_t bytes;
};

static struct loop *loop;

static int set_up(void **state)
{
	(void)state;
	loop = loop_create();
	return loop != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	loop_destroy(loop);
	return 0;
}

static void receive(void *owner_pointer, struct frame *frames, unsigned count)
{
	struct owner *owner = owner_pointer;

	assert_true(count > 0 && count <= WIRE_BATCH);
	for (unsigned i = 0; i < count; i++) {
		if (owner->check_numbers)
			owner->bad += read_be32(frames[i].data + 14) != owner->next++;
		owner->bytes += frames[i].length;
		/* Both rooms are ours: using them must not hurt a frame that comes later. */
		memset(frames[i].data - WIRE_HEADROOM, 0xaa, WIRE_HEADROOM);
		memset(frames[i].data + frames[i].length, 0xbb, WIRE_TAILROOM);
	}
	owner->frames += count;
	if (owner->pause_in_receive)
		wire_pause(owner->wire, true);
	if (owner->close_in_receive) {
		wire_close(owner->wire);
		owner->wire = NULL;
	}
}

static void lost(void *owner_pointer, int error)
{
	struct owner *owner = owner_pointer;

	owner->lost++;
	owner->error = error;
}

static void drained(void *owner_pointer)
{
	((struct owner *)owner_pointer)->drained++;
}

static const struct wire_callbacks callbacks = { receive, lost, drained };

/* Frame `number` of this length as a record of a stream. */
static void make_record(uint8_t *out, uint32_t number, uint16_t length)
{
	write_be16(out, length);
	memset(out + 2, 0x5a, length);
	write_be32(out + 2 + 14, number);
}

static void turn_until(const unsigned *counter, unsigned wanted)
{
	for (int i = 0; i < TURNS && *counter < wanted; i++)
		assert_int_equal(loop_turn(loop, 10000000), 0);
	assert_true(*counter >= wanted);
}

static void turn_some(int turns)
{
	for (int i = 0; i < turns; i++)
		assert_int_equal(loop_turn(loop, 0), 0);
}

static void send_numbered(struct wire *wire, uint32_t first, unsigned count, uint32_t length)
{
	uint8_t *data = malloc((size_t)count * length);
	struct frame *frames = calloc(count, sizeof(*frames));

	assert_true(data != NULL && frames != NULL);
	for (unsigned i = 0; i < count; i++) {
		frames[i] = (struct frame){ .data = data + (size_t)i * length, .length = length };
		memset(frames[i].data, 0x5a, length);
		write_be32(frames[i].data + 14, first + i);
	}
	wire_send(wire, frames, count);
	free(frames);
	free(data);
}

static void write_all(int fd, const void *bytes, size_t length)
{
	assert_int_equal(write(fd, bytes, length), length);
}

/* A pipe whose writer has gone before the first look at it. */
static void test_closed_pipe_is_read_to_its_end(void **state)
{
	struct owner owner = { .check_numbers = true };
	uint8_t record[102];
	int in[2], out[2];

	(void)state;
	assert_int_equal(pipe(in), 0);
	assert_int_equal(pipe(out), 0);
	for (uint32_t i = 0; i < 500; i++) {
		make_record(record, i, 100);
		write_all(in[1], record, sizeof(record));
	}
	close(in[1]);
	owner.wire = wire_open_stream(loop, in[0], out[1], &callbacks, &owner);
	assert_non_null(owner.wire);
	turn_until(&owner.lost, 1);
	assert_int_equal(owner.frames, 500);
	assert_int_equal(owner.bad, 0);
	assert_int_equal(owner.error, 0);
	assert_int_equal(owner.lost, 1);
	assert_int_equal(wire_counters(owner.wire)->frames_in, 500);
	assert_int_equal(wire_counters(owner.wire)->bytes_in, 50000);
	wire_close(owner.wire);
	close(in[0]);
	close(out[0]);
	close(out[1]);
}

static void test_stream_byte_by_byte(void **state)
{
	struct owner owner = { .check_numbers = true };
	uint8_t records[3 * 302];
	int ends[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	owner.wire = wire_open_stream(loop, ends[0], ends[0], &callbacks, &owner);
	assert_non_null(owner.wire);
	for (uint32_t i = 0; i < 3; i++)
		make_record(records + (size_t)i * 302, i, 300);
	for (size_t i = 0; i < sizeof(records); i++) {
		write_all(ends[1], records + i, 1);
		turn_some(1);
	}
	turn_until(&owner.frames, 3);
	assert_int_equal(owner.bad, 0);
	/* Nothing, and too little to be a frame: passed over. */
	write_all(ends[1], "\0\0\0\3abc", 7);
	write_all(ends[1], records, 302);
	owner.next = 0;
	turn_until(&owner.frames, 4);
	assert_int_equal(owner.bad, 0);
	assert_int_equal(wire_counters(owner.wire)->dropped_size, 1);
	close(ends[1]);
	turn_until(&owner.lost, 1);
	wire_close(owner.wire);
	close(ends[0]);
}

/* Reads records from fd until there are none for a moment and checks their order. Returns how many. */
static unsigned read_records(int fd, uint32_t *next, uint8_t *buffer, size_t *have, size_t size)
{
	unsigned count = 0;
	size_t at = 0;
	ssize_t n;

	if (poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, 0) <= 0)
		return 0;
	n = read(fd, buffer + *have, size - *have);
	assert_true(n > 0);
	*have += (size_t)n;
	while (*have - at >= 2 && *have - at - 2 >= read_be16(buffer + at)) {
		assert_int_equal(read_be32(buffer + at + 2 + 14), (*next)++);
		at += 2 + (size_t)read_be16(buffer + at);
		count++;
	}
	memmove(buffer, buffer + at, *have - at);
	*have -= at;
	return count;
}

/* What a pipe does not take waits up to the bound and arrives in order; the rest is dropped and counted. */
static void check_full_out(int in, int out, int reader)
{
	enum { LENGTH = 997, COUNT = 2000 };
	struct owner owner = { 0 };
	uint8_t *buffer = malloc(1 << 18);
	size_t have = 0;
	uint32_t next = 0;
	unsigned received = 0;
	const struct wire_counters *counters;

	assert_non_null(buffer);
	owner.wire = wire_open_stream(loop, in, out, &callbacks, &owner);
	assert_non_null(owner.wire);
	counters = wire_counters(owner.wire);
	assert_false(wire_is_full(owner.wire));
	for (unsigned i = 0; i < COUNT; i += 50)
		send_numbered(owner.wire, i, 50, LENGTH);
	assert_true(wire_is_full(owner.wire));
	assert_true(counters->dropped_full > 0);
	assert_int_equal(counters->frames_out + counters->dropped_full, COUNT);
	for (int i = 0; i < TURNS && received < counters->frames_out; i++) {
		received += read_records(reader, &next, buffer, &have, 1 << 18);
		turn_some(1);
	}
	assert_int_equal(received, counters->frames_out);
	assert_int_equal(have, 0);
	assert_int_equal(owner.drained, 1);
	assert_false(wire_is_full(owner.wire));
	wire_close(owner.wire);
	free(buffer);
}

static void test_full_pipe(void **state)
{
	int in[2], out[2], flags;

	(void)state;
	assert_int_equal(pipe(in), 0);
	assert_int_equal(pipe(out), 0);
	flags = fcntl(out[1], F_GETFL);
	check_full_out(in[0], out[1], out[0]);
	assert_int_equal(fcntl(out[1], F_GETFL), flags);        /* shared with others, so it is as it was */
	assert_true(fcntl(out[1], F_GETFD) >= 0);               /* and open */
	close(in[0]);
	close(in[1]);
	close(out[0]);
	close(out[1]);
}

static void test_full_socket(void **state)
{
	int ends[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	check_full_out(ends[0], ends[0], ends[1]);
	close(ends[0]);
	close(ends[1]);
}

/* A file of frames into a pipe that is read slowly: the joined wire stops reading, and nothing is lost. */
static void test_join_holds_back(void **state)
{
	enum { COUNT = 20000, LENGTH = 500 };
	struct owner near = { 0 }, far = { 0 };
	uint8_t record[2 + LENGTH], *buffer = malloc(1 << 18);
	FILE *file = tmpfile();
	size_t have = 0;
	uint32_t next = 0;
	unsigned received = 0;
	int in[2], out[2], null;

	(void)state;
	assert_true(file != NULL && buffer != NULL);
	for (uint32_t i = 0; i < COUNT; i++) {
		make_record(record, i, LENGTH);
		assert_int_equal(fwrite(record, sizeof(record), 1, file), 1);
	}
	rewind(file);
	null = open("/dev/null", O_WRONLY);
	assert_int_equal(pipe(in), 0);
	assert_int_equal(pipe(out), 0);
	near.wire = wire_open_stream(loop, fileno(file), null, &callbacks, &near);
	far.wire = wire_open_stream(loop, in[0], out[1], &callbacks, &far);
	assert_true(near.wire != NULL && far.wire != NULL);
	wire_join(near.wire, far.wire);
	turn_some(300);
	assert_int_equal(near.lost, 0);         /* it had to stop */
	for (int i = 0; i < 100000 && received < COUNT; i++) {
		received += read_records(out[0], &next, buffer, &have, 1 << 18);
		turn_some(1);
	}
	assert_int_equal(received, COUNT);
	turn_until(&near.lost, 1);
	assert_int_equal(wire_counters(far.wire)->dropped_full, 0);
	wire_close(near.wire);
	wire_close(far.wire);
	fclose(file);
	free(buffer);
	close(null);
	close(in[0]), close(in[1]), close(out[0]), close(out[1]);
}

/* While paused nothing is delivered, not even what was read already; a peer that hung up meanwhile is noticed after it. */
static void test_pause(void **state)
{
	struct owner owner = { .check_numbers = true, .pause_in_receive = true };
	uint8_t record[102];
	int ends[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	owner.wire = wire_open_stream(loop, ends[0], ends[0], &callbacks, &owner);
	for (uint32_t i = 0; i < 200; i++) {
		make_record(record, i, 100);
		write_all(ends[1], record, sizeof(record));
	}
	for (unsigned batch = 1; batch <= 3; batch++) {
		turn_until(&owner.frames, batch * WIRE_BATCH);
		turn_some(20);
		assert_int_equal(owner.frames, batch * WIRE_BATCH);
		assert_int_equal(owner.lost, 0);
		if (batch == 3)
			close(ends[1]);         /* it hangs up while nobody wants to read */
		turn_some(20);
		wire_pause(owner.wire, false);
	}
	owner.pause_in_receive = false;
	turn_until(&owner.lost, 1);
	assert_int_equal(owner.frames, 200);
	assert_int_equal(owner.bad, 0);
	wire_close(owner.wire);
	close(ends[0]);
}

/* A pipe whose descriptor blocks: going on with what was read before must not wait for more. */
static void test_resumed_pipe(void **state)
{
	struct owner owner = { .check_numbers = true, .pause_in_receive = true };
	uint8_t record[102];
	int ends[2], null = open("/dev/null", O_WRONLY);

	(void)state;
	assert_int_equal(pipe(ends), 0);
	owner.wire = wire_open_stream(loop, ends[0], null, &callbacks, &owner);
	for (uint32_t i = 0; i < 200; i++) {
		make_record(record, i, 100);
		write_all(ends[1], record, sizeof(record));
	}
	turn_until(&owner.frames, WIRE_BATCH);
	owner.pause_in_receive = false;
	alarm(10);
	wire_pause(owner.wire, false);
	turn_until(&owner.frames, 200);
	turn_some(20);
	alarm(0);
	assert_int_equal(owner.bad, 0);
	make_record(record, 200, 100);
	write_all(ends[1], record, sizeof(record));
	turn_until(&owner.frames, 201);
	wire_close(owner.wire);
	close(ends[0]), close(ends[1]), close(null);
}

static void test_close_in_callback(void **state)
{
	struct owner owner = { .close_in_receive = true };
	uint8_t record[102];
	int ends[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	owner.wire = wire_open_stream(loop, ends[0], ends[0], &callbacks, &owner);
	for (uint32_t i = 0; i < 100; i++) {
		make_record(record, i, 100);
		write_all(ends[1], record, sizeof(record));
	}
	turn_until(&owner.frames, 1);
	turn_some(10);
	assert_int_equal(owner.frames, WIRE_BATCH);
	assert_int_equal(owner.lost, 0);
	close(ends[0]);
	close(ends[1]);
}

/* The reader of our output goes: what came in before is still delivered, then the end is told. */
static void test_reader_gone(void **state)
{
	struct owner owner = { .check_numbers = true };
	uint8_t record[102];
	int in[2], out[2];

	(void)state;
	assert_int_equal(pipe(in), 0);
	assert_int_equal(pipe(out), 0);
	owner.wire = wire_open_stream(loop, in[0], out[1], &callbacks, &owner);
	for (uint32_t i = 0; i < 300; i++) {
		make_record(record, i, 100);
		write_all(in[1], record, sizeof(record));
	}
	close(out[0]);
	turn_until(&owner.lost, 1);
	assert_int_equal(owner.error, EPIPE);
	assert_int_equal(owner.frames, 300);
	send_numbered(owner.wire, 0, 1, 60);    /* goes nowhere, hurts nobody */
	wire_close(owner.wire);
	close(in[0]), close(in[1]), close(out[1]);
}

static void test_sizes(void **state)
{
	static uint8_t data[70000];
	struct frame frames[] = {
		{ .data = data, .length = 13 }, { .data = data, .length = 14 }, { .data = data, .length = 65535 },
		{ .data = data, .length = 65536 }, { .data = data, .length = 0 }, { .data = data, .length = 60 },
	};
	struct owner near = { 0 }, far = { 0 };
	int ends[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM, 0, ends), 0);
	near.wire = wire_open_device(loop, ends[0], &callbacks, &near);
	far.wire = wire_open_device(loop, ends[1], &callbacks, &far);
	assert_true(near.wire != NULL && far.wire != NULL);
	wire_send(near.wire, frames, COUNT_OF(frames));
	turn_until(&far.frames, 3);
	assert_int_equal(far.bytes, 14 + 65535 + 60);
	assert_int_equal(wire_counters(near.wire)->dropped_size, 3);
	assert_int_equal(wire_counters(near.wire)->frames_out, 3);
	assert_int_equal(send(ends[0], data, 13, 0), 13);
	assert_int_equal(send(ends[0], data, 65536, 0), 65536);
	assert_int_equal(send(ends[0], data, 60, 0), 60);
	turn_until(&far.frames, 4);
	assert_int_equal(wire_counters(far.wire)->dropped_size, 2);
	wire_close(near.wire);
	wire_close(far.wire);
}

static void test_device_queues(void **state)
{
	enum { COUNT = 700 };
	struct owner near = { 0 }, far = { .check_numbers = true };
	int ends[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM, 0, ends), 0);
	near.wire = wire_open_device(loop, ends[0], &callbacks, &near);
	send_numbered(near.wire, 0, COUNT, 1400);
	assert_int_equal(wire_counters(near.wire)->dropped_full, 0);
	far.wire = wire_open_device(loop, ends[1], &callbacks, &far);
	turn_until(&far.frames, COUNT);
	assert_int_equal(far.bad, 0);
	wire_close(near.wire);
	wire_close(far.wire);
}

/* An error that passes, such as a UDP socket reports, does not hold what waits to be sent while nobody wants to read. */
static void test_passing_error_while_paused(void **state)
{
	enum { COUNT = 700 };
	const struct sockaddr nobody = { .sa_family = AF_UNSPEC };
	struct owner near = { 0 };
	uint8_t frame[1400];
	int ends[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM, 0, ends), 0);
	near.wire = wire_open_device(loop, ends[0], &callbacks, &near);
	wire_pause(near.wire, true);
	send_numbered(near.wire, 0, COUNT, sizeof(frame));
	/* what it has not received yet is lost, of which near is told: ECONNRESET */
	assert_int_equal(connect(ends[1], &nobody, sizeof(nobody)), 0);
	for (int i = 0; i < TURNS && wire_queue_length(&near.wire->queue) > 0; i++) {
		turn_some(1);
		while (recv(ends[1], frame, sizeof(frame), MSG_DONTWAIT) > 0)
			continue;
	}
	assert_int_equal(wire_queue_length(&near.wire->queue), 0);
	wire_close(near.wire);
	close(ends[1]);
}

/* Two plugs over inherited sockets, joined with two streams: a whole cable in one process. */
static void test_plug(void **state)
{
	enum { COUNT = 3000 };
	struct owner a = { 0 }, b = { .check_numbers = true };
	char name[2][40];
	int ends[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
	for (int i = 0; i < 2; i++)
		snprintf(name[i], sizeof(name[i]), "seqpacket://%d", ends[i]);
	a.wire = wire_open_plug(loop, name[0], "a", NULL, &callbacks, &a);
	b.wire = wire_open_plug(loop, name[1], "b", NULL, &callbacks, &b);
	assert_true(a.wire != NULL && b.wire != NULL);
	for (uint32_t i = 0; i < COUNT; i += 100) {
		send_numbered(a.wire, i, 100, 1000);
		turn_until(&b.frames, i > 300 ? i - 300 : 0);
	}
	turn_until(&b.frames, COUNT);
	assert_int_equal(b.bad, 0);
	send_numbered(a.wire, COUNT, 1, 65535);
	turn_until(&b.frames, COUNT + 1);
	wire_flush(a.wire, 1000000);
	wire_close(a.wire);
	turn_until(&b.lost, 1);
	assert_int_equal(b.error, 0);
	wire_close(b.wire);
	assert_null(wire_open_plug(loop, "nosuch://", "x", NULL, &callbacks, &a));
	assert_int_equal(errno, EPROTONOSUPPORT);
}

static void test_flush(void **state)
{
	struct owner owner = { 0 };
	uint8_t buffer[70000];
	int in[2], out[2];
	size_t total = 0;

	(void)state;
	assert_int_equal(pipe(in), 0);
	assert_int_equal(pipe(out), 0);
	owner.wire = wire_open_stream(loop, in[0], out[1], &callbacks, &owner);
	send_numbered(owner.wire, 0, 200, 1000);
	wire_flush(owner.wire, 1000000);        /* in vain, and it returns */
	for (int i = 0; i < 100 && total < 200 * 1002; i++) {
		ssize_t n = read(out[0], buffer, sizeof(buffer));

		assert_true(n > 0);
		total += (size_t)n;
		wire_flush(owner.wire, 1000000);
	}
	assert_int_equal(total, 200 * 1002);
	wire_close(owner.wire);
	close(in[0]), close(in[1]), close(out[0]), close(out[1]);
}

/* `count` frames come together, `turns` times; how often the wire rested afterwards. */
static unsigned count_rests(struct owner *owner, int fd, unsigned turns, unsigned count)
{
	uint8_t frame[60] = { 0 };
	unsigned rests = 0;

	for (unsigned turn = 0; turn < turns; turn++) {
		unsigned wanted = owner->frames + count;

		for (unsigned i = 0; i < count; i++)
			write_all(fd, frame, sizeof(frame));
		turn_until(&owner->frames, wanted);
		rests += owner->wire->moderation.rested;
	}
	return rests;
}

/* Under load frames are met together; what answers to a frame, or comes after a silence, is not kept waiting. */
static void test_moderation(void **state)
{
	struct owner owner = { 0 };
	unsigned rests = 0;
	int ends[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM, 0, ends), 0);
	owner.wire = wire_open_device(loop, ends[0], &callbacks, &owner);
	assert_non_null(owner.wire);
	assert_int_equal(count_rests(&owner, ends[1], 500, 8), 0);      /* only when asked to */
	wire_moderate(owner.wire);
	assert_int_equal(count_rests(&owner, ends[1], 1, 1), 0);
	assert_true(count_rests(&owner, ends[1], 2000, 1) < 40);
	/* on a machine that is busy with others the frames may be too far apart for a while */
	for (unsigned tries = 0; rests == 0 && tries < 50; tries++)
		rests = count_rests(&owner, ends[1], 2000, 8);
	assert_true(rests > 0);
	for (int i = 0; i < 5; i++) {
		usleep(WIRE_SILENCE_NS / 1000 * 3 / 2);
		assert_int_equal(count_rests(&owner, ends[1], 1, 1), 0);
	}
	wire_close(owner.wire);
	close(ends[1]);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_closed_pipe_is_read_to_its_end),
		TEST(test_stream_byte_by_byte),
		TEST(test_full_pipe),
		TEST(test_resumed_pipe),
		TEST(test_full_socket),
		TEST(test_join_holds_back),
		TEST(test_pause),
		TEST(test_close_in_callback),
		TEST(test_reader_gone),
		TEST(test_sizes),
		TEST(test_device_queues),
		TEST(test_passing_error_while_paused),
		TEST(test_moderation),
		TEST(test_plug),
		TEST(test_flush),
	};

	return cmocka_run_group_tests_name("wire", tests, NULL, NULL);
}
