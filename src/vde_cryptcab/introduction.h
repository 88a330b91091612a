/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The introduction's words, which travel inside ssh and over the server's private socket:
 *
 *      client   "vde-cryptcab-admit 1 KEYID SECRET\n"          32 and 64 hexadecimal digits
 *      server   "vde-cryptcab-admit 1 ok\n"                    or "vde-cryptcab-admit 1 error TEXT\n"
 *
 * and where that socket is: a file "vde_cryptcab-PORT" in the runtime directory.
 */
#ifndef VDE_CRYPTCAB_INTRODUCTION_H
#define VDE_CRYPTCAB_INTRODUCTION_H

#include "protocol.h"

#include <stdbool.h>
#include <stddef.h>

#define INTRODUCTION_WORD "vde-cryptcab-admit 1 "

enum {
	INTRODUCTION_LINE_MAX = 255,            /* without the newline */
	INTRODUCTION_PATH_SIZE = 108,           /* a unix address' */
	INTRODUCTION_PLACES = 4,
};

/* Writes the client's line with newline and NUL: `out` has INTRODUCTION_LINE_MAX + 2 bytes. Returns its length. */
size_t introduction_write(char *out, const uint8_t key_id[KEY_ID_SIZE], const uint8_t secret[SECRET_SIZE]);
/* Reads the client's line, without newline: 0 or EINVAL. */
int introduction_read(const char *line, size_t length, uint8_t key_id[KEY_ID_SIZE], uint8_t secret[SECRET_SIZE]);

enum introduction_answer { ANSWER_OTHER, ANSWER_OK, ANSWER_ERROR };
/* What a line of the server's is; what is neither is other programs' talk (a login script's), which may also stand before it without a newline, such as the title of a
 * terminal. `text` points at the error's. */
enum introduction_answer introduction_answer(const char *line, const char **text);

/* Collects a line from a stream. Longer lines are cut: they are nobody's answer. */
struct line_reader {
	char line[INTRODUCTION_LINE_MAX + 1];
	size_t length;
};
/* Takes one byte; true when a line is complete (NUL terminated, without newline), until the next call. */
bool line_reader_take(struct line_reader *reader, char byte);

/*
 * The places where this user's server may listen, best first; `uid` 0: root's. Returns how many. Those that do not exist are left to the
 * caller to find out.
 */
unsigned introduction_places(unsigned port, char places[INTRODUCTION_PLACES][INTRODUCTION_PATH_SIZE]);

#endif
