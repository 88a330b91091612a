/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A wire's command as words: blanks separate; '...' is taken as it is; in "..." and outside, \ makes the next character plain and $name or ${name} is replaced.
 * What a variable holds is never taken apart, whatever is in it. No shell is involved.
 */
#ifndef VDE_AUTOLINK_WORDS_H
#define VDE_AUTOLINK_WORDS_H

#include <stddef.h>

enum { WORDS_MAX = 64, WORDS_BYTES = 8192 };

struct words_variable {
	const char *name, *value;       /* ended by a row without a name */
};

struct words {
	char *word[WORDS_MAX + 1];      /* NULL terminated, pointing into bytes */
	unsigned count;
	char bytes[WORDS_BYTES];
	char unknown[32];               /* the variable that is not known */
};

/* 0; EINVAL: a quotation without end, or nothing after a \ or $; ENOENT: an unknown variable; E2BIG: too many words or bytes; ENODATA: no word at all. */
int words_expand(const char *text, const struct words_variable *variables, struct words *words);

#endif
