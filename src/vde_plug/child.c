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

/* In the background the command's stderr is nobody's, but not before it could be started. */
static void run_command(int in, int out, char **command, bool background)
{
	int messages = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	int null = background ? open("/dev/null", O_RDWR | O_CLOEXEC) : -1;
	int error;

	loop_unblock_signals();
	if (dup2(in, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0)
		_exit(126);
	if (null >= 0)
		dup2(null, STDERR_FILENO);
	execvp(command[0], command);
	error = errno;
	dprintf(messages, "vde_plug: %s: %s\n", command[0], strerror(error));
	_exit(error == ENOENT ? 127 : 126);
}

int child_start(struct child *child, char **command, bool background)
{
	int to[2], from[2], error = 0;

	if (pipe2(to, O_CLOEXEC) != 0)
		return errno;
	if (pipe2(from, O_CLOEXEC) != 0) {
		error = errno;
		close(to[0]);
		close(to[1]);
		return error;
	}
	child->pid = fork();
	if (child->pid == 0)
		run_command(to[0], from[1], command, background);
	if (child->pid < 0) {
		error = errno;
		child->pid = 0;
	}
	close(to[0]);
	close(from[1]);
	child->in = from[0];
	child->out = to[1];
	return error;
}

static void note_status(struct child *child, int status)
{
	child->pid = 0;
	child->status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
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
