/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "vdeterm/completion.h"

#include <string.h>

static void test_kinds(void **state)
{
	static const struct { const char *line; unsigned position; enum argument_kind kind; } rows[] = {
		{ "", 0, ARGUMENT_COMMAND }, { "po", 0, ARGUMENT_COMMAND }, { "help po", 1, ARGUMENT_COMMAND },
		{ "port/setvlan 1 2", 1, ARGUMENT_PORT }, { "port/setvlan 1 2", 2, ARGUMENT_VLAN }, { "port/setvlan 1 2", 3, ARGUMENT_NONE },
		{ "port/print", 1, ARGUMENT_PORT }, { "port/", 1, ARGUMENT_NONE }, { "vlan/create", 1, ARGUMENT_NONE },
		{ "vlan/remove", 1, ARGUMENT_VLAN }, { "vlan/addport 1", 2, ARGUMENT_PORT }, { "debug/add", 1, ARGUMENT_CATEGORY },
		{ "plugin/del", 1, ARGUMENT_PLUGIN }, { "load", 1, ARGUMENT_FILE }, { "loadx", 1, ARGUMENT_NONE },
		{ "fstp/bonus", 2, ARGUMENT_PORT }, { "nothing", 1, ARGUMENT_NONE },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(argument_kind(rows[i].line, rows[i].position), rows[i].kind);
}

static void check_listing(enum argument_kind kind, const char *const *line, const char *words)
{
	struct word_list list = { 0 };
	bool rule_seen = false;
	char joined[256] = "";

	for (; *line != NULL; line++)
		listing_line(argument_listing(kind), &rule_seen, *line, &list);
	for (size_t i = 0; i < list.count; i++)
		strcat(strcat(joined, list.word[i]), ",");
	word_list_clear(&list);
	assert_string_equal(joined, words);
}

static void test_listings(void **state)
{
	static const char *const help[] = { "COMMAND PATH       SYNTAX          HELP", "------------       --------------  ------------",
		"ds                 ============    DATA SOCKET MENU", "ds/showinfo                        show ds info",
		"help               [arg]           Help", NULL };
	static const char *const ports[] = { "Port 0003 untagged_vlan=0000 ACTIVE - Unnamed Allocatable",
		" Current User: nobody Access Control: (User: NONE - Group: NONE)", "Port 0000 untagged_vlan=0000 ACTIVE",
		"Port 0010 x", "Port x", NULL };
	static const char *const categories[] = { "CATEGORY               TAG STATUS HELP", "------------           --- ------ ----",
		"hash/+                 011 OFF    hash: new element", NULL };

	(void)state;
	check_listing(ARGUMENT_COMMAND, help, "ds/showinfo,help,");
	check_listing(ARGUMENT_PORT, ports, "3,0,10,");
	check_listing(ARGUMENT_CATEGORY, categories, "hash/+,");
}

static void test_bound(void **state)
{
	struct word_list list = { 0 };

	(void)state;
	for (size_t i = 0; i < WORD_LIST_MAX + 1000; i++)
		word_list_add(&list, i % 2 ? "a" : "b", 1);
	assert_true(list.count >= 65536 && list.count <= 2 * WORD_LIST_MAX);
	word_list_clear(&list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_listings),
		cmocka_unit_test(test_bound),
	};

	return cmocka_run_group_tests_name("completion", tests, NULL, NULL);
}
