/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vdeq, vdeqemu, vdekvm: QEMU with the command lines of its first years.
 *
 * Where QEMU can plug in by itself, it takes this process's place. Where it cannot, it becomes a child that inherits one end of a socket pair for each
 * plug, frames are carried between, signals are passed on to it, and its status is ours.
 */
#include "config.h"

#include "common/daemon.h"
#include "common/log.h"
#include "common/loop.h"
#include "vdeq/qemu.h"
#include "vdeq/rewrite.h"
#include "wire/attach.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STATUS_NOT_RUN = 126, STATUS_NOT_FOUND = 127, BUFFER_BYTES = 1 << 20 };

struct cable {
	struct attach_config config;
	struct attach *attach;
	char *socket, *group;
	int theirs;                     /* QEMU's end of the pair, until it runs */
};

struct program {
	struct log log;
	struct loop *loop;
	struct cable cable[VDEQ_NETS_MAX];
	unsigned cables;
	pid_t child;
};

static const int passed_on[] = { SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2 };

static int usage(FILE *out, const char *name, int status)
{
	fprintf(out, "Usage: vdeq QEMU [OPTIONS OF QEMU]\n       vdeqemu [OPTIONS OF QEMU]\n       vdekvm [OPTIONS OF QEMU]\n"
		"%s runs QEMU; besides its own options it takes those of old:\n"
		"  -net vde[,vlan=N][,sock=NET][,port=N][,group=GROUP][,mode=MODE]  and  -net nic[,vlan=N]...\n"
		"  -sock, -vdesock, -unix NET[,NET...] [--mod MODE]                 an interface on each NET\n", name);
	return status;
}

/* ---- QEMU without -netdev vde ---- */

/* The cable comes back by itself; what can end is QEMU's side, and with it QEMU. */
static void cable_ended(void *owner, int error)
{
	struct program *program = owner;

	if (error)
		log_errno(&program->log, error, "a cable to the emulator is cut");
}

/* The end of a pair that stays here becomes a cable to the network. Returns QEMU's end, or -1 with errno. */
static int start_cable(struct program *program, struct cable *cable, int pair[2])
{
	int size = BUFFER_BYTES;
	struct wire *wire;

	cable->attach = attach_open(program->loop, &program->log, &cable->config);
	if (!cable->attach)
		return -1;
	for (int i = 0; i < 2; i++)
		setsockopt(pair[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	wire = wire_open_device(program->loop, pair[0], attach_local_callbacks(), cable->attach);
	if (!wire)
		return -1;
	attach_join(cable->attach, wire);
	cable->theirs = pair[1];
	return pair[1];
}

static int open_cable(void *owner, const struct vdeq_plug *plug)
{
	struct program *program = owner;
	struct cable *cable = &program->cable[program->cables];
	int pair[2], fd, error;

	cable->socket = plug->socket ? strdup(plug->socket) : NULL;
	cable->group = plug->group ? strdup(plug->group) : NULL;
	cable->config = (struct attach_config){
		.name = cable->socket, .description = "vdeqemu", .reconnect = true, .ended = cable_ended, .owner = program,
		.args = { .port = (int)plug->port, .group = cable->group, .mode = (mode_t)plug->mode },
	};
	cable->theirs = -1;
	program->cables++;
	if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair) != 0)
		return -1;
	fd = start_cable(program, cable, pair);
	if (fd < 0) {
		error = errno;
		close(pair[0]);
		close(pair[1]);
		errno = error;
	}
	return fd;
}

static void close_cables(struct program *program)
{
	for (unsigned i = 0; i < program->cables; i++) {
		struct cable *cable = &program->cable[i];

		attach_close(cable->attach);
		if (cable->theirs >= 0)
			close(cable->theirs);
		free(cable->socket);
		free(cable->group);
	}
}

static void pass_on(void *owner, int number)
{
	struct program *program = owner;

	if (program->child > 0)
		kill(program->child, number);
}

static void child_ended(void *owner, int number)
{
	struct program *program = owner;
	int status;

	(void)number;
	if (program->child <= 0 || waitpid(program->child, &status, WNOHANG) != program->child)
		return;
	program->child = 0;
	loop_stop(program->loop, WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
}

static int not_run(struct program *program, const char *qemu, int error)
{
	log_errno(&program->log, error, "cannot run %s", qemu);
	return error == ENOENT ? STATUS_NOT_FOUND : STATUS_NOT_RUN;
}

static void run_child(struct program *program, char **words)
{
	loop_unblock_signals();
	for (unsigned i = 0; i < program->cables; i++)
		fcntl(program->cable[i].theirs, F_SETFD, 0);
	execvp(words[0], words);
	_exit(not_run(program, words[0], errno));
}

static int watch_signals(struct program *program)
{
	int error = loop_add_signal(program->loop, SIGCHLD, child_ended, program) | loop_add_signal(program->loop, SIGPIPE, NULL, program);

	for (size_t i = 0; i < sizeof(passed_on) / sizeof(passed_on[0]); i++)
		error |= loop_add_signal(program->loop, passed_on[i], pass_on, program);
	return error;
}

static int run_with_cables(struct program *program, char **words)
{
	if (watch_signals(program) != 0)
		return not_run(program, words[0], errno);
	program->child = fork();
	if (program->child == 0)
		run_child(program, words);
	if (program->child < 0)
		return not_run(program, words[0], errno);
	for (unsigned i = 0; i < program->cables; i++) {
		close(program->cable[i].theirs);
		program->cable[i].theirs = -1;
	}
	return loop_run(program->loop);
}

/* ---- all ---- */

static int run(struct program *program, char **words)
{
	struct vdeq_config config = { .plug = open_cable, .owner = program };
	struct vdeq_words rewritten;
	int error = vdeq_is_old(words) ? qemu_has_netdev_vde(words[0], &config.netdev_vde) : 0, status;

	if (error)
		return not_run(program, words[0], error);
	if (getrandom(config.mac, sizeof(config.mac), 0) != (ssize_t)sizeof(config.mac))
		memcpy(config.mac, &(pid_t){ getpid() }, sizeof(config.mac));
	error = vdeq_rewrite(&config, words, &rewritten);
	if (error) {
		log_error(&program->log, "%s", rewritten.error);
		status = EXIT_FAILURE;
	} else if (program->cables > 0) {
		status = run_with_cables(program, rewritten.word);
	} else {
		execvp(rewritten.word[0], rewritten.word);
		status = not_run(program, rewritten.word[0], errno);
	}
	vdeq_free(&rewritten);
	return status;
}

/* The words for QEMU, its own name first. NULL with status when there is nothing to run. */
static char **make_words(int argc, char **argv, char name[QEMU_NAME_SIZE], int *status)
{
	bool kvm, named = qemu_from_name(argv[0], name, &kvm);
	char **words = calloc((size_t)argc + 3, sizeof(*words));
	int count = 0;

	*status = EXIT_FAILURE;
	if (!words)
		return NULL;
	if (!named && (argc < 2 || argv[1][0] == '-')) {
		bool help = argc >= 2 && (strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "--help") == 0);

		*status = usage(help ? stdout : stderr, "vdeq", help ? EXIT_SUCCESS : 2);
		free(words);
		return NULL;
	}
	if (named)
		words[count++] = name;
	if (kvm)
		words[count++] = (char *)(uintptr_t)"-enable-kvm";
	for (int i = 1; i < argc; i++)
		words[count++] = argv[i];
	return words;
}

int main(int argc, char **argv)
{
	struct program program = { .loop = NULL };
	char name[QEMU_NAME_SIZE];
	char **words;
	int status;

	daemon_fill_descriptors();
	log_init(&program.log, argv[0]);
	words = make_words(argc, argv, name, &status);
	if (!words)
		return status;
	program.loop = loop_create();
	if (program.loop)
		status = run(&program, words);
	close_cables(&program);
	loop_destroy(program.loop);
	free(words);
	return status;
}
