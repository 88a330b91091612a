/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

/* The parent: waits for the child's word and ends with it. */
static void wait_for_child(int fd, pid_t child) __attribute__((noreturn));
static void wait_for_child(int fd, pid_t child)
{
	ssize_t got;
	int status;
	char byte;

	do {
		got = read(fd, &byte, 1);
	} while (got < 0 && errno == EINTR);
	if (got == 1)
		_exit(0);
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			_exit(1);
	if (WIFSIGNALED(status))
		_exit(128 + WTERMSIG(status));
	/* It ended without ever being ready: never a success, whatever it said. */
	_exit(WEXITSTATUS(status) ? WEXITSTATUS(status) : 1);
}

void daemon_fill_descriptors(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);         /* kept across exec: these three are for commands too */
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd > STDERR_FILENO)
		close(fd);
}

void daemon_begin(struct daemon *daemon, struct log *log, bool background)
{
	int ends[2];
	pid_t child;

	*daemon = (struct daemon){ .log = log, .ready_fd = -1 };
	if (!background)
		return;
	fflush(NULL);           /* or both would write what waits */
	if (pipe2(ends, O_CLOEXEC) < 0 || (child = fork()) < 0) {
		log_error(log, "cannot go to the background: %s", strerror(errno));
		exit(1);
	}
	if (child > 0) {
		close(ends[1]);
		wait_for_child(ends[0], child);
	}
	close(ends[0]);
	daemon->ready_fd = ends[1];
}

/* The datagram of sd_notify(3), without its library. Nobody listening is no error. */
static void notify_manager(void)
{
	const char *name = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	size_t length = name ? strlen(name) : 0;
	char text[64];
	int fd;

	if (length < 2 || length >= sizeof(address.sun_path) || (name[0] != '/' && name[0] != '@'))
		return;
	memcpy(address.sun_path, name, length);
	if (name[0] == '@')
		address.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return;
	snprintf(text, sizeof(text), "READY=1\nMAINPID=%ld", (long)getpid());
	sendto(fd, text, strlen(text), MSG_NOSIGNAL, (struct sockaddr *)&address,
	       (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length));
	close(fd);
	unsetenv("NOTIFY_SOCKET");      /* it was meant for us, not for our children */
}

static void leave_stdio(void)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return;
	for (int target = 0; target <= 2; target++)
		dup2(fd, target);
	if (fd > 2)
		close(fd);
}

void daemon_ready(struct daemon *daemon)
{
	notify_manager();
	if (daemon->ready_fd < 0)
		return;
	setsid();
	leave_stdio();
	log_to_syslog(daemon->log);
	if (write(daemon->ready_fd, "", 1) != 1)
		log_warn(daemon->log, "the program that started this one is gone");
	close(daemon->ready_fd);
	daemon->ready_fd = -1;
}

void daemon_raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}
