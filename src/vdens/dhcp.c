/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation. A DHCP client belongs to each interface. It is a child of this process, which serves the frames, and not of the command: the process enters
 * the command's namespaces and becomes the client, which goes on as long as the command does and renews the lease. It has a session of its own, where keys of the
 * terminal do not reach it, and ends with us, however we end. What it is given it tells to a program, which is vdens itself (lease.c); that one reports over a
 * socket, one byte each. What it says on its stderr is passed on until there is a lease.
 *
 * The clients start one after the other, while the process inside waits to become the command. At the end they are told to end; udhcpc then gives the lease back,
 * for which frames must still be served, so the loop goes on until the last one has ended.
 */
#include "vdens.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WORDS_MAX = 14, PATH_SIZE = 4096, FAREWELL_NS = LOOP_SECOND };

/*
 * Words that begin with % stand for: the interface, this program, and the settings of LEASE_VARIABLE and of LD_LIBRARY_PATH, since dhclient gives its
 * program an environment of its own.
 */
static const char *const programs[][WORDS_MAX] = {
	{ "udhcpc", "-n", "-f", "-R", "-i", "%i", "-s", "%s" },
	{ "busybox", "udhcpc", "-n", "-f", "-R", "-i", "%i", "-s", "%s" },
	{ "dhclient", "-d", "-q", "--no-pid", "-lf", "/dev/null", "-e", "%e", "-e", "%l", "-sf", "%s", "%i" },
};
enum { PROGRAMS = sizeof(programs) / sizeof(programs[0]) };

struct client {
	struct dhcp *dhcp;
	char interface[TAP_NAME_SIZE];
	unsigned program;               /* row of `programs` */
	pid_t pid;                      /* 0: not running */
	int report, output;             /* our ends; -1: closed */
	struct loop_io *report_io, *output_io;
	bool leased;
};

struct dhcp {
	struct dhcp_config config;
	unsigned started;
	bool done;                      /* config.ready was called */
	struct loop_timer *patience;    /* NULL until dhcp_stop */
	struct client client[VDENS_NETWORKS_MAX];
};

/* ---- the client's process ---- */

struct words {
	const char *interface;
	char self[PATH_SIZE];           /* this program */
	char event[64], libraries[PATH_SIZE];
};

static const char *word_for(const struct words *words, const char *word)
{
	if (word[0] != '%')
		return word;
	return word[1] == 'i' ? words->interface : word[1] == 's' ? words->self : word[1] == 'e' ? words->event : words->libraries;
}

static int fill_words(struct words *words, const struct client *client, int report)
{
	const char *libraries = getenv("LD_LIBRARY_PATH");
	ssize_t n = readlink("/proc/self/exe", words->self, sizeof(words->self) - 1);

	if (n < 0)
		return errno;
	words->self[n] = '\0';
	words->interface = client->interface;
	snprintf(words->event, sizeof(words->event), LEASE_VARIABLE "=%d:%s", report,
		 client->dhcp->config.options->dhcp_resolver ? LEASE_WITH_RESOLVER : "address");
	snprintf(words->libraries, sizeof(words->libraries), "LD_LIBRARY_PATH=%s", libraries != NULL ? libraries : "");
	return 0;
}

/* Nothing of ours stays open but what the client's program reports to; it is the client's to hand on. */
static bool set_descriptors(int report, int output)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(output, STDOUT_FILENO) < 0 || dup2(output, STDERR_FILENO) < 0)
		return false;
	for (int fd = STDERR_FILENO + 1; fd < DESCRIPTORS_MAX; fd++) {
		if (fd != report)
			close(fd);
	}
	return fcntl(report, F_SETFD, 0) == 0;
}

/* What it may do in the namespaces lasts through exec. The parent's death is asked for last: what comes before takes it back. */
static int enter(const struct client *client, pid_t parent)
{
	int error = namespaces_join(client->dhcp->config.inside);

	if (error == 0)
		error = namespaces_keep_capabilities(false);
	if (error == 0 && prctl(PR_SET_PDEATHSIG, SIGTERM) != 0)
		error = errno;
	return error == 0 && getppid() != parent ? ECHILD : error;
}

static void become_client(const struct client *client, int report, int output, pid_t parent)
{
	char *words[WORDS_MAX + 1] = { NULL };
	struct words own;
	int error;

	setsid();
	loop_unblock_signals();
	if (!set_descriptors(report, output))
		_exit(STATUS_FAILED);
	error = fill_words(&own, client, report);
	if (error == 0)
		error = enter(client, parent);
	if (error != 0) {
		dprintf(STDERR_FILENO, "vdens: cannot start a DHCP client: %s\n", strerror(error));
		_exit(STATUS_FAILED);
	}
	for (unsigned i = 0; i < WORDS_MAX && programs[client->program][i] != NULL; i++)
		words[i] = strdup(word_for(&own, programs[client->program][i]));
	putenv(own.event);
	execvp(words[0], words);
	_exit(STATUS_NOT_FOUND);
}

/* ---- its ends here ---- */

static void close_end(int *fd, struct loop_io **io)
{
	loop_remove_io(*io);
	*io = NULL;
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void close_ends(struct client *client)
{
	close_end(&client->report, &client->report_io);
	close_end(&client->output, &client->output_io);
}

/* Called once; what comes later is not about the start any more. */
static void finish(struct dhcp *dhcp, bool all)
{
	if (dhcp->done)
		return;
	dhcp->done = true;
	dhcp->config.ready(dhcp->config.owner, all);
}

static void start_next(struct dhcp *dhcp);

static void on_report(void *owner, int fd, unsigned events)
{
	struct client *client = owner;
	char bytes[64];
	ssize_t n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);

	(void)events;
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		close_end(&client->report, &client->report_io);
	if (n <= 0 || client->leased)
		return;
	if (memchr(bytes, LEASE_FAILED, (size_t)n) != NULL) {
		log_error(client->dhcp->config.log, "no address for %s from DHCP", client->interface);
		finish(client->dhcp, false);
		return;
	}
	client->leased = true;
	start_next(client->dhcp);
}

static void on_output(void *owner, int fd, unsigned events)
{
	struct client *client = owner;
	char text[1024];
	ssize_t n = read(fd, text, sizeof(text));

	(void)events;
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		close_end(&client->output, &client->output_io);
	if (n > 0 && !client->leased && write(STDERR_FILENO, text, (size_t)n) < 0)
		log_debug(client->dhcp->config.log, "stderr is gone");
}

/* ---- starting and ending ---- */

/* Returns 0 or an errno value. */
static int start_client(struct client *client)
{
	struct loop *loop = client->dhcp->config.loop;
	int report[2], output[2], error = 0;
	pid_t parent = getpid();

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, report) != 0)
		return errno;
	if (pipe2(output, O_CLOEXEC) != 0) {
		error = errno;
		close(report[0]);
		close(report[1]);
		return error;
	}
	client->pid = fork();
	if (client->pid == 0)
		become_client(client, report[1], output[1], parent);
	if (client->pid < 0) {
		error = errno;
		client->pid = 0;
	}
	close(report[1]);
	close(output[1]);
	fcntl(output[0], F_SETFL, O_NONBLOCK);
	client->report = report[0];
	client->output = output[0];
	client->report_io = loop_add_io(loop, client->report, LOOP_READ, on_report, client);
	client->output_io = loop_add_io(loop, client->output, LOOP_READ, on_output, client);
	return error != 0 || (client->report_io != NULL && client->output_io != NULL) ? error : ENOMEM;
}

static void start_or_fail(struct client *client)
{
	int error = start_client(client);

	if (error == 0)
		return;
	log_errno(client->dhcp->config.log, error, "cannot start a DHCP client");
	finish(client->dhcp, false);
}

static void start_next(struct dhcp *dhcp)
{
	struct client *client = &dhcp->client[dhcp->started];

	if (dhcp->started == dhcp->config.interfaces) {
		finish(dhcp, true);
		return;
	}
	*client = (struct client){ .dhcp = dhcp, .report = -1, .output = -1 };
	snprintf(client->interface, sizeof(client->interface), "%s%u", dhcp->config.options->prefix, dhcp->started++);
	start_or_fail(client);
}

struct dhcp *dhcp_start(const struct dhcp_config *config)
{
	struct dhcp *dhcp = calloc(1, sizeof(*dhcp));

	if (dhcp == NULL)
		return NULL;
	dhcp->config = *config;
	start_next(dhcp);
	return dhcp;
}

static bool is_any_running(const struct dhcp *dhcp)
{
	for (unsigned i = 0; i < dhcp->started; i++) {
		if (dhcp->client[i].pid > 0)
			return true;
	}
	return false;
}

/* It has ended by itself. */
static void client_ended(struct client *client, int status)
{
	struct log *log = client->dhcp->config.log;
	bool missing = !client->leased && WIFEXITED(status) && WEXITSTATUS(status) == STATUS_NOT_FOUND;

	if (missing && client->program + 1 < PROGRAMS) {
		client->program++;
		start_or_fail(client);
	} else if (missing) {
		log_error(log, "--dhcp needs udhcpc (which may be busybox) or dhclient");
		finish(client->dhcp, false);
	} else if (!client->leased) {
		log_error(log, "no address for %s from DHCP", client->interface);
		finish(client->dhcp, false);
	} else {
		log_warn(log, "the DHCP client of %s has ended: the lease is not renewed", client->interface);
	}
}

void dhcp_reap(struct dhcp *dhcp)
{
	for (unsigned i = 0; i < dhcp->started; i++) {
		struct client *client = &dhcp->client[i];
		int status;

		if (client->pid == 0 || waitpid(client->pid, &status, WNOHANG) != client->pid)
			continue;
		client->pid = 0;
		if (client->report >= 0 && !dhcp->done)
			on_report(client, client->report, LOOP_READ);   /* its last word */
		if (client->output >= 0 && !client->leased)
			on_output(client, client->output, LOOP_READ);
		close_ends(client);
		if (dhcp->patience == NULL)
			client_ended(client, status);
	}
	if (dhcp->patience != NULL && !is_any_running(dhcp))
		dhcp->config.idle(dhcp->config.owner);
}

static void signal_all(struct dhcp *dhcp, int number)
{
	for (unsigned i = 0; i < dhcp->started; i++) {
		if (dhcp->client[i].pid > 0)
			kill(dhcp->client[i].pid, number);
	}
}

static void lose_patience(void *owner)
{
	signal_all(owner, SIGKILL);
}

bool dhcp_stop(struct dhcp *dhcp)
{
	dhcp->done = true;
	if (!is_any_running(dhcp))
		return false;
	dhcp->patience = loop_add_timer(dhcp->config.loop, lose_patience, dhcp);
	if (dhcp->patience == NULL) {
		signal_all(dhcp, SIGKILL);
		return false;
	}
	loop_timer_after(dhcp->patience, FAREWELL_NS);
	signal_all(dhcp, SIGTERM);
	return true;
}

void dhcp_destroy(struct dhcp *dhcp)
{
	if (dhcp == NULL)
		return;
	for (unsigned i = 0; i < dhcp->started; i++)
		close_ends(&dhcp->client[i]);
	loop_remove_timer(dhcp->patience);
	free(dhcp);
}
