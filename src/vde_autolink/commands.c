/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vde_autolink/autolink.h"

#include <errno.h>
#include <string.h>

enum { SCRIPT_DEPTH = 8, SHOWN_MAX = 256 /* of a wrong text, in the answer */ };

/* An error of the list says in the answer what was wrong with `word`; the code follows. */
struct reason {
	int error;
	const char *text;
};

static int explain(struct reply *reply, const char *word, const struct reason *reasons, int error)
{
	char shown[SHOWN_MAX];

	for (; reasons->error; reasons++)
		if (reasons->error == error)
			reply_printf(reply, "'%s' %s\n", log_escape(shown, sizeof(shown), word, strlen(word)), reasons->text);
	return error;
}

static const struct reason wire_reasons[] = {
	{ EINVAL, "is not NAME COMMAND with closed quotes and no other variables than $mysock, $myport and $remotehost" },
	{ ENAMETOOLONG, "has too long a name" },
	{ ENOENT, "is no kind of wire" },
	{ EBUSY, "is used by a link; deltypelink takes it away" },
	{ 0, NULL },
};

static const struct reason link_reasons[] = {
	{ ENOENT, "is no link, or has no such kind of wire" },
	{ 0, NULL },
};

static int addwire(void *owner, struct reply *reply, const struct args *args)
{
	const char *text = args->word[0], *command = text + strcspn(text, " \t");
	char name[NAME_MAX_BYTES + 1];
	size_t length = (size_t)(command - text);

	if (length >= sizeof(name))
		return explain(reply, text, wire_reasons, ENAMETOOLONG);
	memcpy(name, text, length);
	name[length] = '\0';
	return explain(reply, text, wire_reasons, autolink_add_wire(owner, name, command));
}

static int delwire(void *owner, struct reply *reply, const struct args *args)
{
	return explain(reply, args->word[0], wire_reasons, autolink_remove_wire(owner, args->word[0]));
}

static int addlink(void *owner, struct reply *reply, const struct args *args)
{
	(void)reply;
	return autolink_add_link(owner, args->word[0], args->word + 1, args->count - 1);
}

static int dellink(void *owner, struct reply *reply, const struct args *args)
{
	return explain(reply, args->word[0], link_reasons, autolink_remove_link(owner, args->word[0]));
}

static int addtypelink(void *owner, struct reply *reply, const struct args *args)
{
	if (!autolink_find_wire(owner, args->word[1]))
		return explain(reply, args->word[1], wire_reasons, ENOENT);
	return explain(reply, args->word[0], link_reasons, autolink_add_type(owner, args->word[0], args->word[1]));
}

static int deltypelink(void *owner, struct reply *reply, const struct args *args)
{
	return explain(reply, args->word[0], link_reasons, autolink_remove_type(owner, args->word[0], args->word[1]));
}

static int linkonoff(void *owner, struct reply *reply, const struct args *args)
{
	static const struct reason reasons[] = { { EINVAL, "is not 0 or 1" }, { 0, NULL } };

	if (strcmp(args->word[1], "0") != 0 && strcmp(args->word[1], "1") != 0)
		return explain(reply, args->word[1], reasons, EINVAL);
	return explain(reply, args->word[0], link_reasons, autolink_switch(owner, args->word[0], args->word[1][0] == '1'));
}

static int showwires(void *owner, struct reply *reply, const struct args *args)
{
	const struct autolink *autolink = owner;

	(void)args;
	for (unsigned i = 0; i < WIRES_MAX; i++)
		if (autolink->wire[i].name[0])
			reply_printf(reply, "%s:%s\n", autolink->wire[i].name, autolink->wire[i].command);
	return 0;
}

static const char *state_text(const struct link *link)
{
	static const char *const texts[] = { "off", "waiting", "started", "up", "ending" };

	return texts[link->state];
}

static int showlinks(void *owner, struct reply *reply, const struct args *args)
{
	const struct autolink *autolink = owner;

	(void)args;
	for (unsigned i = 0; i < LINKS_MAX; i++) {
		const struct link *link = &autolink->link[i];

		if (!link->name[0])
			continue;
		reply_printf(reply, "%s port=%04u %s %s hosts:", link->name, link->port, link->on ? "on" : "off", state_text(link));
		for (unsigned j = 0; j < link->hosts; j++)
			reply_printf(reply, " %s", link->host[j]);
		reply_printf(reply, " types:");
		for (unsigned j = 0; j < link->types; j++)
			reply_printf(reply, " %s", link->type[j]);
		reply_printf(reply, "\n");
	}
	return 0;
}

static int runninglinks(void *owner, struct reply *reply, const struct args *args)
{
	const struct autolink *autolink = owner;

	(void)args;
	for (unsigned i = 0; i < LINKS_MAX; i++) {
		const struct link *link = &autolink->link[i];

		if (link->pid > 0)
			reply_printf(reply, "%s port=%04u %s type=%s host=%s pid=%ld seconds=%u\n", link->name, link->port, state_text(link),
				     link_type(link), link_host(link), (long)link->pid,
				     (unsigned)((loop_clock() - link->started_ns) / LOOP_SECOND));
	}
	return 0;
}

static int jobsqueue(void *owner, struct reply *reply, const struct args *args)
{
	static const char *const jobs[] = { "", "try", "check", "check", "kill" };
	const struct autolink *autolink = owner;

	(void)args;
	for (unsigned i = 0; i < LINKS_MAX; i++) {
		const struct link *link = &autolink->link[i];
		double left = (double)link->due_ns - (double)loop_clock();

		if (link->name[0] && loop_timer_running(link->timer))
			reply_printf(reply, "%s %s in %.1f s\n", jobs[link->state], link->name, left > 0 ? left / LOOP_SECOND : 0);
	}
	return 0;
}

static int runscript(void *owner, struct reply *reply, const struct args *args)
{
	struct autolink *autolink = owner;
	int error;

	(void)reply;
	if (autolink->scripts == SCRIPT_DEPTH)
		return ELOOP;
	autolink->scripts++;
	error = mgmt_run_script(autolink->mgmt, args->word[0]);
	autolink->scripts--;
	return error;
}

const struct command autolink_commands[] = {
	{ "help", "", "print a summary of mgmt commands", 0, 1, NULL, COMMAND_BUILTIN },
	{ "logout", "", "close this session", 0, 0, NULL, COMMAND_BUILTIN },
	{ "shutdown", "", "terminate", 0, 0, NULL, COMMAND_BUILTIN },
	{ "runscript", "PATH", "load a config script", 1, 1, runscript, 0 },
	{ "showwires", "", "list the kinds of wires", 0, 0, showwires, COMMAND_DATA },
	{ "addwire", "TYPE CMD", "add a kind of wire: $mysock, $myport, $remotehost stand for its ends", 1, 1, addwire, COMMAND_RAW },
	{ "delwire", "TYPE", "remove a kind of wire", 1, 1, delwire, 0 },
	{ "showlinks", "", "list the links", 0, 0, showlinks, COMMAND_DATA },
	{ "runninglinks", "", "list the links that have a wire", 0, 0, runninglinks, COMMAND_DATA },
	{ "addlink", "NAME HOST...", "add a link, with its hosts in the order to try", 2, COMMAND_MAX_WORDS, addlink, 0 },
	{ "dellink", "NAME", "remove a link", 1, 1, dellink, 0 },
	{ "addtypelink", "NAME TYPE", "add a kind of wire to a link, after those it has", 2, 2, addtypelink, 0 },
	{ "deltypelink", "NAME TYPE", "remove a kind of wire from a link", 2, 2, deltypelink, 0 },
	{ "linkonoff", "NAME 0/1", "switch a link on or off", 2, 2, linkonoff, 0 },
	{ "jobsqueue", "", "list what is to be done, and when", 0, 0, jobsqueue, COMMAND_DATA },
	{ 0 }
};
