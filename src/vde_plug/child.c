/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vde_plug.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PATIENCE_MS = 5000, STEP_MS = 10 };

/* In the new process. Why it cannot become the command goes to `report`, which closes when it can. */
static void run_command(int in, int out, int report, char **command, bool background)
{
	int null = background ? open("/dev/null", O_RDWR | O_CLOEXEC) : -1;
	int error = 0;

	loop_unblock_signals();
	if (dup2(in, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0 || (null >= 0 && dup2(null, STDERR_FILENO) < 0))
		error = errno;
	if (error == 0) {
		execvp(command[0], command);
		error = errno;
	}
	if (write(report, &error, sizeof(error)) < 0)
		_exit(STATUS_FAILED);
	_exit(error == ENOENT ? 127 : 126);
}

/* 0: the command runs. */
static int wait_for_start(int report)
{
	int error = 0;
	ssize_t n;

	do
		n = read(report, &error, sizeof(error));
	while (n < 0 && errno == EINTR);
	return n == (ssize_t)sizeof(error) ? error : 0;
}

static void close_pair(const int pair[2])
{
	close(pair[0]);
	close(pair[1]);
}

/* Three pipes, or none of them. Returns 0 or an errno value. */
static int make_pipes(int to[2], int from[2], int report[2])
{
	int error = 0;

	if (pipe2(to, O_CLOEXEC) != 0)
		return errno;
	if (pipe2(from, O_CLOEXEC) != 0) {
		error = errno;
		close_pair(to);
	} else if (pipe2(report, O_CLOEXEC) != 0) {
		error = errno;
		close_pair(to);
		close_pair(from);
	}
	return error;
}

int child_start(struct child *child, char **command, bool background)
{
	int to[2], from[2], report[2], error = make_pipes(to, from, report);

	if (error != 0)
		return error;
	child->pid = fork();
	if (child->pid == 0)
		run_command(to[0], from[1], report[1], command, background);
	if (child->pid < 0) {
		error = errno;
		child->pid = 0;
	}
	close(to[0]);
	close(from[1]);
	close(report[1]);
	child->in = from[0];
	child->out = to[1];
	if (error == 0)
		error = wait_for_start(report[0]);
	close(report[0]);
	return error;
}

static void note_status(struct child *child, int status)
{
	child->pid = 0;
	child->status = WIFSIGNALED(status) ? STATUS_SIGNAL + WTERMSIG(status) : WEXITSTATUS(status);
}

void child_reap(struct child *child)
{
	int status;

	if (child->pid > 0 && waitpid(child->pid, &status, WNOHANG) == child->pid)
		note_status(child, status);
}

void child_finish(struct child *child)
{
	static const int signals[] = {0, SIGTERM, SIGKILL};

	close(child->in);
	close(child->out);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]) && child->pid > 0; i++) {
		if (signals[i] != 0)
			kill(child->pid, signals[i]);
		for (int waited = 0; waited < PATIENCE_MS && child->pid > 0; waited += STEP_MS) {
			child_reap(child);
			if (child->pid > 0)
				nanosleep(&(struct timespec){.tv_nsec = STEP_MS * 1000000L}, NULL);
		}
	}
}
