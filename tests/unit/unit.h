/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What unit tests share: cmocka with the headers it wants, and small help. */
#ifndef VDE_UNIT_H
#define VDE_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* A private directory, removed with all it holds by remove_directory. */
static inline char *make_directory(void)
{
	char name[] = "/tmp/vde-unit-XXXXXX";
	char *made = mkdtemp(name);

	assert_non_null(made);
	return strdup(made);
}

static inline void remove_directory(char *path)
{
	char command[256];

	snprintf(command, sizeof(command), "rm -rf '%s'", path);
	assert_int_equal(system(command), 0);
	free(path);
}

#endif
