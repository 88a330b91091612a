/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "slirpvde/forward.h"

#include "common/number.h"
#include "slirpvde/alias.h"
#include "slirpvde/guest_command.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

/* A kind: its names, the form of its text, and the functions that read it, start it and end it. */
struct forward_type {
	const char *name;               /* in the management language */
	const char *form;
	int (*parse)(char *text, struct forward *forward);
	int (*start)(struct forward_table *table, struct forward *forward, struct engine_error *error);
	void (*stop)(struct forward_table *table, const struct forward *forward);
};

/* Cuts the next field off *rest at a colon outside brackets. NULL when there is none left. */
static char *next_field(char **rest)
{
	char *field = *rest, *end = field;

	if (!field)
		return NULL;
	while (*end && *end != ':') {
		char *bracket = *end == '[' ? strchr(end, ']') : NULL;

		end = bracket ? bracket + 1 : end + 1;
	}
	*rest = *end ? end + 1 : NULL;
	*end = 0;
	return field;
}

static int parse_port(const char *text, unsigned *port)
{
	return text ? number_uint(text, 1, 65535, port) : EINVAL;
}

/* [HOST:]PORT:[GUEST]:PORT */
static int parse_hostfwd(char *text, struct forward *forward)
{
	char *field[4], *rest = text;
	unsigned count = 0;

	while (count < 4 && (field[count] = next_field(&rest)) != NULL)
		count++;
	if (rest || count < 3)
		return EINVAL;
	if (count == 4 && *field[0] && address_parse(field[0], &forward->host))
		return EINVAL;
	if (*field[count - 2] && address_parse(field[count - 2], &forward->guest))
		return EINVAL;
	if (parse_port(field[count - 3], &forward->host_port))
		return EINVAL;
	return parse_port(field[count - 1], &forward->guest_port);
}

/* GUEST[:DISPLAY[.SCREEN]]: the screen says nothing about the port */
static int parse_x(char *text, struct forward *forward)
{
	char *rest = text, *guest = next_field(&rest), *dot = rest ? strchr(rest, '.') : NULL;
	unsigned display = 0, screen;

	if (dot) {
		*dot++ = 0;
		if (number_uint(dot, 0, 255, &screen))
			return EINVAL;
	}
	if (rest && number_uint(rest, 0, 65535 - FORWARD_X_FIRST, &display))
		return EINVAL;
	forward->guest_port = FORWARD_X_FIRST + display;
	return address_parse(guest, &forward->guest);
}

/* [ADDRESS:]PORT:TARGET; the target may contain colons */
static int parse_guestfwd(char *text, struct forward *forward)
{
	char *rest = text, *first = next_field(&rest);

	if (number_uint(first, 1, 65535, &forward->guest_port)) {
		if (address_parse(first, &forward->guest) || forward->guest.family != AF_INET)
			return EINVAL;
		if (parse_port(next_field(&rest), &forward->guest_port))
			return EINVAL;
	}
	if (!rest || !*rest)
		return EINVAL;
	forward->target = strdup(rest);
	return forward->target ? 0 : ENOMEM;
}

static struct address any_address(int family)
{
	struct address any = { .family = family };

	return any;
}

/* Guest and host address are of one family, and the guest is in the network. */
static int check_guest(const struct forward_table *table, struct forward *forward, struct engine_error *error)
{
	const struct engine_config *config = table->config;
	char guest[ADDRESS_TEXT_SIZE], host[ADDRESS_TEXT_SIZE];
	int family;

	if (forward->guest.family == AF_UNSPEC)
		forward->guest = config->dhcp_start.family == AF_UNSPEC ? address_in_prefix(&config->host4, 15)
									: config->dhcp_start;
	family = forward->guest.family;
	if (forward->host.family == AF_UNSPEC)
		forward->host = any_address(family);
	if (forward->host.family != family)
		return engine_fail(error, "host address %s and guest %s are not of one family",
				   address_text(&forward->host, host), address_text(&forward->guest, guest));
	if (!address_in_network(&forward->guest, family == AF_INET6 ? &config->host6 : &config->host4))
		return engine_fail(error, "guest %s is not in the virtual network", address_text(&forward->guest, guest));
	return 0;
}

static int listen_on(struct forward_table *table, const struct forward *forward)
{
	int flags = forward->kind == FORWARD_UDP ? SLIRP_HOSTFWD_UDP : 0;
	struct sockaddr_storage host, guest;
	socklen_t host_size = address_to_sockaddr(&forward->host, forward->host_port, &host);
	socklen_t guest_size = address_to_sockaddr(&forward->guest, forward->guest_port, &guest);

	/* The IPv6 wildcard alone, so that the same port can be redirected for IPv4 as well. */
	if (forward->host.family == AF_INET6)
		flags |= SLIRP_HOSTFWD_V6ONLY;
	errno = 0;
	if (slirp_add_hostxfwd(table->slirp, (struct sockaddr *)&host, host_size, (struct sockaddr *)&guest, guest_size,
			       flags) == 0)
		return 0;
	return errno ? errno : EADDRINUSE;
}

static int start_hostfwd(struct forward_table *table, struct forward *forward, struct engine_error *error)
{
	char text[ADDRESS_TEXT_SIZE];
	int failed = check_guest(table, forward, error);

	if (failed)
		return failed;
	failed = listen_on(table, forward);
	if (failed)
		engine_fail(error, "cannot listen at %s port %s %u: %s", address_text(&forward->host, text),
			    forward->kind == FORWARD_UDP ? "UDP" : "TCP", forward->host_port, strerror(failed));
	return failed;
}

static int start_x(struct forward_table *table, struct forward *forward, struct engine_error *error)
{
	int failed = check_guest(table, forward, error);

	if (failed)
		return failed;
	for (forward->host_port = FORWARD_X_FIRST; forward->host_port <= FORWARD_X_LAST; forward->host_port++) {
		failed = listen_on(table, forward);
		if (failed != EADDRINUSE)
			break;
	}
	if (failed)
		engine_fail(error, "no port of %d to %d is free: %s", FORWARD_X_FIRST, FORWARD_X_LAST, strerror(failed));
	return failed;
}

static void stop_hostfwd(struct forward_table *table, const struct forward *forward)
{
	int flags = forward->kind == FORWARD_UDP ? SLIRP_HOSTFWD_UDP : 0;
	struct sockaddr_storage host;
	socklen_t size = address_to_sockaddr(&forward->host, forward->host_port, &host);

	if (forward->host.family == AF_INET6)
		flags |= SLIRP_HOSTFWD_V6ONLY;
	slirp_remove_hostxfwd(table->slirp, (struct sockaddr *)&host, size, flags);
}

/* The address that libslirp is given: it refuses the router's own, which alias.c makes appear there. */
static struct in_addr guestfwd_address(const struct forward_table *table, const struct forward *forward)
{
	return forward->aliased ? alias_hidden(table->alias) : forward->guest.v4;
}

static int check_guestfwd(struct forward_table *table, struct forward *forward, struct engine_error *error)
{
	const struct engine_config *config = table->config;
	char text[ADDRESS_TEXT_SIZE];

	if (config->host4.address.family != AF_INET)
		return engine_fail(error, "there is no IPv4 host address");
	if (forward->guest.family == AF_UNSPEC)
		forward->guest = config->host4.address;
	forward->aliased = address_equal(&forward->guest, &config->host4.address);
	address_text(&forward->guest, text);
	if (!address_in_network(&forward->guest, &config->host4) || address_is_reserved(&forward->guest, &config->host4))
		return engine_fail(error, "%s is not an address of the virtual network", text);
	if (!forward->aliased && address_equal(&forward->guest, &config->dns4))
		return engine_fail(error, "%s is the DNS server's address", text);
	for (unsigned i = 0; i < table->count; i++)
		if (table->row[i].target && table->row[i].guest_port == forward->guest_port &&
		    address_equal(&table->row[i].guest, &forward->guest)) {
			engine_fail(error, "%s port %u is redirected already", text, forward->guest_port);
			return EADDRINUSE;
		}
	return 0;
}

/* libslirp would cut it, and connect somewhere else. */
static int check_socket_name(const char *path, struct engine_error *error)
{
	size_t max = sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1;

	return strlen(path) > max ? engine_fail(error, "a socket's name has at most %zu bytes", max) : 0;
}

static int start_guestfwd(struct forward_table *table, struct forward *forward, struct engine_error *error)
{
	int failed = check_guestfwd(table, forward, error);
	struct in_addr address;

	if (!failed && forward->kind == FORWARD_COMMAND)
		failed = guest_command_check(forward->target, error);
	if (!failed && forward->kind == FORWARD_UNIX)
		failed = check_socket_name(forward->target, error);
	if (failed)
		return failed;
	address = guestfwd_address(table, forward);
	failed = forward->kind == FORWARD_UNIX
			 ? slirp_add_unix(table->slirp, forward->target, &address, (int)forward->guest_port)
			 : slirp_add_exec(table->slirp, forward->target, &address, (int)forward->guest_port);
	if (failed)
		return engine_fail(error, "port %u cannot be redirected", forward->guest_port);
	if (forward->aliased)
		alias_set(table->alias, forward->guest_port, true);
	return 0;
}

static void stop_guestfwd(struct forward_table *table, const struct forward *forward)
{
	slirp_remove_guestfwd(table->slirp, guestfwd_address(table, forward), (int)forward->guest_port);
	if (forward->aliased)
		alias_set(table->alias, forward->guest_port, false);
}

static const struct forward_type forward_types[FORWARD_KINDS] = {
	[FORWARD_TCP] = { "tcp", "[HOST:]PORT:GUEST:PORT", parse_hostfwd, start_hostfwd, stop_hostfwd },
	[FORWARD_UDP] = { "udp", "[HOST:]PORT:GUEST:PORT", parse_hostfwd, start_hostfwd, stop_hostfwd },
	[FORWARD_X] = { "x", "GUEST[:DISPLAY[.SCREEN]]", parse_x, start_x, stop_hostfwd },
	[FORWARD_UNIX] = { "unix", "[ADDRESS:]PORT:PATH", parse_guestfwd, start_guestfwd, stop_guestfwd },
	[FORWARD_COMMAND] = { "cmd", "[ADDRESS:]PORT:COMMAND", parse_guestfwd, start_guestfwd, stop_guestfwd },
};

enum forward_kind forward_kind_by_name(const char *name)
{
	enum forward_kind kind = 0;

	while (kind < FORWARD_KINDS && strcmp(name, forward_types[kind].name) != 0)
		kind++;
	return kind;
}

const char *forward_kind_name(enum forward_kind kind)
{
	return forward_types[kind].name;
}

/* The socket must be found after the working directory has changed. */
static int make_absolute(struct forward *forward)
{
	char directory[4096], *joined;

	if (forward->kind != FORWARD_UNIX || forward->target[0] == '/')
		return 0;
	if (!getcwd(directory, sizeof(directory)))
		return errno;
	if (asprintf(&joined, "%s/%s", directory, forward->target) < 0)
		return ENOMEM;
	free(forward->target);
	forward->target = joined;
	return 0;
}

int forward_parse(enum forward_kind kind, const char *text, struct forward *forward, struct engine_error *error)
{
	struct forward result = { .kind = kind };
	char *copy = strdup(text);
	int failed;

	if (!copy)
		return ENOMEM;
	failed = forward_types[kind].parse(copy, &result);
	free(copy);
	if (!failed && result.target)
		failed = make_absolute(&result);
	if (!failed) {
		*forward = result;
		return 0;
	}
	forward_free(&result);
	if (failed != EINVAL && failed != ERANGE)
		return failed;
	return engine_fail(error, "'%s' is not of the form %s, with ports 1 to 65535", text, forward_types[kind].form);
}

void forward_free(struct forward *forward)
{
	free(forward->target);
	forward->target = NULL;
}

char *forward_directory(const struct forward *forward)
{
	const char *slash = strrchr(forward->target, '/');      /* the path is absolute */

	return strndup(forward->target, slash > forward->target ? (size_t)(slash - forward->target) : 1);
}

/* ADDRESS: as it must be written before a port; nothing for the wildcard. */
static const char *address_prefix(const struct address *address, char out[ADDRESS_TEXT_SIZE + 3])
{
	struct address any = any_address(address->family);
	char text[ADDRESS_TEXT_SIZE];

	*out = 0;
	if (address->family == AF_INET6)
		snprintf(out, ADDRESS_TEXT_SIZE + 3, "[%s]:", address_text(address, text));
	else if (!address_equal(address, &any))
		snprintf(out, ADDRESS_TEXT_SIZE + 3, "%s:", address_text(address, text));
	return out;
}

const char *forward_text(const struct forward *forward, char out[FORWARD_TEXT_SIZE])
{
	char host[ADDRESS_TEXT_SIZE + 3], guest[ADDRESS_TEXT_SIZE + 3];

	address_prefix(&forward->host, host);
	address_prefix(&forward->guest, guest);
	if (forward->target)
		snprintf(out, FORWARD_TEXT_SIZE, "%s%u:%s", forward->aliased ? "" : guest, forward->guest_port,
			 forward->target);
	else
		snprintf(out, FORWARD_TEXT_SIZE, "%s%u:%s%s%u", host, forward->host_port, guest, *guest ? "" : ":",
			 forward->guest_port);
	return out;
}

void forward_table_init(struct forward_table *table, Slirp *slirp, const struct engine_config *config, struct alias *alias)
{
	*table = (struct forward_table){ .slirp = slirp, .config = config, .alias = alias, .next_id = 1 };
}

void forward_table_clear(struct forward_table *table)
{
	while (table->count > 0)
		forward_remove(table, table->row[table->count - 1].id);
	free(table->row);
	table->row = NULL;
}

static int make_room(struct forward_table *table, struct engine_error *error)
{
	struct forward *grown;

	if (table->count >= FORWARD_MAX) {
		engine_fail(error, "there are %d redirections, which is the most", FORWARD_MAX);
		return ENOSPC;
	}
	grown = reallocarray(table->row, table->count + 1, sizeof(*grown));
	if (!grown) {
		engine_fail(error, "%s", strerror(ENOMEM));
		return ENOMEM;
	}
	table->row = grown;
	return 0;
}

int forward_add(struct forward_table *table, struct forward *forward, struct engine_error *error)
{
	int failed = make_room(table, error);

	if (!failed)
		failed = forward_types[forward->kind].start(table, forward, error);
	if (failed) {
		forward_free(forward);
		return failed;
	}
	forward->id = table->next_id++;
	table->row[table->count++] = *forward;
	return 0;
}

int forward_remove(struct forward_table *table, unsigned id)
{
	unsigned i = 0;

	while (i < table->count && table->row[i].id != id)
		i++;
	if (i == table->count)
		return ENOENT;
	forward_types[table->row[i].kind].stop(table, &table->row[i]);
	forward_free(&table->row[i]);
	memmove(&table->row[i], &table->row[i + 1], (--table->count - i) * sizeof(*table->row));
	return 0;
}
