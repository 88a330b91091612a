/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/netif.h"
#include "common/tap.h"

#include "unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <time.h>
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

/* Is it an address of the interface? */
static bool has(const char *name, const char *wanted)
{
	struct ifaddrs *list, *item;
	struct in_addr address;
	bool found = false;

	inet_pton(AF_INET, wanted, &address);
	assert_int_equal(getifaddrs(&list), 0);
	for (item = list; item != NULL; item = item->ifa_next)
		if (item->ifa_addr != NULL && item->ifa_addr->sa_family == AF_INET && strcmp(item->ifa_name, name) == 0)
			found |= ((struct sockaddr_in *)(void *)item->ifa_addr)->sin_addr.s_addr == address.s_addr;
	freeifaddrs(list);
	return found;
}

static int lend(const char *name, const char *text, uint32_t seconds)
{
	struct netif_address address;

	assert_int_equal(netif_parse_address(text, &address), 0);
	return netif_lend_address(name, &address, seconds);
}

/* A lent address takes the place of the one before, ends by itself or when told to, and leaves the others alone. */
static void test_loans(void **state)
{
	struct netif_address own;
	char name[TAP_NAME_SIZE];
	int fd = tap_open("", name);

	(void)state;
	if (fd < 0)
		skip();         /* not allowed to here */
	assert_int_equal(netif_up(name), 0);
	assert_int_equal(netif_parse_address("10.99.77.1/24", &own), 0);
	assert_int_equal(netif_add_address(name, &own), 0);
	assert_int_equal(lend(name, "10.99.77.5/24", 100), 0);
	assert_int_equal(lend(name, "10.99.77.5/24", UINT32_MAX), 0);
	assert_true(has(name, "10.99.77.1") && has(name, "10.99.77.5"));
	assert_int_equal(lend(name, "10.99.78.6/24", 100), 0);
	assert_true(has(name, "10.99.77.1") && !has(name, "10.99.77.5") && has(name, "10.99.78.6"));
	assert_int_equal(netif_end_loans(name, NULL), 0);
	assert_true(has(name, "10.99.77.1") && !has(name, "10.99.78.6"));
	assert_int_equal(lend(name, "10.99.78.7/24", 1), 0);
	alarm(60);
	while (has(name, "10.99.78.7"))
		nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
	alarm(0);
	assert_true(has(name, "10.99.77.1"));
	assert_int_equal(lend("vdeunit-none", "10.99.78.7/24", 1), ENODEV);
	assert_int_equal(netif_end_loans("vdeunit-none", NULL), ENODEV);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_no_such_interface),
		cmocka_unit_test(test_tap),
		cmocka_unit_test(test_loans),
	};

	return cmocka_run_group_tests_name("netif", tests, NULL, NULL);
}
