/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Plugins: shared objects that are loaded and unloaded while the switch runs. plugin.c finds and loads them; plugin_adapter.c is
 * what they see of the switch (include/vdeplugin.h).
 */
#ifndef VDE_PLUGIN_H
#define VDE_PLUGIN_H

#include "common/command.h"

struct vde_switch;
struct plugins;

/* 0 or ENOMEM; sw->plugins is set. */
int plugins_open(struct vde_switch *sw);
/* Unloads what is loaded. */
void plugins_close(struct vde_switch *sw);

extern const struct command plugin_commands[];

#endif
