/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/netif.h"
#include "common/tap.h"

#include "unit.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

static void test_parse(void **state)
{
	static const struct {
		const char *text;
		int family;
		unsigned prefix;
		uint8_t first, last;
	} good[] = {
		{ "10.0.0.1/24", AF_INET, 24, 10, 1 }, { "192.168.7.9", AF_INET, 32, 192, 9 }, { "0.0.0.0/0", AF_INET, 0, 0, 0 },
		{ "fd00::1/64", AF_INET6, 64, 0xfd, 1 }, { "fe80::2", AF_INET6, 128, 0xfe, 2 }, { "::ffff:1.2.3.4/96", AF_INET6, 96, 0, 4 },
	};
	static const char *const bad[] = {
		"", "/", "/24", "10.0.0.1/", "10.0.0.1/33", "10.0.0.256/24", "10.0.0/24", "fd00::1/129", "fd00::g/64", "10.0.0.1/24/8",
		"10.0.0.1/-1", "10.0.0.1/2 4", " 10.0.0.1/24", "10.0.0.1 /24", "fd00::1%lo/64", "host/24",
		"0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000/64",
	};
	struct netif_address address;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(good); i++) {
		assert_int_equal(netif_parse_address(good[i].text, &address), 0);
		assert_int_equal(address.family, good[i].family);
		assert_int_equal(address.prefix, good[i].prefix);
		assert_int_equal(address.address[0], good[i].first);
		assert_int_equal(address.address[address.family == AF_INET ? 3 : 15], good[i].last);
	}
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		address.prefix = 77;
		assert_int_equal(netif_parse_address(bad[i], &address), EINVAL);
		assert_int_equal(address.prefix, 77);
	}
}

static void test_no_such_interface(void **state)
{
	static const char *const names[] = { "vdeunit-none", "a-name-that-is-much-too-long-for-an-interface" };
	struct netif_address address;
	uint8_t mac[6] = { 2 };
	unsigned mtu = 77;

	(void)state;
	assert_int_equal(netif_parse_address("10.99.0.1/24", &address), 0);
	for (size_t i = 0; i < COUNT_OF(names); i++) {
		assert_int_not_equal(netif_add_address(names[i], &address), 0);
		assert_int_not_equal(netif_set_mac(names[i], mac), 0);
		assert_int_not_equal(netif_get_mac(names[i], mac), 0);
		assert_int_not_equal(netif_get_mtu(names[i], &mtu), 0);
		assert_int_not_equal(netif_up(names[i]), 0);
	}
	assert_int_equal(mtu, 77);
}

static void test_tap(void **state)
{
	static const uint8_t mac[6] = { 2, 0, 0, 0, 0x77, 1 };
	struct netif_address address;
	char name[TAP_NAME_SIZE];
	uint8_t read_back[6];
	unsigned mtu;
	int fd;

	(void)state;
	fd = tap_open("", name);
	if (fd < 0)
		skip();         /* not allowed to here */
	assert_int_equal(netif_set_mac(name, mac), 0);
	assert_int_equal(netif_get_mac(name, read_back), 0);
	assert_memory_equal(mac, read_back, 6);
	assert_int_equal(netif_get_mtu(name, &mtu), 0);
	assert_int_equal(mtu, 1500);
	assert_int_equal(netif_parse_address("10.99.77.1/24", &address), 0);
	assert_int_equal(netif_add_address(name, &address), 0);
	assert_int_equal(netif_add_address(name, &address), EEXIST);
	assert_int_equal(netif_up(name), 0);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_no_such_interface),
		cmocka_unit_test(test_tap),
	};

	return cmocka_run_group_tests_name("netif", tests, NULL, NULL);
}
