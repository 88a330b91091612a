/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Asks a switch to mirror a port, over its management socket. */
#ifndef VDE_MIRROR_CLIENT_H
#define VDE_MIRROR_CLIENT_H

enum { MIRROR_PROBLEM_SIZE = 256 };

/*
 * Mirrors port `from` to the port whose endpoint has a description that begins with `description`; its number is stored in *to. Returns 0, or -1 with a sentence in
 * problem.
 */
int mirror_begin(const char *socket, unsigned from, const char *description, unsigned *to, char problem[MIRROR_PROBLEM_SIZE]);
int mirror_end(const char *socket, unsigned from, unsigned to, char problem[MIRROR_PROBLEM_SIZE]);

#endif
