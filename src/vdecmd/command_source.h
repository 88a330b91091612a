/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where vdecmd's commands come from beside its command line: a file or a pipe, one command a line. */
#ifndef VDE_COMMAND_SOURCE_H
#define VDE_COMMAND_SOURCE_H

#include <stdbool.h>
#include <stdio.h>

/*
 * True when a file is written in the language of the scripts of VDE 2's unixcmd (/etc/vde2/vdecmd: "TIMEOUT 1000", "1 IN '$ ' 100"):
 * decided by its first line that is neither empty nor a comment.
 */
bool command_source_is_old_script(const char *first_line);

/*
 * The next command of the file: blank lines and lines that begin with '#' are passed over, outer blanks removed. Returns NULL at the end. The
 * text is valid until the next call and belongs to *line, to be freed at the end; *size is its size, as getline has them.
 */
char *command_source_next(FILE *file, char **line, size_t *size);

#endif
