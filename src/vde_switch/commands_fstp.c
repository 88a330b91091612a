/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/mgmt.h"
#include "vde_switch/commands.h"
#include "vde_switch/stp.h"
#include "vde_switch/switch.h"

#include <errno.h>
#include <string.h>

static int showinfo(void *owner, struct reply *reply, const struct args *args)
{
	const struct vde_switch *sw = owner;
	const uint8_t *mac = sw->mac;
	const struct rstp_times *times = stp_times(sw->stp);

	(void)args;
	reply_printf(reply, "MAC %02x:%02x:%02x:%02x:%02x:%02x Priority %u (0x%04x)\n", mac[0], mac[1], mac[2], mac[3], mac[4],
		     mac[5], sw->priority, sw->priority);
	reply_printf(reply, "FSTP=%s\n", stp_is_enabled(sw->stp) ? "true" : "false");
	reply_printf(reply, "hello %u maxage %u fwddelay %u\n", times->hello, times->max_age, times->forward_delay);
	return 0;
}

static int setfstp(void *owner, struct reply *reply, const struct args *args)
{
	struct vde_switch *sw = owner;
	unsigned on;

	if (args_uint(args, 0, 0, UINT32_MAX, &on) != 0)
		return EINVAL;
	if (sw->hub)
		reply_printf(reply, "Can't use fstp in hub mode\n");
	else
		stp_set_enabled(sw->stp, on != 0);
	return 0;
}

/* VLAN and PORT, both of which must exist. The port may be set up before it is used. */
static int find_port(struct vde_switch *sw, const struct args *args, unsigned *vid, unsigned *port)
{
	if (args_uint(args, 0, 0, VLAN_MAX, vid) != 0 || args_uint(args, 1, 0, sw->numports, port) != 0)
		return EINVAL;
	return stp_prepare_port(sw->stp, *vid, *port);
}

static int setedge(void *owner, struct reply *reply, const struct args *args)
{
	struct vde_switch *sw = owner;
	unsigned vid, port, edge;
	int error = find_port(sw, args, &vid, &port);

	(void)reply;
	if (args_uint(args, 2, 0, UINT32_MAX, &edge) != 0)
		return EINVAL;
	return error ? error : rstp_port_set_admin_edge(stp_tree(sw->stp, vid), port, edge != 0);
}

static int setcost(void *owner, struct reply *reply, const struct args *args)
{
	struct vde_switch *sw = owner;
	unsigned vid, port, value;
	int error = find_port(sw, args, &vid, &port);

	(void)reply;
	if (args_uint(args, 2, 1, RSTP_COST_MAX, &value) != 0)
		return EINVAL;
	return error ? error : rstp_port_set_cost(stp_tree(sw->stp, vid), port, value);
}

static int guard(void *owner, struct reply *reply, const struct args *args)
{
	static const char *const word[] = { "off", "bpdu", "root" };
	struct vde_switch *sw = owner;
	unsigned vid, port, kind = RSTP_GUARD_OFF;
	int error = find_port(sw, args, &vid, &port);

	(void)reply;
	while (kind <= RSTP_GUARD_ROOT && strcmp(args->word[2], word[kind]) != 0)
		kind++;
	if (kind > RSTP_GUARD_ROOT)
		return EINVAL;
	return error ? error : rstp_port_set_guard(stp_tree(sw->stp, vid), port, (enum rstp_guard)kind);
}

static int setbonus(void *owner, struct reply *reply, const struct args *args)
{
	struct vde_switch *sw = owner;
	unsigned vid, port, value;

	(void)reply;
	if (args_uint(args, 0, 0, VLAN_MAX, &vid) != 0 || args_uint(args, 1, 0, sw->numports, &port) != 0 ||
	    args_uint(args, 2, 0, UINT32_MAX, &value) != 0)
		return EINVAL;
	return stp_set_bonus(sw->stp, vid, port, value);
}

static int priority(void *owner, struct reply *reply, const struct args *args)
{
	struct vde_switch *sw = owner;
	unsigned value;

	(void)reply;
	return args_uint(args, 0, 0, 0xffff, &value) == 0 ? stp_set_priority(sw->stp, value) : EINVAL;
}

static int timers(void *owner, struct reply *reply, const struct args *args)
{
	struct vde_switch *sw = owner;
	unsigned value[3];

	for (unsigned i = 0; i < 3; i++)
		if (args_uint(args, i, 1, UINT16_MAX, &value[i]) != 0)
			return EINVAL;
	if (stp_set_times(sw->stp, value[0], value[1], value[2]) == 0)
		return 0;
	reply_printf(reply, "HELLO 1..2, MAXAGE 6..40, FWDDELAY 4..30, 2*(FWDDELAY-1) >= MAXAGE >= 2*(HELLO+1)\n");
	return EINVAL;
}

/* ---- printing ---- */

static void print_id(struct reply *reply, const char *name, rstp_bridge_id id)
{
	reply_printf(reply, " ++ %s ", name);
	for (int shift = 56; shift >= 0; shift -= 8)
		reply_printf(reply, "%02x%c", (unsigned)(id >> shift) & 0xff, shift ? ':' : '\n');
}

static const char *role_text(const struct rstp_port_info *info)
{
	switch (info->role) {
	case RSTP_ROOT: return "Root";
	case RSTP_DESIGNATED: return info->oper_edge ? "Edge" : "Designated";
	case RSTP_ALTERNATE:
	case RSTP_BACKUP: return "Alternate/Backup";
	case RSTP_DISABLED: break;
	}
	return "Unknown";
}

static void print_member(struct vde_switch *sw, struct reply *reply, unsigned vid, const struct port *port)
{
	struct rstp_port_info info = { .role = RSTP_DESIGNATED, .cost = RSTP_COST_DEFAULT };
	bool known = rstp_get_port(stp_tree(sw->stp, vid), port->number, &info) == 0;

	/* With the protocol off no port has a role: each is as if it served its segment. */
	if (known && !stp_is_enabled(sw->stp)) {
		info.role = RSTP_DESIGNATED;
		info.oper_edge = info.admin_edge;
	}
	reply_printf(reply, " -- Port %04u tagged=%d portcost=%u role=%s\n", port->number, port->untagged_vid != vid, info.cost,
		     role_text(&info));
}

static void print_tree(struct vde_switch *sw, struct reply *reply, unsigned vid)
{
	struct rstp_bridge_info info;
	unsigned bonus_port;
	uint32_t bonus;

	rstp_get_bridge(stp_tree(sw->stp, vid), &info);
	stp_get_bonus(sw->stp, vid, &bonus_port, &bonus);
	reply_printf(reply, "FST DATA VLAN %04u %s %s\n", vid, info.is_root ? "ROOTSWITCH" : "",
		     stp_is_enabled(sw->stp) ? "" : "FSTP IS DISABLED");
	print_id(reply, "root", info.root);
	print_id(reply, "designated", info.is_root ? UINT64_MAX : info.designated);
	reply_printf(reply, " ++ rootport %04u cost %u age %u bonusport %04u bonuscost %u\n", info.root_port, info.root_cost,
		     info.times.message_age, bonus_port, bonus);
	for (unsigned n = 0; n <= sw->numports; n++) {
		const struct port *port = sw->port[n];

		if (port && port_is_active(port) && (port->untagged_vid == vid || vlan_is_tagged(port, vid)))
			print_member(sw, reply, vid, port);
	}
}

static bool exists(struct vde_switch *sw, unsigned vid)
{
	return stp_tree(sw->stp, vid) != NULL;
}

static int print(void *owner, struct reply *reply, const struct args *args)
{
	return print_one_or_all(owner, reply, args, VLAN_MAX, exists, print_tree);
}

static const char *speech(const struct rstp_port_info *info)
{
	if (info->legacy)
		return "802.1D";
	return info->dialect ? "RSTP (as vde_switch 2.3 does)" : "RSTP";
}

/* All there is to know about one port in one tree. */
static int showport(void *owner, struct reply *reply, const struct args *args)
{
	static const char *const guards[] = { "off", "bpdu", "root" };
	struct vde_switch *sw = owner;
	struct rstp_port_info info;
	unsigned vid, port;

	if (args_uint(args, 0, 0, VLAN_MAX, &vid) != 0 || args_uint(args, 1, 0, sw->numports, &port) != 0)
		return EINVAL;
	if (!exists(sw, vid) || rstp_get_port(stp_tree(sw->stp, vid), port, &info) != 0)
		return ENXIO;
	reply_printf(reply, "VLAN %04u Port %04u role=%s state=%s id=%04x cost=%u bonus=%u\n", vid, port, rstp_role_name(info.role),
		     rstp_state_name(info.state), info.id, info.cost, info.bonus);
	reply_printf(reply, " link=%s type=%s edge=%s guard=%s%s speaks %s%s\n", info.link ? "up" : "down",
		     info.point_to_point ? "point-to-point" : "shared", info.oper_edge ? "yes" : "no", guards[info.guard],
		     info.guarded ? " (disabled by it)" : "", speech(&info), info.disputed ? " disputed" : "");
	reply_printf(reply, " BPDUs: in %lu out %lu, notifications in %lu out %lu, changes in %lu out %lu, invalid %lu, own %lu\n",
		     info.received, info.sent, info.received_tcn, info.sent_tcn, info.received_tc, info.sent_tc, info.invalid,
		     info.looped);
	return 0;
}

const struct command fstp_commands[] = {
	{ "fstp", COMMAND_MENU, "FAST SPANNING TREE MENU", 0, 0, NULL, 0 },
	{ "fstp/showinfo", "", "show fstp info", 0, 0, showinfo, COMMAND_DATA },
	{ "fstp/setfstp", "0/1", "Fast spanning tree protocol 1=ON 0=OFF", 1, 1, setfstp, COMMAND_DATA },
	{ "fstp/setedge", "VLAN PORT 1/0", "Define an edge port for a vlan 1=Y 0=N", 3, 3, setedge, 0 },
	{ "fstp/bonus", "VLAN PORT COST", "set the port bonus for a vlan", 3, 3, setbonus, 0 },
	{ "fstp/cost", "VLAN PORT COST", "set the cost of a port for a vlan", 3, 3, setcost, 0 },
	{ "fstp/guard", "VLAN PORT KIND", "protect the tree from a port: bpdu, root or off", 3, 3, guard, 0 },
	{ "fstp/priority", "N", "set the bridge priority (lowest becomes root)", 1, 1, priority, 0 },
	{ "fstp/timers", "HELLO AGE DELAY", "set hello time, max age and forward delay", 3, 3, timers, COMMAND_DATA },
	{ "fstp/print", "[N]", "print fst data for the defined vlan", 0, 1, print, COMMAND_DATA },
	{ "fstp/showport", "VLAN PORT", "show all about a port in a vlan's tree", 2, 2, showport, COMMAND_DATA },
	{ 0 }
};
