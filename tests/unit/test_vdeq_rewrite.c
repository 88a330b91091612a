/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vdeq/rewrite.h"

#include "unit.h"

#include <errno.h>

enum { WORDS_MAX = 96 };

struct fake {
	unsigned asked;
	char text[256];
};

static int fake_plug(void *owner, const struct vdeq_plug *plug)
{
	struct fake *fake = owner;
	size_t length = strlen(fake->text);

	snprintf(fake->text + length, sizeof(fake->text) - length, "[%s %u %s %o]", plug->socket ? plug->socket : "-", plug->port,
		 plug->group ? plug->group : "-", plug->mode);
	if (plug->socket && strcmp(plug->socket, "/refused") == 0) {
		errno = ECONNREFUSED;
		return -1;
	}
	return (int)(40 + fake->asked++);
}

/* Takes a line apart at its blanks. */
static void split(char *copy, char **words)
{
	unsigned count = 0;
	char *next;

	for (char *word = strtok_r(copy, " ", &next); word; word = strtok_r(NULL, " ", &next)) {
		assert_true(count < WORDS_MAX - 1);
		words[count++] = word;
	}
	words[count] = NULL;
}

static int rewrite(const char *line, bool netdev_vde, struct fake *fake, char *out, size_t size)
{
	struct vdeq_config config = { .netdev_vde = netdev_vde, .mac = { 0xaa, 0xbb, 0xff }, .plug = fake_plug, .owner = fake };
	char copy[4096], *words[WORDS_MAX];
	struct vdeq_words result;
	size_t length = 0;
	int error;

	*fake = (struct fake){ .asked = 0 };
	snprintf(copy, sizeof(copy), "%s", line);
	split(copy, words);
	error = vdeq_rewrite(&config, words, &result);
	out[0] = '\0';
	for (size_t i = 0; i < result.count; i++)
		length += (size_t)snprintf(out + length, size - length, "%s%s", i ? " " : "", result.word[i]);
	if (error)
		snprintf(out, size, "%s", result.error);
	else
		assert_null(result.word[result.count]);
	vdeq_free(&result);
	return error;
}

static const struct row {
	const char *in, *out;
} rows[] = {
	/* untouched, word for word */
	{ "q", "q" },
	{ "q -hda image -net nic -net user", "q -hda image -net nic -net user" },
	{ "q -netdev vde,id=a,sock=/s -device e1000,netdev=a", "q -netdev vde,id=a,sock=/s -device e1000,netdev=a" },
	{ "q -net", "q -net" },
	{ "q -mod 660", "q -mod 660" },
	/* the wiki's */
	{ "q -hda image -net nic -net vde,sock=/tmp/vde.ctl",
	  "q -hda image -net nic,netdev=vdeq1,macaddr=52:54:00:aa:bb:ff -netdev vde,id=vdeq1,sock=/tmp/vde.ctl" },
	{ "q --net vde --net nic,macaddr=52:54:00:00:EE:03 -m 64",
	  "q -netdev vde,id=vdeq0 -net nic,netdev=vdeq0,macaddr=52:54:00:00:EE:03 -m 64" },
	{ "q -net nic,vlan=0,model=virtio -net vde,vlan=0,sock=/s,port=7,group=g,mode=0660",
	  "q -net nic,netdev=vdeq1,macaddr=52:54:00:aa:bb:ff,model=virtio -netdev vde,id=vdeq1,sock=/s,port=7,group=g,mode=0660" },
	/* two interfaces, two vlans; addresses count up, over the end of a byte */
	{ "q -net nic,vlan=1 -net vde,vlan=1,sock=/a -net nic,vlan=2 -net vde,vlan=2,sock=/b",
	  "q -net nic,netdev=vdeq1,macaddr=52:54:00:aa:bb:ff -netdev vde,id=vdeq1,sock=/a "
	  "-net nic,netdev=vdeq3,macaddr=52:54:00:aa:bc:00 -netdev vde,id=vdeq3,sock=/b" },
	/* another backend in a vlan of its own */
	{ "q -net nic -net user,hostfwd=tcp::5-:22 -net nic,vlan=1 -net vde,vlan=1",
	  "q -net nic,netdev=vdeq1,macaddr=52:54:00:aa:bb:ff -netdev user,id=vdeq1,hostfwd=tcp::5-:22 "
	  "-net nic,netdev=vdeq3,macaddr=52:54:00:aa:bc:00 -netdev vde,id=vdeq3" },
	/* company */
	{ "q -net nic -net user -net vde,sock=/s",
	  "q -netdev hubport,id=vdeqhub0,hubid=0 -net nic,netdev=vdeqhub0,macaddr=52:54:00:aa:bb:ff "
	  "-netdev user,id=vdeq1 -netdev hubport,id=vdeqhub1,hubid=0,netdev=vdeq1 "
	  "-netdev vde,id=vdeq2,sock=/s -netdev hubport,id=vdeqhub2,hubid=0,netdev=vdeq2" },
	{ "q -net vde,vlan=3,name=x", "q -netdev vde,id=vdeq0" },
	{ "q -net none -net vde", "q -net none -netdev vde,id=vdeq0" },
	{ "q -net nic,netdev=mine -net nic -net vde", "q -net nic,netdev=mine -net nic,netdev=vdeq1,macaddr=52:54:00:aa:bb:ff -netdev vde,id=vdeq1" },
	/* a doubled comma is part of a value */
	{ "q -net vde,sock=vxvde://1.2.3.4/a,,b=c,vlan=2", "q -netdev vde,id=vdeq0,sock=vxvde://1.2.3.4/a,,b=c" },
	/* -sock */
	{ "q -sock /a", "q -netdev vde,id=vdeq0,sock=/a -net nic,netdev=vdeq0,macaddr=52:54:00:aa:bb:ff" },
	{ "q -vdesock /a,/b -hda i",
	  "q -netdev vde,id=vdeq0,sock=/a -net nic,netdev=vdeq0,macaddr=52:54:00:aa:bb:ff "
	  "-netdev vde,id=vdeq1,sock=/b -net nic,netdev=vdeq1,macaddr=52:54:00:aa:bc:00 -hda i" },
	{ "q --unix /a --mod 660", "q -netdev vde,id=vdeq0,sock=/a,mode=0660 -net nic,netdev=vdeq0,macaddr=52:54:00:aa:bb:ff" },
	{ "q -net nic,model=e1000 -sock /a,/b",
	  "q -net nic,netdev=vdeq1,macaddr=52:54:00:aa:bb:ff,model=e1000 -netdev vde,id=vdeq1,sock=/a "
	  "-netdev vde,id=vdeq2,sock=/b -net nic,netdev=vdeq2,macaddr=52:54:00:aa:bc:00" },
	{ "q -sock ,", "q" },
};

static void test_rows(void **state)
{
	struct fake fake;
	char out[4096];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		assert_int_equal(rewrite(rows[i].in, true, &fake, out, sizeof(out)), 0);
		assert_string_equal(out, rows[i].out);
		assert_int_equal(fake.asked, 0);
	}
}

static void test_without_netdev_vde(void **state)
{
	struct fake fake;
	char out[4096];

	(void)state;
	assert_int_equal(rewrite("q -net nic -net vde,sock=/a,,b,port=3,group=g,mode=770", false, &fake, out, sizeof(out)), 0);
	assert_string_equal(out, "q -net nic,netdev=vdeq1,macaddr=52:54:00:aa:bb:ff -netdev socket,id=vdeq1,fd=40");
	assert_string_equal(fake.text, "[/a,b 3 g 770]");
	assert_int_equal(rewrite("q -sock /a,/b --mod 660 -net user", false, &fake, out, sizeof(out)), 0);
	assert_non_null(strstr(out, "-netdev socket,id=vdeq1,fd=41"));
	assert_string_equal(fake.text, "[/a 0 - 660][/b 0 - 660]");
	assert_int_equal(rewrite("q -net vde", false, &fake, out, sizeof(out)), 0);
	assert_string_equal(fake.text, "[- 0 - 700]");
}

static void test_errors(void **state)
{
	static const struct {
		const char *in, *part;
		bool netdev_vde;
		int error;
	} bad[] = {
		{ "q -net vde,vlan=x", "vlan=x", true, EINVAL },
		{ "q -net vde,vlan=70000", "65535", true, EINVAL },
		{ "q -sock /a -mod 9", "'9'", true, EINVAL },
		{ "q -sock /a -mod 9", "'9'", false, EINVAL },
		{ "q -net vde,port=70000", "70000", false, EINVAL },
		{ "q -net vde,mode=8", "'8'", false, EINVAL },
		{ "q -net vde,sock=/refused", "/refused: Connection refused", false, ECONNREFUSED },
	};
	struct fake fake;
	char out[4096];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		assert_int_equal(rewrite(bad[i].in, bad[i].netdev_vde, &fake, out, sizeof(out)), bad[i].error);
		assert_non_null(strstr(out, bad[i].part));
	}
}

static void test_bound(void **state)
{
	char line[1024] = "q -sock /a";
	struct fake fake;
	char out[65536];

	(void)state;
	for (unsigned i = 1; i < VDEQ_NETS_MAX; i++)
		strcat(line, ",/a");
	assert_int_equal(rewrite(line, true, &fake, out, sizeof(out)), 0);
	strcat(line, ",/a");
	assert_int_equal(rewrite(line, true, &fake, out, sizeof(out)), E2BIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_without_netdev_vde),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_bound),
	};

	return cmocka_run_group_tests_name("vdeq_rewrite", tests, NULL, NULL);
}
