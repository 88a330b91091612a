/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/tap.h"

#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static void test_long_name(void **state)
{
	(void)state;
	errno = 0;
	assert_int_equal(tap_open("sixteencharacter", NULL), -1);
	assert_true(errno == ENAMETOOLONG || errno == ENOSYS);
	assert_int_not_equal(tap_up("sixteencharacter"), 0);
}

static void test_no_such_interface(void **state)
{
	(void)state;
	assert_int_not_equal(tap_up("vdeunit-none"), 0);
}

static void test_open(void **state)
{
	char name[TAP_NAME_SIZE], wanted[TAP_NAME_SIZE];
	int fd;

	(void)state;
	snprintf(wanted, sizeof(wanted), "vu%u", (unsigned)getpid() % 1000000000u);
	fd = tap_open(wanted, name);
	if (fd < 0)
		skip();         /* not allowed to here */
	assert_string_equal(name, wanted);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	assert_int_equal(tap_open(wanted, NULL), -1);
	assert_int_equal(errno, EBUSY);
	assert_int_equal(tap_up(wanted), 0);
	assert_int_equal(tap_up(wanted), 0);
	close(fd);
	fd = tap_open("", name);
	assert_true(fd >= 0);
	assert_true(strlen(name) > 0);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_long_name),
		cmocka_unit_test(test_no_such_interface),
		cmocka_unit_test(test_open),
	};

	return cmocka_run_group_tests_name("tap", tests, NULL, NULL);
}
