/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The management language of wirefilter: its rows, and what they print. */
#ifndef WIREFILTER_COMMANDS_H
#define WIREFILTER_COMMANDS_H

#include "blink.h"
#include "filter.h"

#include "common/log.h"
#include "common/mgmt.h"

/* What the commands work on. */
struct commands {
	struct filter *filter;
	const struct blink *blink;
	struct log *log;
	struct mgmt_session *watcher[MGMT_SESSIONS_MAX + 1];    /* told about the steps of the chain: markov-debug */
	unsigned watcher_count;
	bool log_steps;                 /* markov-debug of a script: to the log */
};

/* Banner, prompt and shape of the answers; the caller adds owner and shutdown, and session_closed calls commands_forget. */
extern const struct mgmt_config commands_mgmt_config;

/* Adds the rows. Returns 0 or ENOMEM. */
int commands_add(struct commands *commands, struct mgmt *mgmt);
void commands_forget(struct commands *commands, const struct mgmt_session *session);
/* "3801 Node 0 "OK" -> 1 """ to whoever asked for it. */
void commands_stepped(struct commands *commands, unsigned from, unsigned to);

/* What --list-presets prints. */
void commands_list_presets(struct reply *reply);

/* showinfo (node has been checked), in its own file. */
void showinfo_print(const struct commands *commands, struct reply *reply, unsigned node);

#endif
