/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What may follow on a command line: commands as the server's `help` lists them, and the things that it can list. No terminal and no socket here. */
#ifndef VDE_COMPLETION_H
#define VDE_COMPLETION_H

#include <stdbool.h>
#include <stddef.h>

enum {
	WORD_LIST_MAX = 70000,          /* words of a list: every port of the largest switch fits; further ones are left out */
};

/* Words, each its own memory. */
struct word_list {
	char **word;
	size_t count, size;
};

/* A copy of length bytes of text, if it is not there yet as the last one. At the bound, or when memory is refused, it is left out. */
void word_list_add(struct word_list *list, const char *text, size_t length);
void word_list_clear(struct word_list *list);

/* How a thing is listed: the command to send, and where in its data lines the words are. */
struct listing {
	const char *command;            /* NULL: the words are those of `help`, or file names */
	const char *prefix;             /* a line that counts begins with this; "" : any */
	bool below_rule;                /* only lines below one of dashes count */
	bool number;                    /* the word is a number: its leading zeros are dropped */
};

enum argument_kind {
	ARGUMENT_NONE, ARGUMENT_COMMAND, ARGUMENT_PORT, ARGUMENT_VLAN, ARGUMENT_CATEGORY, ARGUMENT_PLUGIN, ARGUMENT_FILE,
};

/* What stands at `position` (0: the command itself, 1: its first argument, ...) of a line that begins with `command`. */
enum argument_kind argument_kind(const char *command, unsigned position);
const struct listing *argument_listing(enum argument_kind kind);

/* Takes one data line of a listing. *rule_seen starts false and belongs to the caller, one per answer. */
void listing_line(const struct listing *listing, bool *rule_seen, const char *line, struct word_list *list);

#endif
