/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One datagram for each frame that leaves, to whoever draws a blinking light: "ID LR 62\n", the way and the frame's size with the two
 * bytes of a vdestream header ("--" for the way of a filter with one). Nobody there, or too slow: the datagram is lost.
 */
#ifndef WIREFILTER_BLINK_H
#define WIREFILTER_BLINK_H

#include "common/frame.h"

#include <stdbool.h>
#include <sys/un.h>

enum { BLINK_ID_MAX = 1024 };

struct blink {
	int fd;                         /* -1: off */
	struct sockaddr_un address;
	const char *path;
	char *id;
	bool id_is_pid;                 /* nobody gave one: showinfo prints it with a blank behind */
};

/* path NULL: off. id NULL: the process id in six digits. Returns 0 or an errno value. */
int blink_open(struct blink *blink, const char *path, const char *id);
void blink_close(struct blink *blink);
void blink_frames(struct blink *blink, const char *way, const struct frame *frames, unsigned count);

#endif
