/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation. A DHCP client tells what it has been given to a program, in that program's environment. This program is vdens itself
 * (dhcp_event), so that the address, the route and the name servers are set here and nowhere else: the scripts that come with the clients would
 * write the host's /etc/resolv.conf when the host's root runs them. What the command sees in its place is a file of its own.
 *
 * udhcpc ends when it has a lease. dhclient would go on in the background, beyond the end of vdens; it is ended by its program.
 */
#include "vdens.h"

#include "common/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define EVENT_VARIABLE "VDENS_DHCP_EVENT"       /* set for the program of a client: WITH_RESOLVER or something else */
#define WITH_RESOLVER "resolver"

enum { WORDS_MAX = 14, PATH_SIZE = 4096 };

/*
 * Words that begin with % stand for: the interface, this program, and the settings of EVENT_VARIABLE and of LD_LIBRARY_PATH, since dhclient gives its
 * program an environment of its own.
 */
static const char *const clients[][WORDS_MAX] = {
	{ "udhcpc", "-q", "-n", "-f", "-i", "%i", "-s", "%s" },
	{ "busybox", "udhcpc", "-q", "-n", "-f", "-i", "%i", "-s", "%s" },
	{ "dhclient", "-1", "-q", "--no-pid", "-lf", "/dev/null", "-e", "%e", "-e", "%l", "-sf", "%s", "%i" },
};

/* ---- asking ---- */

struct request {
	const char *interface;
	char self[PATH_SIZE];           /* this program */
	char event[64], libraries[PATH_SIZE];
};

static const char *word_for(const struct request *request, const char *word)
{
	if (word[0] != '%')
		return word;
	return word[1] == 'i' ? request->interface : word[1] == 's' ? request->self : word[1] == 'e' ? request->event : request->libraries;
}

/* In the new process. */
static void become_client(const char *const client[WORDS_MAX], struct request *request)
{
	char *words[WORDS_MAX + 1] = { NULL };

	for (unsigned i = 0; i < WORDS_MAX && client[i] != NULL; i++)
		words[i] = strdup(word_for(request, client[i]));
	loop_unblock_signals();
	putenv(request->event);
	execvp(client[0], words);
	_exit(STATUS_NOT_FOUND);
}

/* False: there is no such client. */
static bool run_client(const char *const client[WORDS_MAX], struct request *request)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0)
		become_client(client, request);
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return !WIFEXITED(status) || WEXITSTATUS(status) != STATUS_NOT_FOUND;
}

static bool has_address(const char *interface)
{
	struct ifaddrs *list = NULL;
	bool found = false;

	if (getifaddrs(&list) != 0)
		return false;
	for (const struct ifaddrs *entry = list; entry != NULL; entry = entry->ifa_next)
		found = found || (entry->ifa_addr != NULL && entry->ifa_addr->sa_family == AF_INET && strcmp(entry->ifa_name, interface) == 0);
	freeifaddrs(list);
	return found;
}

bool dhcp_ask(const struct options *options, struct log *log, const char *interface)
{
	bool found = false, given;
	const char *libraries = getenv("LD_LIBRARY_PATH");
	struct request request = { .interface = interface };

	if (readlink("/proc/self/exe", request.self, sizeof(request.self) - 1) < 0) {
		log_errno(log, errno, "cannot ask for the address of %s", interface);
		return false;
	}
	snprintf(request.event, sizeof(request.event), EVENT_VARIABLE "=%s", options->dhcp_resolver ? WITH_RESOLVER : "address");
	snprintf(request.libraries, sizeof(request.libraries), "LD_LIBRARY_PATH=%s", libraries != NULL ? libraries : "");
	for (size_t i = 0; i < sizeof(clients) / sizeof(clients[0]) && !found; i++)
		found = run_client(clients[i], &request);
	given = found && has_address(interface);
	if (!found)
		log_error(log, "--dhcp needs udhcpc (which may be busybox) or dhclient");
	else if (!given)
		log_error(log, "no address for %s from DHCP", interface);
	return given;
}

/* ---- what a client was given ---- */

/* A value goes by one name with udhcpc and by another with dhclient. */
static const char *value(const char *small, const char *big)
{
	const char *text = getenv(big);

	if (text == NULL || text[0] == '\0')
		text = getenv(small);
	return text != NULL ? text : "";
}

/* The first address of a list. */
static int first_address(const char *list, struct netif_address *address)
{
	char text[64];
	size_t length = strcspn(list, " ,");

	if (length >= sizeof(text))
		return EINVAL;
	memcpy(text, list, length);
	text[length] = '\0';
	return netif_parse_address(text, address);
}

static unsigned mask_length(const char *mask)
{
	struct netif_address address;
	unsigned length = 0;

	if (netif_parse_address(mask, &address) != 0 || address.family != AF_INET)
		return 24;                      /* a server that says nothing */
	while (length < 32 && (address.address[length / 8] & 0x80U >> length % 8) != 0)
		length++;
	return length;
}

static void write_resolver(const char *domain, const char *servers)
{
	struct netif_address address;
	int fd = servers[0] != '\0' ? open(RESOLVER_FILE, O_WRONLY | O_TRUNC | O_CLOEXEC) : -1;

	if (fd < 0)
		return;
	if (domain[0] != '\0' && strpbrk(domain, "\n\r") == NULL)
		dprintf(fd, "search %s\n", domain);
	for (; servers[0] != '\0'; servers += strspn(servers, " ,")) {
		int length = (int)strcspn(servers, " ,");

		if (first_address(servers, &address) == 0)
			dprintf(fd, "nameserver %.*s\n", length, servers);
		servers += length;
	}
	close(fd);
}

static int take_lease(struct log *log)
{
	const char *interface = value("interface", "interface"), *text = value("ip", "new_ip_address");
	struct netif_address address, router;
	int error = netif_parse_address(text, &address);

	if (error == 0) {
		address.prefix = mask_length(value("subnet", "new_subnet_mask"));
		error = netif_add_address(interface, &address);
	}
	if (error != 0 && error != EEXIST) {
		log_errno(log, error, "%s: address '%s' from DHCP", interface, text);
		return STATUS_FAILED;
	}
	text = value("router", "new_routers");
	error = text[0] != '\0' ? first_address(text, &router) : ENOENT;
	if (error == 0)
		error = netif_add_default_route(interface, &router);
	if (error != 0 && error != ENOENT && error != EEXIST)
		log_errno(log, error, "%s: router '%s' from DHCP", interface, text);
	return 0;
}

bool dhcp_is_event(void)
{
	return getenv(EVENT_VARIABLE) != NULL;
}

int dhcp_event(struct log *log, const char *name)
{
	static const char *const leases[] = { "bound", "renew", "BOUND", "RENEW", "REBIND", "REBOOT" };
	const char *reason = getenv("reason"), *wanted = getenv(EVENT_VARIABLE);
	bool lease = false;
	int status;

	if (reason == NULL)
		reason = name != NULL ? name : "";
	for (size_t i = 0; i < sizeof(leases) / sizeof(leases[0]); i++)
		lease = lease || strcmp(reason, leases[i]) == 0;
	if (!lease)
		return 0;
	status = take_lease(log);
	if (status == 0 && wanted != NULL && strcmp(wanted, WITH_RESOLVER) == 0)
		write_resolver(value("domain", "new_domain_name"), value("dns", "new_domain_name_servers"));
	if (status == 0 && name == NULL)
		kill(getppid(), SIGKILL);       /* dhclient: it would not end by itself */
	return status;
}
