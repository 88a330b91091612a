/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Debug categories: what management sessions subscribe to with debug/add, and the lines they get. The switch's own categories show its
 * events (event.h); plugins add theirs.
 *
 * A line is "3TTT PATH TEXT", TTT being the category's tag in octal.
 */
#ifndef VDE_DEBUG_H
#define VDE_DEBUG_H

#include "common/command.h"

#include <stdarg.h>

struct vde_switch;
struct debug;
struct debug_category;
struct mgmt_session;

enum { DEBUG_TEXT_MAX = 8192 };         /* bytes of a line's text; what is longer is cut */

/* 0 or ENOMEM; sw->debug is set. */
int debug_open(struct vde_switch *sw);
void debug_close(struct vde_switch *sw);
/* The session goes: it is subscribed to nothing any more. debug NULL is accepted. */
void debug_forget(struct debug *debug, const struct mgmt_session *session);

/* Called when the number of a category's subscribers changes. */
typedef void debug_changed(void *owner, unsigned subscribers);

/* A category of a plugin. path and help must outlive it; changed may be NULL. NULL when memory is short. */
struct debug_category *debug_register(struct debug *debug, const char *path, const char *help, unsigned tag,
				      debug_changed *changed, void *owner);
void debug_unregister(struct debug *debug, struct debug_category *category);
void debug_send(const struct debug_category *category, const char *format, va_list arguments)
	__attribute__((format(printf, 2, 0)));

extern const struct command debug_commands[];

#endif
