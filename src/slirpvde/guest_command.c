/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libslirp has glib take the line apart and find the program. The same functions are asked here, so that both understand it alike; they are
 * looked up in the process instead of being linked, as in engine_log.c. Where they are not found, the first connection finds out.
 */
#include "slirpvde/guest_command.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

typedef int glib_parse_words(const char *line, int *count, char ***words, void **problem);
typedef char *glib_find_program(const char *name);
typedef void glib_free_words(char **words);

/* Functions by name: a pointer to data becomes one to a function as POSIX wants it done. */
struct glib {
	glib_parse_words *parse;
	glib_find_program *find;
	glib_free_words *free_words;
};

static bool find_functions(struct glib *glib)
{
	const struct {
		const char *name;
		void *function;
	} rows[] = {
		{ "g_shell_parse_argv", &glib->parse }, { "g_find_program_in_path", &glib->find }, { "g_strfreev", &glib->free_words },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		void *symbol = dlsym(RTLD_DEFAULT, rows[i].name);

		if (!symbol)
			return false;
		memcpy(rows[i].function, &symbol, sizeof(symbol));
	}
	return true;
}

int guest_command_check(const char *line, struct engine_error *error)
{
	struct glib glib;
	char **words, *program;
	int count;

	if (!find_functions(&glib))
		return 0;
	if (!glib.parse(line, &count, &words, NULL))
		return engine_fail(error, "command '%s': a quote or backslash is open at its end, or there is no word", line);
	program = glib.find(words[0]);
	if (!program)
		engine_fail(error, "command '%s': no program '%s'", line, words[0]);
	glib.free_words(words);
	free(program);          /* glib's allocator is the C library's */
	return program ? 0 : ENOENT;
}
