/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The command line. One row per option serves parsing (getopt_long_only: one dash or two, '=' or a blank,
 * unambiguous prefixes, options after words) and the usage text.
 *
 * A row names a member of the program's options struct; the parser stores there. Wrong text is a usage error: one line on
 * stderr that names the option, the value and what is allowed, exit status 2.
 */
#ifndef VDE_CLI_H
#define VDE_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum cli_kind {
	CLI_SECTION,            /* no option: `help` is printed as a line of its own in the usage */
	CLI_FLAG,               /* bool: set to true */
	CLI_COUNT,              /* unsigned: one more for each */
	CLI_STRING,             /* const char *: the last one wins */
	CLI_LIST,               /* struct cli_list: every one, in order */
	CLI_COMMA_LIST,         /* struct cli_list: every comma separated part of every one */
	CLI_UINT,               /* unsigned, min..max */
	CLI_DOUBLE,             /* double, min..max */
	CLI_SIZE,               /* uint64_t, min..max, k/m/g */
	CLI_MODE,               /* struct cli_mode: octal */
	CLI_MAC,                /* struct cli_mac */
	CLI_GROUP,              /* struct cli_group */
	CLI_CALL,               /* call(options, value) decides: 0, or an errno value (the line names option and value) */
	CLI_HELP,               /* prints the usage on stdout, exits 0 */
	CLI_VERSION,            /* prints the version on stdout, exits 0 */
	CLI_IGNORE,             /* accepted for old scripts, no effect */
};

/* Owns its items: cli_list_free at the end. */
struct cli_list {
	const char **item;      /* NULL terminated once not empty */
	size_t count;
};

struct cli_mode { bool set; mode_t mode; };
struct cli_mac { bool set; uint8_t mac[6]; };
struct cli_group { bool set; gid_t gid; };

struct cli_option {
	char letter;            /* 0: none */
	const char *names;      /* long names separated by blanks; the first is the one shown; NULL: none */
	const char *argument;   /* its name in the usage; NULL: takes none; "[N]": optional (only with '=' or glued) */
	const char *help;       /* NULL: understood, not shown */
	enum cli_kind kind;
	size_t offset;          /* of the member in the options struct */
	double min, max;        /* for numbers; max 0 means no bound below the type's own */
	int (*call)(void *options, const char *value);
};

struct cli {
	const char *program;            /* set by cli_parse from argv[0] */
	const char *synopsis;           /* lines after "Usage: ", e.g. "vde_switch [OPTIONS] [DIR]" */
	const char *purpose;            /* a sentence or more under it */
	const struct cli_option *options;       /* ended by a row of zeros */
	int max_words;                  /* words allowed beside the options; -1: any number */
	bool stop_at_word;              /* the first word ends the options: what follows belongs to a command */
};

/*
 * Fills `options`. Returns the index of the first word in argv, the words having been moved behind the options. Exits by itself:
 * 2 on a usage error, 0 after help or version.
 */
int cli_parse(struct cli *cli, int argc, char **argv, void *options);

/* "PROGRAM: text" on stderr and exit 2: for what cli_parse cannot see, such as two options that exclude each other. */
void cli_usage_error(const struct cli *cli, const char *format, ...) __attribute__((format(printf, 2, 3), noreturn));

void cli_print_usage(const struct cli *cli);

/* Adds copies of the parts: "a,b" is two items, "" is one empty item; empty parts beside others are nothing. */
void cli_list_add_parts(struct cli_list *list, const char *text);
/* Frees the items and empties the list. */
void cli_list_free(struct cli_list *list);

#endif
