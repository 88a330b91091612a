/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "wire/attach.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct attach {
	struct loop *loop;
	struct log *log;
	const struct attach_config *config;
	struct wire *plug, *local;
	struct loop_timer *timer;
	uint64_t delay_ns;
};

/* Frames of the local end while the switch is away. */
static void nobody_receives(void *owner, struct frame *frames, unsigned count)
{
	(void)owner;
	(void)frames;
	(void)count;
}

static void local_lost(void *owner, int error)
{
	struct attach *attach = owner;

	attach->config->ended(attach->config->owner, error);
}

static bool is_standard_streams(const struct attach_config *config)
{
	return config->name && strcmp(config->name, "-") == 0;
}

/* Standard input does not come back. */
static void plug_lost(void *owner, int error)
{
	struct attach *attach = owner;

	if (!attach->config->reconnect || is_standard_streams(attach->config)) {
		if (attach->local)
			wire_flush(attach->local, LOOP_SECOND);
		attach->config->ended(attach->config->owner, error);
		return;
	}
	log_warn(attach->log, "the switch is gone; waiting for it");
	wire_close(attach->plug);
	attach->plug = NULL;
	attach->delay_ns = ATTACH_RETRY_FIRST;
	loop_timer_after(attach->timer, attach->delay_ns);
}

static const struct wire_callbacks plug_callbacks = { .receive = nobody_receives, .lost = plug_lost };
static const struct wire_callbacks local_callbacks = { .receive = nobody_receives, .lost = local_lost };

/* On numbers of their own: in the background 0 and 1 become /dev/null. */
static struct wire *open_standard_streams(struct attach *attach)
{
	int in = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1), out = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);

	return in >= 0 && out >= 0 ? wire_open_stream(attach->loop, in, out, &plug_callbacks, attach) : NULL;
}

static struct wire *open_plug(struct attach *attach)
{
	const struct attach_config *config = attach->config;
	struct vde_open_args args = config->args;

	if (is_standard_streams(config))
		return open_standard_streams(attach);
	return wire_open_plug(attach->loop, config->name, config->description, &args, &plug_callbacks, attach);
}

static void retry(void *owner)
{
	struct attach *attach = owner;
	uint64_t longest = (uint64_t)ATTACH_RETRY_LAST * LOOP_SECOND;

	attach->plug = open_plug(attach);
	if (attach->plug) {
		wire_moderate(attach->plug);
		log_info(attach->log, "connected again");
		wire_join(attach->plug, attach->local);
		return;
	}
	attach->delay_ns = attach->delay_ns * 2 < longest ? attach->delay_ns * 2 : longest;
	loop_timer_after(attach->timer, attach->delay_ns);
}

struct attach *attach_open(struct loop *loop, struct log *log, const struct attach_config *config)
{
	struct attach *attach = calloc(1, sizeof(*attach));

	if (!attach)
		return NULL;
	attach->loop = loop;
	attach->log = log;
	attach->config = config;
	attach->timer = loop_add_timer(loop, retry, attach);
	if (attach->timer)
		attach->plug = open_plug(attach);
	if (!attach->plug) {
		int error = errno;

		attach_close(attach);
		errno = error;
		return NULL;
	}
	return attach;
}

const struct wire_callbacks *attach_local_callbacks(void)
{
	return &local_callbacks;
}

void attach_join(struct attach *attach, struct wire *local)
{
	attach->local = local;
	wire_moderate(attach->plug);
	wire_moderate(local);
	wire_join(attach->plug, local);
}

void attach_close(struct attach *attach)
{
	if (!attach)
		return;
	wire_close(attach->plug);
	wire_close(attach->local);
	loop_remove_timer(attach->timer);
	free(attach);
}
