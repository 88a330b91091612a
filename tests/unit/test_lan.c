/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the locators of switch://, hub://, multi:// and bonding:// ask for. */
#include "libvdeplug/lan.h"

#include "unit.h"

#include <errno.h>
#include <unistd.h>
#include <stdlib.h>

static int parse(struct lan_request *request, enum lan_kind kind, const char *text, const struct vde_open_args *args)
{
	char *copy = strdup(text);
	int error = lan_parse(request, kind, copy, args);

	free(copy);
	return error;
}

static void test_defaults(void **state)
{
	struct lan_request request;

	(void)state;
	for (int kind = 0; kind < LAN_KINDS; kind++) {
		assert_int_equal(parse(&request, (enum lan_kind)kind, "/tmp/x", NULL), 0);
		assert_int_equal(request.magic, LAN_MAGIC);
		assert_int_equal(request.size, sizeof(request));
		assert_int_equal(request.kind, kind);
		assert_string_equal(request.directory, "/tmp/x");
		assert_int_equal(request.mode, 0600);
		assert_int_equal(request.directory_mode, 02700);
		assert_true(request.group == (uint32_t)-1);
		assert_int_equal(request.numports, LAN_DEFAULT_PORTS);
		assert_int_equal(request.buckets, LAN_DEFAULT_BUCKETS);
		assert_int_equal(request.expire, LAN_DEFAULT_EXPIRE);
		assert_int_equal(request.trunk, kind == LAN_SWITCH);
		assert_false(request.fstp || request.has_mac || request.flow || request.port);
		assert_string_equal(request.management, "");
	}
	assert_int_equal(parse(&request, LAN_HUB, "", NULL), 0);
	assert_string_equal(request.directory, "");
}

static void test_modes(void **state)
{
	static const struct { const char *text; mode_t from_args; uint32_t mode, directory; } rows[] = {
		{ "d[mode=0666]", 0, 0666, 02777 }, { "d[mode=660]", 0, 0660, 02770 }, { "d[mode=700]", 0, 0600, 02700 },
		{ "d[m=640]", 0, 0640, 02750 }, { "d[dirmode=2755]", 0, 0644, 02755 }, { "d[dirmode=02750/mode=0600]", 0, 0600, 02750 },
		{ "d", 0700, 0600, 02700 }, { "d", 0770, 0660, 02770 }, { "d[mode=600]", 0777, 0600, 02700 }, { "d", 0, 0600, 02700 },
	};
	struct lan_request request;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct vde_open_args args = { .mode = rows[i].from_args };

		assert_int_equal(parse(&request, LAN_SWITCH, rows[i].text, &args), 0);
		assert_int_equal(request.mode, rows[i].mode);
		assert_int_equal(request.directory_mode, rows[i].directory);
	}
}

static void test_keys(void **state)
{
	struct vde_open_args args = { .port = 7, .group = (char[]){ "0" } };
	struct lan_request request;
	static const uint8_t mac[] = { 2, 0, 0, 0, 0, 0x1f };

	(void)state;
	assert_int_equal(parse(&request, LAN_SWITCH, "a b%5B[hashsize=1k/hashseed=x/expiretime=10/n=65535/fstp/prio=0/macaddr=2:0:0:0:0:1f/trunk=0]", &args), 0);
	assert_string_equal(request.directory, "a b[");
	assert_int_equal(request.buckets, 1024);
	assert_int_equal(request.expire, 10);
	assert_int_equal(request.numports, 65535);
	assert_int_equal(request.fstp, 1);
	assert_int_equal(request.priority, 0);
	assert_int_equal(request.has_mac, 1);
	assert_memory_equal(request.mac, mac, sizeof(mac));
	assert_int_equal(request.trunk, 0);
	assert_int_equal(request.port, 7);
	assert_int_equal(request.group, 0);
	assert_int_equal(parse(&request, LAN_HUB, "d[grp=]", NULL), 0);
	assert_int_equal(request.group, getegid());
	assert_int_equal(parse(&request, LAN_BONDING, "d[flow/mgmt='/tmp/m'/mgmtmode=660/mgmtgroup=0/rcfile=%2Fetc%2Frc/tap=a,b/grp=0]", NULL), 0);
	assert_int_equal(request.flow, 1);
	assert_string_equal(request.management, "/tmp/m");
	assert_int_equal(request.management_mode, 0660);
	assert_int_equal(request.management_group, 0);
	assert_string_equal(request.script, "/etc/rc");
	assert_string_equal(request.taps, "a,b");
	assert_int_equal(parse(&request, LAN_HUB, "d[hashsize=0/expire=0]", NULL), 0);
	assert_int_equal(request.buckets, LAN_DEFAULT_BUCKETS);
	assert_int_equal(request.expire, LAN_DEFAULT_EXPIRE);
}

static void test_wrong(void **state)
{
	static const struct { enum lan_kind kind; const char *text; } rows[] = {
		{ LAN_SWITCH, "d[mode=8]" }, { LAN_SWITCH, "d[mode=]" }, { LAN_SWITCH, "d[mode=17777]" }, { LAN_SWITCH, "d[nosuch=1]" },
		{ LAN_SWITCH, "d[3]" }, { LAN_SWITCH, "d[numports=0]" }, { LAN_SWITCH, "d[numports=65536]" }, { LAN_SWITCH, "d[hashsize=-1]" },
		{ LAN_SWITCH, "d[hashsize=2m]" }, { LAN_SWITCH, "d[expiretime=1s]" }, { LAN_SWITCH, "d[grp=no-such-group]" },
		{ LAN_SWITCH, "d[macaddr=1:0:0:0:0:0]" }, { LAN_SWITCH, "d[macaddr=x]" }, { LAN_SWITCH, "d[fstp=2]" },
		{ LAN_SWITCH, "d[priority=65536]" }, { LAN_SWITCH, "d[flow]" }, { LAN_HUB, "d[fstp]" }, { LAN_MULTI, "d[trunk]" },
		{ LAN_BONDING, "d[flow=x]" }, { LAN_SWITCH, "'d" },
	};
	struct vde_open_args group = { .group = (char[]){ "no-such-group" } };
	struct lan_request request;
	char text[LAN_PATH_MAX + 100];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		assert_int_equal(parse(&request, rows[i].kind, rows[i].text, NULL), EINVAL);
	assert_int_equal(parse(&request, LAN_SWITCH, "d", &group), EINVAL);
	memset(text, 'x', sizeof(text));
	text[LAN_PATH_MAX] = '\0';
	assert_int_equal(parse(&request, LAN_SWITCH, text, NULL), ENAMETOOLONG);
	text[LAN_PATH_MAX - 1] = '\0';
	assert_int_equal(parse(&request, LAN_SWITCH, text, NULL), 0);
	memcpy(text, "d[tap=", 6);
	text[6 + LAN_TAPS_MAX] = '\0';
	assert_int_equal(parse(&request, LAN_SWITCH, text, NULL), ENAMETOOLONG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_modes),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_wrong),
	};

	return cmocka_run_group_tests_name("lan", tests, NULL, NULL);
}
