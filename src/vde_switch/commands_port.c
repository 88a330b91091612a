/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/mgmt.h"
#include "common/number.h"
#include "vde_switch/commands.h"
#include "vde_switch/switch.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

enum { NAME_SIZE = 64 };

/* ---- printing ---- */

static const char *user_name(uid_t uid, char *out)
{
	char buffer[4096];
	struct passwd entry, *found = NULL;

	if (uid == (uid_t)-1)
		return "NONE";
	if (getpwuid_r(uid, &entry, buffer, sizeof(buffer), &found) == 0 && found)
		snprintf(out, NAME_SIZE, "%s", found->pw_name);
	else
		snprintf(out, NAME_SIZE, "%u", uid);
	return out;
}

static const char *group_name(gid_t gid, char *out)
{
	char buffer[4096];
	struct group entry, *found = NULL;

	if (gid == (gid_t)-1)
		return "NONE";
	if (getgrgid_r(gid, &entry, buffer, sizeof(buffer), &found) == 0 && found)
		snprintf(out, NAME_SIZE, "%s", found->gr_name);
	else
		snprintf(out, NAME_SIZE, "%u", gid);
	return out;
}

static uint64_t dropped(const struct port *port)
{
	uint64_t sum = 0;

	for (int reason = 0; reason < DROP_COUNT; reason++)
		sum += port->counters.dropped[reason];
	return sum;
}

static void print_endpoint(struct reply *reply, const struct endpoint *endpoint)
{
	reply_printf(reply, "  -- endpoint ID %04d module %-12s: %s\n", endpoint->id, endpoint->ops->kind,
		     endpoint->description ? endpoint->description : "no endpoint description");
	reply_printf(reply, "              unsent packets: %u max %u\n", endpoint->queue.count, endpoint->queue.max);
}

static void print_port(struct vde_switch *sw, struct reply *reply, unsigned number)
{
	const struct port *port = sw->port[number];
	const struct port_counters *counters = &port->counters;
	char current[NAME_SIZE], user[NAME_SIZE], group[NAME_SIZE];

	reply_printf(reply, "Port %04u untagged_vlan=%04u %sACTIVE - %sUnnamed Allocatable\n", number, port->untagged_vid,
		     port_is_active(port) ? "" : "IN", port->allocatable ? "" : "NOT ");
	reply_printf(reply, " Current User: %s Access Control: (User: %s - Group: %s)\n",
		     user_name(port->endpoints ? port->endpoints->user : (uid_t)-1, current), user_name(port->allowed_user, user),
		     group_name(port->allowed_group, group));
	reply_printf(reply, " IN:  pkts %10llu          bytes %20llu\n", (unsigned long long)counters->in_frames,
		     (unsigned long long)counters->in_bytes);
	reply_printf(reply, " OUT: pkts %10llu          bytes %20llu\n", (unsigned long long)counters->out_frames,
		     (unsigned long long)counters->out_bytes);
	reply_printf(reply, " DROP: pkts %9llu\n", (unsigned long long)dropped(port));
	for (const struct endpoint *endpoint = port->endpoints; endpoint; endpoint = endpoint->next)
		print_endpoint(reply, endpoint);
	print_port_extras(port, reply);
}

static bool exists(struct vde_switch *sw, unsigned number)
{
	return sw->port[number] != NULL;
}

static bool is_active(struct vde_switch *sw, unsigned number)
{
	return sw->port[number] && port_is_active(sw->port[number]);
}

static int print(void *owner, struct reply *reply, const struct args *args)
{
	struct vde_switch *sw = owner;

	return print_one_or_all(sw, reply, args, sw->numports, is_active, print_port);
}

static int allprint(void *owner, struct reply *reply, const struct args *args)
{
	struct vde_switch *sw = owner;

	return print_one_or_all(sw, reply, args, sw->numports, exists, print_port);
}

static int showinfo(void *owner, struct reply *reply, const struct args *args)
{
	struct vde_switch *sw = owner;

	(void)args;
	reply_printf(reply, "Numports=%u\n", sw->numports);
	reply_printf(reply, "HUB=%s\n", sw->hub ? "true" : "false");
	reply_printf(reply, "counters=true\n");
	reply_printf(reply, "default length of port packet queues: %u\n", sw->queue_length);
	return 0;
}

/* ---- the switch as a whole ---- */

static int setnumports(void *owner, struct reply *reply, const struct args *args)
{
	unsigned count;

	(void)reply;
	return args_uint(args, 0, 1, PORT_MAX, &count) == 0 ? port_set_count(owner, count) : EINVAL;
}

static int sethub(void *owner, struct reply *reply, const struct args *args)
{
	unsigned hub = 0;

	(void)reply;
	if (args->count && args_uint(args, 0, 0, 1, &hub) != 0)
		return EINVAL;
	switch_set_hub(owner, hub != 0);
	return 0;
}

static int defqlen(void *owner, struct reply *reply, const struct args *args)
{
	struct vde_switch *sw = owner;

	(void)reply;
	return args_uint(args, 0, 0, TXQUEUE_MAX_LENGTH, &sw->queue_length);
}

/* ---- one port ---- */

/* The port that the first argument names. */
static int named_port(struct vde_switch *sw, const struct args *args, struct port **port)
{
	unsigned number;

	if (args_uint(args, 0, 0, sw->numports, &number) != 0)
		return EINVAL;
	*port = sw->port[number];
	return *port ? 0 : ENXIO;
}

static int setvlan(void *owner, struct reply *reply, const struct args *args)
{
	struct vde_switch *sw = owner;
	unsigned number, vid;

	(void)reply;
	if (args_uint(args, 0, 0, sw->numports, &number) != 0 || args_uint(args, 1, 0, VLAN_NONE, &vid) != 0)
		return EINVAL;
	return vlan_set_untagged(sw, number, vid);
}

static int create_reserved(struct vde_switch *sw, unsigned number)
{
	struct port *port;
	int error = port_create(sw, number, &port);

	if (!error)
		port->allocatable = false;
	return error;
}

static int createauto(void *owner, struct reply *reply, const struct args *args)
{
	unsigned number = port_lowest_absent(owner);

	(void)args;
	if (number == 0)
		return ENOSPC;
	int error = create_reserved(owner, number);
	if (!error)
		reply_printf(reply, "Port %04u\n", number);
	return error;
}

/* Port 0, or none named, asks for any: that is what these have always meant here. */
static int create(void *owner, struct reply *reply, const struct args *args)
{
	struct vde_switch *sw = owner;
	unsigned number = 0;

	(void)reply;
	if (args->count && args_uint(args, 0, 0, sw->numports, &number) != 0)
		return EINVAL;
	if (number == 0)
		number = port_lowest_absent(sw);
	return number ? create_reserved(sw, number) : ENOSPC;
}

static int remove_port(void *owner, struct reply *reply, const struct args *args)
{
	struct vde_switch *sw = owner;
	unsigned number;

	(void)reply;
	return args_uint(args, 0, 0, sw->numports, &number) == 0 ? port_remove(sw, number) : EINVAL;
}

static int allocatable(void *owner, struct reply *reply, const struct args *args)
{
	struct port *port;
	unsigned value;
	int error = args_uint(args, 1, 0, 1, &value);

	(void)reply;
	if (!error)
		error = named_port(owner, args, &port);
	if (!error)
		port->allocatable = value != 0;
	return error;
}

static bool means_nobody(const char *text)
{
	return strcmp(text, "NONE") == 0 || strcmp(text, "ANY") == 0;
}

static int setuser(void *owner, struct reply *reply, const struct args *args)
{
	struct port *port;
	uid_t user = (uid_t)-1;

	(void)reply;
	if (!means_nobody(args->word[1]) && number_user(args->word[1], &user) != 0)
		return EINVAL;
	int error = named_port(owner, args, &port);
	if (!error)
		port->allowed_user = user;
	return error;
}

static int setgroup(void *owner, struct reply *reply, const struct args *args)
{
	struct port *port;
	gid_t group = (gid_t)-1;

	(void)reply;
	if (!means_nobody(args->word[1]) && number_group(args->word[1], &group) != 0)
		return EINVAL;
	int error = named_port(owner, args, &port);
	if (!error)
		port->allowed_group = group;
	return error;
}

static int named_endpoint(struct vde_switch *sw, const struct args *args, struct endpoint **endpoint)
{
	struct port *port;
	unsigned id;
	int error = args_uint(args, 1, 0, 1u << 30, &id);

	if (!error)
		error = named_port(sw, args, &port);
	if (error)
		return error;
	for (*endpoint = port->endpoints; *endpoint; *endpoint = (*endpoint)->next)
		if ((*endpoint)->id == (int)id)
			return 0;
	return ENXIO;
}

static int epclose(void *owner, struct reply *reply, const struct args *args)
{
	struct endpoint *endpoint;
	int error = named_endpoint(owner, args, &endpoint);

	(void)reply;
	if (!error)
		endpoint_close(endpoint);
	return error;
}

static int epqlen(void *owner, struct reply *reply, const struct args *args)
{
	struct endpoint *endpoint;
	unsigned length;
	int error = args_uint(args, 2, 0, TXQUEUE_MAX_LENGTH, &length);

	(void)reply;
	if (!error)
		error = named_endpoint(owner, args, &endpoint);
	if (!error)
		txqueue_set_max(&endpoint->queue, length);
	return error;
}

static void reset_counters(struct port *port)
{
	if (port)
		memset(&port->counters, 0, sizeof(port->counters));
}

static int resetcounter(void *owner, struct reply *reply, const struct args *args)
{
	struct vde_switch *sw = owner;
	unsigned number;

	(void)reply;
	if (args->count) {
		if (args_uint(args, 0, 0, sw->numports, &number) != 0)
			return EINVAL;
		reset_counters(sw->port[number]);
		return 0;
	}
	for (number = 0; number <= sw->numports; number++)
		reset_counters(sw->port[number]);
	return 0;
}

const struct command port_commands[] = {
	{ "port", COMMAND_MENU, "PORT STATUS MENU", 0, 0, NULL, 0 },
	{ "port/showinfo", "", "show port info", 0, 0, showinfo, COMMAND_DATA },
	{ "port/setnumports", "N", "set the number of ports", 1, 1, setnumports, 0 },
	{ "port/sethub", "0/1", "1=HUB 0=switch", 0, 1, sethub, 0 },
	{ "port/setvlan", "N VLAN", "set port VLAN (untagged)", 2, 2, setvlan, 0 },
	{ "port/createauto", "", "create a port with an automatically allocated id (inactive|notallocatable)", 0, 0, createauto,
	  COMMAND_DATA },
	{ "port/create", "N", "create the port N (inactive|notallocatable)", 0, 1, create, 0 },
	{ "port/remove", "N", "remove the port N", 1, 1, remove_port, 0 },
	{ "port/allocatable", "N 0/1", "Is the port allocatable as unnamed? 1=Y 0=N", 2, 2, allocatable, 0 },
	{ "port/setuser", "N user", "access control: set user", 2, 2, setuser, 0 },
	{ "port/setgroup", "N user", "access control: set group", 2, 2, setgroup, 0 },
	{ "port/epclose", "N ID", "remove the endpoint port N/id ID", 2, 2, epclose, 0 },
	{ "port/defqlen", "LEN", "set the default length of port packet queues", 1, 1, defqlen, 0 },
	{ "port/epqlen", "N ID LEN", "set the length of the queue of endpoint N/id ID", 3, 3, epqlen, 0 },
	{ "port/resetcounter", "[N]", "reset the port (N) counters", 0, 1, resetcounter, 0 },
	{ "port/print", "[N]", "print the port/endpoint table", 0, 1, print, COMMAND_DATA },
	{ "port/allprint", "[N]", "print the port/endpoint table (including inactive port)", 0, 1, allprint, COMMAND_DATA },
	{ 0 }
};
