/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The data blocks of the management language as JSON (RFC 8259). */
#ifndef VDE_JSON_BLOCK_H
#define VDE_JSON_BLOCK_H

#include <stddef.h>
#include <stdio.h>

/* Writes text as a JSON string. Bytes that are not UTF-8 are written as the code points of Latin-1, so the document is always valid. */
void json_string(FILE *out, const char *text, size_t length);

/*
 * Writes the lines that `command` answered as one JSON value: objects for the blocks that are known (port/print, port/allprint,
 * hash/print, hash/find, vlan/print, vlan/allprint, showinfo, fstp/print, stats), else an array of strings. A line of a known block
 * that has no known form is kept, as a string in the array "other" of the object it belongs to.
 */
void json_block(FILE *out, const char *command, char *const *lines, size_t count);

#endif
