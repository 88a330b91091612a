/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Frames with offload, made into frames as they are on a network before they are forwarded at all: for listeners and filters, which are to see those. It copies what it cuts; nobody
 * listens in the common case, in which frames go whole as far as they can (parts.h).
 */
#ifndef VDE_FINISH_H
#define VDE_FINISH_H

#include "common/offload.h"

struct finisher {
	uint8_t *buffers;               /* of a batch of finished frames; allocated when first needed */
};

/* Takes finished frames, at most ENDPOINT_BATCH, which it may change and pad; when it returns it is done with them. */
typedef void finish_output(void *owner, struct frame *frames, unsigned count);

/* Gives the frames on, finished, in order, batch by batch. Returns how many were lost for want of memory. */
unsigned finish_frames(struct finisher *finisher, struct frame *frames, unsigned count, finish_output *output, void *owner);
void finisher_free(struct finisher *finisher);

#endif
