/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "common/mgmt.h"
#include "common/number.h"
#include "vde_switch/commands.h"
#include "vde_switch/control.h"
#include "vde_switch/debug.h"
#include "vde_switch/plugin.h"
#include "vde_switch/switch.h"

#include <errno.h>
#include <unistd.h>

int args_uint(const struct args *args, unsigned index, unsigned min, unsigned max, unsigned *value)
{
	return index < args->count && number_uint(args->word[index], min, max, value) == 0 ? 0 : EINVAL;
}

int print_one_or_all(struct vde_switch *sw, struct reply *reply, const struct args *args, unsigned max,
		     bool (*exists)(struct vde_switch *sw, unsigned n),
		     void (*print)(struct vde_switch *sw, struct reply *reply, unsigned n))
{
	unsigned only;

	if (args->count) {
		if (args_uint(args, 0, 0, max, &only) != 0)
			return EINVAL;
		if (!exists(sw, only))
			return ENXIO;
		print(sw, reply, only);
		return 0;
	}
	for (unsigned n = 0; n <= max; n++)
		if (exists(sw, n))
			print(sw, reply, n);
	return 0;
}

static int ds_showinfo(void *owner, struct reply *reply, const struct args *args)
{
	struct vde_switch *sw = owner;

	(void)args;
	if (!sw->control)
		return ENOENT;
	reply_printf(reply, "ctl dir %s\n", control_directory(sw->control));
	reply_printf(reply, "std mode 0%03o\n", control_settings(sw->control)->mode);
	return 0;
}

static int showinfo(void *owner, struct reply *reply, const struct args *args)
{
	struct vde_switch *sw = owner;
	const uint8_t *mac = sw->mac;
	mode_t mode;
	const char *path = sw->mgmt ? mgmt_path(sw->mgmt, &mode) : NULL;

	(void)args;
	reply_printf(reply, SWITCH_BANNER_NAME PACKAGE_VERSION "\n" SWITCH_COPYRIGHT "\n\n");
	reply_printf(reply, "pid %d MAC %02x:%02x:%02x:%02x:%02x:%02x uptime %u\n", getpid(), mac[0], mac[1], mac[2], mac[3], mac[4],
		     mac[5], (unsigned)((loop_clock() - sw->started_ns) / LOOP_SECOND));
	if (path)
		reply_printf(reply, "mgmt %s perm 0%03o\n", path, mode);
	return 0;
}

const struct command general_commands[] = {
	{ "ds", COMMAND_MENU, "DATA SOCKET MENU", 0, 0, NULL, 0 },
	{ "ds/showinfo", "", "show ds info", 0, 0, ds_showinfo, COMMAND_DATA },
	{ "help", "[arg]", "Help (limited to arg when specified)", 0, 1, NULL, COMMAND_BUILTIN },
	{ "logout", "", "logout from this mgmt terminal", 0, 0, NULL, COMMAND_BUILTIN },
	{ "shutdown", "", "shutdown of the switch", 0, 0, NULL, COMMAND_BUILTIN },
	{ "showinfo", "", "show switch version and info", 0, 0, showinfo, COMMAND_DATA },
	{ "load", "path", "load a configuration script", 1, 1, NULL, COMMAND_BUILTIN },
	{ 0 }
};

int switch_add_commands(struct vde_switch *sw)
{
	static const struct command *const tables[] = {
		general_commands, debug_commands, plugin_commands, hash_commands, fstp_commands, port_commands, vlan_commands,
		operate_commands,
	};
	int error = 0;

	for (size_t i = 0; !error && i < sizeof(tables) / sizeof(tables[0]); i++)
		error = mgmt_add_commands(sw->mgmt, tables[i], sw);
	return error;
}
