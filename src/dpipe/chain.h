/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A chain of commands and the pipes between them.
 *
 * Theory of operation. "A = B" joins two commands both ways. A command in the middle speaks to its left neighbour on descriptors 0 and 1, and to
 * its right one on two more, the alternate ones. Brackets take a command into one direction only: in "A =} F }= B" what A says goes through F to
 * B, and B answers A directly; "A ={ F {= B" is the mirror image. So each direction is a path through some of the commands, and each step of a
 * path is a pipe.
 */
#ifndef VDE_DPIPE_CHAIN_H
#define VDE_DPIPE_CHAIN_H

#include <stddef.h>

enum direction {
	BOTH_WAYS,
	LEFT_TO_RIGHT,
	RIGHT_TO_LEFT,
};

/* Where a command's pipes go. */
enum slot { SLOT_STDIN, SLOT_STDOUT, SLOT_ALTERNATE_STDIN, SLOT_ALTERNATE_STDOUT, SLOT_COUNT };

struct chain_command {
	char **argv;                    /* NULL terminated, points into the words */
	enum direction direction;
	int fd[SLOT_COUNT];             /* -1: none */
};

struct chain {
	struct chain_command *command;
	size_t count;
};

/*
 * Takes the words apart; separators among them become NULL. Returns NULL, or what is wrong (a string constant) with *where the word
 * at which it is wrong (NULL: the end). To be freed by chain_free in either case.
 */
const char *chain_parse(struct chain *chain, char **words, int count, const char **where);
/* Makes the pipes, all of them CLOEXEC. Returns 0 or an errno value. */
int chain_connect(struct chain *chain);
void chain_close(struct chain_command *command);
void chain_free(struct chain *chain);

#endif
