/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * For builds with the sanitizers only: libslirp 4.7 does not free all that it takes (the path of a redirection to a socket, connections that
 * are open at the end). It is the only one here that takes memory through glib.
 */
const char *__lsan_default_suppressions(void);

const char *__lsan_default_suppressions(void)
{
	return "leak:g_malloc\nleak:g_malloc0\nleak:g_strdup\n";
}
