/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The management language: what scripts read letter by letter, and what is refused. */
#include "wirefilter/commands.h"
#include "wirefilter/options.h"

#include "unit.h"

#include <errno.h>
#include <unistd.h>

struct bench {
	struct filter filter;
	struct blink blink;
	struct log log;
	struct commands commands;
	struct loop *loop;
	struct mgmt *mgmt;
	struct reply reply;
};

static uint64_t no_clock(void)
{
	return 1000000000;
}

static bool send_nowhere(void *owner, const struct frame *frames, unsigned count)
{
	(void)owner;
	(void)frames;
	(void)count;
	return true;
}

static void no_shutdown(void *owner)
{
	(void)owner;
}

static int setup(void **state)
{
	const struct filter_callbacks callbacks = { no_clock, { send_nowhere, send_nowhere }, NULL, NULL, NULL };
	struct bench *bench = calloc(1, sizeof(*bench));
	struct mgmt_config config = commands_mgmt_config;

	*state = bench;
	config.shutdown = no_shutdown;
	bench->blink.fd = -1;
	log_init(&bench->log, "test");
	bench->loop = loop_create();
	bench->mgmt = mgmt_create(bench->loop, &bench->log, &config);
	bench->commands = (struct commands){ .filter = &bench->filter, .blink = &bench->blink, .log = &bench->log };
	return filter_init(&bench->filter, &callbacks, 1) || commands_add(&bench->commands, bench->mgmt);
}

static int teardown(void **state)
{
	struct bench *bench = *state;

	reply_free(&bench->reply);
	mgmt_destroy(bench->mgmt);
	loop_destroy(bench->loop);
	filter_free(&bench->filter);
	free(bench);
	return 0;
}

static const char *run(struct bench *bench, const char *line)
{
	reply_free(&bench->reply);
	mgmt_execute(bench->mgmt, line, &bench->reply);
	return bench->reply.text ? bench->reply.text : "";
}

static void expect_code(struct bench *bench, const char *line, const char *code)
{
	const char *answer = run(bench, line);
	const char *last = strstr(answer, code);

	if (!last || strchr(last, '\n')[1])
		fail_msg("'%s' answered:\n%s", line, answer);
}

static void test_showinfo_of_one_way(void **state)
{
	struct bench *bench = *state;
	static const char expected[] =
		"0000 DATA END WITH '.'\n"
		"WireFilter: monodirectional\n"
		"Loss   5+2N\n"
		"Lburst 3+0U\n"
		"Delay  10240+0U\n"
		"Dup    10+0U\n"
		"Bandw  131072+65536N\n"
		"Speed  1.04858e+06+0U\n"
		"Noise  100+0U\n"
		"MTU    1500\n"
		"Cap.   3000+0U\n"
		"Current Delay Queue size:   0\n"
		"Fifoness FALSE\n"
		"Waiting packets in delay queues 0\n";
	static const char *const lines[] = {
		"loss 5+2N", "lostburst 3", "delay 10k", "dup 10", "bandwidth 128+64Kn", "speed 1m", "noise 100", "mtu 1500", "capacity 3000", "fifo 0",
	};

	for (size_t i = 0; i < COUNT_OF(lines); i++)
		assert_string_equal(run(bench, lines[i]), "1000 Success\n");
	assert_memory_equal(run(bench, "showinfo"), expected, sizeof(expected) - 1);
}

static void test_showinfo_of_two_ways(void **state)
{
	struct bench *bench = *state;
	static const char expected[] =
		"0000 DATA END WITH '.'\n"
		"WireFilter: bidirectional\n"
		"Node 1 \"\" (0,..,1) Markov-time 100\n"
		"Loss   L->R 10+0U   R->L 10+0U\n"
		"Lburst L->R 0+0U   R->L 0+0U\n"
		"Delay  L->R 0+0U   R->L 0+0U\n"
		"Dup    L->R 0+0U   R->L 0+0U\n"
		"Bandw  L->R 0+0U   R->L 0+0U\n"
		"Speed  L->R 0+0U   R->L 0+0U\n"
		"Noise  L->R 0+0U   R->L 0+0U\n"
		"MTU    L->R 0     R->L 0   \n"
		"Cap.   L->R 0+0U   R->L 0+0U\n"
		"Current Delay Queue size:   L->R 0      R->L 0   \n"
		"Fifoness TRUE\n"
		"Waiting packets in delay queues 0\n"
		"Blink socket: /tmp/x/blink\n"
		"Blink id:     cable7\n"
		"Reorder L->R 0+0U   R->L 3+0U\n"
		"Truncate L->R 0+0U   R->L 0+0U\n"
		"Blackout L->R 0+0U every 0+0U   R->L 0+0U every 0+0U\n"
		"Gemodel L->R 0+0U r 0+0U 1-h 0+0U 1-k 0+0U   R->L 0+0U r 0+0U 1-h 0+0U 1-k 0+0U\n"
		"Trace  L->R off   R->L off\n"
		"Frames in L->R 0   R->L 0\n";

	bench->filter.bidirectional = true;
	bench->blink = (struct blink){ .fd = 77, .path = "/tmp/x/blink", .id = (char *)(uintptr_t)"cable7" };
	run(bench, "markov-numnodes 2");
	run(bench, "loss 10[1]");
	run(bench, "reorder RL 3[1]");
	assert_memory_equal(run(bench, "showinfo 1"), expected, sizeof(expected) - 1);
	assert_string_equal(run(bench, "showinfo 2"), "0000 DATA END WITH '.'\n.\n1022 Invalid argument\n");
}

static void test_help(void **state)
{
	struct bench *bench = *state;
	static const char expected[] =
		"0000 DATA END WITH '.'\n"
		"COMMAND      HELP\n"
		"------------ ------------\n"
		"help         print a summary of mgmt commands\n"
		"load         load a configuration file\n"
		"showinfo     show status and parameter values\n"
		"loss         set loss percentage\n"
		"lostburst    mean length of lost packet bursts\n"
		"delay        set delay ms\n"
		"dup          set dup packet percentage\n"
		"bandwidth    set channel bandwidth bytes/sec\n"
		"speed        set interface speed bytes/sec\n"
		"noise        set noise factor bits/Mbyte\n"
		"mtu          set channel MTU (bytes)\n"
		"chanbufsize  set channel buffer size (bytes)\n"
		"fifo         set channel fifoness\n"
		"shutdown     shut the channel down\n"
		"logout       log out from this mgmt session\n"
		"markov-numnodes n  markov mode: set number of states\n"
		"markov-setnode n   markov mode: set current state\n"
		"markov-name n,name markov mode: set state's name\n"
		"markov-time ms     markov mode: transition period\n"
		"setedge n1,n2,w    markov mode: set edge weight\n"
		"showinfo n         markov mode: show parameter values\n"
		"showedges n        markov mode: show edge weights\n"
		"showcurrent        markov mode: show current state\n"
		"markov-debug n     markov mode: set debug level\n";

	assert_memory_equal(run(bench, "help"), expected, sizeof(expected) - 1);
	assert_non_null(strstr(run(bench, "help"), ".\n1000 Success\n"));
}

static void test_chain(void **state)
{
	struct bench *bench = *state;

	assert_string_equal(run(bench, "showcurrent"), "0000 DATA END WITH '.'\nCurrent Markov Node 0 \"\" (0,..,0)\n.\n1000 Success\n");
	expect_code(bench, "markov-numnodes 0", "1022 ");
	expect_code(bench, "markov-numnodes x", "1022 ");
	expect_code(bench, "markov-numnodes 100000", "1022 ");
	expect_code(bench, "markov-numnodes 2", "1000 ");
	expect_code(bench, "markov-name 0,good", "1000 ");
	expect_code(bench, "markov-name 1 bad one", "1000 ");
	expect_code(bench, "markov-name 2,x", "1022 ");
	expect_code(bench, "setedge 0,1,10", "1000 ");
	expect_code(bench, "setedge 0 1 5", "1022 ");
	expect_code(bench, "setedge", "1022 ");
	expect_code(bench, "setedge 0,1", "1022 ");
	expect_code(bench, "setedge 0,1,5,6", "1022 ");
	expect_code(bench, "setedge 0,2,5", "1022 ");
	expect_code(bench, "setedge 0,1,-5", "1022 ");
	assert_string_equal(run(bench, "showedges 0"), "0000 DATA END WITH '.'\n"
						       "Edge 0 ->0  \"good\"->\"good\" weigth 90\n"
						       "Edge 0 ->1  \"good\"->\"bad one\" weigth 10\n.\n1000 Success\n");
	expect_code(bench, "markov-setnode 1", "1000 ");
	expect_code(bench, "markov-setnode 2", "1022 ");
	assert_non_null(strstr(run(bench, "showcurrent"), "Current Markov Node 1 \"bad one\" (0,..,1)\n"));
	expect_code(bench, "markov-time 0", "1022 ");
	expect_code(bench, "markov-time -1", "1022 ");
	expect_code(bench, "markov-time 0.5", "1000 ");
	expect_code(bench, "markov-name 1,", "1000 ");
	expect_code(bench, "markov-numnodes 1", "1000 ");
	expect_code(bench, "loss 5[1]", "1022 ");
	assert_non_null(strstr(run(bench, "delay -5"), "'-5' is not [LR|RL] BASE[+VARIATION][k|m|g][u|n][[NODE]] with numbers from 0 "));
}

static void test_refused_and_named(void **state)
{
	struct bench *bench = *state;
	const char *const lines[] = {
		"loss abc", "loss", "loss LR", "loss 5,5", "delay 5+", "delay -5", "mtu 1x", "band 5 5", "loss 5[1]", "fifo x", "preset none",
		"blackout 5", "gemodel 101", "reorder \033[31m", "noise 1e30", "markov-debug x",
	};

	for (size_t i = 0; i < COUNT_OF(lines); i++)
		expect_code(bench, lines[i], "1022 Invalid argument\n");
	assert_non_null(strstr(run(bench, "loss abc"), "'abc' is not "));
	assert_null(strchr(run(bench, "reorder \033[31m"), '\033'));
	assert_string_equal(run(bench, "bogus"), "1038 Function not implemented\n");
	expect_code(bench, "load /nonexistent/file", "1002 No such file or directory\n");
	expect_code(bench, "trace /nonexistent/file", "1002 No such file or directory\n");
	expect_code(bench, "trace /dev/zero", "1022 ");
	assert_string_equal(run(bench, "trace off"), "1000 Success\n");
}

static void test_load(void **state)
{
	struct bench *bench = *state;
	char *directory = make_directory();
	char path[128], line[160], expected[1024];
	FILE *file;

	snprintf(path, sizeof(path), "%s/rc", directory);
	file = fopen(path, "w");
	fputs("delay 100+10N\nbogus\nshowcurrent\n", file);
	fclose(file);
	snprintf(line, sizeof(line), "load %s", path);
	snprintf(expected, sizeof(expected), "0000 DATA END WITH '.'\n"
		 "\nVDEwf$  (%s) delay 100+10N\n1000 Success\n"
		 "\nVDEwf$  (%s) bogus\n1038 Function not implemented\n"
		 "\nVDEwf$  (%s) showcurrent\n0000 DATA END WITH '.'\nCurrent Markov Node 0 \"\" (0,..,0)\n.\n1000 Success\n"
		 ".\n1000 Success\n", path, path, path);
	assert_string_equal(run(bench, line), expected);
	remove_directory(directory);
}

static void test_presets_are_listed(void **state)
{
	struct bench *bench = *state;

	assert_non_null(strstr(run(bench, "preset"), "satellite: "));
	assert_string_equal(run(bench, "preset satellite"), "1000 Success\n");
	assert_non_null(strstr(run(bench, "showinfo"), "Delay  280+5N\n"));
}

static void test_plugs_are_parted(void **state)
{
	const struct { const char *text, *left, *right; int error; } cases[] = {
		{ "a:b", "a", "b", 0 }, { "a:b:c", "a", "b:c", 0 }, { ":", "", "", 0 }, { "-:b", "-", "b", 0 }, { "a:", "a", "", 0 },
		{ "ab", NULL, NULL, EINVAL }, { "vde:///a:vde:///b", "vde:///a", "vde:///b", 0 }, { "/a:vde:///b", "/a", "vde:///b", 0 },
		{ "vde:///a:/b", "vde:///a", "/b", 0 }, { "vde:///a", NULL, NULL, EINVAL }, { "udp://1:host:2:/b", NULL, NULL, ENOTUNIQ },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		char *name[END_COUNT];

		assert_int_equal(options_split_plugs(cases[i].text, name), cases[i].error);
		if (cases[i].error)
			continue;
		assert_string_equal(name[END_LEFT], cases[i].left);
		assert_string_equal(name[END_RIGHT], cases[i].right);
		free(name[END_LEFT]);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_showinfo_of_one_way), TEST(test_showinfo_of_two_ways), TEST(test_help), TEST(test_chain), TEST(test_refused_and_named),
		TEST(test_load), TEST(test_presets_are_listed), TEST(test_plugs_are_parted),
	};

	return cmocka_run_group_tests_name("wirefilter_commands", tests, NULL, NULL);
}
