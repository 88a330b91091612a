/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vde_switch/debug.h"

#include "common/mgmt.h"
#include "vde_switch/commands.h"
#include "vde_switch/switch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NO_KIND = -1, TEXT_SIZE = 512, CATEGORIES_MAX = 256 };

struct debug_category {
	const char *path, *help;
	unsigned tag;
	int kind;                       /* enum event_kind, or NO_KIND: a plugin's */
	struct mgmt_session **session;  /* the subscribers */
	unsigned count, size;
	debug_changed *changed;
	void *owner;
};

struct debug {
	struct vde_switch *sw;
	struct event_sink sink;
	struct debug_category *category[CATEGORIES_MAX];        /* in the order of debug/list */
	unsigned count;
};

/* ---- the switch's own categories ---- */

typedef void format_event(const struct event *event, char text[TEXT_SIZE]);

static void format_hash(const struct event *event, char text[TEXT_SIZE])
{
	const uint8_t *mac = event->mac;

	snprintf(text, TEXT_SIZE, "%02x:%02x:%02x:%02x:%02x:%02x VLAN %02x:%02x Port %u", mac[0], mac[1], mac[2], mac[3], mac[4],
		 mac[5], event->vid >> 8, event->vid & 0xff, event->port);
}

static void format_port(const struct event *event, char text[TEXT_SIZE])
{
	snprintf(text, TEXT_SIZE, "%02u", event->port);
}

static void format_description(const struct event *event, char text[TEXT_SIZE])
{
	snprintf(text, TEXT_SIZE, "Port %02u FD %2d -> \"%s\"", event->port, event->endpoint, event->text ? event->text : "");
}

static void format_endpoint(const struct event *event, char text[TEXT_SIZE])
{
	snprintf(text, TEXT_SIZE, "Port %02u FD %2d", event->port, event->endpoint);
}

static void format_fstp_port(const struct event *event, char text[TEXT_SIZE])
{
	snprintf(text, TEXT_SIZE, "Port %04u VLAN %02x:%02x", event->port, event->vid >> 8, event->vid & 0xff);
}

static void format_fstp_status(const struct event *event, char text[TEXT_SIZE])
{
	snprintf(text, TEXT_SIZE, "Port %04u VLAN %02x:%02x %s", event->port, event->vid >> 8, event->vid & 0xff,
		 event->text ? event->text : "");
}

static void format_fstp_root(const struct event *event, char text[TEXT_SIZE])
{
	static const uint8_t none[ETHERNET_ADDRESS_SIZE];
	const uint8_t *mac = event->mac ? event->mac : none;

	snprintf(text, TEXT_SIZE, "Port %04u VLAN %02x:%02x -> %02x:%02x:%02x:%02x:%02x:%02x:%02x:%02x", event->port,
		 event->vid >> 8, event->vid & 0xff, (event->priority >> 8) & 0xff, event->priority & 0xff, mac[0], mac[1],
		 mac[2], mac[3], mac[4], mac[5]);
}

static const struct builtin {
	enum event_kind kind;
	unsigned tag;
	const char *path, *help;
	format_event *format;
} builtins[] = {
	{ EVENT_HASH_ADD, 011, "hash/+", "hash: new element", format_hash },
	{ EVENT_HASH_DEL, 012, "hash/-", "hash: discarded element", format_hash },
	{ EVENT_FSTP_STATUS, 044, "fstp/status", "fstp: status change", format_fstp_status },
	{ EVENT_FSTP_ROOT, 045, "fstp/root", "fstp: rootswitch/port change", format_fstp_root },
	{ EVENT_FSTP_ADD, 041, "fstp/+", "fstp: port becomes active", format_fstp_port },
	{ EVENT_FSTP_DEL, 042, "fstp/-", "fstp: port becomes inactive", format_fstp_port },
	{ EVENT_PORT_ADD, 021, "port/+", "new port", format_port },
	{ EVENT_PORT_DEL, 022, "port/-", "closed port", format_port },
	{ EVENT_PORT_DESCR, 023, "port/descr", "set port description", format_description },
	{ EVENT_ENDPOINT_ADD, 031, "port/ep/+", "new endpoint", format_endpoint },
	{ EVENT_ENDPOINT_DEL, 032, "port/ep/-", "closed endpoint", format_endpoint },
};

enum { BUILTINS = sizeof(builtins) / sizeof(builtins[0]) };

static void send_line(const struct debug_category *category, const char *text)
{
	for (unsigned i = 0; i < category->count; i++)
		mgmt_session_event(category->session[i], "3%03o %s %s", category->tag, category->path, text);
}

static void deliver(void *owner, const struct event *event)
{
	struct debug *debug = owner;
	char text[TEXT_SIZE];

	for (unsigned i = 0; i < BUILTINS; i++) {
		if (builtins[i].kind != event->kind)
			continue;
		builtins[i].format(event, text);
		send_line(debug->category[i], text);
	}
}

void debug_send(const struct debug_category *category, const char *format, va_list arguments)
{
	char text[DEBUG_TEXT_MAX];

	if (category->count == 0)
		return;
	vsnprintf(text, sizeof(text), format, arguments);
	text[strcspn(text, "\n")] = '\0';
	send_line(category, text);
}

/* ---- subscriptions ---- */

static int find(const struct debug_category *category, const struct mgmt_session *session)
{
	for (unsigned i = 0; i < category->count; i++)
		if (category->session[i] == session)
			return (int)i;
	return -1;
}

static void subscribers_changed(struct debug *debug, struct debug_category *category)
{
	if (category->changed)
		category->changed(category->owner, category->count);
	if (category->kind == NO_KIND)
		return;
	debug->sink.kinds &= ~(1u << category->kind);
	if (category->count)
		debug->sink.kinds |= 1u << category->kind;
	event_update(&debug->sw->events);
}

static int subscribe(struct debug *debug, struct debug_category *category, struct mgmt_session *session)
{
	if (category->count == category->size) {
		unsigned size = category->size ? 2 * category->size : 4;
		struct mgmt_session **table = realloc(category->session, size * sizeof(struct mgmt_session *));

		if (!table)
			return ENOMEM;
		category->session = table;
		category->size = size;
	}
	category->session[category->count++] = session;
	subscribers_changed(debug, category);
	return 0;
}

static bool unsubscribe(struct debug *debug, struct debug_category *category, const struct mgmt_session *session)
{
	int index = find(category, session);

	if (index < 0)
		return false;
	category->session[index] = category->session[--category->count];
	subscribers_changed(debug, category);
	return true;
}

void debug_forget(struct debug *debug, const struct mgmt_session *session)
{
	for (unsigned i = 0; debug && i < debug->count; i++)
		unsubscribe(debug, debug->category[i], session);
}

/* ---- categories come and go ---- */

static struct debug_category *add_category(struct debug *debug, const struct debug_category *row)
{
	struct debug_category *category = debug->count < CATEGORIES_MAX ? malloc(sizeof(*category)) : NULL;

	if (!category)
		return NULL;
	*category = *row;
	debug->category[debug->count++] = category;
	return category;
}

struct debug_category *debug_register(struct debug *debug, const char *path, const char *help, unsigned tag,
				      debug_changed *changed, void *owner)
{
	struct debug_category row = { .path = path, .help = help ? help : "", .tag = tag, .kind = NO_KIND, .changed = changed,
				      .owner = owner };

	return add_category(debug, &row);
}

void debug_unregister(struct debug *debug, struct debug_category *category)
{
	for (unsigned i = 0; i < debug->count; i++) {
		if (debug->category[i] != category)
			continue;
		memmove(&debug->category[i], &debug->category[i + 1], (--debug->count - i) * sizeof(debug->category[0]));
		free(category->session);
		free(category);
		return;
	}
}

int debug_open(struct vde_switch *sw)
{
	struct debug *debug = calloc(1, sizeof(*debug));

	if (!debug)
		return ENOMEM;
	debug->sw = sw;
	debug->sink = (struct event_sink){ .deliver = deliver, .owner = debug };
	event_add_sink(&sw->events, &debug->sink);
	sw->debug = debug;
	for (unsigned i = 0; i < BUILTINS; i++) {
		struct debug_category row = { .path = builtins[i].path, .help = builtins[i].help, .tag = builtins[i].tag,
					      .kind = (int)builtins[i].kind };

		if (!add_category(debug, &row))
			return ENOMEM;
	}
	return 0;
}

void debug_close(struct vde_switch *sw)
{
	struct debug *debug = sw->debug;

	if (!debug)
		return;
	event_remove_sink(&sw->events, &debug->sink);
	for (unsigned i = 0; i < debug->count; i++) {
		free(debug->category[i]->session);
		free(debug->category[i]);
	}
	free(debug);
	sw->debug = NULL;
}

/* ---- commands ---- */

static bool matches(const struct debug_category *category, const char *prefix)
{
	return strncmp(category->path, prefix, strlen(prefix)) == 0;
}

static int list(void *owner, struct reply *reply, const struct args *args)
{
	const struct debug *debug = ((struct vde_switch *)owner)->debug;
	int error = ENOENT;

	reply_printf(reply, "CATEGORY               TAG STATUS HELP\n");
	reply_printf(reply, "------------           --- ------ ----\n");
	for (unsigned i = 0; i < debug->count; i++) {
		const struct debug_category *category = debug->category[i];

		if (!matches(category, args->text))
			continue;
		reply_printf(reply, "%-22s %03o %-6s %s\n", category->path, category->tag,
			     find(category, args->session) >= 0 ? "ON" : "OFF", category->help);
		error = 0;
	}
	return error;
}

static int add(void *owner, struct reply *reply, const struct args *args)
{
	struct debug *debug = ((struct vde_switch *)owner)->debug;
	int error = EINVAL;

	(void)reply;
	if (!args->session)
		return ENOTCONN;
	for (unsigned i = 0; i < debug->count; i++) {
		if (!matches(debug->category[i], args->text))
			continue;
		if (find(debug->category[i], args->session) >= 0)
			error = error == EINVAL ? EEXIST : error;
		else if ((error = subscribe(debug, debug->category[i], args->session)) != 0)
			return error;
	}
	return error;
}

static int del(void *owner, struct reply *reply, const struct args *args)
{
	struct debug *debug = ((struct vde_switch *)owner)->debug;
	int error = EINVAL;

	(void)reply;
	for (unsigned i = 0; i < debug->count; i++) {
		if (!matches(debug->category[i], args->text))
			continue;
		if (unsubscribe(debug, debug->category[i], args->session))
			error = 0;
		else
			error = error == EINVAL ? ENOENT : error;
	}
	return error;
}

const struct command debug_commands[] = {
	{ "debug", COMMAND_MENU, "DEBUG MENU", 0, 0, NULL, 0 },
	{ "debug/list", "", "list debug categories", 0, 1, list, COMMAND_DATA },
	{ "debug/add", "dbgpath", "enable debug info for a given category", 0, 1, add, 0 },
	{ "debug/del", "dbgpath", "disable debug info for a given category", 0, 1, del, 0 },
	{ 0 }
};
