/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What this switch has beyond the original: its configuration as a script, trunk ports, mirroring, statistics. */
#include "common/mgmt.h"
#include "vde_switch/commands.h"
#include "vde_switch/configuration.h"
#include "vde_switch/mirror.h"
#include "vde_switch/switch.h"

#include <errno.h>
#include <string.h>

static int config_show(void *owner, struct reply *reply, const struct args *args)
{
	(void)args;
	configuration_print(owner, reply);
	return 0;
}

static int config_save(void *owner, struct reply *reply, const struct args *args)
{
	(void)reply;
	return args->text[0] ? configuration_save(owner, args->text) : EINVAL;
}

static int trunk(void *owner, struct reply *reply, const struct args *args)
{
	struct vde_switch *sw = owner;
	unsigned number, on;

	(void)reply;
	if (args_uint(args, 1, 0, 1, &on) != 0)
		return EINVAL;
	if (strcmp(args->word[0], "all") != 0) {
		if (args_uint(args, 0, 0, sw->numports, &number) != 0)
			return EINVAL;
		if (!sw->port[number])
			return ENXIO;
		sw->port[number]->trunk = on != 0;
		return 0;
	}
	sw->trunk = on != 0;
	for (number = 0; number <= sw->numports; number++)
		if (sw->port[number])
			sw->port[number]->trunk = sw->trunk;
	return 0;
}

static int mirror(void *owner, struct reply *reply, const struct args *args)
{
	struct vde_switch *sw = owner;
	bool off = strcmp(args->word[1], "off") == 0;
	unsigned from, to;

	(void)reply;
	if (args_uint(args, 0, 0, sw->numports, &from) != 0 || (!off && args->count > 2))
		return EINVAL;
	if (off && args->count == 2)
		return mirror_delete_all(sw, from);
	if (args_uint(args, off ? 2 : 1, 0, sw->numports, &to) != 0)
		return EINVAL;
	return off ? mirror_delete(sw, from, to) : mirror_add(sw, from, to);
}

static bool exists(struct vde_switch *sw, unsigned number)
{
	return sw->port[number] != NULL;
}

static void print_statistics(struct vde_switch *sw, struct reply *reply, unsigned number)
{
	static const char *const reasons[DROP_COUNT] = {
		[DROP_RUNT] = "runt", [DROP_OVERSIZE] = "oversize", [DROP_VLAN] = "vlan", [DROP_BLOCKED] = "blocked",
		[DROP_QUEUE] = "queue", [DROP_ERROR] = "error", [DROP_FILTER] = "filter",
		[DROP_MIRROR] = "mirror", [DROP_OFFLOAD] = "offload",
	};
	const struct port_counters *counters = &sw->port[number]->counters;

	reply_printf(reply, "Port %04u in=%llu out=%llu dropped:", number, (unsigned long long)counters->in_frames,
		     (unsigned long long)counters->out_frames);
	for (int reason = 0; reason < DROP_COUNT; reason++)
		reply_printf(reply, " %s=%llu", reasons[reason] ? reasons[reason] : "other",
			     (unsigned long long)counters->dropped[reason]);
	reply_printf(reply, "\n");
}

static int statistics(void *owner, struct reply *reply, const struct args *args)
{
	struct vde_switch *sw = owner;

	return print_one_or_all(sw, reply, args, sw->numports, exists, print_statistics);
}

void print_port_extras(const struct port *port, struct reply *reply)
{
	if (port->trunk)
		reply_printf(reply, " Trunk: on\n");
	for (unsigned i = 0; i < port->mirror_count; i++)
		reply_printf(reply, "%s%04u%s", i == 0 ? " Mirror: to " : ",", port->mirror_to[i],
			     i + 1 == port->mirror_count ? "\n" : "");
	if (port->mirror_sources)
		reply_printf(reply, " Mirror: copies only\n");
}

const struct command operate_commands[] = {
	{ "config", COMMAND_MENU, "CONFIGURATION MENU", 0, 0, NULL, 0 },
	{ "config/show", "", "show the running configuration as a script", 0, 0, config_show, COMMAND_DATA },
	{ "config/save", "path", "save the running configuration (see load)", 1, 1, config_save, COMMAND_RAW },
	{ "port/trunk", "N|all 0/1", "do tagged frames of unknown VLANs pass? 1=Y 0=N", 2, 2, trunk, 0 },
	{ "port/mirror", "N TO|off [TO]", "copy all traffic of port N to port TO", 2, 3, mirror, 0 },
	{ "stats", "[N]", "frames of each port, dropped ones by reason", 0, 1, statistics, COMMAND_DATA },
	{ 0 }
};
