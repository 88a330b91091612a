/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VDE_CMD_WORDS_H
#define VDE_CMD_WORDS_H

/*
 * Splits text at blanks, in place: '...' is literal; in "..." a backslash quotes '"' and itself; outside, any character. Stores at most `max` pointers, the last
 * one NULL. Returns 0, EINVAL (no word, or an unfinished quotation) or E2BIG.
 */
int cmd_words_split(char *text, char **words, unsigned max);

#endif
