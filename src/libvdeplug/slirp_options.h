/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The arguments of slirp://, "[/OPTION][/OPTION]...", as a configuration of slirpvde's engine. */
#ifndef VDE_SLIRP_OPTIONS_OF_LOCATOR_H
#define VDE_SLIRP_OPTIONS_OF_LOCATOR_H

#include "slirpvde/engine_config.h"
#include "slirpvde/forward.h"

enum { SLIRP_SEARCH_MAX = 16 };         /* domains in vdnssearch */

struct slirp_options {
	struct engine_config config;    /* points into this struct and what it owns */
	char *text;                     /* owned: the arguments, taken apart */
	char *tftp;                     /* owned: the real path */
	const char *search[SLIRP_SEARCH_MAX + 1];
	char *forwards[FORWARD_KINDS];  /* lists, as written; NULL: none */
	bool verbose;
};

/* Returns 0, ENOMEM, or EINVAL with the reason. slirp_options_free also after an error. The struct must not move. */
int slirp_options_parse(struct slirp_options *options, const char *arguments, struct engine_error *error);
void slirp_options_free(struct slirp_options *options);

/*
 * Cuts the next item off *list: at a comma, except that a comma in a command or path belongs to it unless [ADDRESS:]PORT: follows. NULL: none is left.
 */
char *slirp_options_next(enum forward_kind kind, char **list);

#endif
