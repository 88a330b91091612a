/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vdecmd, unixcmd: management commands from scripts. The data goes to stdout, everything else to stderr, the verdict is the exit status. */
#include "command_source.h"
#include "json_block.h"

#include "common/cli.h"
#include "common/daemon.h"
#include "common/number.h"
#include "mgmt_client/mgmt_client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	DATA_LINES_MAX = 1 << 20,       /* of one answer kept for --json; what is over it fails the command */
	ACCEPT_MAX = 32,
};

struct options {
	const char *socket;
	const char *file;
	bool keep_going;
	bool json;
	bool verbose;
	double timeout;
	const char *accept;
};

struct vdecmd {
	struct options options;
	struct cli cli;
	struct mgmt_client client;
	unsigned accept[ACCEPT_MAX];
	size_t accepted;
	char default_socket[128];
	bool array;                     /* --json: answers are elements of one array */
	bool any_answer;
	bool failed;
	bool terminal;                  /* stdout is one */
	/* the answer that comes in */
	char **line;
	size_t lines, lines_size;
	bool has_data;
	bool lost_lines;
	unsigned code;
	char text[256];
};

static const struct cli_option option_table[] = {
	{ 's', "sock", "SOCK", "management socket (default /var/run/NAME, NAME being this program's)", CLI_STRING,
	  offsetof(struct options, socket), 0, 0, NULL },
	{ 'f', "file rcfile", "FILE", "commands from FILE, one a line; - is stdin", CLI_STRING,
	  offsetof(struct options, file), 0, 0, NULL },
	{ 'k', "keep-going", NULL, "go on with the next command after one that failed", CLI_FLAG,
	  offsetof(struct options, keep_going), 0, 0, NULL },
	{ 'a', "accept", "CODE[,CODE...]", "take these answers for success, too (1006,1017)", CLI_STRING,
	  offsetof(struct options, accept), 0, 0, NULL },
	{ 'j', "json", NULL, "answers as one JSON document", CLI_FLAG, offsetof(struct options, json), 0, 0, NULL },
	{ 't', "timeout", "SECONDS", "how long the server may be silent (default 10)", CLI_DOUBLE,
	  offsetof(struct options, timeout), 0.001, 86400, NULL },
	{ 'v', "verbose", NULL, "show commands, banner and answers on stderr", CLI_FLAG,
	  offsetof(struct options, verbose), 0, 0, NULL },
	{ 'h', "help", NULL, "this text", CLI_HELP, 0, 0, 0, NULL },
	{ 0, "version", NULL, "the version", CLI_VERSION, 0, 0, 0, NULL },
	{ 0 },
};

/* What a server said, for a person: bytes that could speak to the terminal are written as \xNN. */
static void show(FILE *out, const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		unsigned char byte = (unsigned char)text[i];

		if ((byte >= 0x20 && byte < 0x7f) || byte == '\t')
			fputc(byte, out);
		else
			fprintf(out, "\\x%02x", byte);
	}
	fputc('\n', out);
}

static void show_code(const struct vdecmd *vdecmd)
{
	fprintf(stderr, "%u ", vdecmd->code);
	show(stderr, vdecmd->text, strlen(vdecmd->text));
}

static void keep_line(struct vdecmd *vdecmd, const struct mgmt_event *event)
{
	if (vdecmd->lines == vdecmd->lines_size) {
		size_t size = vdecmd->lines_size > 0 ? 2 * vdecmd->lines_size : 64;
		char **line = vdecmd->lines < DATA_LINES_MAX ? realloc(vdecmd->line, size * sizeof(*line)) : NULL;

		if (line == NULL) {
			vdecmd->lost_lines = true;
			return;
		}
		vdecmd->line = line;
		vdecmd->lines_size = size;
	}
	vdecmd->line[vdecmd->lines] = strdup(event->text);
	if (vdecmd->line[vdecmd->lines] == NULL)
		vdecmd->lost_lines = true;
	else
		vdecmd->lines++;
}

static void drop_lines(struct vdecmd *vdecmd)
{
	for (size_t i = 0; i < vdecmd->lines; i++)
		free(vdecmd->line[i]);
	vdecmd->lines = 0;
	vdecmd->has_data = false;
	vdecmd->lost_lines = false;
	vdecmd->code = 0;
	vdecmd->text[0] = '\0';
}

/* `load` answers with a code for each line of its file; only the last one, its own, is the result. The others are told when they are errors. */
static void code_event(struct vdecmd *vdecmd, const struct mgmt_event *event)
{
	if (vdecmd->code != 0 && vdecmd->code != MGMT_CODE_SUCCESS && !vdecmd->options.verbose) {
		fprintf(stderr, "%s: ", vdecmd->cli.program);
		show_code(vdecmd);
	}
	vdecmd->code = event->code;
	snprintf(vdecmd->text, sizeof(vdecmd->text), "%s", event->text);
}

static void answer_event(void *owner, const struct mgmt_event *event)
{
	struct vdecmd *vdecmd = owner;
	bool shown = event->kind == MGMT_EVENT_TEXT || event->kind == MGMT_EVENT_CODE || event->kind == MGMT_EVENT_ASYNC;

	if (vdecmd->options.verbose && shown) {
		if (event->code != 0)
			fprintf(stderr, "%04u ", event->code);
		show(stderr, event->text, event->length);
	}
	switch (event->kind) {
	case MGMT_EVENT_DATA_BEGIN:
		vdecmd->has_data = true;
		break;
	case MGMT_EVENT_DATA:
		if (vdecmd->options.json) {
			keep_line(vdecmd, event);
		} else if (vdecmd->terminal) {
			show(stdout, event->text, event->length);
		} else {
			fwrite(event->text, 1, event->length, stdout);
			putchar('\n');
		}
		break;
	case MGMT_EVENT_CODE:
		code_event(vdecmd, event);
		break;
	default:
		break;
	}
}

static bool code_is_success(const struct vdecmd *vdecmd)
{
	if (vdecmd->code == MGMT_CODE_SUCCESS || vdecmd->code == MGMT_CODE_END || vdecmd->code == 0)
		return true;
	for (size_t i = 0; i < vdecmd->accepted; i++)
		if (vdecmd->accept[i] == vdecmd->code)
			return true;
	return false;
}

static void print_json(struct vdecmd *vdecmd, const char *command)
{
	fputs(vdecmd->any_answer ? ",\n" : vdecmd->array ? "[\n" : "", stdout);
	vdecmd->any_answer = true;
	fputs("{\"command\": ", stdout);
	json_string(stdout, command, strlen(command));
	printf(", \"code\": %u, \"message\": ", vdecmd->code);
	json_string(stdout, vdecmd->text, strlen(vdecmd->text));
	if (vdecmd->has_data) {
		fputs(", \"data\": ", stdout);
		json_block(stdout, command, vdecmd->line, vdecmd->lines);
	}
	fputs(vdecmd->array ? "}" : "}\n", stdout);
}

/* False when no further command can or should be sent. */
static bool run_command(struct vdecmd *vdecmd, const char *command)
{
	int error;

	drop_lines(vdecmd);
	if (vdecmd->options.verbose)
		fprintf(stderr, "> %s\n", command);
	error = mgmt_client_request(&vdecmd->client, command, (int)(vdecmd->options.timeout * 1000), answer_event, vdecmd);
	if (error != 0) {
		fprintf(stderr, "%s: %s: %s\n", vdecmd->cli.program, command,
			error == EPIPE ? "the server closed the connection before it answered" :
			error == E2BIG ? "a command may have 1022 bytes" : strerror(error));
		vdecmd->failed = true;
		return false;
	}
	if (vdecmd->options.json)
		print_json(vdecmd, command);
	if (vdecmd->lost_lines) {
		fprintf(stderr, "%s: %s: the answer is too long\n", vdecmd->cli.program, command);
		vdecmd->failed = true;
	}
	if (!code_is_success(vdecmd)) {
		fprintf(stderr, "%s: %s: ", vdecmd->cli.program, command);
		show_code(vdecmd);
		vdecmd->failed = true;
	}
	fflush(stdout);
	return (!vdecmd->failed || vdecmd->options.keep_going) && !vdecmd->client.ended;
}

/* False when no further command should be sent. A file in the old language is passed over with a note. */
static bool run_file(struct vdecmd *vdecmd, const char *name)
{
	FILE *file = strcmp(name, "-") == 0 ? stdin : fopen(name, "re");
	char *line = NULL, *command;
	size_t size = 0;
	bool first = true, more = true;

	if (file == NULL) {
		fprintf(stderr, "%s: %s: %s\n", vdecmd->cli.program, name, strerror(errno));
		vdecmd->failed = true;
		return false;
	}
	while (more && (command = command_source_next(file, &line, &size)) != NULL) {
		if (first && command_source_is_old_script(command)) {
			fprintf(stderr, "%s: %s: scripts of the old unixcmd are not needed any more, this one is ignored\n",
				vdecmd->cli.program, name);
			break;
		}
		first = false;
		more = run_command(vdecmd, command);
	}
	free(line);
	if (file != stdin)
		fclose(file);
	return more;
}

/* The words, with a blank between two. To be freed; NULL when memory is refused. */
static char *join_words(char **word, int count)
{
	size_t size = 1;
	char *text, *at;

	for (int i = 0; i < count; i++)
		size += strlen(word[i]) + 1;
	text = at = malloc(size);
	if (text == NULL)
		return NULL;
	*at = '\0';
	for (int i = 0; i < count; i++)
		at += sprintf(at, "%s%s", i > 0 ? " " : "", word[i]);
	return text;
}

static void accept_code(struct vdecmd *vdecmd, const char *text)
{
	if (vdecmd->accepted == ACCEPT_MAX || number_uint(text, 1000, 1999, &vdecmd->accept[vdecmd->accepted]) != 0)
		cli_usage_error(&vdecmd->cli, "accepted code \"%s\": up to %d numbers, each 1000 to 1999", text, ACCEPT_MAX);
	vdecmd->accepted++;
}

static void accept_codes(struct vdecmd *vdecmd, const char *list)
{
	while (list != NULL && *list != '\0') {
		char text[8];
		size_t length = strcspn(list, ",");

		snprintf(text, sizeof(text), "%.*s", length < sizeof(text) ? (int)length : (int)sizeof(text) - 1, list);
		accept_code(vdecmd, text);
		list += length + (list[length] == ',');
	}
}

static void choose_defaults(struct vdecmd *vdecmd, const char *argv0)
{
	const char *slash = strrchr(argv0, '/');

	if (vdecmd->options.socket == NULL) {
		snprintf(vdecmd->default_socket, sizeof(vdecmd->default_socket), "/var/run/%.64s", slash != NULL ? slash + 1 : argv0);
		vdecmd->options.socket = vdecmd->default_socket;
	}
}

static int open_failed(struct vdecmd *vdecmd, int error)
{
	fprintf(stderr, "%s: %s: %s\n", vdecmd->cli.program, vdecmd->options.socket,
		error == EPROTO ? "the server closed the connection without a prompt" :
		error == ETIMEDOUT ? "no prompt came: is it a management socket?" : strerror(error));
	return 1;
}

int main(int argc, char **argv)
{
	static const char synopsis[] = "vdecmd [OPTIONS] COMMAND...\n       vdecmd [OPTIONS] -f FILE|-";
	struct vdecmd vdecmd = {
		.options = { .timeout = 10 },
		.cli = { .synopsis = synopsis, .options = option_table, .max_words = -1, .stop_at_word = true,
			 .purpose = "Sends commands to the management socket of vde_switch, wirefilter, slirpvde and others.\n"
				    "Exit status: 0 when each was answered with 1000, 1 when one was not, 2 after wrong usage." },
	};
	char *command;
	bool more = true;
	int words, error;

	daemon_fill_descriptors();
	words = cli_parse(&vdecmd.cli, argc, argv, &vdecmd.options);
	choose_defaults(&vdecmd, argv[0]);
	accept_codes(&vdecmd, vdecmd.options.accept);
	accept_codes(&vdecmd, getenv("VDECMD_ACCEPT"));        /* for programs whose calls of vdecmd cannot be changed */
	if (words == argc && vdecmd.options.file == NULL) {
		if (isatty(STDIN_FILENO))
			cli_usage_error(&vdecmd.cli, "a command is missing");
		vdecmd.options.file = "-";
	}
	vdecmd.array = vdecmd.options.file != NULL;
	vdecmd.terminal = isatty(STDOUT_FILENO) == 1;
	error = mgmt_client_open(&vdecmd.client, vdecmd.options.socket, (int)(vdecmd.options.timeout * 1000), answer_event, &vdecmd);
	if (error != 0)
		return open_failed(&vdecmd, error);
	if (vdecmd.options.file != NULL)
		more = run_file(&vdecmd, vdecmd.options.file);
	if (more && words < argc) {
		command = join_words(argv + words, argc - words);
		if (command == NULL || !run_command(&vdecmd, command))
			vdecmd.failed = vdecmd.failed || command == NULL;
		free(command);
	}
	if (vdecmd.options.json && vdecmd.array)
		puts(vdecmd.any_answer ? "\n]" : "[]");
	drop_lines(&vdecmd);
	free(vdecmd.line);
	mgmt_client_close(&vdecmd.client);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		fprintf(stderr, "%s: stdout: %s\n", vdecmd.cli.program, strerror(errno));
		return 1;
	}
	return vdecmd.failed ? 1 : 0;
}
