/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vdeq/qemu.h"

#include "common/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ANSWER_SIZE = 16384, PATIENCE = 10 /* seconds */ };

static bool in_path(const char *name)
{
	const char *path = getenv("PATH");
	char file[4096];

	for (; path && *path; path += strspn(path, ":")) {
		int length = (int)strcspn(path, ":");

		if (snprintf(file, sizeof(file), "%.*s/%s", length, path, name) < (int)sizeof(file) && access(file, X_OK) == 0)
			return true;
		path += length;
	}
	return false;
}

static const char *architecture(const struct utsname *system)
{
	if (system->machine[0] == 'i' && strcmp(system->machine + 2, "86") == 0)
		return "i386";
	return strncmp(system->machine, "arm", 3) == 0 ? "arm" : system->machine;
}

bool qemu_from_name(const char *program, char name[QEMU_NAME_SIZE], bool *enable_kvm)
{
	const char *slash = strrchr(program, '/');
	const char *base = slash ? slash + 1 : program;
	struct utsname system;

	*enable_kvm = false;
	/* libtool's wrapper in a build directory */
	if (strncmp(base, "lt-", 3) == 0)
		base += 3;
	if (strncmp(base, "vde", 3) != 0 || strcmp(base, "vdeq") == 0 || base[3] == '\0')
		return false;
	snprintf(name, QEMU_NAME_SIZE, "%s", base + 3);
	if (in_path(name) || (strcmp(name, "qemu") != 0 && strcmp(name, "kvm") != 0) || uname(&system) != 0)
		return true;
	*enable_kvm = strcmp(name, "kvm") == 0;
	snprintf(name, QEMU_NAME_SIZE, "qemu-system-%.40s", architecture(&system));
	return true;
}

/* error_fd: closed by a successful exec, else it carries the errno. */
static void run_help(const char *qemu, int out, int error_fd)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), error;

	if (dup2(null, 0) >= 0 && dup2(out, 1) >= 0 && dup2(null, 2) >= 0)
		execlp(qemu, qemu, "-netdev", "help", (char *)NULL);
	error = errno;
	if (write(error_fd, &error, sizeof(error)) < 0)
		_exit(126);
	_exit(127);
}

/* Reads to the end, the bound or the deadline. */
static void read_answer(int fd, char answer[ANSWER_SIZE])
{
	uint64_t deadline = loop_clock() + (uint64_t)PATIENCE * LOOP_SECOND;
	struct pollfd entry = { .fd = fd, .events = POLLIN };
	size_t length = 0;

	while (length < ANSWER_SIZE - 1 && loop_clock() < deadline && poll(&entry, 1, 1000 * PATIENCE) >= 0) {
		ssize_t n = entry.revents ? read(fd, answer + length, ANSWER_SIZE - 1 - length) : 0;

		if (n == 0 && entry.revents)
			break;
		if (n < 0 && errno != EINTR)
			break;
		length += n > 0 ? (size_t)n : 0;
	}
	answer[length] = '\0';
}

static bool has_line(char *text, const char *wanted)
{
	for (char *next, *line = strtok_r(text, "\n", &next); line; line = strtok_r(NULL, "\n", &next)) {
		line += strspn(line, " \t");
		line[strcspn(line, " \t\r")] = '\0';
		if (strcmp(line, wanted) == 0)
			return true;
	}
	return false;
}

int qemu_has_netdev_vde(const char *qemu, bool *has)
{
	int answer_pipe[2], error_pipe[2], error = 0;
	char answer[ANSWER_SIZE];
	pid_t pid;

	*has = false;
	if (pipe2(answer_pipe, O_CLOEXEC) != 0)
		return errno;
	if (pipe2(error_pipe, O_CLOEXEC) != 0) {
		error = errno;
		close(answer_pipe[0]);
		close(answer_pipe[1]);
		return error;
	}
	pid = fork();
	if (pid == 0)
		run_help(qemu, answer_pipe[1], error_pipe[1]);
	close(answer_pipe[1]);
	close(error_pipe[1]);
	if (pid < 0 || read(error_pipe[0], &error, sizeof(error)) < 0)
		error = errno;
	if (error == 0) {
		read_answer(answer_pipe[0], answer);
		*has = has_line(answer, "vde");
	}
	close(answer_pipe[0]);
	close(error_pipe[0]);
	if (pid > 0) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	return error;
}
