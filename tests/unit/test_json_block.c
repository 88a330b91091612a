/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "vdecmd/command_source.h"
#include "vdecmd/json_block.h"

#include <stdlib.h>
#include <string.h>

enum { LINES_MAX = 16 };

static const struct {
	const char *command, *lines, *json;
} blocks[] = {
	{ "hash/print", "", "[]" },
	{ "hash/print", "Hash: 0009 Addr: 02:00:00:00:00:0a VLAN 0010 to port: 001  age 1 secs\n",
	  "[\n  {\"bucket\": 9, \"mac\": \"02:00:00:00:00:0a\", \"vlan\": 10, \"port\": 1, \"age\": 1}\n]" },
	{ "vlan/allprint 10", "VLAN 0010\n -- Port 0001 tagged=1 active=1 status=Forwarding\n"
	  " -- Port 0003 tagged=0 active=0 status=Learning\nVLAN 0011\n",
	  "[\n  {\"vlan\": 10, \"ports\": [{\"port\": 1, \"tagged\": true, \"active\": true, \"status\": \"Forwarding\"}, "
	  "{\"port\": 3, \"tagged\": false, \"active\": false, \"status\": \"Learning\"}]},\n  {\"vlan\": 11}\n]" },
	{ "port/print", "Port 0003 untagged_vlan=4095 INACTIVE - NOT Unnamed Allocatable\n"
	  " Current User: some one Access Control: (User: NONE - Group: daemon)\n"
	  " IN:  pkts         13          bytes                 6522\n OUT: pkts          0          bytes                    0\n"
	  "  -- endpoint ID 0008 module unix prog   : a \"b\": \\x07\n  -- endpoint ID 0009 module tuntap      : tap0\n  new: line\n",
	  "[\n  {\"port\": 3, \"untagged_vlan\": 4095, \"active\": false, \"allocatable\": false, \"user\": \"some one\", "
	  "\"access_user\": \"NONE\", \"access_group\": \"daemon\", \"in_packets\": 13, \"in_bytes\": 6522, \"out_packets\": 0, "
	  "\"out_bytes\": 0, \"endpoints\": [{\"id\": 8, \"module\": \"unix prog\", \"description\": \"a \\\"b\\\": \\\\x07\"}, "
	  "{\"id\": 9, \"module\": \"tuntap\", \"description\": \"tap0\"}], \"other\": [\"  new: line\"]}\n]" },
	{ "showinfo", "VDE switch V.2.3.2\n(C) x\n\npid 7 MAC 00:ff:c1:2a:12:24 uptime 0\nmgmt /a b perm 0600\n",
	  "{\"version\": \"2.3.2\", \"pid\": 7, \"mac\": \"00:ff:c1:2a:12:24\", \"uptime\": 0, \"mgmt\": \"/a b\", "
	  "\"mgmt_mode\": \"0600\", \"other\": [\"(C) x\"]}" },
	{ "fstp/print", "FST DATA VLAN 0000 ROOTSWITCH FSTP IS DISABLED\n ++ root 80:00:00:ff:c1:2a:12:24\nFST DATA VLAN 0001  \n",
	  "[\n  {\"vlan\": 0, \"root_switch\": true, \"enabled\": false, \"root\": \"80:00:00:ff:c1:2a:12:24\"},\n"
	  "  {\"vlan\": 1, \"root_switch\": false, \"enabled\": true}\n]" },
	/* unknown blocks, and known ones that look like nothing known, are arrays of lines */
	{ "ds/showinfo", "ctl dir /tmp/x\nstd mode 0600\n", "[\"ctl dir /tmp/x\", \"std mode 0600\"]" },
	{ "hash/print", "something else\n", "[\"something else\"]" },
	{ "showinfo", "", "[]" },
};

static void to_json(const char *command, const char *text, char *json, size_t size)
{
	char *copy = strdup(text), *lines[LINES_MAX], *at = copy;
	size_t count = 0;
	FILE *out = fmemopen(json, size, "w");

	while (*at != '\0') {
		lines[count++] = at;
		at += strcspn(at, "\n");
		*at++ = '\0';
	}
	json_block(out, command, lines, count);
	fclose(out);
	free(copy);
}

static void test_blocks(void **state)
{
	char json[4096];

	(void)state;
	for (size_t i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++) {
		to_json(blocks[i].command, blocks[i].lines, json, sizeof(json));
		assert_string_equal(json, blocks[i].json);
	}
}

static void test_strings(void **state)
{
	static const struct { const char *text, *json; } strings[] = {
		{ "", "\"\"" },
		{ "a\"b\\c", "\"a\\\"b\\\\c\"" },
		{ "\t\x1b[1m\x7f", "\"\\u0009\\u001b[1m\\u007f\"" },
		{ "\xc3\xa9", "\"\xc3\xa9\"" },
		{ "\xc2\x9b\x31m \xc2\xa0", "\"\\u009b1m \xc2\xa0\"" },
		{ "\xe9 \xc3", "\"\\u00e9 \\u00c3\"" },
		{ "\xed\xa0\x80", "\"\\u00ed\\u00a0\\u0080\"" },
		{ "\xc0\xaf", "\"\\u00c0\\u00af\"" },
		{ "\xf0\x9f\x98\x80", "\"\xf0\x9f\x98\x80\"" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(strings) / sizeof(strings[0]); i++) {
		char json[256] = "";
		FILE *out = fmemopen(json, sizeof(json), "w");

		json_string(out, strings[i].text, strlen(strings[i].text));
		fclose(out);
		assert_string_equal(json, strings[i].json);
	}
}

static void test_old_scripts(void **state)
{
	(void)state;
	assert_true(command_source_is_old_script("TIMEOUT 1000"));
	assert_true(command_source_is_old_script("1 IN '$ ' 100"));
	assert_true(command_source_is_old_script(" 22 EXITATOI\n"));
	assert_false(command_source_is_old_script("port/create 1"));
	assert_false(command_source_is_old_script("1"));
	assert_false(command_source_is_old_script("1 INN"));
	assert_false(command_source_is_old_script("TIMEOUTS"));
}

static void test_command_file(void **state)
{
	char text[] = "# comment\n\n  port/create 1  \r\n\t#x\nshowinfo";
	FILE *file = fmemopen(text, strlen(text), "r");
	char *line = NULL;
	size_t size = 0;

	(void)state;
	assert_string_equal(command_source_next(file, &line, &size), "port/create 1");
	assert_string_equal(command_source_next(file, &line, &size), "showinfo");
	assert_null(command_source_next(file, &line, &size));
	free(line);
	fclose(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_blocks),
		cmocka_unit_test(test_strings),
		cmocka_unit_test(test_old_scripts),
		cmocka_unit_test(test_command_file),
	};

	return cmocka_run_group_tests_name("json_block", tests, NULL, NULL);
}
