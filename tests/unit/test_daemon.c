/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/daemon.h"

#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utime.h>

struct place {
	char *directory;
	char path[200];
	struct log log;
	int saved_stderr;
};

static int setup(void **state)
{
	struct place *place = calloc(1, sizeof(*place));
	int quiet = open("/dev/null", O_WRONLY | O_CLOEXEC);

	place->directory = make_directory();
	snprintf(place->path, sizeof(place->path), "%s/pid", place->directory);
	log_init(&place->log, "test");
	place->saved_stderr = dup(STDERR_FILENO);
	dup2(quiet, STDERR_FILENO);
	close(quiet);
	*state = place;
	return 0;
}

static int teardown(void **state)
{
	struct place *place = *state;

	dup2(place->saved_stderr, STDERR_FILENO);
	close(place->saved_stderr);
	remove_directory(place->directory);
	free(place);
	return 0;
}

static void write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void assert_file(const char *path, const char *expected)
{
	char text[256];
	FILE *file = fopen(path, "r");

	assert_non_null(file);
	text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
	fclose(file);
	assert_string_equal(text, expected);
}

static const char *own_pid(char text[32])
{
	snprintf(text, 32, "%ld\n", (long)getpid());
	return text;
}

static void test_pidfile(void **state)
{
	struct place *place = *state;
	struct pidfile pidfile;
	struct stat status;
	mode_t mask = umask(0077);
	char text[32];

	assert_int_equal(pidfile_create(&pidfile, place->path, &place->log), 0);
	umask(mask);
	assert_file(place->path, own_pid(text));
	assert_int_equal(stat(place->path, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0644);
	pidfile_remove(&pidfile);
	assert_int_equal(access(place->path, F_OK), -1);
	pidfile_remove(&pidfile);
	assert_int_equal(pidfile_create(&pidfile, NULL, &place->log), 0);
	pidfile_remove(&pidfile);
}

static void test_relative_path(void **state)
{
	struct place *place = *state;
	struct pidfile pidfile;
	char *before = getcwd(NULL, 0);

	assert_int_equal(chdir(place->directory), 0);
	assert_int_equal(pidfile_create(&pidfile, "pid", &place->log), 0);
	assert_int_equal(chdir("/"), 0);
	assert_string_equal(pidfile.path, place->path);
	pidfile_remove(&pidfile);
	assert_int_equal(access(place->path, F_OK), -1);
	assert_int_equal(chdir(before), 0);
	free(before);
}

/* A process that is dead and collected: its pid is nobody's. */
static pid_t dead_pid(void)
{
	pid_t child = fork();

	if (child == 0)
		_exit(0);
	waitpid(child, NULL, 0);
	return child;
}

static void test_stale_files_are_replaced(void **state)
{
	struct place *place = *state;
	char dead[32], own[32];
	const char *const contents[] = { dead, "", "\n", "garbage\n", "-1\n", "0\n", "99999999999999\n", own };
	struct pidfile pidfile;

	snprintf(dead, sizeof(dead), "%ld\n", (long)dead_pid());
	own_pid(own);
	for (size_t i = 0; i < COUNT_OF(contents); i++) {
		write_file(place->path, contents[i]);
		assert_int_equal(pidfile_create(&pidfile, place->path, &place->log), 0);
		assert_file(place->path, own);
		pidfile_remove(&pidfile);
	}
}

/* Its owner could have any process killed by who believes the file. */
static void test_stale_file_of_another_user_is_not_kept(void **state)
{
	struct place *place = *state;
	struct pidfile pidfile;
	struct stat status;
	char own[32];

	if (geteuid() != 0)
		skip();
	own_pid(own);
	write_file(place->path, "garbage\n");
	assert_int_equal(chown(place->path, 65534, (gid_t)-1), 0);
	assert_int_equal(pidfile_create(&pidfile, place->path, &place->log), 0);
	assert_int_equal(stat(place->path, &status), 0);
	assert_int_equal(status.st_uid, 0);
	assert_file(place->path, own);
	pidfile_remove(&pidfile);
	assert_int_equal(stat(place->path, &status), -1);
}

static void test_process_younger_than_the_file(void **state)
{
	struct place *place = *state;
	const struct utimbuf long_ago = { 1000000000, 1000000000 };
	struct pidfile pidfile;
	char text[32], own[32];

	if (access("/proc/self/stat", R_OK) != 0)
		skip();
	snprintf(text, sizeof(text), "%ld\n", (long)getppid());
	write_file(place->path, text);
	assert_int_equal(pidfile_create(&pidfile, place->path, &place->log), EEXIST);
	assert_file(place->path, text);
	assert_int_equal(utime(place->path, &long_ago), 0);
	assert_int_equal(pidfile_create(&pidfile, place->path, &place->log), 0);
	assert_file(place->path, own_pid(own));
	pidfile_remove(&pidfile);
}

/* Another process of ours holds the lock: refused whatever the text is, and its file stays. */
static void test_live_file_is_refused(void **state)
{
	struct place *place = *state;
	struct pidfile pidfile;
	int ready[2], status;
	char byte, text[32];
	siginfo_t ended;
	pid_t child;

	assert_int_equal(pipe(ready), 0);
	child = fork();
	if (child == 0) {
		if (pidfile_create(&pidfile, place->path, &place->log) != 0 || write(ready[1], "", 1) != 1)
			_exit(1);
		pause();
		_exit(0);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	assert_int_equal(pidfile_create(&pidfile, place->path, &place->log), EEXIST);
	snprintf(text, sizeof(text), "%ld\n", (long)child);
	assert_file(place->path, text);
	kill(child, SIGKILL);
	/* Dead, though nobody has asked how it ended: waitid() leaves it so. */
	assert_int_equal(waitid(P_PID, (id_t)child, &ended, WEXITED | WNOWAIT), 0);
	if (access("/proc/self/stat", R_OK) == 0) {
		assert_int_equal(pidfile_create(&pidfile, place->path, &place->log), 0);
		pidfile_remove(&pidfile);
		write_file(place->path, text);
	}
	waitpid(child, &status, 0);
	assert_int_equal(pidfile_create(&pidfile, place->path, &place->log), 0);
	pidfile_remove(&pidfile);
}

static void test_files_that_are_no_pid_files(void **state)
{
	struct place *place = *state;
	struct pidfile pidfile;
	char link[256], long_text[200];

	memset(long_text, 'x', sizeof(long_text) - 1);
	long_text[sizeof(long_text) - 1] = '\0';
	write_file(place->path, long_text);
	assert_int_equal(pidfile_create(&pidfile, place->path, &place->log), EEXIST);
	assert_file(place->path, long_text);
	snprintf(link, sizeof(link), "%s.link", place->path);
	write_file(place->path, "1\n");
	assert_int_equal(symlink(place->path, link), 0);
	assert_int_equal(pidfile_create(&pidfile, link, &place->log), ELOOP);
	assert_file(place->path, "1\n");
	assert_int_equal(pidfile_create(&pidfile, place->directory, &place->log), EISDIR);
	snprintf(link, sizeof(link), "%s/no/pid", place->directory);
	assert_int_equal(pidfile_create(&pidfile, link, &place->log), ENOENT);
	snprintf(link, sizeof(link), "%s.fifo", place->path);
	assert_int_equal(mkfifo(link, 0600), 0);
	assert_int_equal(pidfile_create(&pidfile, link, &place->log), EEXIST);
}

static void test_file_replaced_by_somebody_is_not_removed(void **state)
{
	struct place *place = *state;
	struct pidfile pidfile;

	assert_int_equal(pidfile_create(&pidfile, place->path, &place->log), 0);
	assert_int_equal(unlink(place->path), 0);
	write_file(place->path, "1\n");
	pidfile_remove(&pidfile);
	assert_file(place->path, "1\n");
}

/* As on a full disk: nothing can be written. */
static void test_no_room_leaves_no_file(void **state)
{
	static const char *const before_it[] = { NULL, "999999999\n" };
	struct place *place = *state;
	struct pidfile pidfile;
	struct rlimit none, before;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	none = (struct rlimit){ 0, before.rlim_max };
	signal(SIGXFSZ, SIG_IGN);
	for (size_t i = 0; i < sizeof(before_it) / sizeof(before_it[0]); i++) {
		if (before_it[i])
			write_file(place->path, before_it[i]);
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
		assert_int_equal(pidfile_create(&pidfile, place->path, &place->log), EFBIG);
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
		assert_int_equal(access(place->path, F_OK), -1);
	}
	signal(SIGXFSZ, SIG_DFL);
}

enum ending { ENDS_READY, ENDS_READY_LATE, EXITS_0, EXITS_7, KILLED };

/* Runs a program that goes to the background and ends so; returns the status its caller sees. */
static int start_program(struct place *place, enum ending ending)
{
	pid_t program = fork();
	int status;

	if (program == 0) {
		struct daemon daemon;

		daemon_begin(&daemon, &place->log, true);
		if (ending == EXITS_0 || ending == EXITS_7)
			_exit(ending == EXITS_7 ? 7 : 0);
		if (ending == KILLED)
			kill(getpid(), SIGKILL);
		if (ending == ENDS_READY_LATE)
			usleep(100000);
		write_file(place->path, "open");
		daemon_ready(&daemon);
		if (ending == ENDS_READY && (getsid(0) != getpid() || !place->log.to_syslog))
			write_file(place->path, "still of the caller's session");
		_exit(5);
	}
	assert_int_equal(waitpid(program, &status, 0), program);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void test_background_status(void **state)
{
	struct place *place = *state;

	assert_int_equal(start_program(place, EXITS_7), 7);
	assert_int_equal(start_program(place, EXITS_0), 1);     /* it never was ready */
	assert_int_equal(start_program(place, KILLED), 128 + SIGKILL);
	assert_int_equal(access(place->path, F_OK), -1);
	assert_int_equal(start_program(place, ENDS_READY_LATE), 0);
	assert_file(place->path, "open");
	assert_int_equal(start_program(place, ENDS_READY), 0);
	assert_file(place->path, "open");
}

static void check_notify(struct place *place, const char *name, bool abstract)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct daemon daemon;
	char text[128], expected[128];
	ssize_t length;

	memcpy(address.sun_path, name, strlen(name));
	if (abstract)
		address.sun_path[0] = '\0';
	assert_int_equal(bind(fd, (struct sockaddr *)&address,
			      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name))), 0);
	setenv("NOTIFY_SOCKET", name, 1);
	daemon_begin(&daemon, &place->log, false);
	daemon_ready(&daemon);
	length = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT);
	assert_true(length > 0);
	text[length] = '\0';
	snprintf(expected, sizeof(expected), "READY=1\nMAINPID=%ld", (long)getpid());
	assert_string_equal(text, expected);
	assert_null(getenv("NOTIFY_SOCKET"));
	close(fd);
}

static void test_service_manager(void **state)
{
	struct place *place = *state;
	char name[64];

	check_notify(place, place->path, false);
	snprintf(name, sizeof(name), "@vde-unit-%ld", (long)getpid());
	check_notify(place, name, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_pidfile, setup, teardown),
		cmocka_unit_test_setup_teardown(test_relative_path, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stale_files_are_replaced, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stale_file_of_another_user_is_not_kept, setup, teardown),
		cmocka_unit_test_setup_teardown(test_process_younger_than_the_file, setup, teardown),
		cmocka_unit_test_setup_teardown(test_live_file_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_files_that_are_no_pid_files, setup, teardown),
		cmocka_unit_test_setup_teardown(test_file_replaced_by_somebody_is_not_removed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_room_leaves_no_file, setup, teardown),
		cmocka_unit_test_setup_teardown(test_background_status, setup, teardown),
		cmocka_unit_test_setup_teardown(test_service_manager, setup, teardown),
	};

	return cmocka_run_group_tests_name("daemon", tests, NULL, NULL);
}
