/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The management server: from a line to its answer, the built-in commands, and scripts. */
#include "common/mgmt_internal.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SCRIPT_SIZE_MAX = 1 << 20 };     /* of a file that a session loads: it is run in one go */

typedef int builtin_function(struct mgmt_run *run, const struct args *args);

struct builtin {
	const char *path;
	unsigned max_args;
	builtin_function *run;
	bool writes_itself;             /* its text goes to the answer as it is: answers of other commands are in it */
};

static builtin_function run_help, run_logout, run_shutdown, run_load;

static const struct builtin builtins[] = {
	{ "help", 1, run_help, false },
	{ "logout", 0, run_logout, false },
	{ "shutdown", 0, run_shutdown, false },
	{ "load", 1, run_load, true },
};

static const struct builtin *find_builtin(const char *path)
{
	for (size_t i = 0; i < sizeof(builtins) / sizeof(*builtins); i++)
		if (strcmp(builtins[i].path, path) == 0)
			return &builtins[i];
	return NULL;
}

/* The first row of this path in the order of the tables, with its owner. */
static const struct command *find_row(const struct mgmt *mgmt, const char *path, void **owner)
{
	for (unsigned i = 0; i < mgmt->set_count; i++) {
		const struct command *row = command_find(&mgmt->sets[i], path);

		if (row) {
			*owner = mgmt->sets[i].owner;
			return row;
		}
	}
	return NULL;
}

/* ---- the shape of an answer ---- */

void mgmt_append_code(struct reply *out, int error)
{
	if (error)
		reply_printf(out, "1%03d %s\n", error, strerror(error));
	else
		reply_printf(out, "1000 Success\n");
}

static void append_block_head(struct reply *out)
{
	reply_printf(out, "0000 DATA END WITH '.'\n");
}

/* The lines of a block; one that would end it gets a second dot, a missing last newline is added. */
static void append_data(struct reply *out, const struct reply *data)
{
	for (size_t at = 0; at < data->length; ) {
		const char *line = data->text + at;
		const char *newline = memchr(line, '\n', data->length - at);
		size_t length = newline ? (size_t)(newline - line) : data->length - at;

		if (length == 1 && *line == '.')
			reply_append(out, ".", 1);
		reply_append(out, line, length);
		reply_append(out, "\n", 1);
		at += length + 1;
	}
}

static void append_end(struct mgmt_run *run)
{
	const char *text = run->mgmt->config.end_of_session;

	if (!text)
		text = "9999 END OF SESSION";
	reply_append(run->out, text, strlen(text));
}

/* ---- built-in commands: their data goes to run->out ---- */

static void help_rows(struct reply *out, const struct mgmt *mgmt, const struct command *rows, const char *prefix)
{
	const char *format = mgmt->config.help_format ? mgmt->config.help_format : "%-18s %-15s %s\n";

	for (const struct command *row = rows; row->path; row++) {
		const char *columns[] = { row->path, row->syntax, row->help };

		if (row->flags & COMMAND_HIDDEN || strncmp(row->path, prefix, strlen(prefix)) != 0)
			continue;
		reply_expand(out, format, columns, 3);
	}
}

static int run_help(struct mgmt_run *run, const struct args *args)
{
	const char *heading = run->mgmt->config.help_heading;
	const char *prefix = args->count > 0 ? args->word[0] : "";

	if (!heading)
		heading = "COMMAND PATH       SYNTAX          HELP\n"
			  "------------       --------------  ------------\n";
	reply_append(run->out, heading, strlen(heading));
	for (unsigned i = 0; i < run->mgmt->set_count; i++)
		help_rows(run->out, run->mgmt, run->mgmt->sets[i].rows, prefix);
	return 0;
}

/* The console of a program that outlives it stays: one cannot come back to it. */
static int run_logout(struct mgmt_run *run, const struct args *args)
{
	(void)args;
	if (run->session && run->session->console && !run->mgmt->config.console_logout_ends)
		return 0;
	return COMMAND_END_SESSION;
}

static int run_shutdown(struct mgmt_run *run, const struct args *args)
{
	(void)run;
	(void)args;
	return COMMAND_END_PROGRAM;
}

/* ---- scripts ---- */

/*
 * A file that a session names: a regular one (the loop must not wait for a pipe, nor open a device), of bounded size,
 * and when the session belongs to another user than we do, one that this user could read as well: its lines are
 * echoed.
 */
static int check_session_file(const struct mgmt_run *run, const struct stat *status)
{
	uid_t uid = 0;
	gid_t gid;
	pid_t pid;

	if (!run->session)
		return S_ISDIR(status->st_mode) ? EISDIR : 0;
	if (!S_ISREG(status->st_mode))
		return S_ISDIR(status->st_mode) ? EISDIR : EINVAL;
	if (status->st_size > SCRIPT_SIZE_MAX)
		return EFBIG;
	if (run->session->console || unixsock_peer(run->session->in, &uid, &gid, &pid) != 0)
		return 0;
	if (uid == 0 || uid == geteuid() || uid == status->st_uid || status->st_mode & S_IROTH)
		return 0;
	return EACCES;
}

/* Looked at before, lest a device be opened, and after, since the name may lead to another file by then. */
static int open_script(const struct mgmt_run *run, const char *path, FILE **file)
{
	struct stat status;
	int fd, error = stat(path, &status) < 0 ? errno : check_session_file(run, &status);

	if (error)
		return error;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | (run->session ? O_NONBLOCK : 0));
	if (fd < 0)
		return errno;
	error = fstat(fd, &status) < 0 ? errno : check_session_file(run, &status);
	*file = error ? NULL : fdopen(fd, "r");
	if (*file)
		return 0;
	if (!error)
		error = errno;
	close(fd);
	return error;
}

static void log_script_error(const struct mgmt_run *run, const char *path, unsigned number, const char *line, int error)
{
	char shown[256];

	log_escape(shown, sizeof(shown), line, strnlen(line, MGMT_LINE_MAX));
	log_errno(run->mgmt->log, error, "%s:%u: '%s'", path, number, shown);
}

/* One line of a script: echoed and run. Returns 0 to go on, else why the script ends here. */
static int run_script_line(struct mgmt_run *run, const char *path, unsigned number, char *line, size_t length)
{
	const char *format = run->mgmt->config.load_format ? run->mgmt->config.load_format : "vde[%s]: %s\n";
	const char *echo[] = { path, line };
	struct reply original = { 0 };
	bool empty;
	int result;

	if (length > 0 && line[length - 1] == '\n')
		line[--length] = '\0';
	if (length > 0 && line[length - 1] == '\r')
		line[--length] = '\0';
	if (run->lines_left == 0)
		return E2BIG;
	run->lines_left--;
	if (run->out)
		reply_expand(run->out, format, echo, 2);
	else
		reply_append(&original, line, strlen(line));
	result = mgmt_run_line(run, line, length, &empty);
	if (!run->out && result > 0)
		log_script_error(run, path, number, original.text ? original.text : "", result);
	reply_free(&original);
	if (run->out && run->out->truncated)
		return ENOBUFS;
	if (result == COMMAND_END_PROGRAM && !run->session) {
		log_info(run->mgmt->log, "%s:%u: shutdown in a script is ignored", path, number);
		return 0;
	}
	return result < 0 && run->session ? result : 0;
}

static int run_script(struct mgmt_run *run, const char *path)
{
	FILE *file = NULL;
	char *line = NULL;
	size_t size = 0;
	ssize_t length;
	int result;

	if (run->depth >= MGMT_SCRIPT_DEPTH)
		return ELOOP;
	result = open_script(run, path, &file);
	if (result)
		return result;
	run->depth++;
	for (unsigned number = 1; result == 0 && (length = getline(&line, &size, file)) >= 0; number++)
		result = run_script_line(run, path, number, line, (size_t)length);
	run->depth--;
	free(line);
	fclose(file);
	return result;
}

static int run_load(struct mgmt_run *run, const struct args *args)
{
	return args->text[0] ? run_script(run, args->text) : EINVAL;
}

int mgmt_run_script(struct mgmt *mgmt, const char *path)
{
	struct mgmt_run run = mgmt_run_init(mgmt, NULL, NULL);
	int error = run_script(&run, path);

	if (error == E2BIG)
		log_error(mgmt->log, "%s: more than %d lines, the rest is not run", path, MGMT_SCRIPT_LINES);
	return error == E2BIG ? 0 : error;
}

/* ---- running a line ---- */

struct mgmt_run mgmt_run_init(struct mgmt *mgmt, struct mgmt_session *session, struct reply *out)
{
	return (struct mgmt_run){ .mgmt = mgmt, .session = session, .out = out, .lines_left = MGMT_SCRIPT_LINES };
}

/* Puts the answer together from what the command wrote and returned. */
static int finish(struct mgmt_run *run, struct reply *data, bool block, int result)
{
	if (data->truncated && result == 0)
		result = ENOBUFS;
	if (run->out && result >= 0) {
		if (block || data->length > 0) {
			append_block_head(run->out);
			append_data(run->out, data);
			reply_printf(run->out, ".\n");
		}
		mgmt_append_code(run->out, result);
	} else if (run->out) {
		append_end(run);
	}
	reply_free(data);
	return result;
}

/* `load`: the answers of the script's lines go straight to where its own will be. */
static int run_writing_builtin(struct mgmt_run *run, const struct builtin *builtin, bool block, const struct args *args)
{
	int result;

	if (run->out && block)
		append_block_head(run->out);
	result = builtin->run(run, args);
	if (result < 0)
		return result;  /* the line inside that ended the session has said so */
	if (run->out && block)
		reply_printf(run->out, ".\n");
	if (run->out)
		mgmt_append_code(run->out, result);
	return result;
}

static int run_builtin(struct mgmt_run *run, const struct builtin *builtin, unsigned flags, const struct args *args)
{
	struct mgmt_run inner = *run;
	struct reply data;
	int result = EINVAL;

	if (builtin->writes_itself)
		return run_writing_builtin(run, builtin, flags & COMMAND_DATA, args);
	reply_init(&data);
	inner.out = &data;
	if (args->count <= builtin->max_args)
		result = builtin->run(&inner, args);
	return finish(run, &data, false, result);
}

static int run_row(struct mgmt_run *run, const struct command *row, void *owner, struct args *args)
{
	bool block = row->flags & COMMAND_DATA;         /* the row may be gone after: a plugin takes its table back */
	struct reply data;
	int result;

	reply_init(&data);
	args->session = run->session;
	args->row = row;
	result = command_check_args(row, args);
	if (result == 0)
		result = row->run(owner, &data, args);
	return finish(run, &data, block, result);
}

/* Drops NUL bytes, which would hide what follows them. */
static void drop_nuls(char *line, size_t length)
{
	size_t kept = 0;

	for (size_t i = 0; i < length; i++)
		if (line[i] != '\0')
			line[kept++] = line[i];
	line[kept] = '\0';
}

int mgmt_run_line(struct mgmt_run *run, char *line, size_t length, bool *empty)
{
	char copy[MGMT_LINE_MAX + 1];
	const struct command *row;
	const struct builtin *builtin;
	struct reply none = { 0 };
	struct args args;
	const char *path;
	void *owner = NULL;

	if (empty)
		*empty = false;
	if (length > MGMT_LINE_MAX)
		return finish(run, &none, false, E2BIG);
	drop_nuls(line, length);
	path = command_split(line, copy, &args);
	if (!*path) {
		if (empty)
			*empty = true;
		return 0;
	}
	row = find_row(run->mgmt, path, &owner);
	if (row && row->run)
		return run_row(run, row, owner, &args);
	builtin = find_builtin(path);
	if (builtin)
		return run_builtin(run, builtin, row ? row->flags : 0, &args);
	return finish(run, &none, false, ENOSYS);
}

bool mgmt_is_command(const struct mgmt *mgmt, const char *text, size_t length)
{
	char line[MGMT_LINE_MAX + 1], copy[MGMT_LINE_MAX + 1];
	struct args args;
	const char *path;
	void *owner;

	if (length > MGMT_LINE_MAX)
		return false;
	memcpy(line, text, length);
	drop_nuls(line, length);
	path = command_split(line, copy, &args);
	return *path && (find_row(mgmt, path, &owner) || find_builtin(path));
}

int mgmt_execute(struct mgmt *mgmt, const char *line, struct reply *reply)
{
	struct mgmt_run run = mgmt_run_init(mgmt, NULL, reply);
	size_t length = strlen(line);
	char *copy = strdup(line);
	int result;

	if (!copy)
		return ENOMEM;
	result = mgmt_run_line(&run, copy, length, NULL);
	free(copy);
	return result;
}
