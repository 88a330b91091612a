/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What vde_plug logs, caught by a syslog of our own. */
#include "vde_plug/vde_plug.h"

#include "unit.h"

#include <arpa/inet.h>
#include <syslog.h>

static char logged[8][300];
static unsigned log_count;

void openlog(const char *ident, int option, int facility)
{
	(void)ident, (void)option, (void)facility;
}

void syslog(int priority, const char *format, ...)
{
	va_list arguments;

	assert_int_equal(priority, LOG_USER | LOG_INFO);
	assert_true(log_count < COUNT_OF(logged));
	va_start(arguments, format);
	vsnprintf(logged[log_count++], sizeof(logged[0]), format, arguments);
	va_end(arguments);
}

static void start(struct session *session, const char *client)
{
	log_count = 0;
	if (client != NULL)
		setenv("SSH_CLIENT", client, 1);
	else
		unsetenv("SSH_CLIENT");
	session_init(session);
	snprintf(session->user, sizeof(session->user), "joe");
}

static void test_lines(void **state)
{
	static const struct { const char *client, *line; } rows[] = {
		{ NULL, "START: user joe IP UNKNOWN_IP_ADDRESS" }, { "", "START: user joe IP UNKNOWN_IP_ADDRESS" },
		{ "10.1.2.3 4 5", "START: user joe IP 10.1.2.3" }, { "a\nb c", "START: user joe IP a\\x0ab" },
	};
	struct session session;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		start(&session, rows[i].client);
		session_log(&session, "START");
		assert_string_equal(logged[0], rows[i].line);
	}
	session_end(&session);
	assert_int_equal(log_count, 1);         /* no STOP without a START */
	session.started = true;
	session_end(&session);
	assert_string_equal(logged[1], "STOP: user joe IP a\\x0ab");
}

/* Puts `tags` tags and a type behind the addresses; returns the length so far. */
static uint32_t make_head(uint8_t *data, unsigned tags, uint16_t vlan, uint16_t type)
{
	uint32_t at = 12;

	memset(data, 0, 100);
	for (unsigned i = 0; i < tags; i++, at += 4) {
		write_be16(data + at, i == 0 && tags == 2 ? 0x88a8 : 0x8100);
		write_be16(data + at + 2, (uint16_t)(vlan | 0xe000));
	}
	write_be16(data + at, type);
	return at + 2;
}

static void see(struct session *session, uint8_t *data, uint32_t length)
{
	struct frame frame = { .data = data, .length = length };

	session_see(session, &frame, 1);
}

static void test_addresses(void **state)
{
	struct session session;
	uint8_t data[200];
	uint32_t at;

	(void)state;
	start(&session, "10.1.2.3 4 5");
	assert_int_equal(session_log_addresses(&session), 0);
	at = make_head(data, 0, 0, 0x0800);
	data[at] = 0x46;                        /* with options */
	inet_pton(AF_INET, "192.0.2.7", data + at + 12);
	see(&session, data, at + 20);
	see(&session, data, at + 20);           /* once */
	see(&session, data, at + 19);           /* too short */
	assert_int_equal(log_count, 1);
	assert_string_equal(logged[0], "user joe Real-IP 10.1.2.3 has got VDE-IP4 192.0.2.7 on vlan 0");
	at = make_head(data, 1, 12, 0x0800);
	data[at] = 0x45;
	inet_pton(AF_INET, "192.0.2.7", data + at + 12);
	see(&session, data, at + 20);
	assert_string_equal(logged[1], "user joe Real-IP 10.1.2.3 has got VDE-IP4 192.0.2.7 on vlan 12");
	at = make_head(data, 2, 13, 0x86dd);
	data[at] = 0x6f;
	inet_pton(AF_INET6, "2001:db8::1", data + at + 8);
	see(&session, data, at + 40);
	see(&session, data, at + 39);
	assert_string_equal(logged[2], "user joe Real-IP 10.1.2.3 has got VDE-IP6 2001:db8::1 on vlan 13");
	make_head(data, 0, 0, 0x0806);
	see(&session, data, 60);
	make_head(data, 0, 0, 0x8100);
	see(&session, data, 14);
	assert_int_equal(log_count, 3);
	session_end(&session);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_addresses),
	};

	return cmocka_run_group_tests_name("session", tests, NULL, NULL);
}
