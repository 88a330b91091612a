/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Categories of debug lines, and the functions of plugins that are called at an event or for a frame. */
#include "vde_switch/plugin_internal.h"

#include <errno.h>
#include <string.h>

_Static_assert(sizeof(struct dbgcl) == 64 || sizeof(void *) != 8, "layout of VDE 2");

/* Paths and tags of the switch's own events, as plugins know them. */
static const struct own_event {
	const char *path;
	int tag;
} own_events[EVENT_COUNT] = {
	[EVENT_HASH_ADD] = { "hash/+", D_HASH | D_PLUS },
	[EVENT_HASH_DEL] = { "hash/-", D_HASH | D_MINUS },
	[EVENT_FSTP_STATUS] = { "fstp/status", D_FSTP | D_STATUS },
	[EVENT_FSTP_ROOT] = { "fstp/root", D_FSTP | D_ROOT },
	[EVENT_FSTP_ADD] = { "fstp/+", D_FSTP | D_PLUS },
	[EVENT_FSTP_DEL] = { "fstp/-", D_FSTP | D_MINUS },
	[EVENT_PORT_ADD] = { "port/+", D_PORT | D_PLUS },
	[EVENT_PORT_DEL] = { "port/-", D_PORT | D_MINUS },
	[EVENT_PORT_DESCR] = { "port/descr", D_PORT | D_DESCR },
	[EVENT_ENDPOINT_ADD] = { "port/ep/+", D_EP | D_PLUS },
	[EVENT_ENDPOINT_DEL] = { "port/ep/-", D_EP | D_MINUS },
	[EVENT_MGMT_ADD] = { "mgmt/+", D_MGMT | D_PLUS },
	[EVENT_MGMT_DEL] = { "mgmt/-", D_MGMT | D_MINUS },
	[EVENT_SIGNAL_HUP] = { "sig/hup", D_SIG | D_HUP },
	[EVENT_PACKET_IN] = { "packet/in", D_PACKET | D_IN },
	[EVENT_PACKET_OUT] = { "packet/out", D_PACKET | D_OUT },
};

/* ---- categories ---- */

static void subscribers_changed(void *owner, unsigned subscribers)
{
	struct dbgcl *cl = owner;

	cl->nfds = (unsigned short)(subscribers < UINT16_MAX ? subscribers : UINT16_MAX);
}

static struct plugin_category *find_category(struct plugin_adapter *adapter, const struct dbgcl *cl)
{
	for (unsigned i = 0; adapter && i < adapter->categories; i++)
		if (adapter->category[i].cl == cl)
			return &adapter->category[i];
	return NULL;
}

void adddbgcl(int count, struct dbgcl *cl)
{
	struct plugin_adapter *adapter = plugin_adapter_current();

	for (int i = 0; adapter && i < count; i++) {
		struct plugin_category *category = &adapter->category[adapter->categories];

		if (!cl[i].path || find_category(adapter, &cl[i]))
			continue;
		if (adapter->categories == PLUGIN_CATEGORIES_MAX) {
			plugin_adapter_too_many(adapter, "debug categories");
			return;
		}
		cl[i].nfds = cl[i].nfun = 0;
		*category = (struct plugin_category){ adapter->module, &cl[i], NULL };
		category->debug = debug_register(adapter->sw->debug, cl[i].path, cl[i].help, (unsigned)cl[i].tag,
						 subscribers_changed, &cl[i]);
		if (category->debug)
			adapter->categories++;
	}
}

static void update_wanted(struct plugin_adapter *adapter)
{
	adapter->sink.kinds = 0;
	for (unsigned kind = 0; kind < EVENT_COUNT; kind++)
		if (adapter->own[kind].nfun)
			adapter->sink.kinds |= 1u << kind;
	event_update(&adapter->sw->events);
}

static void remove_listener(struct plugin_adapter *adapter, unsigned index)
{
	adapter->listener[index].cl->nfun--;
	memmove(&adapter->listener[index], &adapter->listener[index + 1],
		(--adapter->listeners - index) * sizeof(adapter->listener[0]));
	update_wanted(adapter);
}

static void remove_category(struct plugin_adapter *adapter, struct plugin_category *category)
{
	for (unsigned i = adapter->listeners; i > 0; i--)
		if (adapter->listener[i - 1].cl == category->cl)
			remove_listener(adapter, i - 1);
	if (category->debug)
		debug_unregister(adapter->sw->debug, category->debug);
	*category = adapter->category[--adapter->categories];
}

void deldbgcl(int count, struct dbgcl *cl)
{
	struct plugin_adapter *adapter = plugin_adapter_current();

	for (int i = 0; adapter && i < count; i++) {
		struct plugin_category *category = find_category(adapter, &cl[i]);

		if (category)
			remove_category(adapter, category);
	}
}

void debugout(struct dbgcl *cl, const char *format, ...)
{
	const struct plugin_category *category = find_category(plugin_adapter_current(), cl);
	va_list arguments;

	if (!category || !category->debug)
		return;
	va_start(arguments, format);
	debug_send(category->debug, format, arguments);
	va_end(arguments);
}

/* ---- events ---- */

static unsigned count_matching(const struct plugin_adapter *adapter, const char *path)
{
	unsigned count = 0;

	for (unsigned i = 0; i < adapter->categories; i++)
		count += strncmp(adapter->category[i].cl->path, path, strlen(path)) == 0;
	return count;
}

/* All of them or none. */
int eventadd(int (*function)(), char *path, void *arg)
{
	struct plugin_adapter *adapter = plugin_adapter_current();
	int error = ENOENT;

	if (!adapter || !path)
		return EINVAL;
	if (adapter->listeners + count_matching(adapter, path) > PLUGIN_LISTENERS_MAX) {
		plugin_adapter_too_many(adapter, "event functions");
		return ENOSPC;
	}
	for (unsigned i = 0; i < adapter->categories; i++) {
		struct dbgcl *cl = adapter->category[i].cl;

		if (strncmp(cl->path, path, strlen(path)) != 0)
			continue;
		adapter->listener[adapter->listeners++] =
			(struct plugin_listener){ adapter->module, cl, (plugin_event_function *)function, arg };
		cl->nfun++;
		error = 0;
	}
	update_wanted(adapter);
	return error;
}

int eventdel(int (*function)(), char *path, void *arg)
{
	struct plugin_adapter *adapter = plugin_adapter_current();
	int error = ENOENT;

	for (unsigned i = adapter && path ? adapter->listeners : 0; i > 0; i--) {
		const struct plugin_listener *listener = &adapter->listener[i - 1];

		if (listener->function != (plugin_event_function *)function || listener->arg != arg ||
		    strncmp(listener->cl->path, path, strlen(path)) != 0)
			continue;
		remove_listener(adapter, i - 1);
		error = 0;
	}
	return error;
}

/* What the function registers meanwhile is its module's. */
static int call_listener(struct plugin_adapter *adapter, const struct plugin_listener *listener, va_list values)
{
	const void *module = adapter->module;
	int result;

	adapter->module = listener->module;
	result = listener->function(listener->cl, listener->arg, values);
	adapter->module = module;
	return result;
}

/* A listener may take itself or others back meanwhile. */
void eventout(struct dbgcl *cl, ...)
{
	struct plugin_adapter *adapter = plugin_adapter_current();
	va_list values;

	if (!find_category(adapter, cl))
		return;
	for (unsigned i = adapter->listeners; i > 0; i--) {
		if (i > adapter->listeners || adapter->listener[i - 1].cl != cl)
			continue;
		const struct plugin_listener listener = adapter->listener[i - 1];
		va_start(values, cl);
		call_listener(adapter, &listener, values);
		va_end(values);
	}
}

static int call_filter(struct plugin_adapter *adapter, const struct plugin_listener *listener, ...)
{
	va_list values;
	int result;

	va_start(values, listener);
	result = call_listener(adapter, listener, values);
	va_end(values);
	return result;
}

/* One after the other, so that each is given what the one before has made of the frame. */
uint32_t plugin_adapter_filter(struct plugin_adapter *adapter, enum event_kind kind, unsigned port, uint8_t *data, uint32_t length)
{
	uint32_t most = length + VDE_PACKET_ROOM < FRAME_MAX_SIZE ? length + VDE_PACKET_ROOM : FRAME_MAX_SIZE;

	for (unsigned i = 0; i < adapter->listeners && length > 0; i++) {
		const struct plugin_listener listener = adapter->listener[i];
		int result;

		if (listener.cl != &adapter->own[kind])
			continue;
		result = call_filter(adapter, &listener, (int)port, data, (int)length);
		if (result < 0)
			return 0;
		if (result > 0 && (uint32_t)result <= most)
			length = (uint32_t)result;
	}
	return length;
}

static void deliver(void *owner, const struct event *event)
{
	struct plugin_adapter *adapter = owner;
	struct dbgcl *cl = &adapter->own[event->kind];
	int port = (int)event->port, vid = event->vid;

	switch (event->kind) {
	case EVENT_HASH_ADD:
	case EVENT_HASH_DEL:
		eventout(cl, port, vid, event->mac);
		break;
	case EVENT_FSTP_STATUS:
		eventout(cl, port, vid, event->text);
		break;
	case EVENT_FSTP_ROOT:
		eventout(cl, port, vid, (int)event->priority, event->mac);
		break;
	case EVENT_FSTP_ADD:
	case EVENT_FSTP_DEL:
		eventout(cl, port, vid);
		break;
	case EVENT_PORT_DESCR:
		eventout(cl, port, event->endpoint, event->text);
		break;
	case EVENT_PACKET_IN:
	case EVENT_PACKET_OUT:
		break;                  /* these are filters: plugin_adapter_filter */
	default:
		eventout(cl, port, event->endpoint);
		break;
	}
}

/* ---- life cycle ---- */

void plugin_events_begin(struct plugin_adapter *adapter)
{
	for (unsigned kind = 0; kind < EVENT_COUNT; kind++) {
		adapter->own[kind].path = (char *)(uintptr_t)own_events[kind].path;
		adapter->own[kind].tag = own_events[kind].tag;
		adapter->category[adapter->categories++] = (struct plugin_category){ NULL, &adapter->own[kind], NULL };
	}
	adapter->sink = (struct event_sink){ .deliver = deliver, .owner = adapter };
	event_add_sink(&adapter->sw->events, &adapter->sink);
}

void plugin_events_end(struct plugin_adapter *adapter)
{
	event_remove_sink(&adapter->sw->events, &adapter->sink);
}

void plugin_events_adopt(struct plugin_adapter *adapter, const void *old_module, const void *module)
{
	for (unsigned i = 0; i < adapter->categories; i++)
		if (adapter->category[i].module == old_module)
			adapter->category[i].module = module;
	for (unsigned i = 0; i < adapter->listeners; i++)
		if (adapter->listener[i].module == old_module)
			adapter->listener[i].module = module;
}

void plugin_events_purge(struct plugin_adapter *adapter, const void *module)
{
	for (unsigned i = adapter->listeners; i > 0; i--)
		if (adapter->listener[i - 1].module == module)
			remove_listener(adapter, i - 1);
	for (unsigned i = adapter->categories; i > 0; i--)
		if (adapter->category[i - 1].module == module)
			remove_category(adapter, &adapter->category[i - 1]);
}
