/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation
 *
 * Plugins of VDE 2 call functions of the switch that are given no switch, and hand over tables of their own which stay theirs. So the adapter
 * keeps, for each table, a registration of its own that says which module it is of and refers to the table; nothing of the switch is linked into a
 * plugin's memory, and of a plugin's memory only the counters nfds and nfun of its categories are written. A pointer that a plugin
 * passes is compared with the registrations and not followed otherwise: a category that was never registered, or not any more, does nothing.
 *
 * `the_adapter` is the one variable outside of a struct: set while a switch of the process has an adapter.
 */
#include "vde_switch/plugin_internal.h"

#include <errno.h>
#include <stdlib.h>

static struct plugin_adapter *the_adapter;

struct plugin_adapter *plugin_adapter_current(void)
{
	return the_adapter;
}

void plugin_adapter_too_many(const struct plugin_adapter *adapter, const char *what)
{
	log_warn(adapter->sw->log, "a plugin registers too many %s: left out", what);
}

/* ---- text ---- */

void printoutc(FILE *file, const char *format, ...)
{
	va_list arguments;
	char text[1024];

	va_start(arguments, format);
	if (file) {
		vfprintf(file, format, arguments);
		fputc('\n', file);
	} else {
		vsnprintf(text, sizeof(text), format, arguments);
		printlog(LOG_INFO, "%s", text);
	}
	va_end(arguments);
}

void printlog(int priority, const char *format, ...)
{
	va_list arguments;
	char text[1024];

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	if (!the_adapter)
		return;
	if (priority <= LOG_ERR)
		log_error(the_adapter->sw->log, "%s", text);
	else if (priority <= LOG_WARNING)
		log_warn(the_adapter->sw->log, "%s", text);
	else
		log_info(the_adapter->sw->log, "%s", text);
}

/* ---- the switch ---- */

static const struct port *port_numbered(int number)
{
	return the_adapter && number >= 0 ? port_get(the_adapter->sw, (unsigned)number) : NULL;
}

char *port_descr(int number, int index)
{
	const struct port *port = port_numbered(number);
	const struct endpoint *endpoint = port ? port->endpoints : NULL;

	for (; endpoint && index > 0; index--)
		endpoint = endpoint->next;
	return endpoint ? endpoint->description : NULL;
}

int port_user(int number)
{
	const struct port *port = port_numbered(number);

	return port && port->endpoints ? (int)port->endpoints->user : -1;
}

int mgmtnewfd(int fd)
{
	(void)fd;
	return -1;
}

time_t qtime(void)
{
	return (time_t)(loop_clock() / LOOP_SECOND);
}

static void stop_timer(struct plugin_timer *timer)
{
	loop_remove_timer(timer->timer);
	*timer = (struct plugin_timer){ 0 };
}

static void timer_due(void *owner)
{
	struct plugin_timer *timer = owner;
	void (*call)(void *) = timer->call;
	void *arg = timer->arg;
	const void *module = timer->module;

	loop_timer_after(timer->timer, (uint64_t)timer->period * LOOP_SECOND);
	if (timer->times > 0 && --timer->times == 0)
		stop_timer(timer);
	the_adapter->module = module;
	call(arg);
	the_adapter->module = NULL;
}

unsigned int qtimer_add(time_t period, int times, void (*call)(), void *arg)
{
	struct plugin_adapter *adapter = the_adapter;

	for (unsigned i = 0; adapter && call && i < PLUGIN_TIMERS_MAX; i++) {
		struct plugin_timer *timer = &adapter->timer[i];

		if (timer->timer)
			continue;
		*timer = (struct plugin_timer){ adapter->module, loop_add_timer(adapter->sw->loop, timer_due, timer), period > 0 ? period : 1,
					 times, (void (*)(void *))call, arg };
		if (!timer->timer)
			return 0;
		loop_timer_after(timer->timer, (uint64_t)timer->period * LOOP_SECOND);
		return i + 1;
	}
	return 0;
}

void qtimer_del(unsigned int number)
{
	if (the_adapter && number >= 1 && number <= PLUGIN_TIMERS_MAX && the_adapter->timer[number - 1].timer)
		stop_timer(&the_adapter->timer[number - 1]);
}

/* ---- life cycle ---- */

struct plugin_adapter *plugin_adapter_create(struct vde_switch *sw)
{
	struct plugin_adapter *adapter = the_adapter ? NULL : calloc(1, sizeof(*adapter));

	if (!adapter) {
		errno = the_adapter ? EBUSY : ENOMEM;
		return NULL;
	}
	adapter->sw = sw;
	plugin_events_begin(adapter);
	the_adapter = adapter;
	sw->filter = adapter;
	return adapter;
}

void plugin_adapter_destroy(struct plugin_adapter *adapter)
{
	if (!adapter)
		return;
	plugin_events_end(adapter);
	adapter->sw->filter = NULL;
	the_adapter = NULL;
	free(adapter);
}

void plugin_adapter_loading(struct plugin_adapter *adapter, const void *module)
{
	adapter->module = module;
}

void plugin_adapter_adopt(struct plugin_adapter *adapter, const void *old_module, const void *module)
{
	plugin_commands_adopt(adapter, old_module, module);
	plugin_events_adopt(adapter, old_module, module);
	for (unsigned i = 0; i < PLUGIN_TIMERS_MAX; i++)
		if (adapter->timer[i].module == old_module)
			adapter->timer[i].module = module;
	adapter->module = NULL;
}

void plugin_adapter_purge(struct plugin_adapter *adapter, const void *module)
{
	plugin_commands_purge(adapter, module);
	plugin_events_purge(adapter, module);
	for (unsigned i = 0; i < PLUGIN_TIMERS_MAX; i++)
		if (adapter->timer[i].timer && adapter->timer[i].module == module)
			stop_timer(&adapter->timer[i]);
	adapter->module = NULL;
}
