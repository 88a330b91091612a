/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ssh.h"

#include "introduction.h"
#include "noise.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { WORDS_MAX = 64, WORDS_TEXT = 4096 };

struct ssh {
	struct loop *loop;
	struct log *log;
	pid_t child;
	int fd;                         /* the child's stdout */
	struct loop_io *io;
	struct loop_timer *late;
	struct line_reader reader;
	uint8_t key_id[KEY_ID_SIZE], secret[SECRET_SIZE];
	ssh_callback *done;
	void *owner;
};

/* ---- the command ---- */

struct words {
	char text[WORDS_TEXT];
	const char *word[WORDS_MAX + 1];
	unsigned count;
	size_t used;
	bool too_many;                  /* some did not fit */
};

static void add_word(struct words *words, const char *word, size_t length)
{
	words->too_many |= words->count == WORDS_MAX || words->used + length + 1 > sizeof(words->text);
	if (words->too_many)
		return;
	words->word[words->count++] = memcpy(words->text + words->used, word, length);
	words->text[words->used + length] = 0;
	words->used += length + 1;
}

static void add_words(struct words *words, const char *text)
{
	while (*(text += strspn(text, " \t"))) {
		size_t length = strcspn(text, " \t");

		add_word(words, text, length);
		text += length;
	}
}

/*
 * Options of scp whose letter means something else to ssh, or nothing, and what ssh is told instead; NULL: nothing, since it is about the copying. The others
 * are the same for both.
 */
static const struct {
	const char *scp;
	bool has_value;                 /* behind it, or the next word */
	const char *ssh;
} scp_options[] = {
	{ "-P", true, "-p" }, { "-B", false, "-oBatchMode=yes" }, { "-l", true, NULL }, { "-p", false, NULL }, { "-r", false, NULL },
	{ "-3", false, NULL }, { "-O", false, NULL }, { "-R", false, NULL }, { "-T", false, NULL },
};

/* True: the next word is the value of one that was left out. */
static bool add_scp_word(struct words *words, const char *word, size_t length)
{
	char text[WORDS_TEXT];

	for (size_t i = 0; i < sizeof(scp_options) / sizeof(scp_options[0]); i++) {
		const char *scp = scp_options[i].scp, *ssh = scp_options[i].ssh;

		if (length < 2 || strncmp(word, scp, 2) != 0 || (length > 2 && !scp_options[i].has_value))
			continue;
		if (!ssh)
			return scp_options[i].has_value && length == 2;
		snprintf(text, sizeof(text), "%s%.*s", ssh, (int)(length - 2), word + 2);
		add_word(words, text, strlen(text));
		return false;
	}
	add_word(words, word, length);
	return false;
}

static void add_scp_options(struct words *words, struct log *log)
{
	const char *text = getenv("SCP_EXTRA_OPTIONS");
	bool leave_out = false;

	if (!text || !*text)
		return;
	log_info(log, "SCP_EXTRA_OPTIONS is passed to ssh; --ssh COMMAND is the way to say it now");
	while (*(text += strspn(text, " \t"))) {
		size_t length = strcspn(text, " \t");

		leave_out = !leave_out && add_scp_word(words, text, length);
		text += length;
	}
}

static void make_command(struct words *words, const char *command, const struct address_target *target, struct log *log)
{
	char text[ADDRESS_USER_SIZE + ADDRESS_HOST_SIZE];

	add_words(words, command ? command : "");
	if (!words->count)
		add_words(words, "ssh");
	add_scp_options(words, log);
	snprintf(text, sizeof(text), "%s%s%s", target->user, target->user[0] ? "@" : "", target->host);
	add_word(words, text, strlen(text));
	add_words(words, "vde_cryptcab --admit");
	snprintf(text, sizeof(text), "%u", target->port);
	add_word(words, text, strlen(text));
	words->word[words->count] = NULL;
}

static void run_child(const struct words *words, int in, int out) __attribute__((noreturn));
static void run_child(const struct words *words, int in, int out)
{
	char *arguments[WORDS_MAX + 1];

	for (unsigned i = 0; i <= words->count; i++)
		arguments[i] = words->word[i] ? strdup(words->word[i]) : NULL;
	if (dup2(in, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0)
		_exit(127);
	loop_unblock_signals();
	execvp(arguments[0], arguments);
	fprintf(stderr, "%s: %s\n", arguments[0], strerror(errno));
	_exit(127);
}

/* ---- the talk ---- */

static void finish(struct ssh *ssh, int error)
{
	loop_remove_io(ssh->io);
	ssh->io = NULL;
	ssh->done(ssh->owner, error, ssh->key_id, ssh->secret);
}

/* Waits a second at most for a child that should end now. */
static bool await_end(pid_t child, int *status)
{
	const struct timespec step = { .tv_nsec = 10000000 };

	for (unsigned i = 0; i < 100; i++) {
		if (waitpid(child, status, WNOHANG) != 0)
			return true;
		nanosleep(&step, NULL);
	}
	return false;
}

/* Its output has ended. That is for the server's host to say, which need not let it end as well. */
static void child_is_gone(struct ssh *ssh)
{
	int status = 0;

	if (await_end(ssh->child, &status)) {
		ssh->child = -1;
		log_error(ssh->log, "introduction by ssh failed (exit status %d)", WIFEXITED(status) ? WEXITSTATUS(status) : -1);
	} else {
		log_error(ssh->log, "introduction by ssh failed (no answer)");
	}
	finish(ssh, ECONNREFUSED);
}

static void child_is_late(void *owner)
{
	struct ssh *ssh = owner;

	log_error(ssh->log, "introduction by ssh failed (no answer in time)");
	finish(ssh, ETIMEDOUT);
}

/* True when the line ended the talk. */
static bool take_line(struct ssh *ssh)
{
	char safe[4 * INTRODUCTION_LINE_MAX + 1];
	const char *text = "";

	switch (introduction_answer(ssh->reader.line, &text)) {
	case ANSWER_OK:
		finish(ssh, 0);
		return true;
	case ANSWER_ERROR:
		log_error(ssh->log, "the server's host says: %s", log_escape(safe, sizeof(safe), text, strlen(text)));
		finish(ssh, ECONNREFUSED);
		return true;
	default:
		return false;
	}
}

static void child_speaks(void *owner, int fd, unsigned events)
{
	struct ssh *ssh = owner;
	char bytes[512];
	ssize_t got = read(fd, bytes, sizeof(bytes));

	(void)events;
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	for (ssize_t i = 0; i < got; i++)
		if (line_reader_take(&ssh->reader, bytes[i]) && take_line(ssh))
			return;
	if (got <= 0)
		child_is_gone(ssh);
}

/* The pipe holds the line however slow the child is to read it; closing it then ends the child's input. */
static int tell_secret(struct ssh *ssh, int fd)
{
	char line[INTRODUCTION_LINE_MAX + 2];
	size_t length = introduction_write(line, ssh->key_id, ssh->secret);
	ssize_t sent = write(fd, line, length);

	OPENSSL_cleanse(line, sizeof(line));
	return sent == (ssize_t)length ? 0 : EPIPE;
}

static int spawn(struct ssh *ssh, const struct words *words)
{
	int in[2], out[2], error;

	if (pipe2(in, O_CLOEXEC) < 0)
		return errno;
	if (pipe2(out, O_CLOEXEC) < 0) {
		error = errno;
		close(in[0]);
		close(in[1]);
		return error;
	}
	error = tell_secret(ssh, in[1]);
	ssh->child = error ? -1 : fork();
	if (ssh->child == 0)
		run_child(words, in[0], out[1]);
	if (!error && ssh->child < 0)
		error = errno;
	close(in[0]);
	close(in[1]);
	close(out[1]);
	ssh->fd = out[0];
	return error;
}

/* Waits for the child's words, so long as there is patience. */
static int listen_to_child(struct ssh *ssh, uint64_t patience_ns)
{
	ssh->io = loop_add_io(ssh->loop, ssh->fd, LOOP_READ, child_speaks, ssh);
	ssh->late = loop_add_timer(ssh->loop, child_is_late, ssh);
	if (!ssh->io || !ssh->late)
		return ENOMEM;
	if (patience_ns)
		loop_timer_after(ssh->late, patience_ns);
	return 0;
}

struct ssh *ssh_start(struct loop *loop, struct log *log, const char *command, const struct address_target *target, uint64_t patience_ns,
		      ssh_callback *done, void *owner)
{
	struct ssh *ssh = calloc(1, sizeof(*ssh));
	struct words *words = calloc(1, sizeof(*words));
	int error = ENOMEM;

	if (ssh && words) {
		*ssh = (struct ssh){ .loop = loop, .log = log, .child = -1, .fd = -1, .done = done, .owner = owner };
		make_command(words, command, target, log);
		error = noise_random(ssh->key_id, KEY_ID_SIZE) && noise_random(ssh->secret, SECRET_SIZE) ? 0 : EIO;
		if (words->too_many)
			error = E2BIG;  /* half a command would be another one */
		if (!error)
			error = spawn(ssh, words);
		if (!error)
			error = listen_to_child(ssh, patience_ns);
	}
	free(words);
	if (!error)
		return ssh;
	if (ssh)
		ssh_end(ssh);
	errno = error;
	return NULL;
}

static void reap(pid_t child)
{
	kill(child, SIGTERM);
	if (await_end(child, NULL))
		return;
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}

void ssh_end(struct ssh *ssh)
{
	if (!ssh)
		return;
	loop_remove_io(ssh->io);
	loop_remove_timer(ssh->late);
	if (ssh->fd >= 0)
		close(ssh->fd);
	if (ssh->child > 0)
		reap(ssh->child);
	OPENSSL_cleanse(ssh, sizeof(*ssh));
	free(ssh);
}
