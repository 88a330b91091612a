/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vde_switch/configuration.h"

#include "common/command.h"
#include "vde_switch/stp.h"
#include "vde_switch/switch.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char first_line[] = "# vde_switch configuration: takes effect with load, or as rc file\n";

static void print_globals(struct vde_switch *sw, struct reply *reply)
{
	const struct fdb_settings *hash = fdb_settings(sw->fdb);

	reply_printf(reply, "port/setnumports %u\n", sw->numports);
	reply_printf(reply, "port/sethub %d\n", sw->hub);
	reply_printf(reply, "port/defqlen %u\n", sw->queue_length);
	reply_printf(reply, "port/trunk all %d\n", sw->trunk);
	reply_printf(reply, "hash/setsize %u\n", fdb_buckets(sw->fdb));
	reply_printf(reply, "hash/setgcint %u\n", sw->gc_interval);
	reply_printf(reply, "hash/setexpire %u\n", hash->expire);
	reply_printf(reply, "hash/setminper %u\n", hash->min_persistence);
}

static bool is_configured(const struct vde_switch *sw, const struct port *port)
{
	return !port->allocatable || port->untagged_vid != 0 || port->allowed_user != (uid_t)-1 || port->allowed_group != (gid_t)-1 ||
	       (port->tagged && port->tagged->count) || port->trunk != sw->trunk || port->mirror_count || port->mirror_sources ||
	       stp_is_configured(sw->stp, port);
}

/* Port 0 cannot be created by command; it comes with its first endpoint. */
static void print_port(const struct vde_switch *sw, struct reply *reply, const struct port *port)
{
	unsigned number = port->number;

	if (number != 0)
		reply_printf(reply, "port/create %u\n", number);
	if (number != 0 && port->allocatable)
		reply_printf(reply, "port/allocatable %u 1\n", number);
	if (port->untagged_vid != 0)
		reply_printf(reply, "port/setvlan %u %u\n", number, port->untagged_vid);
	if (port->allowed_user != (uid_t)-1)
		reply_printf(reply, "port/setuser %u %u\n", number, port->allowed_user);
	if (port->allowed_group != (gid_t)-1)
		reply_printf(reply, "port/setgroup %u %u\n", number, port->allowed_group);
	if (port->trunk != sw->trunk)
		reply_printf(reply, "port/trunk %u %d\n", number, port->trunk);
}

static void print_vlans(const struct vde_switch *sw, struct reply *reply)
{
	for (unsigned vid = 1; vid <= VLAN_MAX; vid++)
		if (vlan_get(sw, vid))
			reply_printf(reply, "vlan/create %u\n", vid);
}

static void print_tagged(const struct port *port, struct reply *reply)
{
	for (unsigned vid = 0; port->tagged && vid <= VLAN_MAX; vid++)
		if (vlan_is_tagged(port, vid))
			reply_printf(reply, "vlan/addport %u %u\n", vid, port->number);
}

static void print_mirrors(const struct port *port, struct reply *reply)
{
	for (unsigned i = 0; i < port->mirror_count; i++)
		reply_printf(reply, "port/mirror %u %u\n", port->number, port->mirror_to[i]);
}

static void for_each_port(struct vde_switch *sw, void (*print)(const struct port *, struct reply *), struct reply *reply)
{
	for (unsigned number = 0; number <= sw->numports; number++)
		if (sw->port[number])
			print(sw->port[number], reply);
}

void configuration_print(struct vde_switch *sw, struct reply *reply)
{
	print_globals(sw, reply);
	print_vlans(sw, reply);
	for (unsigned number = 0; number <= sw->numports; number++)
		if (sw->port[number] && is_configured(sw, sw->port[number]))
			print_port(sw, reply, sw->port[number]);
	for_each_port(sw, print_tagged, reply);
	for_each_port(sw, print_mirrors, reply);
	stp_print_configuration(sw->stp, reply);
}

/* 0 when path is free, or holds a script that we wrote; EEXIST otherwise. */
static int check_target(const char *path)
{
	char begin[sizeof(first_line)] = "";
	struct stat status;
	int fd;

	if (lstat(path, &status) != 0)
		return errno == ENOENT ? 0 : errno;
	if (!S_ISREG(status.st_mode))
		return EEXIST;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return errno;
	ssize_t count = read(fd, begin, sizeof(begin) - 1);
	close(fd);
	return count == 0 || strcmp(begin, first_line) == 0 ? 0 : EEXIST;
}

static int write_all(int fd, const char *text, size_t length)
{
	while (length > 0) {
		ssize_t written = write(fd, text, length);

		if (written < 0 && errno != EINTR)
			return errno;
		if (written > 0) {
			text += written;
			length -= (size_t)written;
		}
	}
	return 0;
}

/* Beside the target, so that the rename is one step. */
static int write_and_rename(const char *path, const struct reply *script)
{
	char temporary[PATH_MAX];
	int fd, error;

	if (snprintf(temporary, sizeof(temporary), "%s.XXXXXX", path) >= (int)sizeof(temporary))
		return ENAMETOOLONG;
	fd = mkostemp(temporary, O_CLOEXEC);
	if (fd < 0)
		return errno;
	error = write_all(fd, first_line, strlen(first_line));
	if (!error)
		error = write_all(fd, script->text, script->length);
	if (!error && fsync(fd) != 0)
		error = errno;
	if (close(fd) != 0 && !error)
		error = errno;
	if (!error && rename(temporary, path) != 0)
		error = errno;
	if (error)
		unlink(temporary);
	return error;
}

int configuration_save(struct vde_switch *sw, const char *path)
{
	struct reply script;
	int error = check_target(path);

	if (error)
		return error;
	reply_init(&script);
	configuration_print(sw, &script);
	error = script.truncated ? ENOBUFS : write_and_rename(path, &script);
	reply_free(&script);
	return error;
}
