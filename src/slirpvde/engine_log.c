/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libslirp writes what it complains of through glib, by default straight to stderr and without limit, and a guest can make it complain.
 * glib's function is looked up in the process instead of being linked: libslirp is the only one here that needs glib.
 */
#include "slirpvde/engine.h"

#include <dlfcn.h>

typedef void glib_log_function(const char *domain, int level, const char *text, void *owner);
typedef unsigned glib_set_handler(const char *domain, int levels, glib_log_function *call, void *owner);

enum { GLIB_ALL_LEVELS = 0xfc };        /* error to debug, without the flags "fatal" and "recursion" */

static void on_log(const char *domain, int level, const char *text, void *owner)
{
	const struct engine_messages *messages = owner;

	(void)domain;
	(void)level;
	if (text)
		messages->call(messages->owner, text);
}

void engine_catch_messages(struct engine_messages *messages)
{
	void *symbol = dlsym(RTLD_DEFAULT, "g_log_set_handler");
	glib_set_handler *set_handler;

	if (!symbol)
		return;
	memcpy(&set_handler, &symbol, sizeof(set_handler));     /* as POSIX wants it done */
	set_handler("Slirp", GLIB_ALL_LEVELS, on_log, messages);
}
