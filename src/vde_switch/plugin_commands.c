/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Commands that plugins add to the switch's management: their tables, which stay theirs, as rows of ours. */
#include "vde_switch/plugin_internal.h"

#include "common/mgmt.h"
#include "common/number.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(sizeof(struct comlist) == 48 || sizeof(void *) != 8, "layout of VDE 2");

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
	const struct plugin_table *table = owner;
	const struct comlist *row = &table->rows[args->row - table->command];
	struct plugin_adapter *adapter = plugin_adapter_current();
	const void *module = adapter->module;
	char *text = strdup(args->text);
	int number = 0, result;

	if (!text)
		return ENOMEM;
	adapter->module = table->module;
	if ((row->type & 0x3f) == INTARG && number_int(text, INT32_MIN, INT32_MAX, &number) != 0)
		result = EINVAL;
	else if (row->type & WITHFD)
		result = ENOSYS;
	else if (row->type & WITHFILE)
		result = run_with_file(row, reply, number, text);
	else
		result = call_plain(row, number, text);
	free(text);
	adapter->module = module;
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
	struct plugin_adapter *adapter = plugin_adapter_current();
	struct plugin_table *table = NULL;

	for (int i = 0; adapter && i < PLUGIN_TABLES_MAX && !table; i++)
		if (!adapter->table[i].rows)
			table = &adapter->table[i];
	if (!adapter || count <= 0)
		return;
	if (table)
		*table = (struct plugin_table){ adapter->module, rows, translate(rows, count), count };
	if (!table || !table->command || mgmt_add_commands(adapter->sw->mgmt, table->command, table) != 0) {
		plugin_adapter_too_many(adapter, "commands");
		if (table) {
			free(table->command);
			*table = (struct plugin_table){ 0 };
		}
	}
}

static void remove_table(struct plugin_adapter *adapter, struct plugin_table *table)
{
	mgmt_remove_commands(adapter->sw->mgmt, table->command, table);
	free(table->command);
	*table = (struct plugin_table){ 0 };
}

void delcl(int count, struct comlist *rows)
{
	struct plugin_adapter *adapter = plugin_adapter_current();

	(void)count;
	for (int i = 0; adapter && i < PLUGIN_TABLES_MAX; i++)
		if (rows && adapter->table[i].rows == rows)
			remove_table(adapter, &adapter->table[i]);
}

void plugin_commands_adopt(struct plugin_adapter *adapter, const void *old_module, const void *module)
{
	for (unsigned i = 0; i < PLUGIN_TABLES_MAX; i++)
		if (adapter->table[i].module == old_module)
			adapter->table[i].module = module;
}

void plugin_commands_purge(struct plugin_adapter *adapter, const void *module)
{
	for (unsigned i = 0; i < PLUGIN_TABLES_MAX; i++)
		if (adapter->table[i].rows && adapter->table[i].module == module)
			remove_table(adapter, &adapter->table[i]);
}
