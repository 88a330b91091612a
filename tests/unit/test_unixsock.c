/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/unixsock.h"

#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct unixsock_owner owner = { .mode = 0640, .group = (gid_t)-1 };

struct place {
	char *directory;
	char path[200];
};

static int setup(void **state)
{
	struct place *place = calloc(1, sizeof(*place));

	place->directory = make_directory();
	snprintf(place->path, sizeof(place->path), "%s/sock", place->directory);
	*state = place;
	return 0;
}

static int teardown(void **state)
{
	struct place *place = *state;

	remove_directory(place->directory);
	free(place);
	return 0;
}

static void test_listen_and_connect(void **state)
{
	struct place *place = *state;
	mode_t mask = umask(0177);
	int listener = unixsock_listen(place->path, &owner);
	struct stat status;
	int client;
	uid_t uid;
	gid_t gid;
	pid_t pid;

	umask(mask);
	assert_true(listener >= 0);
	assert_int_equal(stat(place->path, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0640);
	assert_true(fcntl(listener, F_GETFD) & FD_CLOEXEC);
	assert_true(fcntl(listener, F_GETFL) & O_NONBLOCK);
	assert_true(unixsock_is_live(place->path));
	client = unixsock_connect(place->path);
	assert_true(client >= 0);
	assert_true(fcntl(client, F_GETFD) & FD_CLOEXEC);
	assert_true(fcntl(client, F_GETFL) & O_NONBLOCK);
	assert_int_equal(unixsock_peer(client, &uid, &gid, &pid), 0);
	assert_int_equal(uid, getuid());
	assert_int_equal(pid, getpid());
	close(client);
	close(listener);
	assert_false(unixsock_is_live(place->path));
}

static void test_live_socket_is_refused(void **state)
{
	struct place *place = *state;
	int listener = unixsock_listen(place->path, &owner);

	assert_int_equal(unixsock_listen(place->path, &owner), -1);
	assert_int_equal(errno, EADDRINUSE);
	assert_true(unixsock_is_live(place->path));
	close(listener);
}

static void test_stale_socket_is_replaced(void **state)
{
	struct place *place = *state;
	int listener = unixsock_listen(place->path, &owner);

	close(listener);
	assert_int_equal(access(place->path, F_OK), 0);
	listener = unixsock_listen(place->path, &owner);
	assert_true(listener >= 0);
	assert_true(unixsock_is_live(place->path));
	close(listener);
}

static void test_other_files_are_left_alone(void **state)
{
	struct place *place = *state;
	FILE *file = fopen(place->path, "w");
	char text[8] = "";
	char link[300];

	fputs("mine", file);
	fclose(file);
	assert_int_equal(unixsock_listen(place->path, &owner), -1);
	assert_int_equal(errno, EEXIST);
	assert_false(unixsock_is_live(place->path));
	file = fopen(place->path, "r");
	assert_int_equal(fread(text, 1, 7, file), 4);
	assert_string_equal(text, "mine");
	fclose(file);
	snprintf(link, sizeof(link), "%s.link", place->path);
	assert_int_equal(symlink(place->path, link), 0);
	assert_int_equal(unixsock_listen(link, &owner), -1);
	assert_int_equal(errno, EEXIST);
	assert_int_equal(unixsock_listen(place->directory, &owner), -1);
	assert_int_equal(errno, EEXIST);
}

/* More groups than there is room for: the first ones, not none. */
static void test_groups_of_the_peer(void **state)
{
	gid_t groups[100], found[100];
	int before = getgroups(0, NULL), fds[2];
	gid_t *old = calloc((size_t)before + 1, sizeof(*old));

	(void)state;
	if (geteuid() != 0)
		skip();
	assert_true(getgroups(before, old) == before);
	for (unsigned i = 0; i < 100; i++)
		groups[i] = 5000 + i;
	assert_int_equal(setgroups(100, groups), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	assert_int_equal(setgroups((size_t)before, old), 0);
	assert_int_equal(unixsock_peer_groups(fds[0], found, 100), 100);
	assert_memory_equal(found, groups, sizeof(groups));
	assert_int_equal(unixsock_peer_groups(fds[0], found, 64), 64);
	assert_memory_equal(found, groups, 64 * sizeof(gid_t));
	close(fds[0]);
	close(fds[1]);
	free(old);
}

/* Who may write in a directory may exchange what somebody else has just made there. */
static void test_mode_of_a_link_stays(void **state)
{
	struct place *place = *state;
	char file[220];
	struct stat status;
	int fd;

	snprintf(file, sizeof(file), "%s/private", place->directory);
	fd = open(file, O_CREAT | O_WRONLY, 0600);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(symlink(file, place->path), 0);
	assert_int_equal(unixsock_set_mode(place->path, 0666), 0);
	assert_int_equal(stat(file, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0600);
	assert_int_equal(unixsock_set_mode(file, 0640), 0);
	assert_int_equal(stat(file, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0640);
	assert_int_equal(unlink(place->path) | unlink(file), 0);
}

static void test_path_length(void **state)
{
	struct place *place = *state;
	struct sockaddr_un address;
	char path[120];

	memset(path, 'x', sizeof(path));
	memcpy(path, place->directory, strlen(place->directory));
	path[strlen(place->directory)] = '/';
	path[108] = '\0';
	assert_int_equal(unixsock_address(&address, path), ENAMETOOLONG);
	assert_int_equal(unixsock_listen(path, &owner), -1);
	assert_int_equal(errno, ENAMETOOLONG);
	assert_int_equal(unixsock_connect(path), -1);
	assert_int_equal(errno, ENAMETOOLONG);
	path[107] = '\0';
	assert_int_equal(unixsock_address(&address, path), 0);
	assert_string_equal(address.sun_path, path);
	assert_int_equal(unixsock_address(&address, ""), EINVAL);

	int listener = unixsock_listen(path, &owner);

	assert_true(listener >= 0);
	assert_int_equal(access(path, F_OK), 0);
	close(listener);
}

static void test_failures(void **state)
{
	struct place *place = *state;
	char path[256];

	assert_int_equal(unixsock_connect(place->path), -1);
	assert_int_equal(errno, ENOENT);
	assert_false(unixsock_is_live(place->path));
	snprintf(path, sizeof(path), "%s/no/sock", place->directory);
	assert_int_equal(unixsock_listen(path, &owner), -1);
	assert_int_equal(errno, ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_listen_and_connect, setup, teardown),
		cmocka_unit_test_setup_teardown(test_live_socket_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stale_socket_is_replaced, setup, teardown),
		cmocka_unit_test_setup_teardown(test_other_files_are_left_alone, setup, teardown),
		cmocka_unit_test(test_groups_of_the_peer),
		cmocka_unit_test_setup_teardown(test_mode_of_a_link_stays, setup, teardown),
		cmocka_unit_test_setup_teardown(test_path_length, setup, teardown),
		cmocka_unit_test_setup_teardown(test_failures, setup, teardown),
	};

	return cmocka_run_group_tests_name("unixsock", tests, NULL, NULL);
}
