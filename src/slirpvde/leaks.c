/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * For builds with the sanitizers only: libslirp 4.7 does not free all that it takes (the path of a redirection to a socket, connections that
 * are open at the end). It is the only one here that takes memory through glib.
 */
#include "slirpvde/sandbox.h"

const char *__lsan_default_suppressions(void);
const char *__lsan_default_options(void);

const char *__lsan_default_suppressions(void)
{
	return "leak:libglib-2.0\nleak:libslirp\n";
}

/* What is suppressed is not worth a line on stderr, where tests read. */
const char *__lsan_default_options(void)
{
	return "print_suppressions=0";
}

/* The search for leaks reads there. */
const char *sandbox_extra_directory(void)
{
	return "/proc";
}
