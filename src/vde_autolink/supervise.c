/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation. A link that is on is in one of four states:
 *
 *      WAITING  --timer, port reserved-->  STARTED  --plugged in for `alive`-->  UP
 *         ^                                   |                             |
 *         +------- the wire's process ends ---+-- ENDING <- found dead -----+
 *
 * A wire is found dead when it is not in its port at a check (or was and has left it), or when the spanning tree changed there (above all: it was the way to the
 * root and is it no more) and nothing came in since: the far end is silent although this side's process is content. The far end of a port
 * that is not the way to the root may rightly be silent; there the other side finds out. A dead wire gets SIGTERM, two seconds later SIGKILL, as a process group.
 *
 * After an end the next alternative is tried, first all kinds of wires of one host, then the next host. Between two tries lies retry_first; after each
 * round of failures twice as long, up to retry_last; each time by chance between half and all of it, so that many links do not knock at
 * once. A wire that had been plugged in for `alive` was good: the next try begins anew with the first alternative.
 */
#include "vde_autolink/autolink.h"

#include "vde_autolink/words.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { ENDING_SECONDS = 2, STEP_MS = 10 };

static void set_timer(struct link *link, uint64_t delay_ns)
{
	link->due_ns = loop_clock() + delay_ns;
	loop_timer_after(link->timer, delay_ns);
}

static unsigned index_of(const struct link *link)
{
	return (unsigned)(link - link->autolink->link);
}

/* ---- when to try again ---- */

static uint64_t with_jitter(uint64_t delay_ns)
{
	uint32_t random = 0;

	if (getrandom(&random, sizeof(random), GRND_NONBLOCK) < 0)
		random = (uint32_t)loop_clock();
	return delay_ns / 2 + (uint64_t)((double)(delay_ns / 2) * random / UINT32_MAX);
}

static uint64_t retry_delay(const struct link *link)
{
	const struct autolink_times *times = &link->autolink->times;
	unsigned alternatives = link->hosts * link->types;
	uint64_t delay = times->retry_first;

	if (link->failures % alternatives == 0)
		for (unsigned round = link->failures / alternatives; round > 0 && delay < times->retry_last; round--)
			delay *= 2;
	return with_jitter(delay < times->retry_last ? delay : times->retry_last);
}

static void wait_for_next(struct link *link)
{
	link->state = LINK_WAITING;
	set_timer(link, retry_delay(link));
}

/* why NULL: it has been told. */
static void note_failure(struct link *link, const char *why)
{
	/* once for each time that the link goes, not for each try */
	if (link->failures++ == 0 && why)
		log_warn(link->autolink->log, "link %s: %s to %s %s", link->name, link_type(link), link_host(link), why);
	link->candidate = (link->candidate + 1) % (link->hosts * link->types);
}

/* ---- the wire's process ---- */

static void run_wire(struct words *words)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	loop_unblock_signals();
	setpgid(0, 0);
	if (null >= 0 && dup2(null, STDIN_FILENO) >= 0 && dup2(STDERR_FILENO, STDOUT_FILENO) >= 0)
		execvp(words->word[0], words->word);
	fprintf(stderr, "vde_autolink: %s: %s\n", words->word[0], strerror(errno));
	_exit(errno == ENOENT ? 127 : 126);
}

static int expand(const struct link *link, struct words *words)
{
	const struct wire_type *wire = autolink_find_wire(link->autolink, link_type(link));
	char port[16];
	const struct words_variable variables[] = {
		{ "mysock", link->autolink->socket }, { "myport", port }, { "remotehost", link_host(link) }, { NULL, NULL },
	};

	snprintf(port, sizeof(port), "%u", link->port);
	return wire ? words_expand(wire->command, variables, words) : ENOENT;
}

static void start_wire(struct link *link)
{
	struct words words;
	int error = expand(link, &words);
	pid_t pid = error ? -1 : fork();

	if (pid == 0)
		run_wire(&words);
	if (pid < 0) {
		note_failure(link, strerror(error ? error : errno));
		wait_for_next(link);
		return;
	}
	setpgid(pid, pid);
	link->pid = pid;
	link->state = LINK_STARTED;
	link->started_ns = loop_clock();
	link->plugged = link->to_root = false;
	link->trust = LINK_TRUSTED;
	set_timer(link, link->autolink->times.check);
}

static void end_wire(struct link *link)
{
	if (link->state == LINK_ENDING)
		return;
	link->state = LINK_ENDING;
	kill(-link->pid, SIGTERM);
	set_timer(link, (uint64_t)ENDING_SECONDS * LOOP_SECOND);
}

static void finish_removal(struct link *link)
{
	if (link->port)
		monitor_release(link->autolink->monitor, link->port);
	link_free(link);
}

static void wire_ended(struct link *link, int status)
{
	bool told = link->state == LINK_ENDING, good = link->plugged && loop_clock() - link->started_ns >= link->autolink->times.alive;
	char why[48];

	/* what the process leaves of its group */
	kill(-link->pid, SIGTERM);
	link->pid = 0;
	loop_timer_stop(link->timer);
	if (link->removed) {
		finish_removal(link);
		return;
	}
	if (!link->on || link->types == 0) {
		link->state = LINK_OFF;
		return;
	}
	if (WIFSIGNALED(status))
		snprintf(why, sizeof(why), "was ended by signal %d", WTERMSIG(status));
	else
		snprintf(why, sizeof(why), "ended with status %d", WEXITSTATUS(status));
	if (good && !told)
		log_warn(link->autolink->log, "link %s: %s to %s %s", link->name, link_type(link), link_host(link), why);
	if (good)
		link->failures = link->candidate = 0;
	else
		note_failure(link, told ? NULL : why);
	wait_for_next(link);
}

static void child_ended(void *owner, int number)
{
	struct autolink *autolink = owner;
	int status;

	(void)number;
	for (unsigned i = 0; i < LINKS_MAX; i++) {
		struct link *link = &autolink->link[i];

		if (link->pid > 0 && waitpid(link->pid, &status, WNOHANG) == link->pid)
			wire_ended(link, status);
	}
}

int supervise_open(struct autolink *autolink)
{
	return loop_add_signal(autolink->loop, SIGCHLD, child_ended, autolink);
}

static unsigned reap(struct autolink *autolink)
{
	unsigned left = 0;

	for (unsigned i = 0; i < LINKS_MAX; i++) {
		struct link *link = &autolink->link[i];

		if (link->pid > 0 && waitpid(link->pid, NULL, WNOHANG) != 0)
			link->pid = 0;
		left += link->pid > 0;
	}
	return left;
}

void supervise_end_all(struct autolink *autolink)
{
	static const int signals[] = { SIGTERM, SIGKILL };

	for (size_t s = 0; s < 2 && reap(autolink) > 0; s++) {
		for (unsigned i = 0; i < LINKS_MAX; i++)
			if (autolink->link[i].pid > 0)
				kill(-autolink->link[i].pid, signals[s]);
		for (int waited = 0; waited < ENDING_SECONDS * 1000 && reap(autolink) > 0; waited += STEP_MS)
			nanosleep(&(struct timespec){ .tv_nsec = STEP_MS * 1000000L }, NULL);
	}
}

/* ---- what happens to a link ---- */

static void try(struct link *link)
{
	const struct autolink *autolink = link->autolink;

	link->state = LINK_OFF;
	if (!link->on || link->types == 0 || autolink->closing)
		return;
	link->state = LINK_WAITING;
	/* the answer to the reservation wakes it */
	if (link->port && monitor_is_connected(autolink->monitor))
		start_wire(link);
}

void link_wake(struct link *link)
{
	if (!link->name[0] || link->removed || link->pid > 0 || loop_timer_running(link->timer))
		return;
	try(link);
}

void link_stop(struct link *link)
{
	if (link->pid > 0) {
		end_wire(link);
		return;
	}
	loop_timer_stop(link->timer);
	link->state = LINK_OFF;
	if (link->removed)
		finish_removal(link);
}

void link_timer(void *owner)
{
	struct link *link = owner;

	switch (link->state) {
	case LINK_WAITING:
		if (!link->port)
			monitor_reserve(link->autolink->monitor, index_of(link), 0);
		try(link);
		break;
	case LINK_STARTED:
	case LINK_UP:
		set_timer(link, link->autolink->times.check);
		monitor_ask_status(link->autolink->monitor, index_of(link), link->port);
		break;
	case LINK_ENDING:
		kill(-link->pid, SIGKILL);
		break;
	case LINK_OFF:
		break;
	}
}

static void connected(void *owner)
{
	struct autolink *autolink = owner;

	for (unsigned i = 0; i < LINKS_MAX; i++)
		if (autolink->link[i].name[0])
			monitor_reserve(autolink->monitor, i, autolink->link[i].port);
}

static void reserved(void *owner, unsigned number, unsigned port)
{
	struct autolink *autolink = owner;
	struct link *link = &autolink->link[number];

	if (port == 0) {
		log_error(autolink->log, "link %s: the switch has no port for it", link->name);
		link->port = 0;
		if (link->name[0] && link->pid == 0) {
			link->state = LINK_WAITING;
			set_timer(link, autolink->times.retry_last);
		}
		return;
	}
	/* the link went while the switch was asked; or was asked twice */
	if (!link->name[0] || (link->port && link->port != port)) {
		monitor_release(autolink->monitor, port);
		return;
	}
	link->port = port;
	link_wake(link);
}

static void found_dead(struct link *link, const char *why)
{
	if (link->state == LINK_UP || link->failures == 0)
		log_warn(link->autolink->log, "link %s: %s to %s %s", link->name, link_type(link), link_host(link), why);
	end_wire(link);
}

/* This side is plugged in as soon as its process runs, whatever the other one does: a link is up when that lasts. */
static void plugged_in(struct link *link)
{
	uint64_t lived = loop_clock() - link->started_ns, alive = link->autolink->times.alive;

	link->plugged = true;
	if (link->state == LINK_UP)
		return;
	if (lived < alive) {
		if (alive - lived < link->autolink->times.check)
			set_timer(link, alive - lived);
		return;
	}
	link->state = LINK_UP;
	log_info(link->autolink->log, "link %s: %s to %s is up", link->name, link_type(link), link_host(link));
}

static void port_status(void *owner, unsigned number, const struct monitor_status *status)
{
	struct autolink *autolink = owner;
	struct link *link = &autolink->link[number];

	if (link->state != LINK_STARTED && link->state != LINK_UP)
		return;
	if (status->endpoints == 0) {
		if (link->plugged)
			found_dead(link, "has left the switch");
		else if (loop_clock() - link->started_ns >= autolink->times.check)
			found_dead(link, "does not come to the switch");
		return;
	}
	plugged_in(link);
	if (link->trust == LINK_SUSPECTED && status->counted) {
		link->trust = LINK_WATCHED;
		link->frames_in = status->frames_in;
		set_timer(link, autolink->times.check);
	} else if (link->trust == LINK_WATCHED && status->frames_in == link->frames_in) {
		found_dead(link, "nothing comes in");
	} else {
		link->trust = LINK_TRUSTED;
	}
}

/* Whether the event is about the link. The way to the root that is it no more is a change, too. */
static bool concerns(struct link *link, unsigned port, enum monitor_event event)
{
	bool was = link->to_root;

	if (event != MONITOR_ROOT)
		return link->port == port;
	link->to_root = link->port == port;
	return was && !link->to_root;
}

static void port_event(void *owner, unsigned port, enum monitor_event event)
{
	struct autolink *autolink = owner;
	bool tree = event == MONITOR_TREE || event == MONITOR_ROOT;

	for (unsigned i = 0; i < LINKS_MAX; i++) {
		struct link *link = &autolink->link[i];

		if (!link->name[0] || !concerns(link, port, event) || (link->state != LINK_STARTED && link->state != LINK_UP))
			continue;
		if (tree && (!link->plugged || link->trust != LINK_TRUSTED))
			continue;
		if (tree)
			link->trust = LINK_SUSPECTED;
		monitor_ask_status(autolink->monitor, i, link->port);
	}
}

const struct monitor_callbacks supervise_monitor_callbacks = { connected, reserved, port_status, port_event };
