/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The process inside the namespaces, until it becomes the command. */
#include "vdens.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int address_option(const char *text, char interface[TAP_NAME_SIZE], struct netif_address *address)
{
	const char *equals = strchr(text, '=');
	size_t length = equals != NULL ? (size_t)(equals - text) : 0;

	if (length >= TAP_NAME_SIZE)
		return EINVAL;
	memcpy(interface, text, length);
	interface[length] = '\0';
	return netif_parse_address(equals != NULL ? equals + 1 : text, address);
}

static bool make_interface(struct inside *inside, unsigned number)
{
	char name[TAP_NAME_SIZE];
	bool offload;
	int fd, error;

	snprintf(name, sizeof(name), "%s%u", inside->options->prefix, number);
	fd = tap_open_offload(name, NULL, &offload);
	error = fd >= 0 ? channel_send(inside->channel, fd) : errno;
	if (fd >= 0)
		close(fd);
	if (error != 0)
		log_errno(inside->log, error, "cannot make the interface %s", name);
	return error == 0;
}

static bool add_address(struct inside *inside, const char *text)
{
	char interface[TAP_NAME_SIZE];
	struct netif_address address;
	int error = address_option(text, interface, &address);

	if (interface[0] == '\0')
		snprintf(interface, sizeof(interface), "%s0", inside->options->prefix);
	if (error == 0)
		error = netif_add_address(interface, &address);
	if (error != 0)
		log_errno(inside->log, error, "cannot add the address %s to %s", text, interface);
	return error == 0;
}

/* Addresses and states of the interfaces. */
static bool set_interfaces(struct inside *inside)
{
	const struct options *options = inside->options;
	int error;

	for (size_t i = 0; i < options->addresses.count; i++) {
		if (!add_address(inside, options->addresses.item[i]))
			return false;
	}
	if (!options->up && !options->dhcp && options->addresses.count == 0)
		return true;
	error = netif_up("lo");
	for (unsigned i = 0; i < inside->interfaces && error == 0; i++) {
		char name[TAP_NAME_SIZE];

		snprintf(name, sizeof(name), "%s%u", options->prefix, i);
		error = netif_up(name);
	}
	if (error != 0)
		log_errno(inside->log, error, "cannot bring the interfaces up");
	return error == 0;
}

/* The networks are served now, and have given addresses where they were asked to. False: the other side has said why not. */
static bool wait_for_network(struct inside *inside)
{
	char byte;
	ssize_t n;

	do
		n = read(inside->channel, &byte, 1);
	while (n < 0 && errno == EINTR);
	return n == 1;
}

void inside_run(struct inside *inside)
{
	bool ready = namespaces_enter(inside->options, inside->log) && namespaces_furnish(inside->options, inside->log);
	int error;

	for (unsigned i = 0; i < inside->interfaces && ready; i++)
		ready = make_interface(inside, i);
	if (!ready || !set_interfaces(inside))
		_exit(STATUS_FAILED);
	error = namespaces_keep_capabilities(inside->options->sysadm);
	if (error != 0) {
		log_errno(inside->log, error, "cannot keep capabilities");
		_exit(STATUS_FAILED);
	}
	loop_unblock_signals();         /* one that is passed on may end the wait */
	if (!wait_for_network(inside))
		_exit(STATUS_FAILED);
	execvp(inside->command[0], inside->command);
	error = errno;
	log_errno(inside->log, error, "%s", inside->command[0]);
	_exit(error == ENOENT ? STATUS_NOT_FOUND : STATUS_NOT_EXECUTABLE);
}
