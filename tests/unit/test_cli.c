/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/cli.h"

#include "unit.h"

#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

struct options {
	bool hub, daemon;
	unsigned verbose, ports;
	double factor;
	uint64_t size;
	const char *sock, *optional;
	struct cli_list taps, parts;
	struct cli_mode mode;
	struct cli_mac mac;
	struct cli_group group;
	unsigned calls;
};

static int call(void *options, const char *value)
{
	((struct options *)options)->calls++;
	return value && strcmp(value, "bad") == 0 ? EDOM : 0;
}

#define MEMBER(name) offsetof(struct options, name)

static const struct cli_option option_rows[] = {
	{ .kind = CLI_SECTION, .help = "(global opts)" },
	{ 'h', "help", NULL, "Display this help and exit", CLI_HELP },
	{ 'V', "version", NULL, "Display the version and exit", CLI_VERSION },
	{ 'x', "hub", NULL, "Make the switch act as a hub", CLI_FLAG, MEMBER(hub) },
	{ 'd', "daemon", NULL, "Daemonize", CLI_FLAG, MEMBER(daemon) },
	{ 'v', "verbose", NULL, "Say more", CLI_COUNT, MEMBER(verbose) },
	{ 'n', "numports", "N", "Number of ports", CLI_UINT, MEMBER(ports), 1, 65535 },
	{ 0, "factor", "F", "A factor", CLI_DOUBLE, MEMBER(factor), 0, 100 },
	{ 0, "size", "BYTES", "A size", CLI_SIZE, MEMBER(size), 1, 1 << 20 },
	{ .kind = CLI_SECTION, .help = "(opts from datasock module)" },
	{ 's', "sock vdesock unix", "SOCK", "control directory pathname", CLI_STRING, MEMBER(sock) },
	{ 'm', "mode mod", "MODE", "Permissions for the control socket (octal)", CLI_MODE, MEMBER(mode) },
	{ 0, "macaddr", "MAC", "Set the switch MAC address", CLI_MAC, MEMBER(mac) },
	{ 'g', "group", "GROUP", "Group owner for comm sockets", CLI_GROUP, MEMBER(group) },
	{ 't', "tap", "TAP", "A tap", CLI_LIST, MEMBER(taps) },
	{ 0, "parts", "A,B", "Parts", CLI_COMMA_LIST, MEMBER(parts) },
	{ 0, "call-me", "X", "A line\nand one more", CLI_CALL, 0, 0, 0, call },
	{ 'o', "opt", "[N]", "Optional", CLI_STRING, MEMBER(optional) },
	{ 'D', "debugclients", "N", NULL, CLI_IGNORE },
	{ 0 },
};

static struct cli make_cli(int max_words, bool stop)
{
	return (struct cli){ .synopsis = "prog [OPTIONS]", .purpose = "Runs.", .options = option_rows,
			     .max_words = max_words, .stop_at_word = stop };
}

enum { WORDS_MAX = 32 };

/* Splits at blanks; '' is an empty word. */
static int split(char *line, char **argv)
{
	int argc = 0;
	char *rest = NULL;

	for (char *word = strtok_r(line, " ", &rest); word; word = strtok_r(NULL, " ", &rest))
		argv[argc++] = strcmp(word, "''") == 0 ? word + 2 : word;
	argv[argc] = NULL;
	return argc;
}

/* Parses in this process; the line lives as long as the test. */
static int parse(const char *line, struct options *options, char **argv)
{
	struct cli cli = make_cli(-1, false);
	char *copy = test_malloc(256);

	snprintf(copy, 256, "/usr/bin/prog %s", line);
	memset(options, 0, sizeof(*options));
	return cli_parse(&cli, split(copy, argv), argv, options);
}

static void done(struct options *options, char **argv)
{
	char *first = argv[0];

	cli_list_free(&options->taps);
	cli_list_free(&options->parts);
	test_free(first);
}

static void test_spellings(void **state)
{
	static const struct { const char *line, *sock; unsigned ports; bool hub, daemon; int words; } rows[] = {
		{ "-s a -n 5", "a", 5, false, false, 0 },
		{ "-sock a -numports 5", "a", 5, false, false, 0 },
		{ "--sock=a --numports=0x10", "a", 16, false, false, 0 },
		{ "-sock=a -numports=5", "a", 5, false, false, 0 },
		{ "--vdesock a -num 5", "a", 5, false, false, 0 },
		{ "-unix a --nu 7", "a", 7, false, false, 0 },
		{ "-sa -n5", "a", 5, false, false, 0 },
		{ "-xd -s a", "a", 0, true, true, 0 },
		{ "-xds a", "a", 0, true, true, 0 },
		{ "-hub -daemon", NULL, 0, true, true, 0 },
		{ "word -hub more -s a", "a", 0, true, false, 2 },
		{ "-s a -- -hub", "a", 0, false, false, 1 },
		{ "-s a -s b", "b", 0, false, false, 0 },
		{ "-D 5 -x", NULL, 0, true, false, 0 },
		{ "-", NULL, 0, false, false, 1 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		char *argv[WORDS_MAX];
		struct options options;
		int first = parse(rows[i].line, &options, argv), words = 0;

		while (argv[first + words])
			words++;
		assert_int_equal(words, rows[i].words);
		assert_int_equal(options.ports, rows[i].ports);
		assert_int_equal(options.hub, rows[i].hub);
		assert_int_equal(options.daemon, rows[i].daemon);
		if (rows[i].sock)
			assert_string_equal(options.sock, rows[i].sock);
		else
			assert_null(options.sock);
		done(&options, argv);
	}
}

static void test_values(void **state)
{
	const uint8_t mac[6] = { 2, 0, 0, 0, 0, 0x1f };
	char *argv[WORDS_MAX];
	struct options options;

	(void)state;
	parse("-vv -v --factor 1.5 --size 4k -m 660 --macaddr 2:0:0:0:0:1f -g 77 --call-me x -o7 w", &options, argv);
	assert_int_equal(options.verbose, 3);
	assert_float_equal(options.factor, 1.5, 1e-9);
	assert_int_equal(options.size, 4096);
	assert_true(options.mode.set && options.mode.mode == 0660);
	assert_true(options.mac.set);
	assert_memory_equal(options.mac.mac, mac, 6);
	assert_true(options.group.set && options.group.gid == 77);
	assert_int_equal(options.calls, 1);
	assert_string_equal(options.optional, "7");
	done(&options, argv);
	parse("-o 7", &options, argv);
	assert_string_equal(options.optional, "");
	done(&options, argv);
}

static void test_lists(void **state)
{
	char *argv[WORDS_MAX];
	struct options options;

	(void)state;
	parse("-t a -tap b,c --tap=d --parts x,,y --parts z", &options, argv);
	assert_int_equal(options.taps.count, 3);
	assert_string_equal(options.taps.item[1], "b,c");
	assert_null(options.taps.item[3]);
	assert_int_equal(options.parts.count, 3);
	assert_string_equal(options.parts.item[1], "y");
	assert_string_equal(options.parts.item[2], "z");
	done(&options, argv);
	parse("-t ''", &options, argv);
	assert_int_equal(options.taps.count, 1);
	assert_string_equal(options.taps.item[0], "");
	done(&options, argv);
}

/* Parses in a child; returns its exit status and what it wrote to both stdout and stderr. */
static int parse_apart(const char *line, int max_words, char *text, size_t size)
{
	FILE *file = tmpfile();
	int status;
	pid_t child = fork();

	assert_non_null(file);
	if (child == 0) {
		struct cli cli = make_cli(max_words, false);
		struct options options = { 0 };
		char *argv[WORDS_MAX], copy[256];

		dup2(fileno(file), STDOUT_FILENO);
		dup2(fileno(file), STDERR_FILENO);
		snprintf(copy, sizeof(copy), "/usr/bin/prog %s", line);
		cli_parse(&cli, split(copy, argv), argv, &options);
		_exit(99);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	rewind(file);
	text[fread(text, 1, size - 1, file)] = '\0';
	fclose(file);
	return WEXITSTATUS(status);
}

static void test_errors(void **state)
{
	static const struct { const char *line, *text; } rows[] = {
		{ "--numports abc", "prog: --numports: 'abc' is not a number from 1 to 65535\n" },
		{ "-n 0", "prog: --numports: '0' is not a number from 1 to 65535\n" },
		{ "-n 65536", "prog: --numports: '65536' is not a number from 1 to 65535\n" },
		{ "-n -5", "prog: --numports: '-5' is not a number from 1 to 65535\n" },
		{ "--factor 101", "prog: --factor: '101' is not a number from 0 to 100\n" },
		{ "--size 2m", "prog: --size: '2m' is not a size from 1 to 1048576 (k, m and g may follow the number)\n" },
		{ "--mod 9", "prog: --mode: '9' is not an octal mode from 0 to 7777\n" },
		{ "--macaddr 1:2:3", "prog: --macaddr: '1:2:3' is not a MAC address such as 02:00:00:00:00:01\n" },
		{ "-g no-such-group-x", "prog: --group: no group 'no-such-group-x'\n" },
		{ "--call-me bad", "prog: --call-me: 'bad': Numerical argument out of domain\n" },
		{ "--bogus", "prog: unrecognized option '--bogus'\n" },
		{ "--bogus=5", "prog: unrecognized option '--bogus'\n" },
		{ "-q", "prog: unrecognized option '-q'\n" },
		{ "-xq", "prog: unrecognized option '-q'\n" },
		{ "--ver", "prog: option '--ver' is ambiguous; possible: --version --verbose\n" },
		{ "--hub=yes", "prog: option '--hub' takes no argument\n" },
		{ "-s", "prog: option '--sock' requires an argument\n" },
		{ "--unix", "prog: option '--sock' requires an argument\n" },
		{ "-x a b c", "prog: unexpected argument 'b'\n" },
	};
	char text[4096];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		size_t length = strlen(rows[i].text);

		assert_int_equal(parse_apart(rows[i].line, 1, text, sizeof(text)), 2);
		assert_memory_equal(text, rows[i].text, length);
		assert_string_equal(text + length, "Try 'prog --help'.\n");
	}
}

static void test_usage(void **state)
{
	char text[8192];

	(void)state;
	assert_int_equal(parse_apart("-n 5 --help", 0, text, sizeof(text)), 0);
	assert_string_equal(text,
		"Usage: prog [OPTIONS]\n"
		"Runs.\n"
		"(global opts)\n"
		"  -h, --help                 Display this help and exit\n"
		"  -V, --version              Display the version and exit\n"
		"  -x, --hub                  Make the switch act as a hub\n"
		"  -d, --daemon               Daemonize\n"
		"  -v, --verbose              Say more\n"
		"  -n, --numports N           Number of ports\n"
		"      --factor F             A factor\n"
		"      --size BYTES           A size\n"
		"(opts from datasock module)\n"
		"  -s, --sock SOCK            control directory pathname\n"
		"  -s, --vdesock SOCK         Same as --sock SOCK\n"
		"  -s, --unix SOCK            Same as --sock SOCK\n"
		"  -m, --mode MODE            Permissions for the control socket (octal)\n"
		"  -m, --mod MODE             Same as --mode MODE\n"
		"      --macaddr MAC          Set the switch MAC address\n"
		"  -g, --group GROUP          Group owner for comm sockets\n"
		"  -t, --tap TAP              A tap\n"
		"      --parts A,B            Parts\n"
		"      --call-me X            A line\n"
		"                             and one more\n"
		"  -o, --opt[=N]              Optional\n");
	assert_int_equal(parse_apart("-V", 0, text, sizeof(text)), 0);
	assert_memory_equal(text, "prog (VDE) ", 11);
}

static void test_stop_at_word(void **state)
{
	struct cli cli = make_cli(-1, true);
	struct options options = { 0 };
	char line[] = "prog -x command -d";
	char *argv[WORDS_MAX];

	(void)state;
	assert_int_equal(cli_parse(&cli, split(line, argv), argv, &options), 2);
	assert_true(options.hub && !options.daemon);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_spellings),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_lists),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_usage),
		cmocka_unit_test(test_stop_at_word),
	};

	return cmocka_run_group_tests_name("cli", tests, NULL, NULL);
}
