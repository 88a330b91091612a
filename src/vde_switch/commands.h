/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The management commands of the switch: one table per group, one file per table. */
#ifndef VDE_SWITCH_COMMANDS_H
#define VDE_SWITCH_COMMANDS_H

#include "common/command.h"

struct port;
struct vde_switch;

#define SWITCH_BANNER_NAME "VDE switch V."
#define SWITCH_COPYRIGHT "(C) Virtual Square Team (coord. R. Davoli) 2005,2006,2007 - GPLv2"
#define COMMAND_MENU "============"

extern const struct command fstp_commands[];
extern const struct command general_commands[];
extern const struct command hash_commands[];
extern const struct command port_commands[];
extern const struct command vlan_commands[];
extern const struct command operate_commands[];

/* Lines of port/print for what is switched on beyond the original: trunk, mirrors. */
void print_port_extras(const struct port *port, struct reply *reply);

/* Adds every table, in the order in which help lists them. 0 or ENOMEM. */
int switch_add_commands(struct vde_switch *sw);

/* Argument `index` as a number in min..max; EINVAL otherwise, also when it is absent. */
int args_uint(const struct args *args, unsigned index, unsigned min, unsigned max, unsigned *value);

/*
 * For "print [N]" commands: without an argument calls print for each of 0..max that exists(owner, n) says exists; with one for that alone. EINVAL: not a
 * number in 0..max; ENXIO: it does not exist.
 */
int print_one_or_all(struct vde_switch *sw, struct reply *reply, const struct args *args, unsigned max,
		     bool (*exists)(struct vde_switch *sw, unsigned n),
		     void (*print)(struct vde_switch *sw, struct reply *reply, unsigned n));

#endif
