/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dpipe: runs commands with their standard inputs and outputs joined both ways. chain.h says how they are joined.
 *
 * The commands are children of dpipe, which waits for all of them and ends with the status of the last one; or, with --nowrapproc, dpipe
 * becomes the last command.
 */
#include "chain.h"
#include "common/cli.h"
#include "common/daemon.h"
#include "common/log.h"
#include "common/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
	STATUS_FAILED = 1,
	STATUS_NOT_EXECUTABLE = 126,
	STATUS_NOT_FOUND = 127,
	CLEANER_STEP_NS = 200000000,
};

struct options {
	bool daemon, no_wrapper, no_wrapper_no_clean;
	const char *pidfile, *pgrpfile;
};

struct dpipe {
	struct options options;
	struct log log;
	struct chain chain;
	struct daemon daemon;
	struct pidfile pidfile, pgrpfile;
	struct loop *loop;
	pid_t *pid;                     /* of each command; 0: not running */
	int alternate[2];               /* numbers kept free for the alternate descriptors */
	int status;                     /* of the last command */
};

#define AT(member) offsetof(struct options, member)
static const struct cli_option option_rows[] = {
	{'d', "daemon", NULL, "go to the background", CLI_FLAG, AT(daemon), 0, 0, NULL},
	{'p', "pidfile", "FILE", "write the process id of dpipe there", CLI_STRING, AT(pidfile), 0, 0, NULL},
	{'P', "pgrpfile", "FILE", "write the process group there, as kill takes it: -PGRP", CLI_STRING, AT(pgrpfile), 0, 0, NULL},
	{'n', "nowrapproc", NULL, "do not wait: become the last command", CLI_FLAG, AT(no_wrapper), 0, 0, NULL},
	{'N', "nowrapnoclean", NULL, "likewise, and leave the files of -p and -P behind", CLI_FLAG, AT(no_wrapper_no_clean),
	 0, 0, NULL},
	{'h', "help", NULL, "show this", CLI_HELP, 0, 0, 0, NULL},
	{0, "version", NULL, "show the version", CLI_VERSION, 0, 0, 0, NULL},
	{0},
};

static struct cli command_line = {
	.synopsis = "dpipe [OPTIONS] COMMAND = COMMAND [= COMMAND ...]",
	.purpose = "Runs commands whose standard inputs and outputs are joined both ways. Between two commands stands '='; '=} COMMAND }='\n"
		   "is in the way from left to right only, '={ COMMAND {=' from right to left only.",
	.options = option_rows,
	.max_words = -1,
	.stop_at_word = true,
};

/* Keeps the first two free numbers and tells every command which they are. */
static bool reserve_alternates(struct dpipe *dpipe)
{
	static const char *const names[] = {"ALTERNATE_STDIN", "ALTERNATE_STDOUT"};

	for (int i = 0; i < 2; i++) {
		char text[16];

		dpipe->alternate[i] = open("/dev/null", O_RDWR | O_CLOEXEC);
		snprintf(text, sizeof(text), "%d", dpipe->alternate[i]);
		if (dpipe->alternate[i] < 0 || setenv(names[i], text, 1) != 0)
			return false;
	}
	return true;
}

/*
 * A process group of our own, so that the whole chain can be signalled; it is what the old dpipe did. A session leader has one. In the foreground
 * of a terminal it would cut the commands off from the terminal, so there it is made only when a file asks for it.
 */
static void make_group(const struct options *options)
{
	if (options->daemon) {
		setsid();
		return;
	}
	if (getpgrp() == getpid())
		return;
	if (options->pidfile == NULL && options->pgrpfile == NULL && tcgetpgrp(STDERR_FILENO) == getpgrp())
		return;
	setpgid(0, 0);
}

/* Puts the pipes in their places and becomes the command. Returns only when that fails. */
static int become(const struct dpipe *dpipe, const struct chain_command *command)
{
	const int target[SLOT_COUNT] = {0, 1, dpipe->alternate[0], dpipe->alternate[1]};

	for (int slot = 0; slot < SLOT_COUNT; slot++) {
		if (command->fd[slot] >= 0 && dup2(command->fd[slot], target[slot]) < 0)
			return errno;
	}
	execvp(command->argv[0], command->argv);
	return errno;
}

/* In the child. The message goes where dpipe's own go; the command's stderr is nobody's in the background. */
static void run_command(const struct dpipe *dpipe, const struct chain_command *command, int report)
{
	int messages = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	int error;

	loop_unblock_signals();
	if (dpipe->options.daemon)
		dup2(dpipe->alternate[0], STDERR_FILENO);
	error = become(dpipe, command);
	dprintf(messages, "dpipe: %s: %s\n", command->argv[0], strerror(error));
	if (write(report, "", 1) < 0)
		_exit(STATUS_FAILED);
	_exit(error == ENOENT ? STATUS_NOT_FOUND : STATUS_NOT_EXECUTABLE);
}

/* Starts command i and waits until it is itself. Returns false after a message when there is no process for it; *executed tells the rest. */
static bool start_command(struct dpipe *dpipe, size_t i, bool *executed)
{
	int report[2];
	char byte;

	if (pipe2(report, O_CLOEXEC) != 0 || (dpipe->pid[i] = fork()) < 0) {
		dpipe->pid[i] = 0;
		log_error(&dpipe->log, "cannot start %s: %s", dpipe->chain.command[i].argv[0], strerror(errno));
		return false;
	}
	if (dpipe->pid[i] == 0)
		run_command(dpipe, &dpipe->chain.command[i], report[1]);
	close(report[1]);
	*executed = read(report[0], &byte, 1) == 0;
	close(report[0]);
	chain_close(&dpipe->chain.command[i]);
	return true;
}

static void signal_commands(struct dpipe *dpipe, int number)
{
	for (size_t i = 0; i < dpipe->chain.count; i++) {
		if (dpipe->pid[i] > 0)
			kill(dpipe->pid[i], number);
	}
}

/* Starts the first `count` commands. In the background every one must start; in the foreground the others see the end of a pipe. */
static int start_commands(struct dpipe *dpipe, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		bool executed = true;

		if (!start_command(dpipe, i, &executed) || (!executed && dpipe->options.daemon)) {
			signal_commands(dpipe, SIGTERM);
			return executed ? STATUS_FAILED : STATUS_NOT_FOUND;
		}
	}
	return 0;
}

static bool write_files(struct dpipe *dpipe)
{
	if (pidfile_create(&dpipe->pidfile, dpipe->options.pidfile, &dpipe->log) != 0)
		return false;
	if (dpipe->options.pgrpfile == NULL || pidfile_create_group(&dpipe->pgrpfile, dpipe->options.pgrpfile, &dpipe->log) == 0)
		return true;
	pidfile_remove(&dpipe->pidfile);
	return false;
}

static void remove_files(struct dpipe *dpipe)
{
	pidfile_remove(&dpipe->pidfile);
	pidfile_remove(&dpipe->pgrpfile);
}

/* ---- waiting for the commands ---- */

static void on_child(void *owner, int number)
{
	struct dpipe *dpipe = owner;
	bool running = false;
	int status;

	(void)number;
	for (size_t i = 0; i < dpipe->chain.count; i++) {
		if (dpipe->pid[i] > 0 && waitpid(dpipe->pid[i], &status, WNOHANG) == dpipe->pid[i]) {
			dpipe->pid[i] = 0;
			if (i == dpipe->chain.count - 1)
				dpipe->status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
		}
		running = running || dpipe->pid[i] > 0;
	}
	if (!running)
		loop_stop(dpipe->loop, dpipe->status);
}

static void on_stop(void *owner, int number)
{
	signal_commands(owner, number);
}

static bool add_signals(struct dpipe *dpipe)
{
	static const int stops[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM};

	for (size_t i = 0; i < sizeof(stops) / sizeof(stops[0]); i++) {
		if (loop_add_signal(dpipe->loop, stops[i], on_stop, dpipe) != 0)
			return false;
	}
	return loop_add_signal(dpipe->loop, SIGCHLD, on_child, dpipe) == 0;
}

static int run_and_wait(struct dpipe *dpipe)
{
	int status = STATUS_FAILED;

	dpipe->loop = loop_create();
	if (dpipe->loop == NULL || !add_signals(dpipe)) {
		log_error(&dpipe->log, "cannot wait for events: %s", strerror(errno));
	} else {
		status = start_commands(dpipe, dpipe->chain.count);
		if (status == 0) {
			daemon_ready(&dpipe->daemon);
			on_child(dpipe, SIGCHLD);
			status = loop_run(dpipe->loop);
		}
	}
	loop_destroy(dpipe->loop);
	return status;
}

/* ---- becoming the last command ---- */

/* A process that removes the files when its parent, which is to be the last command, has ended. */
static void leave_cleaner(struct dpipe *dpipe)
{
	pid_t parent = getpid();

	if (fork() != 0)
		return;
	for (size_t i = 0; i < dpipe->chain.count; i++)
		chain_close(&dpipe->chain.command[i]);
	signal(SIGTERM, SIG_IGN);       /* meant for the group; the files outlive it by a moment */
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	for (int fd = 0; fd <= 2; fd++)
		dup2(dpipe->alternate[0], fd);
	while (getppid() == parent)
		nanosleep(&(struct timespec){.tv_nsec = CLEANER_STEP_NS}, NULL);
	remove_files(dpipe);
	_exit(0);
}

static int run_without_wrapper(struct dpipe *dpipe)
{
	const struct chain_command *last = &dpipe->chain.command[dpipe->chain.count - 1];
	bool files = dpipe->options.pidfile != NULL || dpipe->options.pgrpfile != NULL;
	int status = start_commands(dpipe, dpipe->chain.count - 1);
	int error;

	if (status != 0)
		return status;
	if (files && !dpipe->options.no_wrapper_no_clean)
		leave_cleaner(dpipe);
	daemon_ready(&dpipe->daemon);
	error = become(dpipe, last);
	log_error(&dpipe->log, "%s: %s", last->argv[0], strerror(error));
	signal_commands(dpipe, SIGTERM);
	return error == ENOENT ? STATUS_NOT_FOUND : STATUS_NOT_EXECUTABLE;
}

static int run(struct dpipe *dpipe)
{
	bool no_wrapper = dpipe->options.no_wrapper || dpipe->options.no_wrapper_no_clean;
	int status, error;

	daemon_fill_descriptors();
	if (!reserve_alternates(dpipe)) {
		log_error(&dpipe->log, "cannot open /dev/null: %s", strerror(errno));
		return STATUS_FAILED;
	}
	daemon_begin(&dpipe->daemon, &dpipe->log, dpipe->options.daemon);
	make_group(&dpipe->options);
	error = chain_connect(&dpipe->chain);
	if (error != 0) {
		log_error(&dpipe->log, "cannot make the pipes: %s", strerror(error));
		return STATUS_FAILED;
	}
	if (!write_files(dpipe))
		return STATUS_FAILED;
	status = no_wrapper ? run_without_wrapper(dpipe) : run_and_wait(dpipe);
	remove_files(dpipe);
	return status;
}

int main(int argc, char **argv)
{
	struct dpipe dpipe = {0};
	const char *wrong, *where;
	int first, status;

	log_init(&dpipe.log, argv[0] != NULL ? argv[0] : "dpipe");
	first = cli_parse(&command_line, argc, argv, &dpipe.options);
	wrong = chain_parse(&dpipe.chain, argv + first, argc - first, &where);
	if (wrong != NULL && where != NULL)
		cli_usage_error(&command_line, "%s at or after '%s'", wrong, where);
	if (wrong != NULL)
		cli_usage_error(&command_line, "%s: COMMAND = COMMAND", wrong);
	dpipe.pid = calloc(dpipe.chain.count, sizeof(*dpipe.pid));
	if (dpipe.pid == NULL) {
		log_error(&dpipe.log, "no memory");
		return STATUS_FAILED;
	}
	status = run(&dpipe);
	chain_free(&dpipe.chain);
	free(dpipe.pid);
	return status;
}
