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
#include "vde_switch/plugin_adapter.h"

#include "common/mgmt.h"
#include "common/number.h"
#include "vde_switch/debug.h"
#include "vde_switch/switch.h"

#pragma GCC diagnostic ignored "-Wstrict-prototypes"            /* the old interface declares functions without their arguments */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <vdeplugin.h>

_Static_assert(sizeof(struct comlist) == 48 || sizeof(void *) != 8, "layout of VDE 2");
_Static_assert(sizeof(struct dbgcl) == 64 || sizeof(void *) != 8, "layout of VDE 2");

enum {
	TABLES_MAX = 64,                /* tables of commands; a further one is left out and logged */
	CATEGORIES_MAX = 128,
	LISTENERS_MAX = 128,
	TIMERS_MAX = 32,
};

typedef int event_function(struct dbgcl *event, void *arg, va_list values);

struct table {
	const void *module;
	struct comlist *rows;
	struct command *command;        /* the same rows as the management server has them, and a row of zeros */
	int count;
};

struct category {
	const void *module;             /* NULL: the switch's own */
	struct dbgcl *cl;
	struct debug_category *debug;
};

struct listener {
	const void *module;
	struct dbgcl *cl;
	event_function *function;
	void *arg;
};

struct timer {
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
	struct table table[TABLES_MAX];
	struct category category[CATEGORIES_MAX];
	unsigned categories;
	struct listener listener[LISTENERS_MAX];
	unsigned listeners;
	struct timer timer[TIMERS_MAX];
};

static struct plugin_adapter *the_adapter;

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

static void too_many(const struct plugin_adapter *adapter, const char *what)
{
	log_warn(adapter->sw->log, "a plugin registers too many %s: left out", what);
}

/* ---- commands ---- */

static char *with_default(char *text)
{
	static char none[] = "";

	return text ? text : none;
}

/* The function's arguments are those that its type says, and only its type. */
static int call_plain(const struct comlist *row, int number, char *text)
{
	switch (row->type & 0x3f) {
	case NOARG: return ((int (*)(void))row->doit)();
	case INTARG: return ((int (*)(int))row->doit)(number);
	case STRARG: return ((int (*)(char *))row->doit)(text);
	default: return ENOSYS;
	}
}

static int call_with_file(const struct comlist *row, FILE *file, int number, char *text)
{
	switch (row->type & 0x3f) {
	case NOARG: return ((int (*)(FILE *))row->doit)(file);
	case INTARG: return ((int (*)(FILE *, int))row->doit)(file, number);
	case STRARG: return ((int (*)(FILE *, char *))row->doit)(file, text);
	default: return ENOSYS;
	}
}

static int run_with_file(const struct comlist *row, struct reply *reply, int number, char *text)
{
	char *data = NULL;
	size_t length = 0;
	FILE *file = open_memstream(&data, &length);
	int result;

	if (!file)
		return ENOMEM;
	result = call_with_file(row, file, number, text);
	fclose(file);
	reply_append(reply, data, length);
	free(data);
	return result;
}

static int run_command(void *owner, struct reply *reply, const struct args *args)
{
	const struct table *table = owner;
	const struct comlist *row = &table->rows[args->row - table->command];
	const void *module = the_adapter->module;
	char *text = strdup(args->text);
	int number = 0, result;

	if (!text)
		return ENOMEM;
	the_adapter->module = table->module;
	if ((row->type & 0x3f) == INTARG && number_int(text, INT32_MIN, INT32_MAX, &number) != 0)
		result = EINVAL;
	else if (row->type & WITHFD)
		result = ENOSYS;
	else if (row->type & WITHFILE)
		result = run_with_file(row, reply, number, text);
	else
		result = call_plain(row, number, text);
	free(text);
	the_adapter->module = module;
	return result < 0 ? EINVAL : result;
}

static struct command *translate(const struct comlist *rows, int count)
{
	struct command *command = calloc((size_t)count + 1, sizeof(*command));

	for (int i = 0; command && i < count; i++)
		command[i] = (struct command){
			.path = with_default(rows[i].path), .syntax = with_default(rows[i].syntax), .help = with_default(rows[i].help),
			.max_args = COMMAND_MAX_WORDS, .run = rows[i].doit ? run_command : NULL,
			.flags = rows[i].type & WITHFILE ? COMMAND_DATA : 0,
		};
	return command;
}

void addcl(int count, struct comlist *rows)
{
	struct plugin_adapter *adapter = the_adapter;
	struct table *table = NULL;

	for (int i = 0; adapter && i < TABLES_MAX && !table; i++)
		if (!adapter->table[i].rows)
			table = &adapter->table[i];
	if (!adapter || count <= 0)
		return;
	if (table)
		*table = (struct table){ adapter->module, rows, translate(rows, count), count };
	if (!table || !table->command || mgmt_add_commands(adapter->sw->mgmt, table->command, table) != 0) {
		too_many(adapter, "commands");
		if (table) {
			free(table->command);
			*table = (struct table){ 0 };
		}
	}
}

static void remove_table(struct plugin_adapter *adapter, struct table *table)
{
	mgmt_remove_commands(adapter->sw->mgmt, table->command, table);
	free(table->command);
	*table = (struct table){ 0 };
}

void delcl(int count, struct comlist *rows)
{
	(void)count;
	for (int i = 0; the_adapter && i < TABLES_MAX; i++)
		if (rows && the_adapter->table[i].rows == rows)
			remove_table(the_adapter, &the_adapter->table[i]);
}

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

/* ---- categories ---- */

static void subscribers_changed(void *owner, unsigned subscribers)
{
	struct dbgcl *cl = owner;

	cl->nfds = (unsigned short)(subscribers < UINT16_MAX ? subscribers : UINT16_MAX);
}

static struct category *find_category(struct plugin_adapter *adapter, const struct dbgcl *cl)
{
	for (unsigned i = 0; adapter && i < adapter->categories; i++)
		if (adapter->category[i].cl == cl)
			return &adapter->category[i];
	return NULL;
}

void adddbgcl(int count, struct dbgcl *cl)
{
	struct plugin_adapter *adapter = the_adapter;

	for (int i = 0; adapter && i < count; i++) {
		struct category *category = &adapter->category[adapter->categories];

		if (!cl[i].path || find_category(adapter, &cl[i]))
			continue;
		if (adapter->categories == CATEGORIES_MAX) {
			too_many(adapter, "debug categories");
			return;
		}
		cl[i].nfds = cl[i].nfun = 0;
		*category = (struct category){ adapter->module, &cl[i], NULL };
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

static void remove_category(struct plugin_adapter *adapter, struct category *category)
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
	for (int i = 0; the_adapter && i < count; i++) {
		struct category *category = find_category(the_adapter, &cl[i]);

		if (category)
			remove_category(the_adapter, category);
	}
}

void debugout(struct dbgcl *cl, const char *format, ...)
{
	const struct category *category = find_category(the_adapter, cl);
	va_list arguments;

	if (!category || !category->debug)
		return;
	va_start(arguments, format);
	debug_send(category->debug, format, arguments);
	va_end(arguments);
}

/* ---- events ---- */

int eventadd(int (*function)(), char *path, void *arg)
{
	struct plugin_adapter *adapter = the_adapter;
	int error = ENOENT;

	if (!adapter || !path)
		return EINVAL;
	for (unsigned i = 0; i < adapter->categories; i++) {
		struct dbgcl *cl = adapter->category[i].cl;

		if (strncmp(cl->path, path, strlen(path)) != 0)
			continue;
		if (adapter->listeners == LISTENERS_MAX) {
			too_many(adapter, "event functions");
			return ENOSPC;
		}
		adapter->listener[adapter->listeners++] =
			(struct listener){ adapter->module, cl, (event_function *)function, arg };
		cl->nfun++;
		error = 0;
	}
	update_wanted(adapter);
	return error;
}

int eventdel(int (*function)(), char *path, void *arg)
{
	struct plugin_adapter *adapter = the_adapter;
	int error = ENOENT;

	for (unsigned i = adapter && path ? adapter->listeners : 0; i > 0; i--) {
		const struct listener *listener = &adapter->listener[i - 1];

		if (listener->function != (event_function *)function || listener->arg != arg ||
		    strncmp(listener->cl->path, path, strlen(path)) != 0)
			continue;
		remove_listener(adapter, i - 1);
		error = 0;
	}
	return error;
}

/* What the function registers meanwhile is its module's. */
static int call_listener(struct plugin_adapter *adapter, const struct listener *listener, va_list values)
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
	struct plugin_adapter *adapter = the_adapter;
	va_list values;

	if (!find_category(adapter, cl))
		return;
	for (unsigned i = adapter->listeners; i > 0; i--) {
		if (i > adapter->listeners || adapter->listener[i - 1].cl != cl)
			continue;
		const struct listener listener = adapter->listener[i - 1];
		va_start(values, cl);
		call_listener(adapter, &listener, values);
		va_end(values);
	}
}

static int call_filter(struct plugin_adapter *adapter, const struct listener *listener, ...)
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
		const struct listener listener = adapter->listener[i];
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

static void stop_timer(struct timer *timer)
{
	loop_remove_timer(timer->timer);
	*timer = (struct timer){ 0 };
}

static void timer_due(void *owner)
{
	struct timer *timer = owner;
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

	for (unsigned i = 0; adapter && call && i < TIMERS_MAX; i++) {
		struct timer *timer = &adapter->timer[i];

		if (timer->timer)
			continue;
		*timer = (struct timer){ adapter->module, loop_add_timer(adapter->sw->loop, timer_due, timer), period > 0 ? period : 1,
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
	if (the_adapter && number >= 1 && number <= TIMERS_MAX && the_adapter->timer[number - 1].timer)
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
	for (unsigned kind = 0; kind < EVENT_COUNT; kind++) {
		adapter->own[kind].path = (char *)(uintptr_t)own_events[kind].path;
		adapter->own[kind].tag = own_events[kind].tag;
		adapter->category[adapter->categories++] = (struct category){ NULL, &adapter->own[kind], NULL };
	}
	adapter->sink = (struct event_sink){ .deliver = deliver, .owner = adapter };
	event_add_sink(&sw->events, &adapter->sink);
	the_adapter = adapter;
	sw->filter = adapter;
	return adapter;
}

void plugin_adapter_destroy(struct plugin_adapter *adapter)
{
	if (!adapter)
		return;
	event_remove_sink(&adapter->sw->events, &adapter->sink);
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
	for (unsigned i = 0; i < TABLES_MAX; i++)
		if (adapter->table[i].module == old_module)
			adapter->table[i].module = module;
	for (unsigned i = 0; i < adapter->categories; i++)
		if (adapter->category[i].module == old_module)
			adapter->category[i].module = module;
	for (unsigned i = 0; i < adapter->listeners; i++)
		if (adapter->listener[i].module == old_module)
			adapter->listener[i].module = module;
	for (unsigned i = 0; i < TIMERS_MAX; i++)
		if (adapter->timer[i].module == old_module)
			adapter->timer[i].module = module;
	adapter->module = NULL;
}

void plugin_adapter_purge(struct plugin_adapter *adapter, const void *module)
{
	for (unsigned i = 0; i < TABLES_MAX; i++)
		if (adapter->table[i].rows && adapter->table[i].module == module)
			remove_table(adapter, &adapter->table[i]);
	for (unsigned i = adapter->listeners; i > 0; i--)
		if (adapter->listener[i - 1].module == module)
			remove_listener(adapter, i - 1);
	for (unsigned i = adapter->categories; i > 0; i--)
		if (adapter->category[i - 1].module == module)
			remove_category(adapter, &adapter->category[i - 1]);
	for (unsigned i = 0; i < TIMERS_MAX; i++)
		if (adapter->timer[i].timer && adapter->timer[i].module == module)
			stop_timer(&adapter->timer[i]);
	adapter->module = NULL;
}
