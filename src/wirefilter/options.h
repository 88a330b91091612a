/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command line of wirefilter, and which two ends it means. */
#ifndef WIREFILTER_OPTIONS_H
#define WIREFILTER_OPTIONS_H

#include "filter.h"

#include "common/cli.h"

#include <stdbool.h>
#include <stdint.h>

enum { END_LEFT, END_RIGHT, END_COUNT };

/* An end of the filter: a plug in a switch, or a pair of descriptors with a vdestream. */
struct end_choice {
	bool is_plug;
	const char *name;               /* of a plug: its locator, "" for the default switch */
	int in, out;                    /* of a stream */
};

struct options {
	struct cli_list impairment[IMPAIRMENT_COUNT];   /* values, in the order given */
	struct cli_list presets, traces;
	const char *rcfile, *mgmt, *pidfile, *blink, *blink_id, *plugs;
	struct cli_mode mgmt_mode;
	bool nofifo, strict_mtu, daemon, console, nostdin, reconnect, list_presets;
	struct { bool set; uint64_t value; } seed;

	/* Found out from these and the environment: */
	const char *program;            /* the name it was called by */
	struct end_choice end[END_COUNT];
	bool one_way;                   /* left is read, right is written; both are stdin and stdout */
	bool serve_console;
};

/* Fills options; returns only when they are right (otherwise exits with 2). The strings belong to argv or live as long as the program. */
void options_parse(struct options *options, int argc, char **argv);
void options_free(struct options *options);

/* The seed that was given, or one that nobody knows. */
uint64_t options_seed(const struct options *options);
/* Sets presets, values and traces. Returns 0, or 2 after a line on stderr that names what is wrong. */
int options_apply(const struct options *options, struct filter *filter);

/*
 * Splits "A:B" for -v. Without "://" at the first colon; with it at the only colon that does not belong to a "://". Fills two strings allocated as
 * one (free the first). Returns 0, EINVAL (no colon), ENOTUNIQ (several could be meant) or ENOMEM.
 */
int options_split_plugs(const char *text, char *name[END_COUNT]);

#endif
