/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The library as its users call it, against a small switch in a thread that answers, refuses, or keeps silent. */
#include "libvdeplug/plug_protocol.h"

#include <libvdeplug.h>
#include <libvdeplug_dyn.h>

#include "unit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum behaviour { ANSWER, ANSWER_IN_PIECES, REFUSE, SILENT, NONSENSE, HALF };
enum { CONNECTIONS_MAX = 1024 };

struct server {
	char *directory;
	int listener;
	enum behaviour behaviour;
	pthread_t thread;
	pthread_mutex_t lock;
	uint8_t request[512];           /* the last one */
	size_t request_length;
	unsigned count;
	int control[CONNECTIONS_MAX], data[CONNECTIONS_MAX];
	mode_t client_mode;             /* of the client's socket when the request came */
};

static void set_address(struct sockaddr_un *address, const char *directory, const char *name)
{
	memset(address, 0, sizeof(*address));
	address->sun_family = AF_UNIX;
	snprintf(address->sun_path, sizeof(address->sun_path), "%.60s/%.40s", directory, name);
}

static int answer(struct server *server, int control, unsigned number)
{
	struct sockaddr_un own, client;
	struct stat st;
	char name[32];
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

	memcpy(&client, server->request + 12, sizeof(client));
	if (stat(client.sun_path, &st) == 0)
		server->client_mode = st.st_mode & 0777;
	snprintf(name, sizeof(name), "%03u.9", number);
	set_address(&own, server->directory, name);
	if (bind(fd, (struct sockaddr *)&own, sizeof(own)) != 0 || connect(fd, (struct sockaddr *)&client, sizeof(client)) != 0) {
		close(fd);
		return -1;
	}
	if (server->behaviour == NONSENSE)
		memset(&own, 'x', sizeof(own));
	if (server->behaviour == ANSWER_IN_PIECES || server->behaviour == HALF) {
		send(control, &own, 40, MSG_NOSIGNAL);
		nanosleep(&(struct timespec){ .tv_nsec = 50000000 }, NULL);
		if (server->behaviour == ANSWER_IN_PIECES)
			send(control, (char *)&own + 40, sizeof(own) - 40, MSG_NOSIGNAL);
	} else {
		send(control, &own, sizeof(own), MSG_NOSIGNAL);
	}
	return fd;
}

static void *serve(void *pointer)
{
	struct server *server = pointer;
	int control;

	while ((control = accept(server->listener, NULL, NULL)) >= 0) {
		unsigned number = server->count;
		ssize_t n;

		pthread_mutex_lock(&server->lock);
		n = server->behaviour == SILENT ? 0 : recv(control, server->request, sizeof(server->request), 0);
		server->request_length = n > 0 ? (size_t)n : 0;
		server->data[number] = -1;
		if (n >= PLUG_V3_MIN_SIZE && server->behaviour != REFUSE)
			server->data[number] = answer(server, control, number);
		if (server->behaviour == REFUSE || server->behaviour == HALF) {
			close(control);
			control = -1;
		}
		server->control[number] = control;
		server->count = number + 1;
		pthread_mutex_unlock(&server->lock);
	}
	return NULL;
}

static struct server *start(enum behaviour behaviour)
{
	struct server *server = calloc(1, sizeof(*server));
	struct sockaddr_un address;

	assert_non_null(server);
	server->directory = make_directory();
	server->behaviour = behaviour;
	server->listener = socket(AF_UNIX, SOCK_STREAM, 0);
	pthread_mutex_init(&server->lock, NULL);
	set_address(&address, server->directory, "ctl");
	assert_int_equal(bind(server->listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(server->listener, 100), 0);
	assert_int_equal(pthread_create(&server->thread, NULL, serve, server), 0);
	return server;
}

/* Returns when the server has noted connection number `count`. */
static void wait_for(struct server *server, unsigned count)
{
	for (;;) {
		unsigned seen;

		pthread_mutex_lock(&server->lock);
		seen = server->count;
		pthread_mutex_unlock(&server->lock);
		if (seen >= count)
			return;
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	}
}

static void stop(struct server *server)
{
	shutdown(server->listener, SHUT_RDWR);
	pthread_join(server->thread, NULL);
	close(server->listener);
	for (unsigned i = 0; i < server->count; i++) {
		if (server->control[i] >= 0)
			close(server->control[i]);
		if (server->data[i] >= 0)
			close(server->data[i]);
	}
	remove_directory(server->directory);
	free(server);
}

/* The number of entries of the directory beside ctl whose names begin with a dot: what clients left. */
static unsigned count_client_names(const char *directory)
{
	DIR *dir = opendir(directory);
	struct dirent *entry;
	unsigned count = 0;

	assert_non_null(dir);
	while ((entry = readdir(dir)) != NULL)
		count += entry->d_name[0] == '.' && strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
	closedir(dir);
	return count;
}

static unsigned count_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned count = 0;

	if (dir == NULL)
		return 0;
	while (readdir(dir) != NULL)
		count++;
	closedir(dir);
	return count;
}

static void test_request(void **state)
{
	static const struct { const char *suffix; int port; uint32_t type; } rows[] = {
		{ "", 0, 0 }, { "", 7, 7 << 8 }, { "", -1, 1 }, { "[3]", 7, 3 << 8 }, { "[03]", 0, 3 << 8 }, { "[0]", 7, 1 },
		{ "[-1]", 7, 0 }, { "[]", 7, 7 << 8 }, { "[port=9/mode=666]", 0, 9 << 8 }, { "[p=9", 0, 9 << 8 }, { "[abc]", 7, 0 },
		{ "[16777215]", 0, 0xffffff00U }, { "/", 0, 0 }, { "[portgroup=x]", 0, 0 },
	};
	struct server *server = start(ANSWER);
	char descr[] = "unit:", expected[100];

	(void)state;
	unsetenv("SSH_CLIENT");
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct vde_open_args args = { .port = rows[i].port };
		char name[200], before[200];
		VDECONN *conn;
		uint32_t word[3];

		snprintf(name, sizeof(name), "%s%s", server->directory, rows[i].suffix);
		strcpy(before, name);
		conn = vde_open(name, descr, &args);
		assert_non_null(conn);
		wait_for(server, (unsigned)i + 1);
		assert_string_equal(name, before);
		memcpy(word, server->request, sizeof(word));
		assert_int_equal(word[0], PLUG_MAGIC);
		assert_int_equal(word[1], 3);
		assert_int_equal(word[2], rows[i].type);
		snprintf(expected, sizeof(expected), "%s/.%05d-00000", server->directory, (int)getpid());
		assert_string_equal((char *)server->request + 14, expected);
		assert_memory_equal(server->request + 122, "unit: user=", 11);
		snprintf(expected, sizeof(expected), "pid=%d", (int)getpid());
		assert_memory_equal(server->request + server->request_length - strlen(expected), expected, strlen(expected));
		assert_int_equal(count_client_names(server->directory), 0);
		assert_int_equal(vde_close(conn), 0);
	}
	stop(server);
}

static void test_description(void **state)
{
	struct server *server = start(ANSWER);
	char long_text[500];
	VDECONN *conn;

	(void)state;
	conn = vde_open(server->directory, NULL, NULL);
	assert_non_null(conn);
	assert_memory_equal(server->request + 122, "user=", 5);
	vde_close(conn);
	memset(long_text, 'd', sizeof(long_text) - 1);
	long_text[sizeof(long_text) - 1] = '\0';
	conn = vde_open(server->directory, long_text, NULL);
	assert_non_null(conn);
	assert_int_equal(server->request_length, 122 + 127);
	vde_close(conn);
	setenv("SSH_CLIENT", "10.1.2.3 5 6", 1);
	conn = vde_open(server->directory, NULL, NULL);
	assert_non_null(conn);
	assert_memory_equal(server->request + server->request_length - 13, " SSH=10.1.2.3", 13);
	vde_close(conn);
	unsetenv("SSH_CLIENT");
	stop(server);
}

static void test_modes(void **state)
{
	static const struct { mode_t mode; const char *suffix; mode_t expected; } rows[] = {
		{ 0, "", 0700 }, { 0600, "", 0600 }, { 0770, "", 0770 }, { 0777, "", 0777 }, { 0777, "[mode=640]", 0640 },
		{ 0660, "[mode=0]", 0700 },
	};
	struct server *server = start(ANSWER);

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct vde_open_args args = { .mode = rows[i].mode };
		char name[200];
		VDECONN *conn;

		snprintf(name, sizeof(name), "%s%s", server->directory, rows[i].suffix);
		conn = vde_open(name, NULL, &args);
		assert_non_null(conn);
		assert_int_equal(server->client_mode, rows[i].expected);
		vde_close(conn);
	}
	stop(server);
}

static void check_error(const char *name, int version, struct vde_open_args *args, int error)
{
	unsigned before = count_descriptors();
	char copy[500];

	snprintf(copy, sizeof(copy), "%s", name);
	errno = 0;
	assert_null(vde_open_real(copy, copy, version, args));
	assert_int_equal(errno, error);
	assert_int_equal(count_descriptors(), before);
}

static void test_errors(void **state)
{
	static const struct { const char *suffix; int error; } rows[] = {
		{ "[bad=3]", EINVAL }, { "[mode=9]", EINVAL }, { "[mode=1777]", EINVAL }, { "[group=no such group]", EINVAL },
		{ "[16777216]", EINVAL }, { "['7]", EINVAL }, { "/nosuch", ENOENT }, { "[a%2fb]", EINVAL }, { "/ctl", ENOTDIR },
	};
	struct server *server = start(ANSWER);
	char unknown_group[] = "no such group", long_name[300];
	struct vde_open_args group = { .group = unknown_group }, port = { .port = 1 << 24 }, negative = { .port = -2 }, none = { 0 };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		char name[200];

		snprintf(name, sizeof(name), "%s%s", server->directory, rows[i].suffix);
		check_error(name, 1, NULL, rows[i].error);
	}
	check_error(server->directory, 1, &group, EINVAL);
	check_error(server->directory, 1, &port, EINVAL);
	check_error(server->directory, 1, &negative, EINVAL);
	check_error(server->directory, 99, &none, EINVAL);
	check_error("nosuchmodule://x", 1, NULL, EPROTONOSUPPORT);
	check_error("x/evil://", 1, NULL, EINVAL);
	check_error("seqpacket://x", 1, NULL, EINVAL);
	check_error("seqpacket://999", 1, NULL, EBADF);
	assert_int_equal(server->count, 0);
	/* A path that no socket's name can be made of. */
	snprintf(long_name, sizeof(long_name), "%s/%0120d", server->directory, 0);
	assert_int_equal(mkdir(long_name, 0700), 0);
	check_error(long_name, 1, NULL, ENAMETOOLONG);
	stop(server);
}

static void test_no_listener(void **state)
{
	char *directory = make_directory();
	struct sockaddr_un address;
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)state;
	check_error(directory, 1, NULL, ENOENT);
	set_address(&address, directory, "ctl");
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	close(fd);
	check_error(directory, 1, NULL, ECONNREFUSED);
	remove_directory(directory);
}

static void check_bad_server(enum behaviour behaviour, int error)
{
	struct server *server = start(behaviour);
	struct timespec from, to;

	clock_gettime(CLOCK_MONOTONIC, &from);
	errno = 0;
	assert_null(vde_open(server->directory, NULL, NULL));
	assert_int_equal(errno, error);
	clock_gettime(CLOCK_MONOTONIC, &to);
	assert_true(to.tv_sec - from.tv_sec < 60);
	assert_int_equal(count_client_names(server->directory), 0);
	stop(server);
}

static void test_refused(void **state)
{
	(void)state;
	check_bad_server(REFUSE, ECONNREFUSED);
}

static void test_never_answered(void **state)
{
	(void)state;
	check_bad_server(SILENT, ETIMEDOUT);
}

static void test_nonsense(void **state)
{
	(void)state;
	check_bad_server(NONSENSE, EPROTO);
	check_bad_server(HALF, EPROTO);
}

static void test_answer_in_pieces(void **state)
{
	struct server *server = start(ANSWER_IN_PIECES);
	VDECONN *conn = vde_open(server->directory, NULL, NULL);

	(void)state;
	assert_non_null(conn);
	vde_close(conn);
	stop(server);
}

static void test_frames_and_flags(void **state)
{
	struct server *server = start(ANSWER);
	VDECONN *conn = vde_open(server->directory, NULL, NULL);
	uint8_t frame[2000] = { 1, 2, 3 }, got[2000];
	int data;

	(void)state;
	assert_non_null(conn);
	wait_for(server, 1);
	data = server->data[0];
	assert_int_equal(vde_recv(conn, got, sizeof(got), MSG_DONTWAIT), -1);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(vde_send(conn, frame, 60, 0), 60);
	assert_int_equal(recv(data, got, sizeof(got), 0), 60);
	assert_memory_equal(frame, got, 60);
	/* A frame that does not fit is dropped, not cut; the next one is whole. */
	assert_int_equal(send(data, frame, 1500, 0), 1500);
	assert_int_equal(send(data, frame, 100, 0), 100);
	assert_int_equal(vde_recv(conn, got, 1000, 0), 100);
	assert_int_equal(send(data, frame, 1500, 0), 1500);
	assert_int_equal(vde_recv(conn, got, 1000, 0), 1);
	assert_int_equal(send(data, frame, 1500, 0), 1500);
	assert_int_equal(vde_recv(conn, got, 1000, MSG_DONTWAIT), -1);
	/* Nobody reads: a send that must not wait does not. */
	for (int i = 0; i < 100000; i++) {
		if (vde_send(conn, frame, 1500, MSG_DONTWAIT) < 0)
			break;
	}
	assert_int_equal(errno, EAGAIN);
	assert_true(fcntl(vde_datafd(conn), F_GETFD) & FD_CLOEXEC);
	assert_true(fcntl(vde_ctlfd(conn), F_GETFD) & FD_CLOEXEC);
	assert_int_equal(vde_close(conn), 0);
	stop(server);
}

static void test_peer_gone(void **state)
{
	struct server *server = start(ANSWER);
	VDECONN *conn = vde_open(server->directory, NULL, NULL);
	struct pollfd entry;
	uint8_t frame[60] = { 0 };

	(void)state;
	assert_non_null(conn);
	wait_for(server, 1);
	entry = (struct pollfd){ .fd = vde_ctlfd(conn), .events = POLLIN };
	assert_int_equal(poll(&entry, 1, 0), 0);
	close(server->control[0]);
	close(server->data[0]);
	server->control[0] = server->data[0] = -1;
	assert_int_equal(poll(&entry, 1, 10000), 1);
	assert_int_equal(vde_send(conn, frame, sizeof(frame), 0), -1);
	assert_int_equal(errno, ECONNREFUSED);
	assert_int_equal(vde_close(conn), 0);
	stop(server);
}

static void test_batches(void **state)
{
	enum { COUNT = 20, SIZE = 1000 };
	struct server *server = start(ANSWER);
	VDECONN *conn = vde_open(server->directory, NULL, NULL);
	struct vde_frame frames[COUNT];
	uint8_t buffer[COUNT][SIZE], big[SIZE + 1] = { 0 };
	int n;

	(void)state;
	assert_non_null(conn);
	wait_for(server, 1);
	for (unsigned i = 0; i < COUNT; i++) {
		memset(buffer[i], (int)i, SIZE);
		frames[i] = (struct vde_frame){ buffer[i], SIZE, 60 + i };
	}
	assert_int_equal(vde_recv_batch(conn, frames, COUNT, 0), -1);
	assert_int_equal(errno, EAGAIN);
	n = vde_send_batch(conn, frames, COUNT, 0);
	assert_true(n >= 1 && n <= COUNT);
	for (int i = 0; i < n; i++) {
		assert_int_equal(recv(server->data[0], big, sizeof(big), 0), 60 + i);
		assert_int_equal(big[0], i);
	}
	assert_int_equal(send(server->data[0], big, 100, 0), 100);
	assert_int_equal(send(server->data[0], big, SIZE + 1, 0), SIZE + 1);
	assert_int_equal(send(server->data[0], big, SIZE, 0), SIZE);
	assert_int_equal(vde_recv_batch(conn, frames, COUNT, 0), 3);
	assert_int_equal(frames[0].length, 100);
	assert_int_equal(frames[1].length, 0);
	assert_int_equal(frames[2].length, SIZE);
	assert_int_equal(vde_send_batch(conn, frames, 0, 0), 0);
	vde_close(conn);
	stop(server);
}

/* Batches over a module that knows none. */
static void test_null(void **state)
{
	uint8_t bytes[100] = { 0 };
	struct vde_frame frames[2] = { { bytes, 100, 60 }, { bytes, 100, 60 } };
	char name[] = "null://anything";
	VDECONN *conn = vde_open(name, NULL, NULL);

	(void)state;
	assert_non_null(conn);
	assert_int_equal(vde_send(conn, bytes, 60, 0), 60);
	assert_int_equal(vde_recv(conn, bytes, 60, 0), 1);
	assert_int_equal(vde_send_batch(conn, frames, 2, 0), 2);
	assert_int_equal(vde_recv_batch(conn, frames, 2, 0), -1);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(vde_ctlfd(conn), -1);
	assert_int_equal(vde_close(conn), 0);
	assert_int_equal(vde_recv(NULL, bytes, 1, 0), -1);
	assert_int_equal(errno, EBADF);
	assert_int_equal(vde_send(NULL, bytes, 1, 0), -1);
	assert_int_equal(vde_send_batch(NULL, frames, 1, 0), -1);
	assert_int_equal(vde_recv_batch(NULL, frames, 1, 0), -1);
	assert_int_equal(vde_datafd(NULL), -1);
	assert_int_equal(vde_ctlfd(NULL), -1);
	errno = 0;
	assert_int_equal(vde_close(NULL), -1);
	assert_int_equal(errno, EBADF);
}

static void test_seqpacket(void **state)
{
	int ends[2];
	char name[40];
	uint8_t bytes[200] = { 0 };
	struct vde_frame frames[4] = { { bytes, 200, 0 }, { bytes, 200, 0 }, { bytes, 200, 0 }, { bytes, 200, 0 } };
	VDECONN *conn;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
	snprintf(name, sizeof(name), "seqpacket://%d", ends[0]);
	conn = vde_open(name, NULL, NULL);
	assert_non_null(conn);
	assert_int_equal(vde_send(conn, bytes, 60, 0), 60);
	assert_int_equal(vde_send(conn, bytes, 0, 0), 0);
	assert_int_equal(recv(ends[1], bytes, sizeof(bytes), MSG_DONTWAIT), 60);
	assert_int_equal(recv(ends[1], bytes, sizeof(bytes), MSG_DONTWAIT), -1);
	assert_int_equal(send(ends[1], bytes, 70, 0), 70);
	assert_int_equal(send(ends[1], bytes, 71, 0), 71);
	close(ends[1]);
	assert_int_equal(vde_recv_batch(conn, frames, 4, 0), 2);
	assert_int_equal(frames[1].length, 71);
	assert_int_equal(vde_recv_batch(conn, frames, 4, 0), 0);
	assert_int_equal(vde_recv(conn, bytes, sizeof(bytes), 0), 0);
	assert_int_equal(vde_close(conn), 0);
	assert_int_equal(fcntl(ends[0], F_GETFD), -1);
	/* a stream would not keep frames apart; it is left as it was */
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	snprintf(name, sizeof(name), "seqpacket://%d", ends[0]);
	check_error(name, 1, NULL, EPROTOTYPE);
	close(ends[1]);
	assert_int_equal(close(ends[0]), 0);
}

struct worker { const char *directory; unsigned opened; };

static void *open_and_close(void *pointer)
{
	struct worker *worker = pointer;

	for (int i = 0; i < 20; i++) {
		char name[200], descr[] = "thread";
		uint8_t frame[60] = { 0 };
		VDECONN *conn;

		snprintf(name, sizeof(name), "%s[%d]", worker->directory, i + 1);
		conn = vde_open(name, descr, NULL);
		worker->opened += conn != NULL && vde_send(conn, frame, sizeof(frame), 0) == 60;
		vde_close(conn);
	}
	return NULL;
}

static void test_threads(void **state)
{
	enum { THREADS = 10 };
	struct server *server = start(ANSWER);
	struct worker workers[THREADS];
	pthread_t threads[THREADS];

	(void)state;
	for (int i = 0; i < THREADS; i++) {
		workers[i] = (struct worker){ server->directory, 0 };
		assert_int_equal(pthread_create(&threads[i], NULL, open_and_close, &workers[i]), 0);
	}
	for (int i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(workers[i].opened, 20);
	}
	assert_int_equal(count_client_names(server->directory), 0);
	stop(server);
}

/* Several at once in one thread, each with its own name. */
static void test_many_connections(void **state)
{
	enum { COUNT = 100 };
	struct server *server = start(ANSWER);
	VDECONN *conn[COUNT];
	uint8_t frame[60] = { 0 };

	(void)state;
	for (int i = 0; i < COUNT; i++) {
		conn[i] = vde_open(server->directory, NULL, NULL);
		assert_non_null(conn[i]);
	}
	wait_for(server, COUNT);
	for (int i = 0; i < COUNT; i++) {
		frame[0] = (uint8_t)i;
		assert_int_equal(vde_send(conn[i], frame, sizeof(frame), 0), 60);
		frame[0] = 0;
		assert_int_equal(recv(server->data[i], frame, sizeof(frame), 0), 60);
		assert_int_equal(frame[0], i);
		vde_close(conn[i]);
	}
	stop(server);
}

/* The header for programs that load the library: whatever is installed has all its functions, or nothing is there. */
static void test_loading(void **state)
{
	struct vdepluglib plug;

	(void)state;
	libvdeplug_dynopen(plug);
	if (plug.dl_handle != NULL) {
		errno = 0;
		assert_int_equal(plug.vde_close(NULL), -1);
		assert_int_equal(errno, EBADF);
	}
	libvdeplug_dynclose(plug);
	assert_null(plug.dl_handle);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_request),
		cmocka_unit_test(test_description),
		cmocka_unit_test(test_modes),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_no_listener),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_never_answered),
		cmocka_unit_test(test_nonsense),
		cmocka_unit_test(test_answer_in_pieces),
		cmocka_unit_test(test_frames_and_flags),
		cmocka_unit_test(test_peer_gone),
		cmocka_unit_test(test_batches),
		cmocka_unit_test(test_null),
		cmocka_unit_test(test_seqpacket),
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_many_connections),
		cmocka_unit_test(test_loading),
	};

	return cmocka_run_group_tests_name("libvdeplug", tests, NULL, NULL);
}
