/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "chain.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static enum direction direction_of(char bracket)
{
	return bracket == '}' ? LEFT_TO_RIGHT : bracket == '{' ? RIGHT_TO_LEFT : BOTH_WAYS;
}

/* "=", with at most one bracket on each side: what is closed on the left, and opened on the right. */
static bool is_separator(const char *word, enum direction *closed, enum direction *opened)
{
	const char *equals = strchr(word, '=');

	if (equals == NULL || equals - word > 1 || strlen(equals) > 2)
		return false;
	if (word != equals && word[0] != '{' && word[0] != '}')
		return false;
	if (equals[1] != '\0' && equals[1] != '{' && equals[1] != '}')
		return false;
	*closed = word == equals ? BOTH_WAYS : direction_of(word[0]);
	*opened = direction_of(equals[1]);
	return true;
}

static void begin_command(struct chain *chain, char **argv, enum direction direction)
{
	chain->command[chain->count++] = (struct chain_command){argv, direction, {-1, -1, -1, -1}};
}

/* At a separator, or at the end: is the command before it complete? */
static const char *check_command(const struct chain *chain, enum direction closed)
{
	const struct chain_command *last = &chain->command[chain->count - 1];

	if (last->argv[0] == NULL)
		return "a command is missing";
	if (last->direction != closed)
		return "brackets do not match";
	return NULL;
}

const char *chain_parse(struct chain *chain, char **words, int count, const char **where)
{
	enum direction closed, opened;
	const char *wrong;

	chain->count = 0;
	chain->command = calloc((size_t)count + 1, sizeof(*chain->command));
	*where = NULL;
	if (chain->command == NULL)
		return "no memory";
	begin_command(chain, words, BOTH_WAYS);
	for (int i = 0; i < count; i++) {
		const char *word = words[i];

		if (!is_separator(word, &closed, &opened))
			continue;
		words[i] = NULL;
		*where = word;
		wrong = check_command(chain, closed);
		if (wrong != NULL)
			return wrong;
		begin_command(chain, words + i + 1, opened);
	}
	wrong = check_command(chain, BOTH_WAYS);
	if (wrong == NULL && chain->count < 2)
		return "there is no '='";
	return wrong;
}

/* Both take the ends of a pipe into a step of a path: `from` writes, `to` reads. */
static int join(struct chain_command *from, enum slot out, struct chain_command *to, enum slot in)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) != 0)
		return errno;
	from->fd[out] = ends[1];
	to->fd[in] = ends[0];
	return 0;
}

/* A command in the middle that speaks both ways faces right with its alternate descriptors. */
static bool faces_right_alternately(const struct chain *chain, size_t i)
{
	return i > 0 && chain->command[i].direction == BOTH_WAYS;
}

int chain_connect(struct chain *chain)
{
	size_t from = 0;
	int error = 0;

	for (size_t i = 1; i < chain->count && error == 0; i++) {
		if (chain->command[i].direction == RIGHT_TO_LEFT)
			continue;
		error = join(&chain->command[from], faces_right_alternately(chain, from) ? SLOT_ALTERNATE_STDOUT : SLOT_STDOUT,
			     &chain->command[i], SLOT_STDIN);
		from = i;
	}
	from = chain->count - 1;
	for (size_t i = chain->count - 1; i-- > 0 && error == 0; ) {
		if (chain->command[i].direction == LEFT_TO_RIGHT)
			continue;
		error = join(&chain->command[from], SLOT_STDOUT, &chain->command[i],
			     faces_right_alternately(chain, i) ? SLOT_ALTERNATE_STDIN : SLOT_STDIN);
		from = i;
	}
	return error;
}

void chain_close(struct chain_command *command)
{
	for (int slot = 0; slot < SLOT_COUNT; slot++) {
		if (command->fd[slot] >= 0)
			close(command->fd[slot]);
		command->fd[slot] = -1;
	}
}

void chain_free(struct chain *chain)
{
	for (size_t i = 0; i < chain->count; i++)
		chain_close(&chain->command[i]);
	free(chain->command);
	chain->command = NULL;
	chain->count = 0;
}
