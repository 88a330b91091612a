/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One thread reads a connection while another one writes to it, in batches: no byte of the stream is written twice. */
#include <libvdeplug.h>

#include "unit.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FRAMES = 2000000, BATCH = 64, SIZE = 1500, PATIENCE_S = 120 };

static void *write_frames(void *argument)
{
	VDECONN *conn = argument;
	static uint8_t bytes[BATCH][SIZE];
	struct vde_frame frames[BATCH];

	for (uint32_t sent = 0; sent < FRAMES; ) {
		int n;

		for (uint32_t i = 0; i < BATCH; i++) {
			uint32_t number = sent + i;

			memset(bytes[i], (int)number, SIZE);
			memcpy(bytes[i], &number, sizeof(number));
			frames[i] = (struct vde_frame){bytes[i], 0, SIZE - number % 700};
		}
		n = vde_send_batch(conn, frames, FRAMES - sent < BATCH ? FRAMES - sent : BATCH, 0);
		sent += n > 0 ? (uint32_t)n : 0;
	}
	return NULL;
}

static void test_reader_and_writer(void **state)
{
	char locator[] = "cmd://cat", description[] = "test";
	VDECONN *conn = vde_open(locator, description, NULL);
	static uint8_t bytes[BATCH][SIZE];
	uint32_t came = 0;
	pthread_t writer;

	(void)state;
	assert_non_null(conn);
	alarm(PATIENCE_S);
	assert_int_equal(pthread_create(&writer, NULL, write_frames, conn), 0);
	while (came < FRAMES) {
		struct vde_frame frames[BATCH];
		int n;

		for (unsigned i = 0; i < BATCH; i++)
			frames[i] = (struct vde_frame){bytes[i], SIZE, 0};
		n = vde_recv_batch(conn, frames, BATCH, 0);
		if (n < 0) {
			assert_int_equal(errno, EAGAIN);
			poll(&(struct pollfd){.fd = vde_datafd(conn), .events = POLLIN}, 1, 10);
		}
		assert_int_not_equal(n, 0);
		for (int i = 0; i < n; i++, came++) {
			uint32_t number;

			memcpy(&number, frames[i].data, sizeof(number));
			assert_int_equal(number, came);
			assert_int_equal(frames[i].length, SIZE - came % 700);
			assert_int_equal(bytes[i][frames[i].length - 1], came & 0xff);
		}
	}
	pthread_join(writer, NULL);
	alarm(0);
	assert_int_equal(vde_close(conn), 0);
}

/* A command, or the network behind it, may end within a frame: then that is the end, and not what the rest is waited for. */
static void test_ends_within_a_frame(void **state)
{
	char locator[] = "cmd://printf '\\0\\144half'", description[] = "test";
	VDECONN *conn = vde_open(locator, description, NULL);
	static uint8_t bytes[2][SIZE];
	struct vde_frame frames[2] = {{bytes[0], SIZE, 0}, {bytes[1], SIZE, 0}};
	struct pollfd hung_up;

	(void)state;
	assert_non_null(conn);
	hung_up = (struct pollfd){.fd = vde_datafd(conn)};
	assert_int_equal(poll(&hung_up, 1, PATIENCE_S * 1000), 1);      /* so that one call meets both */
	alarm(PATIENCE_S);
	assert_int_equal(vde_recv_batch(conn, frames, 2, 0), 0);
	assert_int_equal(vde_recv(conn, bytes[0], SIZE, 0), 0);
	alarm(0);
	assert_int_equal(vde_close(conn), 0);
}

/* A program may have closed its stdin and stdout. Runs in a process of its own; returns its exit status. */
static int echo_without_stdio(void)
{
	char locator[] = "cmd://cat", missing[] = "cmd:///nonexistent/command", description[] = "test";
	uint8_t frame[60] = {1, 2, 3}, got[100];
	VDECONN *conn;

	close(STDIN_FILENO);
	close(STDOUT_FILENO);
	if (vde_open(missing, description, NULL) != NULL || errno != ENOENT)
		return 1;
	conn = vde_open(locator, description, NULL);
	if (conn == NULL || vde_send(conn, frame, sizeof(frame), 0) != sizeof(frame))
		return 2;
	poll(&(struct pollfd){.fd = vde_datafd(conn), .events = POLLIN}, 1, PATIENCE_S * 1000);
	return vde_recv(conn, got, sizeof(got), 0) == sizeof(frame) && memcmp(frame, got, sizeof(frame)) == 0 ? 0 : 3;
}

static void test_without_stdio(void **state)
{
	int status = -1;
	pid_t pid = fork();

	(void)state;
	if (pid == 0)
		_exit(echo_without_stdio());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reader_and_writer),
		cmocka_unit_test(test_ends_within_a_frame),
		cmocka_unit_test(test_without_stdio),
	};

	return cmocka_run_group_tests_name("module cmd", tests, NULL, NULL);
}
