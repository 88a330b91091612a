/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "completion.h"

#include <stdlib.h>
#include <string.h>

static const struct listing listings[] = {
	[ARGUMENT_NONE] = { NULL, "", false, false },
	[ARGUMENT_COMMAND] = { "help", "", true, false },
	[ARGUMENT_PORT] = { "port/allprint", "Port ", false, true },
	[ARGUMENT_VLAN] = { "vlan/allprint", "VLAN ", false, true },
	[ARGUMENT_CATEGORY] = { "debug/list", "", true, false },
	[ARGUMENT_PLUGIN] = { "plugin/list", "", true, false },
	[ARGUMENT_FILE] = { NULL, "", false, false },
};

static const struct argument_row {
	const char *command;
	enum argument_kind kind[2];     /* of the first and the second argument */
} argument_rows[] = {
	{ "help", { ARGUMENT_COMMAND } },
	{ "load", { ARGUMENT_FILE } },
	{ "config/save", { ARGUMENT_FILE } },
	{ "debug/list", { ARGUMENT_CATEGORY } },
	{ "debug/add", { ARGUMENT_CATEGORY } },
	{ "debug/del", { ARGUMENT_CATEGORY } },
	{ "plugin/list", { ARGUMENT_PLUGIN } },
	{ "plugin/add", { ARGUMENT_FILE } },
	{ "plugin/del", { ARGUMENT_PLUGIN } },
	{ "hash/find", { ARGUMENT_NONE, ARGUMENT_VLAN } },
	{ "fstp/showinfo", { ARGUMENT_NONE } },
	{ "fstp/setfstp", { ARGUMENT_NONE } },
	{ "fstp/priority", { ARGUMENT_NONE } },
	{ "fstp/timers", { ARGUMENT_NONE } },
	{ "fstp/print", { ARGUMENT_VLAN } },
	{ "fstp/", { ARGUMENT_VLAN, ARGUMENT_PORT } },
	{ "port/setvlan", { ARGUMENT_PORT, ARGUMENT_VLAN } },
	{ "port/mirror", { ARGUMENT_PORT, ARGUMENT_PORT } },
	{ "port/showinfo", { ARGUMENT_NONE } },
	{ "port/setnumports", { ARGUMENT_NONE } },
	{ "port/sethub", { ARGUMENT_NONE } },
	{ "port/create", { ARGUMENT_NONE } },
	{ "port/defqlen", { ARGUMENT_NONE } },
	{ "port/", { ARGUMENT_PORT } },
	{ "stats", { ARGUMENT_PORT } },
	{ "vlan/addport", { ARGUMENT_VLAN, ARGUMENT_PORT } },
	{ "vlan/delport", { ARGUMENT_VLAN, ARGUMENT_PORT } },
	{ "vlan/create", { ARGUMENT_NONE } },
	{ "vlan/", { ARGUMENT_VLAN } },
};

/* A row that ends in '/' stands for all the commands of that menu that no row before names. */
static bool row_applies(const struct argument_row *row, const char *command, size_t length)
{
	size_t row_length = strlen(row->command);

	if (row->command[row_length - 1] == '/')
		return length > row_length && strncmp(command, row->command, row_length) == 0;
	return length == row_length && strncmp(command, row->command, length) == 0;
}

enum argument_kind argument_kind(const char *command, unsigned position)
{
	size_t length = strcspn(command, " \t");

	if (position == 0)
		return ARGUMENT_COMMAND;
	if (position > 2 || length == 0)
		return ARGUMENT_NONE;
	for (size_t i = 0; i < sizeof(argument_rows) / sizeof(argument_rows[0]); i++)
		if (row_applies(&argument_rows[i], command, length))
			return argument_rows[i].kind[position - 1];
	return ARGUMENT_NONE;
}

const struct listing *argument_listing(enum argument_kind kind)
{
	return &listings[kind];
}

void word_list_add(struct word_list *list, const char *text, size_t length)
{
	char *copy;

	if (list->count > 0 && strlen(list->word[list->count - 1]) == length &&
	    memcmp(list->word[list->count - 1], text, length) == 0)
		return;
	if (list->count == list->size) {
		size_t size = list->size > 0 ? 2 * list->size : 64;
		char **word = list->count < WORD_LIST_MAX ? realloc(list->word, size * sizeof(*word)) : NULL;

		if (word == NULL)
			return;
		list->word = word;
		list->size = size;
	}
	copy = strndup(text, length);
	if (copy != NULL)
		list->word[list->count++] = copy;
}

void word_list_clear(struct word_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->word[i]);
	free(list->word);
	*list = (struct word_list){ 0 };
}

/* "port                ============    PORT STATUS MENU": a heading, nothing to type. */
static bool is_menu(const char *line)
{
	const char *second = line + strcspn(line, " \t");

	second += strspn(second, " \t");
	return strncmp(second, "====", 4) == 0;
}

void listing_line(const struct listing *listing, bool *rule_seen, const char *line, struct word_list *list)
{
	size_t prefix = strlen(listing->prefix), length;

	if (listing->below_rule && !*rule_seen) {
		*rule_seen = strncmp(line, "----", 4) == 0;
		return;
	}
	if (strncmp(line, listing->prefix, prefix) != 0 || is_menu(line))
		return;
	line += prefix;
	length = strcspn(line, " \t");
	if (listing->number) {
		length = strspn(line, "0123456789");
		for (; length > 1 && *line == '0'; length--)
			line++;
	}
	if (length > 0)
		word_list_add(list, line, length);
}
