/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A recorded cable: what delay and loss it had, from when on.
 *
 *      # time in ms   delay in ms   loss in percent
 *      0              20            0
 *      1000           35.5          2
 *
 * Numbers are separated by blanks or a comma; '#' begins a comment. Times rise. A row holds until the time of the next one, the last for
 * ever, or, when the trace repeats, its time is where the first one begins again.
 */
#ifndef WIREFILTER_TRACE_H
#define WIREFILTER_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	TRACE_ROWS_MAX = 1000000,
	TRACE_LINE_MAX = 256,
	TRACE_FILE_MAX = 64 << 20,
};

struct trace_row {
	double time, delay;             /* nanoseconds */
	double loss;                    /* percent */
};

struct trace {
	struct trace_row *row;          /* NULL: no trace */
	size_t count, size;
	bool repeats;
	uint64_t start;                 /* when time 0 was */
	uint64_t round;                 /* how often it was gone through */
	size_t at;                      /* the row in force when last asked */
};

/*
 * Reads a file from time `now` on. Returns 0; or an errno value, EINVAL for a wrong line, whose number is stored in *line, with
 * *trace unchanged. A trace that repeats must last a millisecond.
 */
int trace_load(struct trace *trace, const char *path, bool repeats, uint64_t now, unsigned *line);
/* The same from text of that length, for tests. */
int trace_parse(struct trace *trace, const char *text, size_t length, unsigned *line);
void trace_free(struct trace *trace);
/* The row in force; NULL when there is no trace or its first row's time has not come. */
const struct trace_row *trace_at(struct trace *trace, uint64_t now);

#endif
