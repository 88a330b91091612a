/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/mgmt.h"

#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define PROMPT "\nvde$ "
#define BANNER "VDE switch\n\n"
#define GREETING BANNER PROMPT

enum { PATIENCE_S = 30 };

struct server {
	struct loop *loop;
	struct log log;
	struct mgmt *mgmt;
	char *directory;
	char path[200];
	unsigned shutdowns, closed, calls;
	struct mgmt_session *subscriber;
	int saved_stderr;
};

/* ---- commands of the server under test ---- */

static int run_echo(void *owner, struct reply *reply, const struct args *args)
{
	((struct server *)owner)->calls++;
	for (unsigned i = 0; i < args->count; i++)
		reply_printf(reply, "%s\n", args->word[i]);
	return 0;
}

static int run_fail(void *owner, struct reply *reply, const struct args *args)
{
	(void)owner;
	(void)reply;
	(void)args;
	return ENXIO;
}

static int run_raw(void *owner, struct reply *reply, const struct args *args)
{
	(void)owner;
	reply_printf(reply, "<%s>", args->word[0]);
	return 0;
}

static int run_big(void *owner, struct reply *reply, const struct args *args)
{
	(void)owner;
	(void)args;
	for (int i = 0; i < 100000; i++)
		reply_printf(reply, "line %06d\n", i);
	return 0;
}

static int run_subscribe(void *owner, struct reply *reply, const struct args *args)
{
	(void)reply;
	((struct server *)owner)->subscriber = args->session;
	return args->session ? 0 : ENOTCONN;
}

static const struct command rows[] = {
	{ "ds", "============", "DATA SOCKET MENU" },
	{ "echo", "[WORD ...]", "say it again", 0, COMMAND_MAX_WORDS, run_echo, COMMAND_DATA },
	{ "help", "[arg]", "Help", 0, 0, NULL, COMMAND_BUILTIN },
	{ "load", "path", "load a script", 0, 0, NULL, COMMAND_BUILTIN },
	{ "one", "N", "one word", 1, 1, run_echo, 0 },
	{ "fail", "", "always fails", 0, 0, run_fail, 0 },
	{ "faildata", "", "fails with a block", 0, 0, run_fail, COMMAND_DATA },
	{ "raw", "TEXT", "as it is", 1, 1, run_raw, COMMAND_RAW },
	{ "big", "", "a lot", 0, 0, run_big, COMMAND_DATA | COMMAND_HIDDEN },
	{ "subscribe", "", "events", 0, 0, run_subscribe, COMMAND_HIDDEN },
	{ 0 },
};

static const struct command more_rows[] = {
	{ "more/echo", "[WORD]", "later", 0, 1, run_echo, 0 },
	{ 0 },
};

static void on_shutdown(void *owner)
{
	((struct server *)owner)->shutdowns++;
}

static void on_closed(void *owner, struct mgmt_session *session)
{
	struct server *server = owner;

	server->closed++;
	if (server->subscriber == session)
		server->subscriber = NULL;
}

/* ---- fixture ---- */

static int setup(void **state)
{
	struct server *server = calloc(1, sizeof(*server));
	const struct unixsock_owner owner = { .mode = 0600, .group = (gid_t)-1 };
	const struct mgmt_config config = {
		.banner = BANNER, .prompt = PROMPT, .owner = server, .shutdown = on_shutdown, .session_closed = on_closed,
	};
	int quiet = open("/dev/null", O_WRONLY | O_CLOEXEC);

	server->directory = make_directory();
	snprintf(server->path, sizeof(server->path), "%s/mgmt", server->directory);
	server->saved_stderr = dup(STDERR_FILENO);
	dup2(quiet, STDERR_FILENO);
	close(quiet);
	log_init(&server->log, "test");
	server->loop = loop_create();
	server->mgmt = mgmt_create(server->loop, &server->log, &config);
	assert_int_equal(mgmt_add_commands(server->mgmt, rows, server), 0);
	assert_int_equal(mgmt_listen(server->mgmt, server->path, &owner), 0);
	*state = server;
	return 0;
}

static int teardown(void **state)
{
	struct server *server = *state;

	mgmt_destroy(server->mgmt);
	assert_int_equal(access(server->path, F_OK), -1);
	loop_destroy(server->loop);
	dup2(server->saved_stderr, STDERR_FILENO);
	close(server->saved_stderr);
	remove_directory(server->directory);
	free(server);
	return 0;
}

/* ---- a client in the same thread ---- */

struct client {
	int fd;
	struct reply got;
	bool ended;
};

static void client_open(struct server *server, struct client *client)
{
	*client = (struct client){ .fd = unixsock_connect(server->path) };
	assert_true(client->fd >= 0);
}

static void client_close(struct client *client)
{
	close(client->fd);
	reply_free(&client->got);
}

static void client_read(struct client *client)
{
	char buffer[65536];
	ssize_t got = recv(client->fd, buffer, sizeof(buffer), MSG_DONTWAIT);

	if (got > 0)
		reply_append(&client->got, buffer, (size_t)got);
	else
		client->ended |= got == 0 || errno != EAGAIN;
}

static bool ends_with(const struct reply *reply, const char *text)
{
	size_t length = strlen(text);

	return reply->length >= length && memcmp(reply->text + reply->length - length, text, length) == 0;
}

/* Runs the server until the client has exactly `expected` (or more than that, which fails), or the session ended. */
static void expect(struct server *server, struct client *client, const char *expected)
{
	uint64_t end = loop_clock() + (uint64_t)PATIENCE_S * LOOP_SECOND;

	while (client->got.length < strlen(expected) && !client->ended && loop_clock() < end) {
		loop_turn(server->loop, LOOP_SECOND / 1000);
		client_read(client);
	}
	assert_string_equal(client->got.text ? client->got.text : "", expected);
	client->got.length = 0;
}

/* Likewise until the server has closed the session. */
static void expect_end(struct server *server, struct client *client, const char *expected)
{
	uint64_t end = loop_clock() + (uint64_t)PATIENCE_S * LOOP_SECOND;

	while (!client->ended && loop_clock() < end) {
		loop_turn(server->loop, LOOP_SECOND / 1000);
		client_read(client);
	}
	assert_true(client->ended);
	assert_string_equal(client->got.text ? client->got.text : "", expected);
	client->got.length = 0;
}

static void say(struct client *client, const char *text)
{
	assert_int_equal(send(client->fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static void turns(struct server *server, int count)
{
	while (count-- > 0)
		loop_turn(server->loop, 0);
}

#define BLOCK(data) "0000 DATA END WITH '.'\n" data ".\n1000 Success\n" PROMPT
#define SUCCESS "1000 Success\n" PROMPT

/* ---- answers ---- */

static void test_answers(void **state)
{
	static const struct { const char *line, *answer; } table[] = {
		{ "echo a b\n", BLOCK("a\nb\n") },
		{ "echo\n", BLOCK("") },
		{ "echo . .. .\n", BLOCK("..\n..\n..\n") },
		{ "  \techo a\r\n", BLOCK("a\n") },
		{ "one\n", "1022 Invalid argument\n" PROMPT },
		{ "one 1 2\n", "1022 Invalid argument\n" PROMPT },
		{ "one 1\n", BLOCK("1\n") },
		{ "raw  a  b \n", BLOCK("<a  b>\n") },
		{ "fail\n", "1006 No such device or address\n" PROMPT },
		{ "faildata\n", "0000 DATA END WITH '.'\n.\n1006 No such device or address\n" PROMPT },
		{ "version\n", "1038 Function not implemented\n" PROMPT },
		{ "ech\n", "1038 Function not implemented\n" PROMPT },
		{ "ds\n", "1038 Function not implemented\n" PROMPT },
		{ "ECHO\n", "1038 Function not implemented\n" PROMPT },
		{ "load\n", "1022 Invalid argument\n" PROMPT },
		{ "load /nonexistent/file\n", "1002 No such file or directory\n" PROMPT },
		{ "load /dev/zero\n", "1022 Invalid argument\n" PROMPT },
		{ "load /\n", "1021 Is a directory\n" PROMPT },
		{ "\n", PROMPT },
		{ "# comment\n", PROMPT },
		{ "  # comment\n", PROMPT },
		{ "help ec\n", BLOCK("COMMAND PATH       SYNTAX          HELP\n"
				     "------------       --------------  ------------\n"
				     "echo               [WORD ...]      say it again\n") },
		{ "help nothing\n", BLOCK("COMMAND PATH       SYNTAX          HELP\n"
					  "------------       --------------  ------------\n") },
		{ "help\n", BLOCK("COMMAND PATH       SYNTAX          HELP\n"
				  "------------       --------------  ------------\n"
				  "ds                 ============    DATA SOCKET MENU\n"
				  "echo               [WORD ...]      say it again\n"
				  "help               [arg]           Help\n"
				  "load               path            load a script\n"
				  "one                N               one word\n"
				  "fail                               always fails\n"
				  "faildata                           fails with a block\n"
				  "raw                TEXT            as it is\n") },
	};
	struct server *server = *state;
	struct client client;

	client_open(server, &client);
	expect(server, &client, GREETING);
	for (size_t i = 0; i < COUNT_OF(table); i++) {
		say(&client, table[i].line);
		expect(server, &client, table[i].answer);
	}
	client_close(&client);
}

static void test_many_in_one_write(void **state)
{
	struct server *server = *state;
	struct client client;

	client_open(server, &client);
	say(&client, "echo 1\nfail\n\necho 2\necho 3\n");
	expect(server, &client, GREETING BLOCK("1\n") "1006 No such device or address\n" PROMPT PROMPT
	       BLOCK("2\n") BLOCK("3\n"));
	client_close(&client);
}

static void test_split_line(void **state)
{
	struct server *server = *state;
	struct client client;

	client_open(server, &client);
	expect(server, &client, GREETING);
	for (const char *p = "echo hello\n"; *p; p++) {
		assert_int_equal(send(client.fd, p, 1, MSG_NOSIGNAL), 1);
		turns(server, 2);
	}
	expect(server, &client, BLOCK("hello\n"));
	client_close(&client);
}

static void test_half_close(void **state)
{
	struct server *server = *state;
	struct client client;

	client_open(server, &client);
	say(&client, "echo 1\necho 2\nnot-a-comm");
	shutdown(client.fd, SHUT_WR);
	expect_end(server, &client, GREETING BLOCK("1\n") BLOCK("2\n") "1038 Function not implemented\n" PROMPT);
	assert_int_equal(server->closed, 1);
	client_close(&client);
}

/* The commands of a client that does not wait for the answers are run. */
static void test_full_close(void **state)
{
	struct server *server = *state;
	struct client client;

	client_open(server, &client);
	for (int i = 0; i < 150; i++)
		say(&client, "echo aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n");
	client_close(&client);
	for (int i = 0; i < 1000 && server->closed == 0; i++)
		loop_turn(server->loop, LOOP_SECOND / 100);
	assert_int_equal(server->closed, 1);
	assert_int_equal(server->calls, 150);
}

/* A packet without newline that is a known command is one; anything else waits for its end. */
static void test_packet_without_newline(void **state)
{
	struct server *server = *state;
	struct client client;

	client_open(server, &client);
	expect(server, &client, GREETING);
	say(&client, "echo packet");
	expect(server, &client, BLOCK("packet\n"));
	say(&client, "ec");
	turns(server, 3);
	say(&client, "ho x");
	for (int i = 0; i < 4; i++)
		loop_turn(server->loop, MGMT_PACKET_WAIT_NS / 2);
	client_read(&client);
	assert_int_equal(client.got.length, 0);
	say(&client, "y\n");
	expect(server, &client, BLOCK("xy\n"));
	client_close(&client);
}

static void test_overlong_line(void **state)
{
	struct server *server = *state;
	struct client client;
	char line[6000];

	memset(line, 'x', sizeof(line));
	client_open(server, &client);
	expect(server, &client, GREETING);
	line[MGMT_LINE_MAX] = '\n';
	assert_int_equal(send(client.fd, line, MGMT_LINE_MAX + 1, 0), MGMT_LINE_MAX + 1);
	expect(server, &client, "1038 Function not implemented\n" PROMPT);
	line[MGMT_LINE_MAX] = 'x';
	line[MGMT_LINE_MAX + 1] = '\n';
	assert_int_equal(send(client.fd, line, MGMT_LINE_MAX + 2, 0), MGMT_LINE_MAX + 2);
	expect(server, &client, "1007 Argument list too long\n" PROMPT);
	line[MGMT_LINE_MAX + 1] = 'x';
	assert_int_equal(send(client.fd, line, sizeof(line), 0), sizeof(line));
	turns(server, 4);
	say(&client, "xxx\necho after\n");
	expect(server, &client, "1007 Argument list too long\n" PROMPT BLOCK("after\n"));
	client_close(&client);
}

static void test_binary_junk(void **state)
{
	struct server *server = *state;
	uint64_t random = 88172645463325252u;

	for (int round = 0; round < 50; round++) {
		struct client client;
		char junk[3000];

		for (size_t i = 0; i < sizeof(junk); i++) {
			random ^= random << 13;
			random ^= random >> 7;
			random ^= random << 17;
			junk[i] = (char)random;
		}
		client_open(server, &client);
		assert_int_equal(send(client.fd, junk, sizeof(junk), MSG_NOSIGNAL), sizeof(junk));
		say(&client, "\nec\0ho");
		assert_int_equal(send(client.fd, "\0 end\n", 6, MSG_NOSIGNAL), 6);
		shutdown(client.fd, SHUT_WR);
		while (!client.ended) {
			loop_turn(server->loop, LOOP_SECOND / 1000);
			client_read(&client);
		}
		assert_true(ends_with(&client.got, "1038 Function not implemented\n" PROMPT) ||
			    ends_with(&client.got, BLOCK("end\n")));
		client_close(&client);
	}
}

static void test_nul_bytes_are_dropped(void **state)
{
	struct server *server = *state;
	struct client client;

	client_open(server, &client);
	expect(server, &client, GREETING);
	assert_int_equal(send(client.fd, "\0echo a\0b\n\0\n", 12, MSG_NOSIGNAL), 12);
	expect(server, &client, BLOCK("ab\n") PROMPT);
	client_close(&client);
}

/* ---- ends ---- */

static void test_logout(void **state)
{
	struct server *server = *state;
	struct client client;

	client_open(server, &client);
	expect(server, &client, GREETING);
	say(&client, "logout\necho never\n");
	expect_end(server, &client, "9999 END OF SESSION");
	assert_int_equal(server->calls, 0);
	assert_int_equal(server->shutdowns, 0);
	client_close(&client);
}

static void test_shutdown(void **state)
{
	struct server *server = *state;
	struct client client;

	client_open(server, &client);
	expect(server, &client, GREETING);
	say(&client, "shutdown\n");
	expect_end(server, &client, "9999 END OF SESSION");
	assert_int_equal(server->shutdowns, 1);
	client_close(&client);
}

/* ---- bounds ---- */

/* A reader that sleeps: its commands wait, the server serves others; then all answers come, complete and in order. */
static void test_slow_reader(void **state)
{
	struct server *server = *state;
	struct client slow, other;
	const char *at;

	client_open(server, &slow);
	for (int i = 0; i < 10; i++)
		say(&slow, "big\n");
	say(&slow, "echo end\n");
	shutdown(slow.fd, SHUT_WR);
	turns(server, 50);
	client_open(server, &other);
	say(&other, "echo other\n");
	expect(server, &other, GREETING BLOCK("other\n"));
	client_close(&other);
	while (!slow.ended) {
		loop_turn(server->loop, LOOP_SECOND / 1000);
		client_read(&slow);
	}
	at = slow.got.text;
	for (int i = 0; i < 10; i++) {
		at = strstr(at, "line 000000\n");
		assert_non_null(at);
		at = strstr(at, "line 099999\n.\n1000 Success\n" PROMPT);
		assert_non_null(at);
	}
	assert_true(ends_with(&slow.got, BLOCK("end\n")));
	client_close(&slow);
}

static void test_events_are_dropped_and_counted(void **state)
{
	struct server *server = *state;
	struct client client;
	unsigned lost = 0, received = 0;
	char *at;

	client_open(server, &client);
	expect(server, &client, GREETING);
	say(&client, "subscribe\n");
	expect(server, &client, SUCCESS);
	for (int i = 0; i < 100000; i++)
		mgmt_session_event(server->subscriber, "3021 port/+ %06d", i);
	for (int quiet = 0; quiet < 20; quiet++) {
		size_t before = client.got.length;

		loop_turn(server->loop, 0);
		client_read(&client);
		if (client.got.length != before)
			quiet = 0;
	}
	at = strstr(client.got.text, "3000 mgmt/lost ");
	assert_non_null(at);
	lost = (unsigned)strtoul(at + strlen("3000 mgmt/lost "), NULL, 10);
	for (at = client.got.text; (at = strstr(at, "3021 port/+ ")); at++)
		received++;
	assert_true(received > 1000);
	assert_int_equal(received + lost, 100000);
	client_close(&client);
	turns(server, 5);
	assert_null(server->subscriber);
}

static void test_three_hundred_sessions(void **state)
{
	struct server *server = *state;
	struct rlimit limit;
	struct client clients[300];
	unsigned served = 0, refused = 0;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	for (size_t i = 0; i < COUNT_OF(clients); i++) {
		client_open(server, &clients[i]);
		turns(server, 3);
	}
	for (size_t i = 0; i < COUNT_OF(clients); i++) {
		client_read(&clients[i]);
		if (strcmp(clients[i].got.text, GREETING) == 0)
			served++;
		else if (strncmp(clients[i].got.text, "1016 Device or resource busy: 256", 33) == 0)
			refused++;
	}
	assert_int_equal(served, MGMT_SESSIONS_MAX);
	assert_int_equal(refused, 300 - MGMT_SESSIONS_MAX);
	for (size_t i = 0; i < COUNT_OF(clients); i++)
		client_close(&clients[i]);
	turns(server, 20);
	assert_int_equal(server->closed, MGMT_SESSIONS_MAX);
	client_open(server, &clients[0]);
	expect(server, &clients[0], GREETING);
	client_close(&clients[0]);
}

/* ---- scripts ---- */

static void write_script(struct server *server, char path[256], const char *name, const char *text)
{
	FILE *file;

	snprintf(path, 256, "%s/%s", server->directory, name);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void test_load(void **state)
{
	struct server *server = *state;
	struct client client;
	char path[256], line[512], expected[2048];

	write_script(server, path, "rc", "echo 1\n\nbogus\r\necho last");
	client_open(server, &client);
	expect(server, &client, GREETING);
	snprintf(line, sizeof(line), "load %s\n", path);
	say(&client, line);
	snprintf(expected, sizeof(expected),
		 "vde[%s]: echo 1\n0000 DATA END WITH '.'\n1\n.\n1000 Success\nvde[%s]: \nvde[%s]: bogus\n"
		 "1038 Function not implemented\nvde[%s]: echo last\n0000 DATA END WITH '.'\nlast\n.\n1000 Success\n" SUCCESS,
		 path, path, path, path);
	expect(server, &client, expected);
	client_close(&client);
}

static void test_load_nesting_is_bounded(void **state)
{
	struct server *server = *state;
	struct client client;
	char path[256], line[512];
	unsigned depth = 0;

	snprintf(line, sizeof(line), "load %s/self\n", server->directory);
	write_script(server, path, "self", line);
	client_open(server, &client);
	expect(server, &client, GREETING);
	say(&client, line);
	say(&client, "echo end\n");
	while (!ends_with(&client.got, BLOCK("end\n"))) {
		loop_turn(server->loop, LOOP_SECOND / 1000);
		client_read(&client);
	}
	for (const char *at = client.got.text; (at = strstr(at, "vde[")); at++)
		depth++;
	assert_int_equal(depth, MGMT_SCRIPT_DEPTH);
	assert_non_null(strstr(client.got.text, "1040 "));
	client_close(&client);
}

/* A script that loads itself many times at each depth would run for ever: the number of lines ends it. */
static void test_script_lines_are_bounded(void **state)
{
	struct server *server = *state;
	char path[256], text[16384] = "";

	for (int i = 0; i < 50; i++)
		sprintf(text + strlen(text), "load %s/self\necho\n", server->directory);
	write_script(server, path, "self", text);
	assert_int_equal(mgmt_run_script(server->mgmt, path), 0);
	assert_in_range(server->calls, 10000, MGMT_SCRIPT_LINES);
}

static void test_start_script(void **state)
{
	struct server *server = *state;
	char path[256];

	write_script(server, path, "rc", "echo\nshutdown\nlogout\nbogus\nsubscribe\n# c\necho\n");
	assert_int_equal(mgmt_run_script(server->mgmt, path), 0);
	assert_int_equal(server->calls, 2);
	assert_int_equal(server->shutdowns, 0);
	assert_int_equal(mgmt_run_script(server->mgmt, "/nonexistent/rc"), ENOENT);
	assert_int_equal(mgmt_run_script(server->mgmt, "/"), EISDIR);
}

/* ---- tables ---- */

static void test_tables_come_and_go(void **state)
{
	struct server *server = *state;
	struct reply reply;

	reply_init(&reply);
	assert_int_equal(mgmt_execute(server->mgmt, "more/echo x", &reply), ENOSYS);
	assert_int_equal(mgmt_add_commands(server->mgmt, more_rows, server), 0);
	reply_free(&reply);
	assert_int_equal(mgmt_execute(server->mgmt, "more/echo x", &reply), 0);
	assert_string_equal(reply.text, "0000 DATA END WITH '.'\nx\n.\n1000 Success\n");
	mgmt_remove_commands(server->mgmt, more_rows, server);
	reply_free(&reply);
	assert_int_equal(mgmt_execute(server->mgmt, "more/echo x", &reply), ENOSYS);
	assert_int_equal(mgmt_execute(server->mgmt, "shutdown", &reply), COMMAND_END_PROGRAM);
	reply_free(&reply);
	assert_int_equal(mgmt_execute(server->mgmt, "", &reply), 0);
	assert_null(reply.text);
}

/* A command that takes back the table in which it stands, whose memory is somebody else's at once. */
static int run_leave(void *owner, struct reply *reply, const struct args *args)
{
	struct server *server = owner;
	struct command *table = (struct command *)(uintptr_t)args->row;

	(void)reply;
	mgmt_remove_commands(server->mgmt, table, server);
	memset(table, 0xff, sizeof(*table));
	return 0;
}

static void test_table_leaves_in_its_command(void **state)
{
	struct server *server = *state;
	struct command table[] = { { "leave", "", "gone", 0, 0, run_leave, 0 }, { 0 } };
	struct reply reply;

	reply_init(&reply);
	assert_int_equal(mgmt_add_commands(server->mgmt, table, server), 0);
	assert_int_equal(mgmt_execute(server->mgmt, "leave", &reply), 0);
	assert_string_equal(reply.text, "1000 Success\n");
	reply_free(&reply);
	assert_int_equal(mgmt_execute(server->mgmt, "leave", &reply), ENOSYS);
	reply_free(&reply);
}

static void test_listen_errors(void **state)
{
	struct server *server = *state;
	const struct unixsock_owner owner = { .mode = 0600, .group = (gid_t)-1 };
	const struct mgmt_config config = { .banner = "", .prompt = PROMPT, .owner = server, .shutdown = on_shutdown };
	struct mgmt *second = mgmt_create(server->loop, &server->log, &config);
	mode_t mode = 0;

	assert_int_equal(mgmt_listen(second, server->path, &owner), EADDRINUSE);
	assert_null(mgmt_path(second, &mode));
	mgmt_destroy(second);
	assert_int_equal(access(server->path, F_OK), 0);
	assert_string_equal(mgmt_path(server->mgmt, &mode), server->path);
	assert_int_equal(mode, 0600);
}

/* ---- consoles ---- */

static void read_all(int fd, struct reply *got)
{
	char buffer[65536];
	ssize_t length;

	while ((length = read(fd, buffer, sizeof(buffer))) > 0)
		reply_append(got, buffer, (size_t)length);
}

static void console_turns(struct server *server, int out, struct reply *got)
{
	fcntl(out, F_SETFL, O_NONBLOCK);
	for (int i = 0; i < 100000 && server->shutdowns == 0; i++) {
		loop_turn(server->loop, LOOP_SECOND / 1000);
		read_all(out, got);
	}
	read_all(out, got);
}

static void test_console_on_pipes(void **state)
{
	struct server *server = *state;
	int in[2], out[2];
	struct reply got = { 0 };
	const char *commands = "echo 1\nlogout\n\nbig\necho last";

	assert_int_equal(pipe(in), 0);
	assert_int_equal(pipe(out), 0);
	assert_int_equal(mgmt_console(server->mgmt, in[0], out[1]), 0);
	turns(server, 3);
	assert_int_equal(write(in[1], commands, strlen(commands)), strlen(commands));
	close(in[1]);
	console_turns(server, out[0], &got);
	assert_int_equal(server->shutdowns, 1);
	assert_memory_equal(got.text, BLOCK("1\n") SUCCESS PROMPT, strlen(BLOCK("1\n") SUCCESS PROMPT));
	assert_non_null(strstr(got.text, "line 099999\n"));
	assert_true(ends_with(&got, BLOCK("last\n")));
	assert_false(fcntl(in[0], F_GETFL) & O_NONBLOCK);
	assert_false(fcntl(out[1], F_GETFL) & O_NONBLOCK);
	turns(server, 3);
	assert_int_equal(server->shutdowns, 1);
	reply_free(&got);
	close(in[0]);
	close(out[0]);
	close(out[1]);
}

static void test_console_from_a_file(void **state)
{
	struct server *server = *state;
	FILE *in = tmpfile(), *out = tmpfile();
	char text[512];

	fputs("echo 1\nshutdown\necho never\n", in);
	rewind(in);
	assert_int_equal(mgmt_console(server->mgmt, fileno(in), fileno(out)), 0);
	for (int i = 0; i < 100 && server->shutdowns == 0; i++)
		loop_turn(server->loop, LOOP_SECOND / 1000);
	turns(server, 5);
	assert_int_equal(server->shutdowns, 1);
	rewind(out);
	text[fread(text, 1, sizeof(text) - 1, out)] = '\0';
	assert_string_equal(text, BLOCK("1\n") "9999 END OF SESSION\n");
	fclose(in);
	fclose(out);
}

/* One descriptor for both, as inetd gives; and a reader that is gone must not stop the input from being run. */
static void test_console_on_one_socket(void **state)
{
	struct server *server = *state;
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	assert_int_equal(mgmt_console(server->mgmt, ends[0], ends[0]), 0);
	for (int i = 0; i < 20; i++)
		assert_int_equal(write(ends[1], "big\n", 4), 4);
	turns(server, 20);
	assert_int_equal(write(ends[1], "echo end\n", 9), 9);
	close(ends[1]);
	for (int i = 0; i < 1000 && server->shutdowns == 0; i++)
		loop_turn(server->loop, LOOP_SECOND / 100);
	assert_int_equal(server->shutdowns, 1);
	assert_int_equal(server->calls, 1);
	close(ends[0]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_answers),
		TEST(test_many_in_one_write),
		TEST(test_split_line),
		TEST(test_half_close),
		TEST(test_full_close),
		TEST(test_packet_without_newline),
		TEST(test_overlong_line),
		TEST(test_binary_junk),
		TEST(test_nul_bytes_are_dropped),
		TEST(test_logout),
		TEST(test_shutdown),
		TEST(test_slow_reader),
		TEST(test_events_are_dropped_and_counted),
		TEST(test_three_hundred_sessions),
		TEST(test_load),
		TEST(test_load_nesting_is_bounded),
		TEST(test_script_lines_are_bounded),
		TEST(test_start_script),
		TEST(test_tables_come_and_go),
		TEST(test_table_leaves_in_its_command),
		TEST(test_listen_errors),
		TEST(test_console_on_pipes),
		TEST(test_console_from_a_file),
		TEST(test_console_on_one_socket),
	};

	return cmocka_run_group_tests_name("mgmt", tests, NULL, NULL);
}
