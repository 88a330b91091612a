/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A person at a terminal, served by GNU readline's callback interface (readline manual, section 2.4.11).
 *
 * readline's handler is installed while a line is being edited and removed while an answer is awaited, so that in between the terminal is in its usual mode.
 * Lines that come in while a line is being edited are printed above it.
 *
 * readline's callbacks are given no owner: `the_term` is theirs, and the one variable of this program that changes outside
 * of a struct. It is set in line_open and cleared in line_close.
 */
#include "vdeterm.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <readline/history.h>
#include <readline/readline.h>

enum { HISTORY_MAX = 1000, PROMPT_SIZE = 160, PATH_SIZE = 4096 };

struct line_state {
	struct loop_io *input;
	bool editing;                   /* readline's handler is installed */
	int new_history;                /* lines since the start */
	char prompt[PROMPT_SIZE];
	char history[PATH_SIZE];        /* "": none is kept */
	struct word_list candidates;
	const struct word_list *offered;
	size_t next;                    /* candidate to look at */
};

static struct vdeterm *the_term;

static void stop_editing(struct line_state *state)
{
	if (state->editing)
		rl_callback_handler_remove();
	state->editing = false;
	if (state->input != NULL)
		loop_set_events(state->input, 0);
}

static void remember(struct line_state *state, const char *line)
{
	HIST_ENTRY *last = history_length > 0 ? history_get(history_base + history_length - 1) : NULL;

	if (last != NULL && strcmp(last->line, line) == 0)
		return;
	add_history(line);
	state->new_history++;
}

static void line_ready(struct vdeterm *term);

/* readline has a whole line, or the end (Ctrl-D on an empty line). */
static void line_done(char *line)
{
	struct vdeterm *term = the_term;
	struct line_state *state = term->input_state;
	const char *command;

	stop_editing(state);
	if (line == NULL) {
		putchar('\n');
		loop_stop(term->loop, 0);
		return;
	}
	command = line + strspn(line, " \t");
	if (*command != '\0') {
		remember(state, command);
		vdeterm_send(term, command);
	}
	free(line);
	if (!term->waiting)
		line_ready(term);
}

static void line_ready(struct vdeterm *term)
{
	struct line_state *state = term->input_state;

	if (state->editing)
		return;
	state->editing = true;
	rl_callback_handler_install(state->prompt, line_done);
	loop_set_events(state->input, LOOP_READ);
}

/* A terminal that is gone ends the program, be an answer awaited or not; some readlines would take the half of a line for the whole. */
static void line_input(void *owner, int fd, unsigned events)
{
	struct vdeterm *term = owner;
	struct line_state *state = term->input_state;

	(void)fd;
	if (events & LOOP_HANGUP)
		loop_stop(term->loop, 128 + SIGHUP);
	else if (state->editing)
		rl_callback_read_char();
}

/* Above the line that is being edited, if one is. */
static void line_print(struct vdeterm *term, const char *line)
{
	struct line_state *state = term->input_state;
	bool editing = state != NULL && state->editing;

	if (editing)
		rl_clear_visible_line();
	puts(line);
	fflush(stdout);
	if (editing)
		rl_forced_update_display();
}

/* ---- completion ---- */

static char *next_candidate(const char *text, int again)
{
	struct line_state *state = the_term->input_state;
	size_t length = strlen(text);

	if (!again)
		state->next = 0;
	while (state->next < state->offered->count) {
		const char *word = state->offered->word[state->next++];

		if (strncmp(word, text, length) == 0)
			return strdup(word);
	}
	return NULL;
}

/* How many words stand before `start`. */
static unsigned words_before(const char *line, int start)
{
	unsigned count = 0;

	for (int i = 0; i < start; i++)
		if (line[i] != ' ' && line[i] != '\t' && (i == 0 || line[i - 1] == ' ' || line[i - 1] == '\t'))
			count++;
	return count;
}

static char **complete(const char *text, int start, int end)
{
	struct vdeterm *term = the_term;
	struct line_state *state = term->input_state;
	const char *command = rl_line_buffer + strspn(rl_line_buffer, " \t");
	enum argument_kind kind = argument_kind(command, words_before(rl_line_buffer, start));

	(void)end;
	rl_attempted_completion_over = 1;
	if (kind == ARGUMENT_FILE) {
		rl_attempted_completion_over = 0;
		return NULL;
	}
	if (kind == ARGUMENT_COMMAND) {
		state->offered = vdeterm_commands(term);
	} else {
		word_list_clear(&state->candidates);
		vdeterm_list(term, argument_listing(kind), &state->candidates);
		state->offered = &state->candidates;
	}
	return rl_completion_matches(text, next_candidate);
}

/* ---- history ---- */

static void choose_history(struct vdeterm *term, struct line_state *state)
{
	const char *home = getenv("HOME");
	int length = 0;

	if (term->options.history != NULL) {
		length = snprintf(state->history, sizeof(state->history), "%s", term->options.history);
	} else if (home != NULL && *home != '\0') {
		length = snprintf(state->history, sizeof(state->history), "%s/.vde2", home);
		if (length < (int)sizeof(state->history))
			mkdir(state->history, 0700);
		length = snprintf(state->history, sizeof(state->history), "%s/.vde2/vdeterm_history", home);
	}
	if (length >= (int)sizeof(state->history))
		state->history[0] = '\0';
}

/* Only the new lines are added to the file, so that terminals side by side keep each other's. */
static void save_history(struct line_state *state)
{
	mode_t mask;

	if (state->history[0] == '\0' || state->new_history == 0)
		return;
	mask = umask(077);
	if (append_history(state->new_history, state->history) != 0)
		write_history(state->history);
	umask(mask);
	history_truncate_file(state->history, HISTORY_MAX);
}

/* ---- life cycle ---- */

static void line_interrupt(struct vdeterm *term, struct line_state *state)
{
	if (!state->editing) {
		term->waiting = false;          /* a server that does not answer is no prison */
		line_ready(term);
		return;
	}
	fputs("^C\n", rl_outstream);
	rl_callback_sigcleanup();
	rl_free_line_state();
	rl_replace_line("", 1);
	rl_on_new_line();
	rl_redisplay();
}

/* By the signal itself: where no shell could continue us, as under `ssh -t`, the system does not stop us. */
static void stop_as_usual(void)
{
	struct sigaction usual = { .sa_handler = SIG_DFL }, ours;
	sigset_t one;

	sigemptyset(&one);
	sigaddset(&one, SIGTSTP);
	sigaction(SIGTSTP, &usual, &ours);
	raise(SIGTSTP);
	sigprocmask(SIG_UNBLOCK, &one, NULL);
	sigprocmask(SIG_BLOCK, &one, NULL);
	sigaction(SIGTSTP, &ours, NULL);
}

static void line_signal(struct vdeterm *term, int signal_number)
{
	struct line_state *state = term->input_state;

	if (signal_number == SIGINT) {
		line_interrupt(term, state);
	} else if (signal_number == SIGWINCH) {
		rl_resize_terminal();
	} else if (signal_number == SIGTSTP) {
		if (state->editing)
			rl_deprep_terminal();
		stop_as_usual();
		if (state->editing) {
			rl_prep_terminal(1);
			rl_on_new_line();
			rl_forced_update_display();
		}
	}
}

static int line_open(struct vdeterm *term)
{
	struct line_state *state = calloc(1, sizeof(*state));
	size_t length = strlen(term->path);
	bool long_path = length > sizeof(state->prompt) - 16;

	if (state == NULL)
		return ENOMEM;
	term->input_state = state;
	the_term = term;
	snprintf(state->prompt, sizeof(state->prompt), "vde[%s%s]: ", long_path ? "..." : "",
		 long_path ? term->path + length - (sizeof(state->prompt) - 20) : term->path);
	rl_readline_name = "vdeterm";
	rl_catch_signals = 0;
	rl_catch_sigwinch = 0;
	rl_sort_completion_matches = 0;
	rl_attempted_completion_function = complete;
	rl_basic_word_break_characters = " \t";
	rl_completer_word_break_characters = " \t";
	using_history();
	stifle_history(HISTORY_MAX);
	choose_history(term, state);
	if (state->history[0] != '\0')
		read_history(state->history);
	vdeterm_commands(term);
	state->input = loop_add_io(term->loop, STDIN_FILENO, 0, line_input, term);
	return state->input == NULL ? errno : 0;
}

static void line_close(struct vdeterm *term)
{
	struct line_state *state = term->input_state;

	if (state == NULL)
		return;
	if (state->editing)
		putchar('\n');
	stop_editing(state);
	save_history(state);
	loop_remove_io(state->input);
	word_list_clear(&state->candidates);
	free(state);
	term->input_state = NULL;
	the_term = NULL;
}

const struct input_ops input_line = { line_open, line_ready, line_print, line_signal, line_close };
