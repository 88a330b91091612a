/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/mgmt.h"
#include "vde_switch/commands.h"
#include "vde_switch/switch.h"

#include <errno.h>

static int create(void *owner, struct reply *reply, const struct args *args)
{
	unsigned vid;

	(void)reply;
	return args_uint(args, 0, 1, VLAN_MAX, &vid) == 0 ? vlan_create(owner, vid) : EINVAL;
}

static int remove_vlan(void *owner, struct reply *reply, const struct args *args)
{
	unsigned vid;

	(void)reply;
	return args_uint(args, 0, 0, VLAN_MAX, &vid) == 0 ? vlan_remove(owner, vid) : EINVAL;
}

static int vid_and_port(const struct args *args, unsigned *vid, unsigned *port)
{
	if (args_uint(args, 0, 0, VLAN_MAX, vid) != 0)
		return EINVAL;
	return args_uint(args, 1, 0, PORT_MAX, port);
}

static int addport(void *owner, struct reply *reply, const struct args *args)
{
	unsigned vid, port;

	(void)reply;
	return vid_and_port(args, &vid, &port) == 0 ? vlan_add_port(owner, vid, port) : EINVAL;
}

static int delport(void *owner, struct reply *reply, const struct args *args)
{
	unsigned vid, port;

	(void)reply;
	return vid_and_port(args, &vid, &port) == 0 ? vlan_del_port(owner, vid, port) : EINVAL;
}

/* An inactive port has no state; Learning is what has always been printed for it. */
static const char *state_name(const struct port *port, uint16_t vid)
{
	static const char *const names[] = { "Discarding", "Learning", "Forwarding" };

	return names[port_is_active(port) ? vlan_get_state(port, vid) : VLAN_LEARNING];
}

static void print_members(struct vde_switch *sw, struct reply *reply, uint16_t vid, bool inactive_too)
{
	for (unsigned n = 0; n <= sw->numports; n++) {
		const struct port *port = sw->port[n];

		if (!port || (port->untagged_vid != vid && !vlan_is_tagged(port, vid)))
			continue;
		if (port_is_active(port) || inactive_too)
			reply_printf(reply, " -- Port %04u tagged=%d active=%d status=%s\n", n, port->untagged_vid != vid,
				     port_is_active(port), state_name(port, vid));
	}
}

static bool exists(struct vde_switch *sw, unsigned vid)
{
	return vlan_get(sw, vid) != NULL;
}

static void print_active(struct vde_switch *sw, struct reply *reply, unsigned vid)
{
	reply_printf(reply, "VLAN %04u\n", vid);
	print_members(sw, reply, (uint16_t)vid, false);
}

static void print_all(struct vde_switch *sw, struct reply *reply, unsigned vid)
{
	reply_printf(reply, "VLAN %04u\n", vid);
	print_members(sw, reply, (uint16_t)vid, true);
}

static int print(void *owner, struct reply *reply, const struct args *args)
{
	return print_one_or_all(owner, reply, args, VLAN_MAX, exists, print_active);
}

static int allprint(void *owner, struct reply *reply, const struct args *args)
{
	return print_one_or_all(owner, reply, args, VLAN_MAX, exists, print_all);
}

const struct command vlan_commands[] = {
	{ "vlan", COMMAND_MENU, "VLAN MANAGEMENT MENU", 0, 0, NULL, 0 },
	{ "vlan/create", "N", "create the VLAN with tag N", 1, 1, create, 0 },
	{ "vlan/remove", "N", "remove the VLAN with tag N", 1, 1, remove_vlan, 0 },
	{ "vlan/addport", "N PORT", "add port to the vlan N (tagged)", 2, 2, addport, 0 },
	{ "vlan/delport", "N PORT", "delete port from the vlan N (tagged)", 2, 2, delport, 0 },
	{ "vlan/print", "[N]", "print the list of defined vlan", 0, 1, print, COMMAND_DATA },
	{ "vlan/allprint", "[N]", "print the list of defined vlan (including inactive port)", 0, 1, allprint, COMMAND_DATA },
	{ 0 }
};
