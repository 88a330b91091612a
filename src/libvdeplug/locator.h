/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From what a user wrote to a module and its arguments: the one place where locators are resolved. */
#ifndef VDE_LOCATOR_H
#define VDE_LOCATOR_H

enum {
	LOCATOR_MAX = 8192,             /* bytes of a locator; a longer one gives ENAMETOOLONG */
	LOCATOR_MODULE_MAX = 64,        /* bytes of a module's name */
};

struct locator {
	char *text;                     /* owned; the two below point into it */
	const char *module;             /* "vde" */
	char *arguments;                /* what follows "://", to be changed as the module likes */
};

/*
 * Resolves `name`, in this order:
 *      - NULL or "": the first that exists of HOME/.vdeplug/default, HOME/.vde2/default.switch and HOME/.vde2/stdsock
 *        (home NULL: none of them);
 *      - a regular file: its first line, which is not taken for a file again;
 *      - MODULE://ARGUMENTS;
 *      - PORT->HOST:PORT without a '/' (module udp) and PATH[] (module ptp, unless PATH is a directory), as VDE 2 writes them;
 *      - anything else, "" included: module vde with the whole text.
 * Returns 0 or an errno value: EINVAL (not a module's name, after a line on stderr), ENAMETOOLONG, ENOMEM, or why the file
 * could not be read. To be freed by locator_free, also after an error.
 */
int locator_resolve(struct locator *locator, const char *name, const char *home);
void locator_free(struct locator *locator);

#endif
