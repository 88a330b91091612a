/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vdeterm: a person, or a script, talks to a management socket. */
#include "vdeterm.h"

#include "common/daemon.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LIST_TIMEOUT_MS = 2000, OPEN_TIMEOUT_MS = 5000, SHOWN_MAX = 4 * MGMT_PARSER_LINE_MAX + 32 };

static const struct cli_option option_table[] = {
	{ 'H', "history", "FILE", "history of commands (default ~/.vde2/vdeterm_history; none: \"\")", CLI_STRING,
	  offsetof(struct options, history), 0, 0, NULL },
	{ 't', "timeout", "SECONDS", "how long the server may take to greet (default 5)", CLI_DOUBLE,
	  offsetof(struct options, timeout), 0.001, 86400, NULL },
	{ 'h', "help", NULL, "this text", CLI_HELP, 0, 0, 0, NULL },
	{ 'v', "version", NULL, "the version", CLI_VERSION, 0, 0, 0, NULL },
	{ 0 },
};

/* Bytes that could speak to the terminal are written as \xNN. */
static void show(struct vdeterm *term, const char *before, const struct mgmt_event *event)
{
	char shown[SHOWN_MAX];
	size_t used = (size_t)snprintf(shown, sizeof(shown), "%s", before);

	for (size_t i = 0; i < event->length && used + 5 < sizeof(shown); i++) {
		unsigned char byte = (unsigned char)event->text[i];

		if ((byte >= 0x20 && byte < 0x7f) || byte == '\t')
			shown[used++] = (char)byte;
		else
			used += (size_t)snprintf(shown + used, sizeof(shown) - used, "\\x%02x", byte);
	}
	shown[used] = '\0';
	term->input->print(term, shown);
}

static void server_event(void *owner, const struct mgmt_event *event)
{
	struct vdeterm *term = owner;

	switch (event->kind) {
	case MGMT_EVENT_TEXT:
	case MGMT_EVENT_DATA:
		show(term, "", event);
		break;
	case MGMT_EVENT_CODE:
		if (event->code != MGMT_CODE_SUCCESS && event->code != MGMT_CODE_END)
			term->failed = true;
		show(term, "", event);
		break;
	case MGMT_EVENT_ASYNC:
		show(term, "** DBG MSG: ", event);
		break;
	case MGMT_EVENT_PROMPT:
		term->waiting = false;
		break;
	default:
		break;
	}
}

static void socket_ready(void *owner, int fd, unsigned events)
{
	struct vdeterm *term = owner;
	bool waited = term->waiting;
	int error = mgmt_client_read(&term->client);

	(void)fd;
	(void)events;
	if (error != 0) {
		if (waited && term->client.code != MGMT_CODE_END)
			term->failed = true;
		term->waiting = false;
		loop_stop(term->loop, 0);
	} else if (waited && !term->waiting) {
		term->input->ready(term);
	}
}

void vdeterm_send(struct vdeterm *term, const char *command)
{
	int error = mgmt_client_send(&term->client, command, LIST_TIMEOUT_MS);

	if (strncmp(command, "plugin/", 7) == 0)
		term->commands_known = false;
	term->waiting = error == 0;
	if (error == 0)
		return;
	term->failed = true;
	fprintf(stderr, "%s: %s: %s\n", term->cli.program, term->path,
		error == E2BIG ? "a command may have 1022 bytes" : strerror(error));
	if (error != E2BIG)
		loop_stop(term->loop, 0);
}

struct list_query {
	struct vdeterm *term;
	const struct listing *listing;
	struct word_list *list;
	bool rule_seen;
};

static void list_event(void *owner, const struct mgmt_event *event)
{
	struct list_query *query = owner;

	if (event->kind == MGMT_EVENT_DATA)
		listing_line(query->listing, &query->rule_seen, event->text, query->list);
	else if (event->kind == MGMT_EVENT_ASYNC)
		server_event(query->term, event);
}

void vdeterm_list(struct vdeterm *term, const struct listing *listing, struct word_list *list)
{
	struct list_query query = { .term = term, .listing = listing, .list = list };

	if (listing->command != NULL)
		mgmt_client_request(&term->client, listing->command, LIST_TIMEOUT_MS, list_event, &query);
}

const struct word_list *vdeterm_commands(struct vdeterm *term)
{
	if (!term->commands_known) {
		word_list_clear(&term->commands);
		vdeterm_list(term, argument_listing(ARGUMENT_COMMAND), &term->commands);
		term->commands_known = true;
	}
	return &term->commands;
}

static void got_signal(void *owner, int signal_number)
{
	struct vdeterm *term = owner;

	if (signal_number == SIGTERM || signal_number == SIGHUP)
		loop_stop(term->loop, 128 + signal_number);
	else
		term->input->signal(term, signal_number);
}

static int add_signals(struct vdeterm *term, bool person)
{
	static const int signals[] = { SIGTERM, SIGHUP, SIGINT, SIGWINCH, SIGTSTP };
	size_t count = person ? sizeof(signals) / sizeof(signals[0]) : 2;
	int error = loop_add_signal(term->loop, SIGPIPE, NULL, NULL);

	for (size_t i = 0; i < count && error == 0; i++)
		error = loop_add_signal(term->loop, signals[i], got_signal, term);
	return error;
}

/* Nobody to show it to before the input is open: the banner is printed as it is. */
static void banner_event(void *owner, const struct mgmt_event *event)
{
	struct vdeterm *term = owner;

	if (event->kind == MGMT_EVENT_TEXT && term->input == &input_line)
		show(term, "", event);
}

static int start(struct vdeterm *term)
{
	int error = mgmt_client_open(&term->client, term->path, (int)(term->options.timeout * 1000), banner_event, term);

	if (error != 0) {
		fprintf(stderr, "%s: %s: %s\n", term->cli.program, term->path,
			error == EPROTO ? "the server closed the connection without a prompt" :
			error == ETIMEDOUT ? "no prompt came: is it a management socket?" : strerror(error));
		return error;
	}
	term->client.handler = server_event;
	term->loop = loop_create();
	error = term->loop == NULL ? errno : add_signals(term, term->input == &input_line);
	if (error == 0) {
		term->socket = loop_add_io(term->loop, term->client.fd, LOOP_READ, socket_ready, term);
		error = term->socket == NULL ? errno : term->input->open(term);
	}
	if (error != 0)
		fprintf(stderr, "%s: %s\n", term->cli.program, strerror(error));
	return error;
}

int main(int argc, char **argv)
{
	struct vdeterm term = {
		.options = { .timeout = OPEN_TIMEOUT_MS / 1000 },
		.cli = { .synopsis = "vdeterm [OPTIONS] SOCKET", .options = option_table, .max_words = 1,
			 .purpose = "A terminal for the management socket of vde_switch and others. When stdin is no terminal, commands are\n"
				    "read from it and each is answered on stdout." },
	};
	int word, status = 1;

	daemon_fill_descriptors();
	word = cli_parse(&term.cli, argc, argv, &term.options);
	if (word == argc)
		cli_usage_error(&term.cli, "the socket is missing");
	term.path = argv[word];
	term.input = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) ? &input_line : &input_pipe;
	if (start(&term) == 0) {
		term.input->ready(&term);
		status = loop_run(term.loop);
	}
	if (term.loop != NULL)
		term.input->close(&term);
	if (status == 0 && term.input == &input_pipe && term.failed)
		status = 1;
	loop_destroy(term.loop);
	mgmt_client_close(&term.client);
	word_list_clear(&term.commands);
	return status < 0 ? 1 : status;
}
