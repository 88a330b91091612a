/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Shared by plugin_adapter.c, plugin_commands.c and plugin_events.c only. */
#ifndef VDE_PLUGIN_INTERNAL_H
#define VDE_PLUGIN_INTERNAL_H

#include "vde_switch/plugin_adapter.h"

#include "vde_switch/debug.h"
#include "vde_switch/switch.h"

#pragma GCC diagnostic ignored "-Wstrict-prototypes"            /* the old interface declares functions without their arguments */

#include <vdeplugin.h>

enum {
	PLUGIN_TABLES_MAX = 64,         /* tables of commands; a further one is left out and logged */
	PLUGIN_CATEGORIES_MAX = 128,
	PLUGIN_LISTENERS_MAX = 128,
	PLUGIN_TIMERS_MAX = 32,
};

typedef int plugin_event_function(struct dbgcl *event, void *arg, va_list values);

struct plugin_table {
	const void *module;
	struct comlist *rows;
	struct command *command;        /* the same rows as the management server has them, and a row of zeros */
	int count;
};

struct plugin_category {
	const void *module;             /* NULL: the switch's own */
	struct dbgcl *cl;
	struct debug_category *debug;
};

struct plugin_listener {
	const void *module;
	struct dbgcl *cl;
	plugin_event_function *function;
	void *arg;
};

struct plugin_timer {
	const void *module;
	struct loop_timer *timer;       /* NULL: free */
	time_t period;
	int times;                      /* left; 0: for ever */
	void (*call)(void *arg);
	void *arg;
};

struct plugin_adapter {
	struct vde_switch *sw;
	const void *module;             /* who registers now; NULL outside of loading */
	struct event_sink sink;
	struct dbgcl own[EVENT_COUNT];
	struct plugin_table table[PLUGIN_TABLES_MAX];
	struct plugin_category category[PLUGIN_CATEGORIES_MAX];
	unsigned categories;
	struct plugin_listener listener[PLUGIN_LISTENERS_MAX];
	unsigned listeners;
	struct plugin_timer timer[PLUGIN_TIMERS_MAX];
};

/* The adapter of this process, for the functions that a plugin calls; NULL when there is none. */
struct plugin_adapter *plugin_adapter_current(void);
/* Logs that something of a plugin was left out. */
void plugin_adapter_too_many(const struct plugin_adapter *adapter, const char *what);

/* Tables of commands and categories with their listeners: each as plugin_adapter_adopt and plugin_adapter_purge. */
void plugin_commands_adopt(struct plugin_adapter *adapter, const void *old_module, const void *module);
void plugin_commands_purge(struct plugin_adapter *adapter, const void *module);
void plugin_events_adopt(struct plugin_adapter *adapter, const void *old_module, const void *module);
void plugin_events_purge(struct plugin_adapter *adapter, const void *module);

/* The switch's own events become categories, and go to the listeners of plugins. */
void plugin_events_begin(struct plugin_adapter *adapter);
void plugin_events_end(struct plugin_adapter *adapter);

#endif
