/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vde_autolink/autolink.h"

#include "vde_autolink/words.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct autolink *autolink_create(struct loop *loop, struct log *log, const char *socket, const char *switch_mgmt,
				 const struct autolink_times *times)
{
	struct autolink *autolink = calloc(1, sizeof(*autolink));

	if (!autolink)
		return NULL;
	autolink->loop = loop;
	autolink->log = log;
	autolink->socket = socket;
	autolink->times = *times;
	autolink->monitor = monitor_create(loop, log, switch_mgmt, &supervise_monitor_callbacks, autolink);
	if (!autolink->monitor || supervise_open(autolink) != 0) {
		int error = errno;

		monitor_destroy(autolink->monitor);
		free(autolink);
		errno = error;
		return NULL;
	}
	return autolink;
}

void link_free(struct link *link)
{
	for (unsigned i = 0; i < link->hosts; i++)
		free(link->host[i]);
	loop_remove_timer(link->timer);
	*link = (struct link){ .name = "" };
}

void autolink_destroy(struct autolink *autolink)
{
	if (!autolink)
		return;
	autolink->closing = true;
	supervise_end_all(autolink);
	for (unsigned i = 0; i < LINKS_MAX; i++) {
		if (autolink->link[i].port)
			monitor_release(autolink->monitor, autolink->link[i].port);
		link_free(&autolink->link[i]);
	}
	for (unsigned i = 0; i < WIRES_MAX; i++)
		free(autolink->wire[i].command);
	monitor_destroy(autolink->monitor);
	free(autolink);
}

static bool is_name(const char *name)
{
	return *name && strlen(name) <= NAME_MAX_BYTES;
}

struct wire_type *autolink_find_wire(struct autolink *autolink, const char *name)
{
	for (unsigned i = 0; *name && i < WIRES_MAX; i++)
		if (strcmp(autolink->wire[i].name, name) == 0)
			return &autolink->wire[i];
	return NULL;
}

static struct link *find_link(struct autolink *autolink, const char *name)
{
	for (unsigned i = 0; *name && i < LINKS_MAX; i++)
		if (strcmp(autolink->link[i].name, name) == 0 && !autolink->link[i].removed)
			return &autolink->link[i];
	return NULL;
}

int autolink_add_wire(struct autolink *autolink, const char *name, const char *command)
{
	static const struct words_variable any[] = { { "mysock", "x" }, { "myport", "1" }, { "remotehost", "x" }, { NULL, NULL } };
	struct wire_type *free_row = NULL;
	struct words words;
	int error = is_name(name) ? words_expand(command, any, &words) : EINVAL;

	if (error)
		return error == E2BIG ? E2BIG : EINVAL;
	if (autolink_find_wire(autolink, name))
		return EEXIST;
	for (unsigned i = 0; !free_row && i < WIRES_MAX; i++)
		if (!autolink->wire[i].name[0])
			free_row = &autolink->wire[i];
	if (!free_row)
		return ENOSPC;
	free_row->command = strdup(command);
	if (!free_row->command)
		return ENOMEM;
	snprintf(free_row->name, sizeof(free_row->name), "%s", name);
	/* links may have named it before */
	for (unsigned i = 0; i < LINKS_MAX; i++)
		link_wake(&autolink->link[i]);
	return 0;
}

static bool uses(const struct link *link, const char *type)
{
	for (unsigned i = 0; i < link->types; i++)
		if (strcmp(link->type[i], type) == 0)
			return true;
	return false;
}

int autolink_remove_wire(struct autolink *autolink, const char *name)
{
	struct wire_type *wire = autolink_find_wire(autolink, name);

	if (!wire)
		return ENOENT;
	for (unsigned i = 0; i < LINKS_MAX; i++)
		if (autolink->link[i].name[0] && uses(&autolink->link[i], name))
			return EBUSY;
	free(wire->command);
	*wire = (struct wire_type){ .name = "" };
	return 0;
}

static int fill_link(struct link *link, const char *const *hosts, unsigned count)
{
	for (; link->hosts < count; link->hosts++) {
		link->host[link->hosts] = strdup(hosts[link->hosts]);
		if (!link->host[link->hosts])
			return ENOMEM;
	}
	return 0;
}

int autolink_add_link(struct autolink *autolink, const char *name, const char *const *hosts, unsigned count)
{
	struct link *link = NULL;

	if (!is_name(name) || count == 0)
		return EINVAL;
	for (unsigned i = 0; i < count; i++)
		if (!*hosts[i] || strlen(hosts[i]) > HOST_MAX_BYTES)
			return EINVAL;
	if (find_link(autolink, name))
		return EEXIST;
	for (unsigned i = 0; !link && i < LINKS_MAX; i++)
		if (!autolink->link[i].name[0])
			link = &autolink->link[i];
	if (!link || count > ALTERNATIVES_MAX)
		return ENOSPC;
	link->autolink = autolink;
	link->timer = loop_add_timer(autolink->loop, link_timer, link);
	if (!link->timer || fill_link(link, hosts, count) != 0) {
		link_free(link);
		return ENOMEM;
	}
	snprintf(link->name, sizeof(link->name), "%s", name);
	monitor_reserve(autolink->monitor, (unsigned)(link - autolink->link), 0);
	return 0;
}

int autolink_remove_link(struct autolink *autolink, const char *name)
{
	struct link *link = find_link(autolink, name);

	if (!link)
		return ENOENT;
	link->removed = true;
	link->on = false;
	link_stop(link);
	return 0;
}

/* The candidate is the same host and kind of wire when there are so many kinds: one may be running. */
static void choose(struct link *link, unsigned host, unsigned type, unsigned types)
{
	link->candidate = host * types + type;
}

int autolink_add_type(struct autolink *autolink, const char *name, const char *type)
{
	struct link *link = find_link(autolink, name);

	if (!link || !autolink_find_wire(autolink, type))
		return ENOENT;
	if (uses(link, type))
		return EEXIST;
	if (link->types == ALTERNATIVES_MAX)
		return ENOSPC;
	snprintf(link->type[link->types], sizeof(link->type[0]), "%s", type);
	if (link->types > 0)
		choose(link, link->candidate / link->types, link->candidate % link->types, link->types + 1);
	link->types++;
	link_wake(link);
	return 0;
}

int autolink_remove_type(struct autolink *autolink, const char *name, const char *type)
{
	struct link *link = find_link(autolink, name);
	unsigned at = 0, tried;
	bool in_use;

	if (!link || !uses(link, type))
		return ENOENT;
	in_use = link->pid > 0 && strcmp(link_type(link), type) == 0;
	while (strcmp(link->type[at], type) != 0)
		at++;
	tried = link->candidate % link->types;
	if (link->pid == 0 || in_use)
		link->candidate = 0;
	else
		choose(link, link->candidate / link->types, tried - (tried > at), link->types - 1);
	link->types--;
	memmove(link->type[at], link->type[at + 1], (link->types - at) * sizeof(link->type[0]));
	if (in_use || link->types == 0)
		link_stop(link);
	return 0;
}

int autolink_switch(struct autolink *autolink, const char *name, bool on)
{
	struct link *link = find_link(autolink, name);

	if (!link)
		return ENOENT;
	if (link->on == on)
		return 0;
	link->on = on;
	link->failures = link->candidate = 0;
	if (on)
		link_wake(link);
	else
		link_stop(link);
	return 0;
}

const char *link_host(const struct link *link)
{
	return link->types ? link->host[link->candidate / link->types % link->hosts] : link->host[0];
}

const char *link_type(const struct link *link)
{
	return link->types ? link->type[link->candidate % link->types] : "-";
}
