/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The running configuration as a script of management commands: `load` of it, in a switch that has just been started, leads to the same state. */
#ifndef VDE_CONFIGURATION_H
#define VDE_CONFIGURATION_H

struct reply;
struct vde_switch;

/*
 * Appends the script. Ports that hold nothing but default values, made by clients, are not part of it; nor is what only lives for a while: endpoints,
 * counters, learned addresses, subscriptions.
 */
void configuration_print(struct vde_switch *sw, struct reply *reply);

/*
 * Writes the script to a file, whole or not at all. Returns 0 or an errno value: EEXIST when there is something at path that is no
 * such script.
 */
int configuration_save(struct vde_switch *sw, const char *path);

#endif
