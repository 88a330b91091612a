/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vdens: runs a command in a network namespace whose interfaces are plugs of virtual networks.
 *
 * Theory of operation. There are two processes. This one opens the networks, as the user and where the user is, and stays there; it moves the frames.
 * The other one enters new namespaces, makes the taps there, hands their descriptors over, and becomes the command. So a module may
 * have threads (which unshare(2) refuses), nothing is moved between namespaces, and the command inherits none of our descriptors.
 * With --dhcp this one also looks after the clients that ask for addresses, while the other one waits, and after (dhcp.c).
 */
#include "vdens.h"

#include "common/daemon.h"
#include "common/interrupt.h"
#include "common/loop.h"
#include "wire/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	LOCATOR_SIZE = 8192,
	LAST_TURNS = 64,                /* of the loop, each of which reads every tap */
};

struct vdens;

/* Passed on to the command; before there is one, they end vdens. */
static const int passed[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGALRM};
enum { PASSED = sizeof(passed) / sizeof(passed[0]) };

struct network {
	struct vdens *vdens;
	const char *name;
	struct wire *plug, *device;
};

struct vdens {
	struct options options;
	struct log log;
	struct loop *loop;
	struct network network[VDENS_NETWORKS_MAX];
	unsigned networks;
	char **command;
	pid_t child;                    /* 0: has ended */
	int channel;                    /* to it, until it goes on; -1 */
	struct dhcp *dhcp;              /* NULL: not asked for */
	int status;
};

#define AT(member) offsetof(struct options, member)
static const struct cli_option option_rows[] = {
	{'m', "multi", NULL, "several networks: every word up to -- is one", CLI_FLAG, AT(multi), 0, 0, NULL},
	{'i', "iface", "PREFIX", "names of the interfaces, before the number (vde)", CLI_STRING, AT(prefix), 0, 0, NULL},
	{'a', "addr", "ADDRESS/LENGTH", "add an address; behind INTERFACE= unless to the first one; --up too", CLI_LIST, AT(addresses), 0, 0, NULL},
	{'U', "up", NULL, "bring lo and the interfaces up", CLI_FLAG, AT(up), 0, 0, NULL},
	{0, "dhcp", NULL, "ask for addresses, with udhcpc or dhclient; --up too", CLI_FLAG, AT(dhcp), 0, 0, NULL},
	{'r', "resolvconf", "FILE", "as /etc/resolv.conf (or from VDE_RESOLVCONF)", CLI_STRING, AT(resolv_file), 0, 0, NULL},
	{'R', "resolvaddr", "ADDR[,ADDR]", "name servers (or from VDE_RESOLVADDR)", CLI_COMMA_LIST, AT(resolv_addresses), 0, 0, NULL},
	{'H', "hostname", "NAME", "host name inside", CLI_STRING, AT(hostname), 0, 0, NULL},
	{'s', "sysadm", NULL, "the command may mount, too (CAP_SYS_ADMIN inside)", CLI_FLAG, AT(sysadm), 0, 0, NULL},
	{'c', "clone", NULL, NULL, CLI_IGNORE, 0, 0, 0, NULL},
	{'u', "unshare", NULL, NULL, CLI_IGNORE, 0, 0, 0, NULL},
	{'h', "help", NULL, "show this", CLI_HELP, 0, 0, 0, NULL},
	{0, "version", NULL, "show the version", CLI_VERSION, 0, 0, 0, NULL},
	{0},
};

static struct cli command_line = {
	.synopsis = "vdens [OPTIONS] [LOCATOR [COMMAND [ARGUMENTS]]]\n"
		    "       vdens --multi [OPTIONS] LOCATOR... [-- COMMAND [ARGUMENTS]]",
	.purpose = "Runs a command (the shell) in a network namespace that is plugged into virtual networks.",
	.options = option_rows,
	.max_words = -1,
	.stop_at_word = true,
};

/* ---- words ---- */

static bool is_no_network(const char *word)
{
	return word[0] == '\0' || strcmp(word, "-") == 0 || strcmp(word, "no") == 0;
}

static void take_network(struct vdens *vdens, const char *word)
{
	if (is_no_network(word))
		return;
	if (vdens->networks == VDENS_NETWORKS_MAX)
		cli_usage_error(&command_line, "%u networks at most", VDENS_NETWORKS_MAX);
	vdens->network[vdens->networks++] = (struct network){.vdens = vdens, .name = word};
}

/* The networks; returns the command, or NULL when there is none. */
static char **take_words(struct vdens *vdens, char **words, bool only_command)
{
	if (!vdens->options.multi) {
		if (words[0] != NULL)
			take_network(vdens, *words++);
		return words[0] != NULL ? words : NULL;
	}
	for (; *words != NULL && !only_command; words++) {
		if (strcmp(*words, "--") == 0)
			only_command = true;
		else
			take_network(vdens, *words);
	}
	return words[0] != NULL ? words : NULL;
}

/* An empty setting of the environment is none. */
static char *text_or_null(char *text)
{
	return text != NULL && text[0] != '\0' ? text : NULL;
}

static void check_options(struct options *options)
{
	const char *environment = text_or_null(getenv("VDE_RESOLVADDR"));
	char interface[TAP_NAME_SIZE];
	struct netif_address address;

	if (options->prefix == NULL)
		options->prefix = "vde";
	if (strlen(options->prefix) > TAP_NAME_SIZE - 4 || options->prefix[0] == '\0')
		cli_usage_error(&command_line, "--iface %s: 1 to %d characters", options->prefix, TAP_NAME_SIZE - 4);
	for (size_t i = 0; i < options->addresses.count; i++) {
		if (address_option(options->addresses.item[i], interface, &address) != 0)
			cli_usage_error(&command_line, "--addr %s: not [INTERFACE=]ADDRESS/LENGTH", options->addresses.item[i]);
	}
	if (options->resolv_addresses.count == 0 && options->resolv_file == NULL && environment != NULL)
		cli_list_add_parts(&options->resolv_addresses, environment);
	if (options->resolv_file == NULL)
		options->resolv_file = text_or_null(getenv("VDE_RESOLVCONF"));
	options->dhcp_resolver = options->dhcp && options->resolv_file == NULL && options->resolv_addresses.count == 0;
	for (size_t i = 0; i < options->resolv_addresses.count; i++) {
		if (netif_parse_address(options->resolv_addresses.item[i], &address) != 0 || strchr(options->resolv_addresses.item[i], '/') != NULL)
			cli_usage_error(&command_line, "--resolvaddr %s: not an IP address", options->resolv_addresses.item[i]);
	}
}

/* ---- descriptors ---- */

/* Those of the caller, which the command gets; whatever modules open beside them is closed in it. */
static void note_descriptors(bool *was_open)
{
	for (int fd = 0; fd < DESCRIPTORS_MAX; fd++)
		was_open[fd] = fd <= STDERR_FILENO || fcntl(fd, F_GETFD) >= 0;
}

static void close_on_exec(const bool *was_open)
{
	for (int fd = 0; fd < DESCRIPTORS_MAX; fd++) {
		int flags = was_open[fd] ? -1 : fcntl(fd, F_GETFD);

		if (flags >= 0)
			fcntl(fd, F_SETFD, flags | FD_CLOEXEC);
	}
}

/* ---- frames ---- */

static void nothing_received(void *owner, struct frame *frames, unsigned count)
{
	(void)owner, (void)frames, (void)count;
}

/* The command goes on; its interface disappears, as a cable would be pulled. */
static void network_lost(void *owner, int error)
{
	struct network *network = owner;

	if (network->plug == NULL)
		return;
	log_warn(&network->vdens->log, "network %s is gone%s%s", network->name, error != 0 ? ": " : "", error != 0 ? strerror(error) : "");
	wire_close(network->plug);
	wire_close(network->device);
	network->plug = network->device = NULL;
}

static const struct wire_callbacks callbacks = {nothing_received, network_lost, NULL};

/* "=COMMAND" is a command that speaks a vdestream. */
static struct wire *open_plug(struct network *network)
{
	char locator[LOCATOR_SIZE];
	const char *name = network->name;

	if (name[0] == '=') {
		if (snprintf(locator, sizeof(locator), "cmd://%s", name + 1) >= (int)sizeof(locator)) {
			errno = ENAMETOOLONG;
			return NULL;
		}
		name = locator;
	}
	return wire_open_plug(network->vdens->loop, name, "vdens", NULL, &callbacks, network);
}

static bool open_networks(struct vdens *vdens)
{
	for (unsigned i = 0; i < vdens->networks; i++) {
		struct network *network = &vdens->network[i];
		struct interrupt interrupt;

		interrupt_begin(&interrupt, passed, PASSED, NULL, NULL);
		network->plug = open_plug(network);
		if (network->plug == NULL)
			log_error(&vdens->log, "vde_open %s: %s", network->name, strerror(errno));
		interrupt_end(&interrupt);
		if (network->plug == NULL)
			return false;
	}
	return true;
}

/* Joins each network to the tap that comes over the channel. Returns false when the process inside has given up, with its own message. */
static bool join_networks(struct vdens *vdens)
{
	for (unsigned i = 0; i < vdens->networks; i++) {
		struct network *network = &vdens->network[i];
		int fd = channel_receive(vdens->channel);

		if (fd < 0)
			return false;
		network->device = wire_open_tap(vdens->loop, fd, &callbacks, network);
		if (network->device == NULL) {
			log_error(&vdens->log, "cannot serve an interface: %s", strerror(errno));
			close(fd);
			return false;
		}
		wire_join(network->plug, network->device);
	}
	return true;
}

/* ---- the command ---- */

/* The process inside becomes the command, or ends. */
static void let_go(void *owner, bool all)
{
	struct vdens *vdens = owner;

	if (all && send(vdens->channel, "", 1, MSG_NOSIGNAL) != 1)
		log_debug(&vdens->log, "the process inside is gone");
	close(vdens->channel);
	vdens->channel = -1;
}

static void stop(void *owner)
{
	loop_stop(((struct vdens *)owner)->loop, 0);
}

static void ask_for_addresses(struct vdens *vdens)
{
	struct dhcp_config config = {
		.loop = vdens->loop, .log = &vdens->log, .options = &vdens->options, .inside = vdens->child, .interfaces = vdens->networks,
		.ready = let_go, .idle = stop, .owner = vdens,
	};

	vdens->dhcp = dhcp_start(&config);
	if (vdens->dhcp != NULL)
		return;
	log_error(&vdens->log, "no memory");
	let_go(vdens, false);
}

static void on_child(void *owner, int number)
{
	struct vdens *vdens = owner;
	int status;

	(void)number;
	if (vdens->dhcp != NULL)
		dhcp_reap(vdens->dhcp);
	if (vdens->child == 0 || waitpid(vdens->child, &status, WNOHANG) != vdens->child)
		return;
	vdens->child = 0;
	vdens->status = WIFSIGNALED(status) ? STATUS_SIGNAL + WTERMSIG(status) : WEXITSTATUS(status);
	if (vdens->dhcp == NULL || !dhcp_stop(vdens->dhcp))
		stop(vdens);
}

/* What a terminal sends to its foreground group has reached the command already, when both are in it. */
static bool came_from_terminal(int number)
{
	int terminal;
	bool ours;

	if (number != SIGINT && number != SIGQUIT)
		return false;
	terminal = open("/dev/tty", O_RDONLY | O_CLOEXEC | O_NOCTTY);
	ours = terminal >= 0 && tcgetpgrp(terminal) == getpgrp();
	if (terminal >= 0)
		close(terminal);
	return ours;
}

static void pass_on(void *owner, int number)
{
	struct vdens *vdens = owner;

	if (vdens->child > 0 && !came_from_terminal(number))
		kill(vdens->child, number);
}

static bool add_signals(struct vdens *vdens)
{
	for (size_t i = 0; i < PASSED; i++) {
		if (loop_add_signal(vdens->loop, passed[i], pass_on, vdens) != 0)
			return false;
	}
	return loop_add_signal(vdens->loop, SIGCHLD, on_child, vdens) == 0;
}

/* The process inside. Returns our end of the channel, -1 with errno. */
static int start_inside(struct vdens *vdens)
{
	struct inside inside = {&vdens->options, &vdens->log, vdens->networks, vdens->command, -1};
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
		return -1;
	vdens->child = fork();
	if (vdens->child == 0) {
		close(pair[0]);
		inside.channel = pair[1];
		inside_run(&inside);
	}
	close(pair[1]);
	if (vdens->child > 0)
		return pair[0];
	close(pair[0]);
	vdens->child = 0;
	return -1;
}

/* What the command sent last may still be in the taps, and with the switch, which would forget it when it sees us go. */
static void send_last_frames(struct vdens *vdens)
{
	for (unsigned i = 0; i < LAST_TURNS; i++)
		loop_turn(vdens->loop, 0);
	for (unsigned i = 0; i < vdens->networks; i++) {
		if (vdens->network[i].plug != NULL)
			wire_flush(vdens->network[i].plug, LOOP_SECOND);
	}
}

static int run(struct vdens *vdens)
{
	bool was_open[DESCRIPTORS_MAX];

	note_descriptors(was_open);
	vdens->loop = loop_create();
	if (vdens->loop == NULL || !add_signals(vdens)) {
		log_error(&vdens->log, "cannot wait for events: %s", strerror(errno));
		return STATUS_FAILED;
	}
	if (!open_networks(vdens))
		return STATUS_FAILED;
	close_on_exec(was_open);
	vdens->channel = start_inside(vdens);
	if (vdens->channel < 0) {
		log_error(&vdens->log, "cannot start a process: %s", strerror(errno));
		return STATUS_FAILED;
	}
	if (!join_networks(vdens))
		let_go(vdens, false);
	else if (vdens->options.dhcp)
		ask_for_addresses(vdens);
	else
		let_go(vdens, true);
	loop_run(vdens->loop);          /* ends with the process inside, which ends when it was not served */
	send_last_frames(vdens);
	return vdens->status;
}

int main(int argc, char **argv)
{
	struct vdens vdens = {.status = STATUS_FAILED};
	char *shell[] = {text_or_null(getenv("SHELL")), NULL};
	int first, status;

	daemon_fill_descriptors();
	log_init(&vdens.log, argv[0] != NULL ? argv[0] : "vdens");
	if (lease_is_event())
		return lease_event(&vdens.log, argc > 1 ? argv[1] : NULL);
	first = cli_parse(&command_line, argc, argv, &vdens.options);
	check_options(&vdens.options);
	vdens.command = take_words(&vdens, argv + first, strcmp(argv[first - 1], "--") == 0);
	if (vdens.command == NULL)
		vdens.command = shell;
	if (vdens.command[0] == NULL)
		cli_usage_error(&command_line, "no command, and SHELL is not set");
	status = run(&vdens);
	for (unsigned i = 0; i < vdens.networks; i++) {
		wire_close(vdens.network[i].plug);
		wire_close(vdens.network[i].device);
	}
	dhcp_destroy(vdens.dhcp);
	loop_destroy(vdens.loop);
	cli_list_free(&vdens.options.addresses);
	cli_list_free(&vdens.options.resolv_addresses);
	return status;
}
