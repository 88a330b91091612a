/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "libvdeplug/slirp_options.h"

#include "unit.h"

#include <errno.h>

static int parse(struct slirp_options *options, const char *text)
{
	struct engine_error error;

	return slirp_options_parse(options, text, &error);
}

static void test_networks(void **state)
{
	static const struct {
		const char *text, *host4, *dns4, *dhcp, *host6, *dns6;
	} rows[] = {
		{ "", "10.0.2.2", "10.0.2.3", "10.0.2.15", "fd00::2", "fd00::3" },
		{ "/v4", "10.0.2.2", "10.0.2.3", "10.0.2.15", "-", "-" },
		{ "/v6", "-", "-", "-", "fd00::2", "fd00::3" },
		{ "/v4/v6", "10.0.2.2", "10.0.2.3", "10.0.2.15", "fd00::2", "fd00::3" },
		{ "/host='10.1.1.1/24'/v4", "10.1.1.1", "10.1.1.3", "10.1.1.15", "-", "-" },
		{ "/addr=10.1.1.1%2f24/v4", "10.1.1.1", "10.1.1.3", "10.1.1.15", "-", "-" },
		{ "/v6/addr6='fd01::1/64'/vnameserver6=fd01::9", "-", "-", "-", "fd01::1", "fd01::9" },
		{ "/dhcp=10.0.2.40/vnameserver=10.0.2.9", "10.0.2.2", "10.0.2.9", "10.0.2.40", "fd00::2", "fd00::3" },
		{ "ignored/v4", "10.0.2.2", "10.0.2.3", "10.0.2.15", "-", "-" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct slirp_options options;
		char text[ADDRESS_TEXT_SIZE];

		assert_int_equal(parse(&options, rows[i].text), 0);
		assert_string_equal(address_text(&options.config.host4.address, text), rows[i].host4);
		assert_string_equal(address_text(&options.config.dns4, text), rows[i].dns4);
		assert_string_equal(address_text(&options.config.dhcp_start, text), rows[i].dhcp);
		assert_string_equal(address_text(&options.config.host6.address, text), rows[i].host6);
		assert_string_equal(address_text(&options.config.dns6, text), rows[i].dns6);
		slirp_options_free(&options);
	}
}

static void test_rest(void **state)
{
	struct slirp_options options;

	(void)state;
	assert_int_equal(parse(&options, "/hostname=me/vdomainname=d/vdnssearch=a.b,c/bootfile=b/tftp_server_name=t/tftp_path='/tmp/.'/mtu=9000/"
			       "restr/disable/verbose"), 0);
	assert_string_equal(options.config.hostname, "me");
	assert_string_equal(options.config.domain, "d");
	assert_string_equal(options.config.dns_search[0], "a.b");
	assert_string_equal(options.config.dns_search[1], "c");
	assert_null(options.config.dns_search[2]);
	assert_string_equal(options.config.bootfile, "b");
	assert_string_equal(options.config.tftp_server_name, "t");
	assert_string_equal(options.config.tftp_directory, "/tmp");
	assert_int_equal(options.config.mtu, 9000);
	assert_int_equal(options.config.mru, 9000);
	assert_true(options.config.restricted && options.config.no_host_loopback && options.verbose && options.config.advertise);
	slirp_options_free(&options);
	assert_int_equal(parse(&options, "/mtu=0/mru=1400"), 0);
	assert_string_equal(options.config.hostname, "slirp");
	assert_int_equal(options.config.mtu, 1500);
	assert_int_equal(options.config.mru, 1400);
	assert_false(options.config.restricted || options.config.no_host_loopback || options.verbose);
	slirp_options_free(&options);
}

static void test_wrong(void **state)
{
	static const char *const texts[] = {
		"/nosuch", "/host=10.1.1.1/24", "/host=x", "/host='fd00::1/64'", "/host6='10.1.1.1/24'", "/mtu=5", "/mtu=x", "/mru=-1", "/mru=70000",
		"/dhcp=1.2.3.4", "/dhcp=x", "/vnameserver=fd00::3", "/vnameserver6=10.0.2.3", "/v4/vnameserver6=fd00::9", "/tftp_path=%2fnonexistent",
		"/vdnssearch=a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q", "/hostname='x",
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		struct slirp_options options;

		assert_int_equal(parse(&options, texts[i]), EINVAL);
		slirp_options_free(&options);
	}
}

static void test_lists(void **state)
{
	static const struct {
		enum forward_kind kind;
		const char *text, *items[4];
	} rows[] = {
		{ FORWARD_TCP, "1:10.0.2.15:2", { "1:10.0.2.15:2" } },
		{ FORWARD_TCP, "1:10.0.2.15:2,127.0.0.1:3::4", { "1:10.0.2.15:2", "127.0.0.1:3::4" } },
		{ FORWARD_COMMAND, "7:a,b c,8:d", { "7:a,b c", "8:d" } },
		{ FORWARD_COMMAND, "7:a,10.0.2.9:8:b,c", { "7:a", "10.0.2.9:8:b,c" } },
		{ FORWARD_UNIX, "7:/a,b,", { "7:/a,b," } },
		{ FORWARD_UNIX, "", { NULL } },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		char text[100], *list = text, *item;
		unsigned count = 0;

		strcpy(text, rows[i].text);
		while ((item = slirp_options_next(rows[i].kind, &list)) != NULL) {
			assert_true(count < COUNT_OF(rows[i].items) && rows[i].items[count] != NULL);
			assert_string_equal(item, rows[i].items[count]);
			count++;
		}
		assert_true(count == COUNT_OF(rows[i].items) || rows[i].items[count] == NULL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_networks), cmocka_unit_test(test_rest), cmocka_unit_test(test_wrong), cmocka_unit_test(test_lists),
	};

	return cmocka_run_group_tests_name("slirp_locator", tests, NULL, NULL);
}
