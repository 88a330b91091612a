/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation. A DHCP client tells what it has been given to a program, in that program's environment. This program is vdens itself
 * (lease_event), so that the address, the route and the name servers are set here and nowhere else: the scripts that come with the clients would
 * write the host's /etc/resolv.conf when the host's root runs them. What the command sees in its place is a file of its own.
 *
 * The system knows how long an address is lent, so that it is never kept longer, whatever becomes of the client. Of several interfaces the first one that has a
 * router gives the route, and the first one that has name servers gives these.
 */
#include "vdens.h"

#include "common/number.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define RESOLVER_MARK "# from DHCP on "

enum { RESOLVER_SIZE = 4096 };

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

/* The servers are those of another interface's lease. */
static bool is_resolver_of_other(const char *text, const char *interface)
{
	size_t length = strlen(interface);

	if (strncmp(text, RESOLVER_MARK, strlen(RESOLVER_MARK)) != 0)
		return false;
	return strncmp(text + strlen(RESOLVER_MARK), interface, length) != 0 || text[strlen(RESOLVER_MARK) + length] != '\n';
}

/* The file that was made for the command has no name, only the mount: a file with a name is the host's. -1: there is none. */
static int open_own_resolver(void)
{
	int fd = open(RESOLVER_FILE, O_RDWR | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || (fstat(fd, &st) == 0 && st.st_nlink == 0))
		return fd;
	close(fd);
	return -1;
}

/* Adds to a text of RESOLVER_SIZE bytes; what has no room is left out. */
__attribute__((format(printf, 2, 3))) static void add_line(char *text, const char *format, ...)
{
	size_t length = strlen(text);
	va_list values;
	int n;

	va_start(values, format);
	n = vsnprintf(text + length, RESOLVER_SIZE - length, format, values);
	va_end(values);
	if (n < 0 || (size_t)n >= RESOLVER_SIZE - length)
		text[length] = '\0';
}

static void make_resolver(char *text, const char *interface, const char *domain, const char *servers)
{
	struct netif_address address;

	add_line(text, RESOLVER_MARK "%s\n", interface);
	if (domain[0] != '\0' && strpbrk(domain, "\n\r") == NULL)
		add_line(text, "search %s\n", domain);
	for (; servers[0] != '\0'; servers += strspn(servers, " ,")) {
		int length = (int)strcspn(servers, " ,");

		if (first_address(servers, &address) == 0)
			add_line(text, "nameserver %.*s\n", length, servers);
		servers += length;
	}
}

/* The command may be reading it: a renewal that says the same writes nothing, and what is new is there before the rest of the old is cut off. */
static void write_resolver(struct log *log, const char *interface, const char *domain, const char *servers)
{
	char old[RESOLVER_SIZE] = "", new[RESOLVER_SIZE] = "";
	int fd = servers[0] != '\0' ? open_own_resolver() : -1;
	size_t length;

	if (fd < 0)
		return;
	make_resolver(new, interface, domain, servers);
	length = strlen(new);
	if (pread(fd, old, sizeof(old) - 1, 0) >= 0 && strcmp(old, new) != 0 && !is_resolver_of_other(old, interface) &&
	    (pwrite(fd, new, length, 0) != (ssize_t)length || ftruncate(fd, (off_t)length) != 0))
		log_errno(log, errno, "%s: name servers from DHCP", interface);
	close(fd);
}

/* A lease without a time is one for ever. */
static uint32_t lease_seconds(void)
{
	unsigned seconds;

	return number_uint(value("lease", "new_dhcp_lease_time"), 1, UINT32_MAX, &seconds) == 0 ? seconds : UINT32_MAX;
}

static int take_lease(struct log *log, const char *interface)
{
	const char *text = value("ip", "new_ip_address");
	struct netif_address address, router;
	int error = netif_parse_address(text, &address);

	if (error == 0 && address.family != AF_INET)
		error = EINVAL;
	if (error == 0) {
		address.prefix = mask_length(value("subnet", "new_subnet_mask"));
		error = netif_lend_address(interface, &address, lease_seconds());
	}
	if (error != 0) {
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

/* ---- events ---- */

enum event { OTHER, LEASE, LOSS, FAILURE };

static enum event event_of(const char *name)
{
	static const struct {
		const char *name;
		enum event event;
	} rows[] = {
		{ "bound", LEASE }, { "renew", LEASE }, { "deconfig", LOSS },                                   /* udhcpc */
		{ "BOUND", LEASE }, { "RENEW", LEASE }, { "REBIND", LEASE }, { "REBOOT", LEASE },               /* dhclient */
		{ "EXPIRE", LOSS }, { "RELEASE", LOSS }, { "STOP", LOSS }, { "FAIL", FAILURE },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (strcmp(rows[i].name, name) == 0)
			return rows[i].event;
	}
	return OTHER;
}

bool lease_is_event(void)
{
	return getenv(LEASE_VARIABLE) != NULL;
}

/* Tells the vdens that started the client. */
static void report(const char *settings, char byte)
{
	char number[16];
	int fd;

	snprintf(number, sizeof(number), "%.*s", (int)strcspn(settings, ":"), settings);
	if (number_int(number, STDERR_FILENO + 1, 1 << 20, &fd) == 0)
		send(fd, &byte, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

int lease_event(struct log *log, const char *name)
{
	const char *reason = getenv("reason"), *settings = getenv(LEASE_VARIABLE), *interface = value("interface", "interface");
	enum event event = event_of(reason != NULL ? reason : name != NULL ? name : "");
	const char *kind = strchr(settings, ':');
	int status = 0;

	if (event == LEASE)
		status = take_lease(log, interface);
	if (event == LEASE && status == 0 && kind != NULL && strcmp(kind + 1, LEASE_WITH_RESOLVER) == 0)
		write_resolver(log, interface, value("domain", "new_domain_name"), value("dns", "new_domain_name_servers"));
	if (event == LOSS || event == FAILURE)
		netif_end_loans(interface, NULL);
	if (event == LEASE || event == FAILURE)
		report(settings, event == LEASE && status == 0 ? LEASE_TAKEN : LEASE_FAILED);
	return status;
}
