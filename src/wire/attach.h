/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A cable between a switch and something on this machine (a tap, a real interface): what vde_plug2tap and vde_pcapplug are made of. When the switch goes, the
 * cable ends, or waits and comes back.
 */
#ifndef VDE_ATTACH_H
#define VDE_ATTACH_H

#include "common/log.h"
#include "common/loop.h"
#include "wire/wire.h"

#include <stdbool.h>

enum {
	ATTACH_RETRY_FIRST = LOOP_SECOND / 10,          /* nanoseconds; doubles with each try */
	ATTACH_RETRY_LAST = 5,                          /* seconds: no try is further from the one before */
};

struct attach_config {
	const char *name;               /* locator; "-": vdestream on the standard input and output */
	const char *description;
	struct vde_open_args args;
	bool reconnect;                 /* ignored for "-" */
	void (*ended)(void *owner, int error);  /* one of the ends is gone for good; 0: orderly */
	void *owner;
};

struct attach;

/*
 * Opens the plug. The local end comes with attach_join, so that what needs the switch first can be opened in order. NULL with errno; what config points to must
 * outlive it.
 */
struct attach *attach_open(struct loop *loop, struct log *log, const struct attach_config *config);
/* The callbacks to open the local end with, their owner being the attach. */
const struct wire_callbacks *attach_local_callbacks(void);
/* Joins the local end, which belongs to the attach from now on. */
void attach_join(struct attach *attach, struct wire *local);
/* Closes both ends. NULL is accepted. */
void attach_close(struct attach *attach);

#endif
