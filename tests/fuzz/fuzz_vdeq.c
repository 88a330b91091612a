/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Command lines of old, one word a line: the rewritten one holds none of the old forms, whatever came. */
#include "vdeq/rewrite.h"

#include "fuzz.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { WORDS_MAX = 200 };

static int plug(void *owner, const struct vdeq_plug *plug)
{
	unsigned *asked = owner;

	assert(plug->port <= 65535 && plug->mode <= 07777);
	(*asked)++;
	errno = EIO;
	return *asked % 7 ? (int)*asked : -1;
}

static void check(char *const *words, bool netdev_vde)
{
	unsigned asked = 0;
	struct vdeq_config config = { .netdev_vde = netdev_vde, .plug = plug, .owner = &asked };
	struct vdeq_words out;
	int error = vdeq_rewrite(&config, words, &out);

	if (error)
		assert(out.error[0] != '\0');
	else if (words[0])
		assert(out.count > 0 || vdeq_is_old(words));
	for (size_t i = 0; !error && !vdeq_is_old(words) && words[i]; i++)
		assert(strcmp(words[i], out.word[i]) == 0);
	vdeq_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), *words[WORDS_MAX + 1], *next;
	unsigned count = 0;

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	for (char *word = strtok_r(text, "\n", &next); word && count < WORDS_MAX; word = strtok_r(NULL, "\n", &next))
		words[count++] = word;
	words[count] = NULL;
	check(words, true);
	check(words, false);
	free(text);
	return 0;
}
