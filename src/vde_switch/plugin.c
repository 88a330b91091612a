/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vde_switch/plugin.h"

#include "common/mgmt.h"
#include "vde_switch/commands.h"
#include "vde_switch/plugin_adapter.h"
#include "vde_switch/switch.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <vdeplugin.h>

enum { PLUGINS_MAX = 64 };

struct loaded {
	void *handle;
	struct plugin *data;
};

struct plugins {
	struct vde_switch *sw;
	struct plugin_adapter *adapter; /* made with the first plugin */
	struct loaded loaded[PLUGINS_MAX];
	unsigned count;
};

int plugins_open(struct vde_switch *sw)
{
	sw->plugins = calloc(1, sizeof(*sw->plugins));
	if (!sw->plugins)
		return ENOMEM;
	sw->plugins->sw = sw;
	return 0;
}

/* Its destructors run in dlclose and may call the adapter; what they leave is purged before, while its memory still is there. */
static void unload(struct plugins *plugins, unsigned index)
{
	void *handle = plugins->loaded[index].handle;

	plugin_adapter_purge(plugins->adapter, handle);
	plugins->count--;
	memmove(&plugins->loaded[index], &plugins->loaded[index + 1], (plugins->count - index) * sizeof(plugins->loaded[0]));
	dlclose(handle);
}

void plugins_close(struct vde_switch *sw)
{
	if (!sw->plugins)
		return;
	while (sw->plugins->count)
		unload(sw->plugins, sw->plugins->count - 1);
	plugin_adapter_destroy(sw->plugins->adapter);
	free(sw->plugins);
	sw->plugins = NULL;
}

/* ---- finding ---- */

/* With and without ".so". A name without '/' is what the dynamic linker makes of it. */
static void *try_names(struct plugins *plugins, const char *directory, const char *below, const char *name)
{
	static const char *const endings[] = { "", ".so" };
	char path[PATH_MAX];

	for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
		void *handle;

		if (snprintf(path, sizeof(path), "%s%s%s%s", directory, below, name, endings[i]) >= (int)sizeof(path))
			continue;
		if (strchr(path, '/') && access(path, R_OK) != 0)
			continue;
		handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
		if (handle)
			return handle;
		if (strchr(path, '/'))
			log_warn(plugins->sw->log, "plugin/add: %s", dlerror());
	}
	return NULL;
}

static void *find_and_open(struct plugins *plugins, const char *name)
{
	static const char *const directories[] = { PKGLIBDIR "/plugins", "/usr/lib/vde2/plugins" };
	const char *home = getenv("HOME");
	void *handle = NULL;

	if (strchr(name, '/'))
		return try_names(plugins, "", "", name);
	if (home && *home)
		handle = try_names(plugins, home, "/.vde2/plugins/", name);
	for (size_t i = 0; !handle && i < sizeof(directories) / sizeof(directories[0]); i++)
		handle = try_names(plugins, directories[i], "/", name);
	return handle ? handle : try_names(plugins, "", "", name);
}

/* ---- loading ---- */

static int check(const struct plugins *plugins, void *handle, const struct plugin *data)
{
	if (!data || !data->name || !*data->name)
		return EINVAL;
	for (unsigned i = 0; i < plugins->count; i++)
		if (plugins->loaded[i].handle == handle || strcmp(plugins->loaded[i].data->name, data->name) == 0)
			return EEXIST;
	return 0;
}

static bool is_loaded(const struct plugins *plugins, const void *handle)
{
	for (unsigned i = 0; i < plugins->count; i++)
		if (plugins->loaded[i].handle == handle)
			return true;
	return false;
}

static int load(struct plugins *plugins, const char *name)
{
	void *handle;
	struct plugin *data;
	int error;

	if (plugins->count == PLUGINS_MAX)
		return ENOSPC;
	if (!plugins->adapter)
		plugins->adapter = plugin_adapter_create(plugins->sw);
	if (!plugins->adapter)
		return errno;
	/* Constructors run inside dlopen, when the handle is not known yet: they register for the table's next place. */
	plugin_adapter_loading(plugins->adapter, &plugins->loaded[plugins->count]);
	handle = find_and_open(plugins, name);
	if (!handle)
		return ENOENT;
	data = dlsym(handle, "vde_plugin_data");
	error = check(plugins, handle, data);
	if (error) {
		if (!is_loaded(plugins, handle))
			plugin_adapter_purge(plugins->adapter, &plugins->loaded[plugins->count]);
		dlclose(handle);
		return error;
	}
	plugin_adapter_adopt(plugins->adapter, &plugins->loaded[plugins->count], handle);
	plugins->loaded[plugins->count++] = (struct loaded){ handle, data };
	return 0;
}

/* ---- commands ---- */

static int list(void *owner, struct reply *reply, const struct args *args)
{
	const struct plugins *plugins = ((struct vde_switch *)owner)->plugins;
	int error = ENOENT;

	reply_printf(reply, "NAME                   HELP\n");
	reply_printf(reply, "------------           ----\n");
	for (unsigned i = 0; i < plugins->count; i++) {
		const struct plugin *data = plugins->loaded[i].data;

		if (strncmp(data->name, args->text, strlen(args->text)) != 0)
			continue;
		reply_printf(reply, "%-22s %s\n", data->name, data->help ? data->help : "");
		error = 0;
	}
	return error;
}

static int add(void *owner, struct reply *reply, const struct args *args)
{
	(void)reply;
	return load(((struct vde_switch *)owner)->plugins, args->text);
}

/* The whole name, else the first one that begins so. */
static int del(void *owner, struct reply *reply, const struct args *args)
{
	struct plugins *plugins = ((struct vde_switch *)owner)->plugins;
	size_t length = strlen(args->text);

	(void)reply;
	for (int whole = 1; whole >= 0; whole--)
		for (unsigned i = 0; i < plugins->count; i++) {
			const char *name = plugins->loaded[i].data->name;

			if (whole ? strcmp(name, args->text) == 0 : strncmp(name, args->text, length) == 0) {
				unload(plugins, i);
				return 0;
			}
		}
	return ENOENT;
}

const struct command plugin_commands[] = {
	{ "plugin", COMMAND_MENU, "PLUGINS MENU", 0, 0, NULL, 0 },
	{ "plugin/list", "", "list plugins", 0, 1, list, COMMAND_DATA },
	{ "plugin/add", "library", "load a plugin", 1, 1, add, COMMAND_RAW },
	{ "plugin/del", "name", "unload a plugin", 1, 1, del, 0 },
	{ 0 }
};
