/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The event loop; built once with each manner of waiting. */
#include "common/loop.h"

#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MS = 1000000 };

struct bench {
	struct loop *loop;
	char text[256];                 /* what happened, a letter for each */
	struct loop_io *io[128];
	struct loop_timer *timer[8];
	int fd[256];
	unsigned calls;
};

static int setup(void **state)
{
	struct bench *bench = calloc(1, sizeof(*bench));

	assert_non_null(bench);
	bench->loop = loop_create();
	assert_non_null(bench->loop);
	*state = bench;
	return 0;
}

static int teardown(void **state)
{
	struct bench *bench = *state;

	loop_destroy(bench->loop);
	free(bench);
	return 0;
}

static void note(struct bench *bench, char letter)
{
	bench->text[strlen(bench->text)] = letter;
}

static void timer_a(void *owner) { note(owner, 'a'); }
static void timer_b(void *owner) { note(owner, 'b'); }
static void timer_c(void *owner) { note(owner, 'c'); }

static void stop(void *owner)
{
	loop_stop(((struct bench *)owner)->loop, 42);
}

static void test_timers_in_order(void **state)
{
	struct bench *bench = *state;
	struct loop_timer *a = loop_add_timer(bench->loop, timer_a, bench);
	struct loop_timer *b = loop_add_timer(bench->loop, timer_b, bench);
	struct loop_timer *c = loop_add_timer(bench->loop, timer_c, bench);
	struct loop_timer *end = loop_add_timer(bench->loop, stop, bench);
	uint64_t now = loop_clock();

	assert_false(loop_timer_running(a));
	loop_timer_set(end, now + 9 * MS);
	loop_timer_set(c, now + 3 * MS);
	loop_timer_set(a, now + 1 * MS);
	loop_timer_set(b, now + 3 * MS);        /* equal: in the order they were set */
	loop_timer_set(c, now + 3 * MS);
	assert_true(loop_timer_running(a));
	assert_int_equal(loop_run(bench->loop), 42);
	assert_string_equal(bench->text, "abc");
	assert_false(loop_timer_running(a));
	assert_true(loop_clock() >= now + 9 * MS);
}

static void count(void *owner)
{
	((struct bench *)owner)->calls++;
}

/* Many timers, set, moved and stopped: each fires not before its time, those stopped never. */
static void test_many_timers(void **state)
{
	struct bench *bench = *state;
	struct loop_timer *timers[500];
	uint64_t now = loop_clock();
	uint64_t random = 12345;

	for (size_t i = 0; i < COUNT_OF(timers); i++) {
		timers[i] = loop_add_timer(bench->loop, count, bench);
		random = random * 6364136223846793005u + 1442695040888963407u;
		loop_timer_set(timers[i], now + (random >> 40) % (20 * MS));
	}
	for (size_t i = 0; i < COUNT_OF(timers); i += 5)
		loop_timer_set(timers[i], now + 25 * MS);
	for (size_t i = 1; i < COUNT_OF(timers); i += 5)
		loop_timer_stop(timers[i]);
	for (size_t i = 2; i < COUNT_OF(timers); i += 5)
		loop_remove_timer(timers[i]);
	while (loop_clock() < now + 24 * MS)
		loop_turn(bench->loop, MS);
	assert_true(bench->calls >= 200);
	while (bench->calls < 300)
		assert_int_equal(loop_turn(bench->loop, -1), 0);
	loop_turn(bench->loop, 0);
	assert_int_equal(bench->calls, 300);
	for (size_t i = 0; i < COUNT_OF(timers); i += 5)
		assert_false(loop_timer_running(timers[i]));
}

static void again(void *owner)
{
	struct bench *bench = owner;

	bench->calls++;
	loop_timer_after(bench->timer[0], 0);
}

static void test_timer_set_to_now_waits_a_turn(void **state)
{
	struct bench *bench = *state;

	bench->timer[0] = loop_add_timer(bench->loop, again, bench);
	loop_timer_after(bench->timer[0], 0);
	for (int i = 0; i < 10; i++)
		loop_turn(bench->loop, -1);
	assert_in_range(bench->calls, 9, 10);
}

static void remove_other_timers(void *owner)
{
	struct bench *bench = owner;

	bench->calls++;
	for (size_t i = 0; i < COUNT_OF(bench->timer); i++)
		loop_remove_timer(bench->timer[i]);
}

static void test_timers_removed_in_callback(void **state)
{
	struct bench *bench = *state;
	uint64_t now = loop_clock();

	for (size_t i = 0; i < COUNT_OF(bench->timer); i++) {
		bench->timer[i] = loop_add_timer(bench->loop, remove_other_timers, bench);
		loop_timer_set(bench->timer[i], now);
	}
	loop_turn(bench->loop, MS);
	loop_turn(bench->loop, 0);
	assert_int_equal(bench->calls, 1);
}

/*
 * A nanosecond deadline is not rounded to milliseconds: 100 steps of 100 us end well before 100 steps of 1 ms would
 * at best.
 */
static void test_fine_deadlines(void **state)
{
	struct bench *bench = *state;
	struct loop_timer *timer = loop_add_timer(bench->loop, count, bench);
	uint64_t best = UINT64_MAX;

	for (int i = 0; i < 100; i++) {
		uint64_t start = loop_clock(), took;

		loop_timer_set(timer, start + 100000);
		while (loop_timer_running(timer))
			loop_turn(bench->loop, -1);
		took = loop_clock() - start;
		assert_true(took >= 100000);
		best = took < best ? took : best;
	}
	assert_true(best < MS);
}

static void read_byte(void *owner, int fd, unsigned events)
{
	struct bench *bench = owner;
	char byte;

	if (events & LOOP_READ)
		note(bench, read(fd, &byte, 1) == 1 ? byte : 'E');
	if (events & LOOP_WRITE)
		note(bench, 'W');
	if (events & LOOP_HANGUP)
		note(bench, 'H');
}

static void test_descriptor_events(void **state)
{
	struct bench *bench = *state;
	struct loop_io *io;
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	io = loop_add_io(bench->loop, ends[0], LOOP_READ, read_byte, bench);
	assert_non_null(io);
	assert_int_equal(write(ends[1], "xy", 2), 2);
	loop_turn(bench->loop, -1);
	assert_string_equal(bench->text, "x");
	loop_set_events(io, 0);
	loop_turn(bench->loop, 0);
	assert_string_equal(bench->text, "x");
	loop_set_events(io, LOOP_READ | LOOP_WRITE);
	loop_turn(bench->loop, -1);
	assert_string_equal(bench->text, "xyW");
	loop_set_events(io, LOOP_READ);
	close(ends[1]);
	loop_turn(bench->loop, -1);
	assert_string_equal(bench->text, "xyWEH");
	loop_set_events(io, 0);
	loop_turn(bench->loop, -1);
	assert_string_equal(bench->text, "xyWEHH");
	loop_remove_io(io);
	loop_turn(bench->loop, 0);
	assert_string_equal(bench->text, "xyWEHH");
	close(ends[0]);
}

static void remove_all_others(void *owner, int fd, unsigned events)
{
	struct bench *bench = owner;

	(void)fd;
	(void)events;
	bench->calls++;
	for (size_t i = 0; i < COUNT_OF(bench->io); i++) {
		loop_remove_io(bench->io[i]);
		bench->io[i] = NULL;
	}
}

/* All are ready in one turn; the first one called removes all, itself included: no other is called. */
static void test_descriptors_removed_in_callback(void **state)
{
	struct bench *bench = *state;

	for (size_t i = 0; i < COUNT_OF(bench->io); i++) {
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, bench->fd + 2 * i), 0);
		bench->io[i] = loop_add_io(bench->loop, bench->fd[2 * i], LOOP_WRITE, remove_all_others, bench);
	}
	loop_turn(bench->loop, -1);
	loop_turn(bench->loop, 0);
	assert_int_equal(bench->calls, 1);
	for (size_t i = 0; i < COUNT_OF(bench->fd); i++)
		close(bench->fd[i]);
}

static void lose_interest(void *owner, int fd, unsigned events)
{
	struct bench *bench = owner;

	(void)fd;
	(void)events;
	bench->calls++;
	loop_set_events(bench->io[0], 0);
	loop_set_events(bench->io[1], 0);
}

static void test_fetched_event_nobody_wants_any_more(void **state)
{
	struct bench *bench = *state;

	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, bench->fd + 2 * i), 0);
		bench->io[i] = loop_add_io(bench->loop, bench->fd[2 * i], LOOP_WRITE, lose_interest, bench);
	}
	loop_turn(bench->loop, -1);
	assert_int_equal(bench->calls, 1);
	for (size_t i = 0; i < 4; i++)
		close(bench->fd[i]);
}

static void mark_ready(void *owner, int fd, unsigned events)
{
	struct bench *bench = owner;

	(void)events;
	for (size_t i = 0; i < COUNT_OF(bench->io); i++)
		if (bench->fd[2 * i] == fd)
			bench->text[i] = 'r';
}

/* More ready ones than a turn takes: all get their turn. */
static void test_no_descriptor_starves(void **state)
{
	struct bench *bench = *state;

	for (size_t i = 0; i < COUNT_OF(bench->io); i++) {
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, bench->fd + 2 * i), 0);
		bench->io[i] = loop_add_io(bench->loop, bench->fd[2 * i], LOOP_WRITE, mark_ready, bench);
	}
	for (int i = 0; i < 6; i++)
		loop_turn(bench->loop, 0);
	assert_int_equal(strspn(bench->text, "r"), COUNT_OF(bench->io));
	for (size_t i = 0; i < COUNT_OF(bench->fd); i++)
		close(bench->fd[i]);
}

static void read_file(void *owner, int fd, unsigned events)
{
	struct bench *bench = owner;
	char byte;

	(void)events;
	if (read(fd, &byte, 1) == 1)
		note(bench, byte);
	else
		loop_stop(bench->loop, 7);
}

static void test_regular_file_is_always_ready(void **state)
{
	struct bench *bench = *state;
	FILE *file = tmpfile();
	struct loop_io *io;

	fputs("abc", file);
	rewind(file);
	io = loop_add_io(bench->loop, fileno(file), LOOP_READ, read_file, bench);
	assert_non_null(io);
	assert_int_equal(loop_run(bench->loop), 7);
	assert_string_equal(bench->text, "abc");
	loop_set_events(io, 0);
	assert_int_equal(loop_turn(bench->loop, MS), 0);
	loop_remove_io(io);
	fclose(file);
}

static void test_bad_descriptor(void **state)
{
	struct bench *bench = *state;
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	close(fd);
	/* poll has no way to say so when it is added; it reports a hang-up then. */
	if (!loop_add_io(bench->loop, fd, LOOP_READ, read_byte, bench))
		assert_int_equal(errno, EBADF);
	else
		loop_turn(bench->loop, 0);
}

static void on_signal(void *owner, int number)
{
	struct bench *bench = owner;

	note(bench, number == SIGUSR1 ? 'u' : number == SIGTERM ? 't' : '?');
	if (number == SIGTERM)
		loop_stop(bench->loop, 3);
}

static void test_signals(void **state)
{
	struct bench *bench = *state;
	sigset_t before, now;

	sigprocmask(SIG_BLOCK, NULL, &before);
	assert_int_equal(loop_add_signal(bench->loop, SIGUSR1, on_signal, bench), 0);
	assert_int_equal(loop_add_signal(bench->loop, SIGTERM, on_signal, bench), 0);
	assert_int_equal(loop_add_signal(bench->loop, SIGHUP, NULL, NULL), 0);
	assert_int_equal(loop_add_signal(bench->loop, 0, on_signal, bench), EINVAL);
	kill(getpid(), SIGHUP);
	kill(getpid(), SIGUSR1);
	loop_turn(bench->loop, LOOP_SECOND);
	assert_string_equal(bench->text, "u");
	kill(getpid(), SIGTERM);
	assert_int_equal(loop_run(bench->loop), 3);
	assert_string_equal(bench->text, "ut");
	sigprocmask(SIG_BLOCK, NULL, &now);
	assert_int_equal(sigismember(&now, SIGTERM), 1);
	loop_unblock_signals();
	sigprocmask(SIG_BLOCK, NULL, &now);
	assert_int_equal(sigismember(&now, SIGTERM), 0);
	signal(SIGHUP, SIG_DFL);
	sigprocmask(SIG_SETMASK, &before, NULL);
}

static void test_turn_times_out(void **state)
{
	struct bench *bench = *state;
	uint64_t start = loop_clock();

	assert_int_equal(loop_turn(bench->loop, 5 * MS), 0);
	assert_true(loop_clock() >= start + 5 * MS);
	assert_true(loop_now(bench->loop) >= start + 5 * MS);
	loop_remove_io(NULL);
	loop_remove_timer(NULL);
	loop_destroy(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_timers_in_order, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many_timers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_timer_set_to_now_waits_a_turn, setup, teardown),
		cmocka_unit_test_setup_teardown(test_timers_removed_in_callback, setup, teardown),
		cmocka_unit_test_setup_teardown(test_fine_deadlines, setup, teardown),
		cmocka_unit_test_setup_teardown(test_descriptor_events, setup, teardown),
		cmocka_unit_test_setup_teardown(test_descriptors_removed_in_callback, setup, teardown),
		cmocka_unit_test_setup_teardown(test_fetched_event_nobody_wants_any_more, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_descriptor_starves, setup, teardown),
		cmocka_unit_test_setup_teardown(test_regular_file_is_always_ready, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bad_descriptor, setup, teardown),
		cmocka_unit_test_setup_teardown(test_signals, setup, teardown),
		cmocka_unit_test_setup_teardown(test_turn_times_out, setup, teardown),
	};

	return cmocka_run_group_tests_name("loop", tests, NULL, NULL);
}
