/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "trace.h"

#include "common/number.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const double millisecond = 1e6;

static bool is_separator(char c)
{
	return c == ' ' || c == '\t' || c == ',' || c == '\r' || c == '\n';
}

/* Up to three numbers of a line that the function may change. Returns how many, or -1. */
static int parse_numbers(char *line, double number[3])
{
	static const double max[3] = { 1e15, 1e12, 100 };
	int count = 0;
	char *p = line;

	line[strcspn(line, "#")] = '\0';
	for (;;) {
		char *word;

		while (is_separator(*p))
			p++;
		if (!*p)
			return count;
		word = p;
		while (*p && !is_separator(*p))
			p++;
		if (*p)
			*p++ = '\0';
		if (count == 3 || number_double(word, 0, max[count], &number[count]))
			return -1;
		count++;
	}
}

static int add_row(struct trace *trace, const double number[3])
{
	struct trace_row row = { number[0] * millisecond, number[1] * millisecond, number[2] };

	if (trace->count && row.time <= trace->row[trace->count - 1].time)
		return EINVAL;
	if (trace->count == TRACE_ROWS_MAX)
		return EFBIG;
	if (trace->count == trace->size) {
		size_t size = trace->size ? trace->size * 2 : 64;
		struct trace_row *grown = realloc(trace->row, size * sizeof *grown);

		if (!grown)
			return ENOMEM;
		trace->row = grown;
		trace->size = size;
	}
	trace->row[trace->count++] = row;
	return 0;
}

static int parse_line(struct trace *trace, char *line)
{
	double number[3] = { 0, 0, 0 };
	int count = parse_numbers(line, number);

	if (count == 0)
		return 0;
	return count == 3 ? add_row(trace, number) : EINVAL;
}

static int parse_stream(struct trace *trace, FILE *file, unsigned *line_number)
{
	char line[TRACE_LINE_MAX];
	int error = 0;

	while (!error && fgets(line, sizeof line, file)) {
		++*line_number;
		if (!strchr(line, '\n') && !feof(file))
			error = EINVAL;
		else
			error = parse_line(trace, line);
	}
	if (!error && ferror(file))
		error = EIO;
	if (!error && !trace->count)
		error = EINVAL;
	if (!error && trace->repeats && trace->row[trace->count - 1].time < millisecond)
		error = EINVAL;
	return error;
}

static int replace(struct trace *trace, struct trace *loaded, int error)
{
	if (error) {
		trace_free(loaded);
		return error;
	}
	trace_free(trace);
	*trace = *loaded;
	return 0;
}

/* A regular file of bounded size: the program must not wait for a pipe, nor read a device without end. */
static FILE *open_file(const char *path, int *error)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat status;
	FILE *file = NULL;

	*error = fd < 0 || fstat(fd, &status) < 0 ? errno : 0;
	if (!*error && !S_ISREG(status.st_mode))
		*error = S_ISDIR(status.st_mode) ? EISDIR : EINVAL;
	if (!*error && status.st_size > TRACE_FILE_MAX)
		*error = EFBIG;
	if (!*error) {
		file = fdopen(fd, "r");
		*error = file ? 0 : errno;
	}
	if (!file && fd >= 0)
		close(fd);
	return file;
}

int trace_load(struct trace *trace, const char *path, bool repeats, uint64_t now, unsigned *line)
{
	struct trace loaded = { .repeats = repeats, .start = now };
	int error;
	FILE *file = open_file(path, &error);

	*line = 0;
	if (!file)
		return error;
	error = parse_stream(&loaded, file, line);
	fclose(file);
	return replace(trace, &loaded, error);
}

int trace_parse(struct trace *trace, const char *text, size_t length, unsigned *line)
{
	struct trace loaded = { .repeats = trace->repeats, .start = trace->start };
	FILE *file;
	int error;

	*line = 0;
	if (length == 0)
		return EINVAL;
	file = fmemopen((void *)(uintptr_t)text, length, "r");
	if (!file)
		return errno;
	error = parse_stream(&loaded, file, line);
	fclose(file);
	return replace(trace, &loaded, error);
}

void trace_free(struct trace *trace)
{
	free(trace->row);
	trace->row = NULL;
	trace->count = trace->size = trace->at = 0;
}

/* Time since the trace, or its present round, began. */
static double trace_time(struct trace *trace, uint64_t now)
{
	double length = trace->row[trace->count - 1].time;
	double since = now > trace->start ? (double)(now - trace->start) : 0;
	uint64_t round;

	if (!trace->repeats)
		return since;
	round = (uint64_t)(since / length);
	if (round != trace->round)
		trace->at = 0;
	trace->round = round;
	since -= (double)round * length;
	return since > 0 ? since : 0;
}

const struct trace_row *trace_at(struct trace *trace, uint64_t now)
{
	double time;

	if (!trace->row)
		return NULL;
	time = trace_time(trace, now);
	while (trace->at + 1 < trace->count && trace->row[trace->at + 1].time <= time)
		trace->at++;
	return time < trace->row[trace->at].time ? NULL : &trace->row[trace->at];
}
