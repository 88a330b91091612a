/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Runs tests/topology/(star).topo, one test each; the language is described in README there. */
#include "common/number.h"
#include "network.h"

#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MAX_WORDS = 128, LINE_SIZE = 1024, MAX_FILES = 256, DELAY = 1, SETTLE_SECONDS = 90 };

struct run {
	struct network network;
	const char *file;
	unsigned line;
	bool loops_allowed;
	unsigned words;
	char *word[MAX_WORDS];
};

static void wrong(const struct run *run, const char *format, ...) __attribute__((format(printf, 2, 3), noreturn));

static void wrong(const struct run *run, const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	fail_msg("%s:%u: at %.3f s: %s", run->file, run->line, (double)run->network.now / 1000, text);
	abort();
}

/* ---- words ---- */

static const char *word(const struct run *run, unsigned index)
{
	if (index >= run->words)
		wrong(run, "%s: a word is missing", run->word[0]);
	return run->word[index];
}

static bool is(const struct run *run, unsigned index, const char *text)
{
	return index < run->words && strcmp(run->word[index], text) == 0;
}

static unsigned number(const struct run *run, unsigned index)
{
	unsigned value;

	if (number_uint(word(run, index), 0, UINT32_MAX, &value) != 0)
		wrong(run, "'%s' is no number", word(run, index));
	return value;
}

static bool on_off(const struct run *run, unsigned index)
{
	if (!is(run, index, "on") && !is(run, index, "off"))
		wrong(run, "on or off is missing");
	return is(run, index, "on");
}

static struct sim_bridge *bridge_named(struct run *run, const char *name)
{
	int index = network_find_bridge(&run->network, name);

	if (index < 0)
		wrong(run, "there is no bridge '%s'", name);
	return &run->network.bridge[index];
}

/* "A.1" */
static struct sim_bridge *port_named(struct run *run, const char *text, unsigned *port)
{
	char name[32];
	const char *dot = strchr(text, '.');

	if (!dot || (size_t)(dot - text) >= sizeof(name) || number_uint(dot + 1, 0, NETWORK_PORTS - 1, port) != 0)
		wrong(run, "'%s' is no port", text);
	memcpy(name, text, (size_t)(dot - text));
	name[dot - text] = '\0';
	return bridge_named(run, name);
}

static struct rstp_port_info port_info(struct run *run, const char *text)
{
	struct rstp_port_info info;
	unsigned port;
	struct sim_bridge *b = port_named(run, text, &port);

	if (!b->rstp || rstp_get_port(b->rstp, port, &info) != 0)
		wrong(run, "there is no port '%s'", text);
	return info;
}

/* ---- building ---- */

static void do_bridge(struct run *run)
{
	if (network_add_bridge(&run->network, word(run, 1), run->words > 2 ? number(run, 2) : RSTP_BRIDGE_PRIORITY_DEFAULT) < 0)
		wrong(run, "too many bridges");
}

static void do_segment(struct run *run)
{
	bool link = is(run, 0, "link");
	int segment = network_add_segment(&run->network, word(run, 1), DELAY);
	unsigned port;

	if (segment < 0 || (link && run->words > 4))
		wrong(run, "too many segments, or more than two ports on a link");
	for (unsigned i = 2; i < run->words; i++) {
		struct sim_bridge *b = port_named(run, run->word[i], &port);

		if (network_join(&run->network, (unsigned)segment, (unsigned)(b - run->network.bridge), port, link) != 0)
			wrong(run, "'%s' cannot be joined", run->word[i]);
	}
}

/* ---- happening ---- */

static void do_cut_mend(struct run *run)
{
	for (unsigned i = 1; i < run->words; i++) {
		int segment = network_find_segment(&run->network, run->word[i]);

		if (segment < 0)
			wrong(run, "there is no segment '%s'", run->word[i]);
		network_set_link(&run->network, (unsigned)segment, is(run, 0, "mend"));
	}
}

static void do_mute(struct run *run)
{
	unsigned port;
	struct sim_bridge *b = port_named(run, word(run, 1), &port);

	b->port[port].mute = is(run, 0, "mute");
}

static void do_power(struct run *run)
{
	struct sim_bridge *b = bridge_named(run, word(run, 1));

	network_power(&run->network, (unsigned)(b - run->network.bridge), on_off(run, 2));
}

static void do_run(struct run *run)
{
	double seconds;

	if (number_double(word(run, 1), 0, 1e6, &seconds) != 0)
		wrong(run, "'%s' is no number of seconds", run->word[1]);
	network_run(&run->network, (uint64_t)(seconds * 1000));
}

static int set_bridge(struct run *run, struct sim_bridge *b)
{
	if (is(run, 2, "priority")) {
		b->priority = number(run, 3);
		return rstp_set_priority(b->rstp, b->priority);
	}
	if (is(run, 2, "times"))
		return rstp_set_times(b->rstp, number(run, 3), number(run, 4), number(run, 5));
	if (is(run, 2, "hold"))
		return rstp_set_hold_count(b->rstp, number(run, 3));
	if (is(run, 2, "version"))
		return rstp_set_version(b->rstp, (enum rstp_version)number(run, 3));
	wrong(run, "'%s' cannot be set", word(run, 2));
}

static int set_port(struct run *run, struct rstp *rstp, unsigned port)
{
	static const char *const guards[] = { "off", "bpdu", "root" };

	if (is(run, 2, "cost"))
		return rstp_port_set_cost(rstp, port, number(run, 3));
	if (is(run, 2, "bonus"))
		return rstp_port_set_bonus(rstp, port, number(run, 3));
	if (is(run, 2, "priority"))
		return rstp_port_set_priority(rstp, port, number(run, 3));
	if (is(run, 2, "edge"))
		return rstp_port_set_admin_edge(rstp, port, on_off(run, 3));
	if (is(run, 2, "autoedge"))
		return rstp_port_set_auto_edge(rstp, port, on_off(run, 3));
	if (is(run, 2, "p2p"))
		return rstp_port_set_point_to_point(rstp, port, on_off(run, 3));
	if (is(run, 2, "mcheck"))
		return rstp_port_mcheck(rstp, port);
	for (unsigned i = 0; i < 3 && is(run, 2, "guard"); i++)
		if (is(run, 3, guards[i]))
			return rstp_port_set_guard(rstp, port, (enum rstp_guard)i);
	wrong(run, "'%s' cannot be set", word(run, 2));
}

/* With "refused" at the end, the setting must be refused. */
static void do_set(struct run *run)
{
	unsigned port;
	bool refused = is(run, run->words - 1, "refused");
	struct sim_bridge *b;
	int result;

	if (strchr(word(run, 1), '.')) {
		b = port_named(run, run->word[1], &port);
		result = set_port(run, b->rstp, port);
	} else {
		result = set_bridge(run, bridge_named(run, run->word[1]));
	}
	if ((result != 0) != refused)
		wrong(run, "%s %s was %s", run->word[1], run->word[2], result ? strerror(result) : "taken");
}

static void do_inject(struct run *run)
{
	uint8_t bytes[64];
	size_t length = 0;
	unsigned port, value;
	struct sim_bridge *b = port_named(run, word(run, 1), &port);

	for (unsigned i = 2; i < run->words; i++)
		for (const char *at = run->word[i]; at[0] && at[1] && length < sizeof(bytes); at += 2) {
			char text[5] = { '0', 'x', at[0], at[1], '\0' };

			if (number_uint(text, 0, 255, &value) != 0)
				wrong(run, "'%s' is no hexadecimal", run->word[i]);
			bytes[length++] = (uint8_t)value;
		}
	network_inject(&run->network, (unsigned)(b - run->network.bridge), port, bytes, length);
}

static void do_clear(struct run *run)
{
	for (unsigned i = 0; i < run->network.bridges; i++)
		for (unsigned port = 0; port < NETWORK_PORTS; port++)
			run->network.bridge[i].port[port].flushes = run->network.bridge[i].port[port].sent = 0;
}

static void do_loops(struct run *run)
{
	run->loops_allowed = is(run, 1, "allowed");
	run->network.loops = 0;
}

/* ---- expecting ---- */

/* "ROLE STATE", or one of these words. Returns what it is. */
static bool port_is(struct run *run, unsigned at, char *found, size_t size)
{
	struct rstp_port_info info = port_info(run, word(run, at));
	unsigned port;
	struct sim_port *sim = &port_named(run, run->word[at], &port)->port[port];

	snprintf(found, size, "%s %s%s%s%s%s, %u flushes, %u sent", rstp_role_name(info.role), rstp_state_name(info.state),
		 info.oper_edge ? ", edge" : "", info.legacy ? ", stp" : "", info.guarded ? ", guarded" : "",
		 info.disputed ? ", disputed" : "", sim->flushes, sim->sent);
	for (unsigned i = at + 1; i < run->words; i++) {
		bool no = is(run, i, "not");
		bool ok;

		i += no;
		if (is(run, i, "edge"))
			ok = info.oper_edge;
		else if (is(run, i, "stp"))
			ok = info.legacy;
		else if (is(run, i, "guarded"))
			ok = info.guarded;
		else if (is(run, i, "flushed"))
			ok = sim->flushes != 0;
		else if (is(run, i, "invalid"))
			ok = info.invalid == number(run, ++i);
		else if (is(run, i, "sent"))
			ok = sim->sent <= number(run, ++i);
		else
			ok = strcmp(word(run, i), rstp_role_name(info.role)) == 0 ||
				strcmp(word(run, i), rstp_state_name(info.state)) == 0;
		if (ok == no)
			return false;
	}
	return true;
}

static bool bridge_is(struct run *run, unsigned at, char *found, size_t size)
{
	struct sim_bridge *b = bridge_named(run, word(run, at));
	struct rstp_bridge_info info;

	rstp_get_bridge(b->rstp, &info);
	snprintf(found, size, "root %016llx cost %u age %u", (unsigned long long)info.root, info.root_cost, info.times.message_age);
	for (unsigned i = at + 1; i + 1 < run->words; i += 2) {
		struct rstp_bridge_info other;

		if (is(run, i, "root")) {
			rstp_get_bridge(bridge_named(run, run->word[i + 1])->rstp, &other);
			if (info.root != other.bridge)
				return false;
		} else if (is(run, i, "cost")) {
			if (info.root_cost != number(run, i + 1))
				return false;
		} else {
			wrong(run, "'%s' cannot be expected of a bridge", run->word[i]);
		}
	}
	return true;
}

static bool all_agree(struct run *run, const char *name)
{
	struct rstp_bridge_info wanted, info;

	rstp_get_bridge(bridge_named(run, name)->rstp, &wanted);
	for (unsigned i = 0; i < run->network.bridges; i++) {
		if (!run->network.bridge[i].rstp)
			continue;
		rstp_get_bridge(run->network.bridge[i].rstp, &info);
		if (info.root != wanted.bridge)
			return false;
	}
	return true;
}

static bool holds(struct run *run, unsigned at, char *found, size_t size)
{
	snprintf(found, size, "not so");
	if (is(run, at, "connected"))
		return network_is_connected(&run->network) && !network_has_loop(&run->network);
	if (is(run, at, "root"))
		return all_agree(run, word(run, at + 1));
	return strchr(word(run, at), '.') ? port_is(run, at, found, size) : bridge_is(run, at, found, size);
}

static void do_expect(struct run *run)
{
	char found[160];

	if (!holds(run, 1, found, sizeof(found)))
		wrong(run, "expected %s %s %s, found %s", word(run, 1), run->words > 2 ? run->word[2] : "",
		      run->words > 3 ? run->word[3] : "", found);
}

/* within SECONDS WHAT...: lets time pass until it is so */
static void do_within(struct run *run)
{
	double seconds;
	char found[160];

	if (number_double(word(run, 1), 0, 1e6, &seconds) != 0)
		wrong(run, "'%s' is no number of seconds", run->word[1]);
	for (uint64_t end = run->network.now + (uint64_t)(seconds * 1000); !holds(run, 2, found, sizeof(found)); )
		if (run->network.now >= end)
			wrong(run, "not within %s s: %s %s %s, found %s", run->word[1], word(run, 2), run->words > 3 ? run->word[3] : "",
			      run->words > 4 ? run->word[4] : "", found);
		else
			network_run(&run->network, 1);
}

/* ---- chance ---- */

static unsigned chance(uint64_t *state, unsigned below)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(*state >> 33) % below;
}

static void random_network(struct network *n, uint64_t *state, bool shared, unsigned *ports)
{
	unsigned bridges = 2 + chance(state, 9);
	unsigned links = bridges - 1 + chance(state, bridges + 2);
	char name[16];

	for (unsigned i = 0; i < bridges; i++) {
		snprintf(name, sizeof(name), "B%u", i);
		network_add_bridge(n, name, chance(state, 16) * 4096);
	}
	for (unsigned l = 0; l < links; l++) {
		unsigned a = l < bridges - 1 ? l + 1 : chance(state, bridges);
		unsigned b = l < bridges - 1 ? chance(state, l + 1) : chance(state, bridges);
		unsigned ends = 2 + (shared ? chance(state, 3) : 0);

		if (!shared && a == b)
			b = (a + 1) % bridges;
		snprintf(name, sizeof(name), "l%u", l);
		int segment = network_add_segment(n, name, 1 + chance(state, 3));
		for (unsigned e = 0; e < ends; e++) {
			unsigned at = e == 0 ? a : e == 1 ? b : chance(state, bridges);

			network_join(n, (unsigned)segment, at, ++ports[at], ends == 2);
		}
	}
}

static void random_change(struct network *n, uint64_t *state, const unsigned *ports)
{
	unsigned kind = chance(state, 11);
	unsigned b = chance(state, n->bridges);
	unsigned s = chance(state, n->segments);
	unsigned port = 1 + chance(state, ports[b]);

	if (kind < 5)
		network_set_link(n, s, !n->segment[s].up);
	else if (kind < 6)
		rstp_set_priority(n->bridge[b].rstp, chance(state, 16) * 4096);
	else if (kind < 8)
		rstp_port_set_cost(n->bridge[b].rstp, port, 1 + chance(state, 400000));
	else if (kind < 9)
		rstp_port_set_priority(n->bridge[b].rstp, port, 16 * chance(state, 16));
	else if (kind < 10)
		network_run(n, 1000 * chance(state, 60));
	else
		for (s = 0; s < n->segments; s++)
			network_set_link(n, s, true);
}

/* random COUNT CHANGES SEED links|shared: so many networks, each changed so many times while it settles */
static void do_random(struct run *run)
{
	unsigned count = number(run, 1), changes = number(run, 2), seed = number(run, 3);
	bool shared = is(run, 4, "shared");
	struct network *n = &run->network;

	for (unsigned i = 0; i < count; i++) {
		unsigned ports[NETWORK_BRIDGES] = { 0 };
		uint64_t state = (seed + i) * 7919u + 1;

		network_free(n);
		random_network(n, &state, shared, ports);
		network_run(n, chance(&state, 40000));
		for (unsigned c = 0; c < changes; c++) {
			random_change(n, &state, ports);
			network_run(n, chance(&state, 4) ? chance(&state, 100) : chance(&state, 6000));
			if (n->loops && !run->loops_allowed)
				wrong(run, "network %u: a loop after change %u", seed + i, c);
		}
		network_run(n, SETTLE_SECONDS * 1000);
		if (!network_is_connected(n) || network_has_loop(n))
			wrong(run, "network %u did not settle", seed + i);
	}
}

/* ---- files ---- */

static const struct {
	const char *word;
	void (*call)(struct run *run);
} language[] = {
	{ "bridge", do_bridge }, { "link", do_segment }, { "hub", do_segment }, { "cut", do_cut_mend }, { "mend", do_cut_mend },
	{ "mute", do_mute }, { "unmute", do_mute }, { "power", do_power }, { "run", do_run }, { "set", do_set },
	{ "inject", do_inject }, { "clear", do_clear }, { "loops", do_loops }, { "expect", do_expect }, { "within", do_within },
	{ "random", do_random },
};

static void do_line(struct run *run, char *line)
{
	char *rest = NULL;

	line[strcspn(line, "#\n")] = '\0';
	run->words = 0;
	for (char *w = strtok_r(line, " \t", &rest); w && run->words < MAX_WORDS; w = strtok_r(NULL, " \t", &rest))
		run->word[run->words++] = w;
	if (run->words == 0)
		return;
	for (size_t i = 0; i < sizeof(language) / sizeof(language[0]); i++)
		if (strcmp(run->word[0], language[i].word) == 0) {
			language[i].call(run);
			if (run->network.loops && !run->loops_allowed)
				wrong(run, "a frame went in a circle, first at %.3f s", (double)run->network.first_loop / 1000);
			return;
		}
	wrong(run, "'%s' is no word of the language", run->word[0]);
}

static void run_file(void **state)
{
	struct run *run = calloc(1, sizeof(*run));
	char line[LINE_SIZE];
	FILE *file = fopen(*state, "r");

	assert_non_null(run);
	assert_non_null(file);
	run->file = strrchr(*state, '/') ? strrchr(*state, '/') + 1 : *state;
	network_init(&run->network);
	run->network.trace = getenv("TOPOLOGY_TRACE") != NULL;
	while (fgets(line, sizeof(line), file)) {
		run->line++;
		do_line(run, line);
	}
	fclose(file);
	network_free(&run->network);
	free(run);
}

static int by_name(const void *a, const void *b)
{
	const struct CMUnitTest *x = a, *y = b;

	return strcmp(x->name, y->name);
}

int main(int argc, char **argv)
{
	static struct CMUnitTest tests[MAX_FILES];
	const char *source = getenv("VDE_SOURCE");
	size_t count = 0;
	char path[4096];

	snprintf(path, sizeof(path), "%s/tests/topology", source ? source : ".");
	DIR *directory = opendir(path);
	for (struct dirent *entry; directory && (entry = readdir(directory)) && count < MAX_FILES; ) {
		const char *dot = strrchr(entry->d_name, '.');
		char *full, *name;

		if (!dot || strcmp(dot, ".topo") != 0 || (argc > 1 && !strstr(entry->d_name, argv[1])))
			continue;
		if (asprintf(&full, "%s/%s", path, entry->d_name) < 0 || asprintf(&name, "%.*s", (int)(dot - entry->d_name), entry->d_name) < 0)
			return EXIT_FAILURE;
		tests[count++] = (struct CMUnitTest){ .name = name, .test_func = run_file, .initial_state = full };
	}
	if (directory)
		closedir(directory);
	if (count == 0) {
		fprintf(stderr, "no .topo files in %s (set VDE_SOURCE to the source tree)\n", path);
		return EXIT_FAILURE;
	}
	qsort(tests, count, sizeof(tests[0]), by_name);
	return _cmocka_run_group_tests("topology", tests, count, NULL, NULL);
}
