/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "blink.h"

#include "common/unixsock.h"
#include "impair.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int blink_open(struct blink *blink, const char *path, const char *id)
{
	char own_id[16];
	int error;

	*blink = (struct blink){ .fd = -1, .path = path, .id_is_pid = id == NULL };
	if (!path)
		return 0;
	error = unixsock_address(&blink->address, path);
	if (error)
		return error;
	snprintf(own_id, sizeof own_id, "%06d", (int)getpid());
	blink->id = strndup(id ? id : own_id, BLINK_ID_MAX);
	if (!blink->id)
		return ENOMEM;
	blink->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	return blink->fd < 0 ? errno : 0;
}

void blink_close(struct blink *blink)
{
	if (blink->fd >= 0)
		close(blink->fd);
	free(blink->id);
	*blink = (struct blink){ .fd = -1 };
}

void blink_frames(struct blink *blink, const char *way, const struct frame *frames, unsigned count)
{
	char text[BLINK_ID_MAX + 32];

	if (blink->fd < 0)
		return;
	for (unsigned i = 0; i < count; i++) {
		int length = snprintf(text, sizeof text, "%s %s %u\n", blink->id, way, frames[i].length + IMPAIR_SIZE_EXTRA);

		/* An error is not worth a word: the light is off, or behind. */
		(void)!sendto(blink->fd, text, (size_t)length, 0, (const struct sockaddr *)&blink->address, sizeof blink->address);
	}
}
