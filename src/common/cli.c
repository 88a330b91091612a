/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Parsing is getopt_long_only's; this file makes its tables from ours, turns text into values, and says what is wrong in
 * one manner for all programs.
 *
 * A long option's `val` is LONG_BASE plus the index of its row, so that the several names of a row count as one when a prefix
 * fits them all. A letter's is the letter.
 */
#include "common/cli.h"

#include "common/number.h"
#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	LONG_BASE = 256,
	LONG_NAMES_MAX = 128,           /* of all rows together */
	NAME_MAX_SIZE = 64,
	HELP_COLUMN = 29,
};

/* getopt's tables. */
struct getopt_tables {
	char letters[2 * LONG_BASE];
	struct option longs[LONG_NAMES_MAX + 1];
	char name[LONG_NAMES_MAX][NAME_MAX_SIZE];
};

static bool is_last(const struct cli_option *row)
{
	return !row->letter && !row->names && !row->help && row->kind == CLI_SECTION;
}

static int argument_manner(const struct cli_option *row)
{
	if (!row->argument)
		return no_argument;
	return row->argument[0] == '[' ? optional_argument : required_argument;
}

/* Calls for each blank separated name of the row. */
static const char *next_name(const char *names, char name[NAME_MAX_SIZE])
{
	size_t length;

	if (!names)
		return NULL;
	names += strspn(names, " ");
	length = strcspn(names, " ");
	if (length == 0)
		return NULL;
	snprintf(name, NAME_MAX_SIZE, "%.*s", (int)length, names);
	return names + length;
}

static void die(const struct cli *cli, const char *format, va_list arguments)
	__attribute__((format(printf, 2, 0), noreturn));
static void die(const struct cli *cli, const char *format, va_list arguments)
{
	fflush(stdout);
	fprintf(stderr, "%s: ", cli->program);
	vfprintf(stderr, format, arguments);
	fprintf(stderr, "\nTry '%s --help'.\n", cli->program);
	exit(2);
}

void cli_usage_error(const struct cli *cli, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	die(cli, format, arguments);
}

/* ---- values ---- */

/* "--numports", or "-n" for a row without a long name. */
static const char *shown_name(const struct cli_option *row, char out[NAME_MAX_SIZE + 2])
{
	char name[NAME_MAX_SIZE];

	if (next_name(row->names, name))
		snprintf(out, NAME_MAX_SIZE + 2, "--%s", name);
	else
		snprintf(out, NAME_MAX_SIZE + 2, "-%c", row->letter);
	return out;
}

static void bad_value(const struct cli *cli, const struct cli_option *row, const char *format, ...)
	__attribute__((format(printf, 3, 4), noreturn));
static void bad_value(const struct cli *cli, const struct cli_option *row, const char *format, ...)
{
	char name[NAME_MAX_SIZE + 2], text[512];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	cli_usage_error(cli, "%s: %s", shown_name(row, name), text);
}

static void list_add(struct cli_list *list, const char *text, size_t length)
{
	const char **items = realloc(list->item, (list->count + 2) * sizeof(*items));
	char *item = strndup(text, length);

	if (!items || !item) {
		fputs("out of memory\n", stderr);
		exit(1);
	}
	list->item = items;
	list->item[list->count++] = item;
	list->item[list->count] = NULL;
}

void cli_list_free(struct cli_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free((char *)(uintptr_t)list->item[i]);
	free(list->item);
	*list = (struct cli_list){ .item = NULL };
}

void cli_list_add_parts(struct cli_list *list, const char *text)
{
	if (!*text)
		list_add(list, text, 0);
	while (*text) {
		size_t length = strcspn(text, ",");

		if (length)
			list_add(list, text, length);
		text += length + (text[length] == ',');
	}
}

static void store_uint(const struct cli *cli, const struct cli_option *row, unsigned *member, const char *value)
{
	unsigned min = (unsigned)row->min;
	unsigned max = row->max != 0 ? (unsigned)row->max : UINT_MAX;

	if (number_uint(value, min, max, member) != 0)
		bad_value(cli, row, "'%s' is not a number from %u to %u", value, min, max);
}

static void store_double(const struct cli *cli, const struct cli_option *row, double *member, const char *value)
{
	double max = row->max != 0 ? row->max : HUGE_VAL;

	if (number_double(value, row->min, max, member) == 0)
		return;
	if (row->max != 0)
		bad_value(cli, row, "'%s' is not a number from %g to %g", value, row->min, row->max);
	bad_value(cli, row, "'%s' is not a number from %g up", value, row->min);
}

static void store_size(const struct cli *cli, const struct cli_option *row, uint64_t *member, const char *value)
{
	uint64_t min = (uint64_t)row->min;
	uint64_t max = row->max != 0 ? (uint64_t)row->max : UINT64_MAX;

	if (number_size(value, min, max, member) != 0)
		bad_value(cli, row, "'%s' is not a size from %llu to %llu (k, m and g may follow the number)", value,
			  (unsigned long long)min, (unsigned long long)max);
}

static void store_group(const struct cli *cli, const struct cli_option *row, struct cli_group *member, const char *value)
{
	if (number_group(value, &member->gid) != 0)
		bad_value(cli, row, "no group '%s'", value);
	member->set = true;
}

static void store_mode(const struct cli *cli, const struct cli_option *row, struct cli_mode *member, const char *value)
{
	if (number_mode(value, &member->mode) != 0)
		bad_value(cli, row, "'%s' is not an octal mode from 0 to 7777", value);
	member->set = true;
}

static void store_mac(const struct cli *cli, const struct cli_option *row, struct cli_mac *member, const char *value)
{
	if (number_mac(value, member->mac) != 0)
		bad_value(cli, row, "'%s' is not a MAC address such as 02:00:00:00:00:01", value);
	member->set = true;
}

static void call_row(const struct cli *cli, const struct cli_option *row, void *options, const char *value)
{
	int error = row->call(options, value);

	if (error && value)
		bad_value(cli, row, "'%s': %s", value, strerror(error));
	if (error)
		bad_value(cli, row, "%s", strerror(error));
}

static void print_and_exit(const struct cli *cli, const struct cli_option *row)
{
	if (row->kind == CLI_HELP)
		cli_print_usage(cli);
	else
		printf("%s (VDE) %s\n", cli->program, PACKAGE_VERSION);
	exit(fflush(stdout) == 0 ? 0 : 1);
}

static void store(const struct cli *cli, const struct cli_option *row, void *options, const char *value)
{
	void *member = (char *)options + row->offset;

	/* An optional argument that is absent: flags and calls know what that means, a number stays what it is. */
	if (!value && row->argument && row->kind >= CLI_UINT && row->kind <= CLI_GROUP)
		return;
	switch (row->kind) {
	case CLI_FLAG: *(bool *)member = true; break;
	case CLI_COUNT: ++*(unsigned *)member; break;
	case CLI_STRING: *(const char **)member = value ? value : ""; break;
	case CLI_LIST: list_add(member, value ? value : "", value ? strlen(value) : 0); break;
	case CLI_COMMA_LIST: cli_list_add_parts(member, value ? value : ""); break;
	case CLI_UINT: store_uint(cli, row, member, value); break;
	case CLI_DOUBLE: store_double(cli, row, member, value); break;
	case CLI_SIZE: store_size(cli, row, member, value); break;
	case CLI_MODE: store_mode(cli, row, member, value); break;
	case CLI_MAC: store_mac(cli, row, member, value); break;
	case CLI_GROUP: store_group(cli, row, member, value); break;
	case CLI_CALL: call_row(cli, row, options, value); break;
	case CLI_HELP:
	case CLI_VERSION: print_and_exit(cli, row); break;
	case CLI_IGNORE:
	case CLI_SECTION: break;
	}
}

/* ---- parsing ---- */

static void add_letter(struct getopt_tables *tables, const struct cli_option *row)
{
	size_t length = strlen(tables->letters);

	if (length + 4 > sizeof(tables->letters))
		abort();
	tables->letters[length++] = row->letter;
	for (int colons = argument_manner(row); colons > 0; colons--)
		tables->letters[length++] = ':';
	tables->letters[length] = '\0';
}

static void make_tables(const struct cli *cli, struct getopt_tables *tables)
{
	unsigned count = 0;

	memset(tables, 0, sizeof(*tables));
	strcpy(tables->letters, cli->stop_at_word ? "+:" : ":");
	for (const struct cli_option *row = cli->options; !is_last(row); row++) {
		const char *rest = row->names;

		if (row->kind == CLI_SECTION)
			continue;
		if (row->letter)
			add_letter(tables, row);
		while (count < LONG_NAMES_MAX && (rest = next_name(rest, tables->name[count]))) {
			tables->longs[count] = (struct option){
				.name = tables->name[count],
				.has_arg = argument_manner(row),
				.val = LONG_BASE + (int)(row - cli->options),
			};
			count++;
		}
	}
}

static const struct cli_option *find_row(const struct cli *cli, int value)
{
	if (value >= LONG_BASE)
		return &cli->options[value - LONG_BASE];
	for (const struct cli_option *row = cli->options; !is_last(row); row++)
		if (row->kind != CLI_SECTION && row->letter && row->letter == (char)value)
			return row;
	return NULL;
}

/* Names the rows that `word` ("--so") could have meant, when they are several. */
static void complain_if_ambiguous(const struct cli *cli, const struct getopt_tables *tables, const char *word)
{
	const char *name = word + strspn(word, "-");
	size_t length = strcspn(name, "=");
	char possible[512] = "";
	int rows = 0, last = 0;

	for (const struct option *option = tables->longs; option->name; option++) {
		size_t used = strlen(possible);

		if (strncmp(option->name, name, length) != 0 || option->val == last)
			continue;
		last = option->val;
		rows++;
		snprintf(possible + used, sizeof(possible) - used, " --%s", option->name);
	}
	if (rows > 1 && length > 0)
		cli_usage_error(cli, "option '%s' is ambiguous; possible:%s", word, possible);
}

static void complain(const struct cli *cli, const struct getopt_tables *tables, int result, char **argv)
	__attribute__((noreturn));
static void complain(const struct cli *cli, const struct getopt_tables *tables, int result, char **argv)
{
	const struct cli_option *row = optopt ? find_row(cli, optopt) : NULL;
	char name[NAME_MAX_SIZE + 2];

	if (row && result == ':')
		cli_usage_error(cli, "option '%s' requires an argument", shown_name(row, name));
	if (row)
		cli_usage_error(cli, "option '%s' takes no argument", shown_name(row, name));
	if (optopt)
		cli_usage_error(cli, "unrecognized option '-%c'", optopt);
	complain_if_ambiguous(cli, tables, argv[optind - 1]);
	cli_usage_error(cli, "unrecognized option '%.*s'", (int)strcspn(argv[optind - 1], "="), argv[optind - 1]);
}

static void set_program(struct cli *cli, const char *name)
{
	const char *slash = name ? strrchr(name, '/') : NULL;

	cli->program = slash ? slash + 1 : name ? name : "vde";
}

int cli_parse(struct cli *cli, int argc, char **argv, void *options)
{
	struct getopt_tables tables;
	int result;

	set_program(cli, argv[0]);
	make_tables(cli, &tables);
	opterr = 0;
	optind = 0;             /* from the start, also when somebody parsed before */
	while ((result = getopt_long_only(argc, argv, tables.letters, tables.longs, NULL)) != -1) {
		const struct cli_option *row = result == '?' || result == ':' ? NULL : find_row(cli, result);

		if (!row)
			complain(cli, &tables, result, argv);
		store(cli, row, options, optarg);
	}
	if (cli->max_words >= 0 && argc - optind > cli->max_words)
		cli_usage_error(cli, "unexpected argument '%s'", argv[optind + cli->max_words]);
	return optind;
}

/* ---- usage ---- */

/* The left column "  -s, --sock SOCK" and the text beside it; further lines of the text are aligned with the first. */
static void print_row(const struct cli_option *row, const char *name, const char *text)
{
	char left[256];
	int length = snprintf(left, sizeof(left), row->letter ? "  -%c%s" : "    %c%s", row->letter ? row->letter : ' ',
			      name ? row->letter ? ", " : " " : "");

	if (name)
		length += snprintf(left + length, sizeof(left) - (size_t)length, "--%s", name);
	if (row->argument && row->argument[0] == '[')
		snprintf(left + length, sizeof(left) - (size_t)length, "[=%s", row->argument + 1);
	else if (row->argument)
		snprintf(left + length, sizeof(left) - (size_t)length, " %s", row->argument);
	if (strlen(left) < HELP_COLUMN)
		printf("%-*s", HELP_COLUMN, left);
	else
		printf("%s\n%*s", left, HELP_COLUMN, "");
	for (const char *line = text; *line; ) {
		int size = (int)strcspn(line, "\n");

		printf("%*s%.*s\n", line == text ? 0 : HELP_COLUMN, "", size, line);
		line += size + (line[size] == '\n');
	}
	if (!*text)
		putchar('\n');
}

static void print_option(const struct cli_option *row)
{
	char first[NAME_MAX_SIZE] = "", name[NAME_MAX_SIZE], text[2 * NAME_MAX_SIZE];
	const char *rest = next_name(row->names, first);

	print_row(row, rest ? first : NULL, row->help);
	while (rest && (rest = next_name(rest, name))) {
		snprintf(text, sizeof(text), "Same as --%s%s%s", first, row->argument ? " " : "",
			 row->argument ? row->argument : "");
		print_row(row, name, text);
	}
}

void cli_print_usage(const struct cli *cli)
{
	printf("Usage: %s\n", cli->synopsis);
	if (cli->purpose)
		printf("%s\n", cli->purpose);
	for (const struct cli_option *row = cli->options; !is_last(row); row++) {
		if (!row->help)
			continue;
		if (row->kind == CLI_SECTION)
			printf("%s\n", row->help);
		else
			print_option(row);
	}
}
