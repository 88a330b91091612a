/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vde_switch/finish.h"

#include "common/segment.h"
#include "vde_switch/endpoint.h"

#include <stdlib.h>

enum { TAILROOM = 64, STRIDE = FRAME_MAX_SIZE + 1 + TAILROOM };

struct batch {
	finish_output *output;
	void *owner;
	uint8_t *buffers;
	unsigned count;
	struct frame frame[ENDPOINT_BATCH];
};

static void flush(struct batch *batch)
{
	if (batch->count > 0)
		batch->output(batch->owner, batch->frame, batch->count);
	batch->count = 0;
}

static void add(struct batch *batch, struct frame frame)
{
	batch->frame[batch->count++] = frame;
	if (batch->count == ENDPOINT_BATCH)
		flush(batch);
}

static void cut(struct batch *batch, const struct frame *frame)
{
	struct segment_plan plan;

	if (!segment_plan_sized(&plan, frame->data, frame->length, frame->offload.segment_size))
		return;
	for (uint32_t i = 0; i < segment_count(&plan); i++) {
		uint8_t *data = batch->buffers + (size_t)batch->count * STRIDE;

		add(batch, (struct frame){ .data = data, .length = segment_write(&plan, frame->data, i, data) });
	}
}

unsigned finish_frames(struct finisher *finisher, struct frame *frames, unsigned count, finish_output *output, void *owner)
{
	struct batch batch = { .output = output, .owner = owner };
	unsigned lost = 0;

	if (!finisher->buffers)
		finisher->buffers = malloc((size_t)ENDPOINT_BATCH * STRIDE);
	batch.buffers = finisher->buffers;
	for (unsigned i = 0; i < count; i++) {
		if (frames[i].offload.segments && !batch.buffers) {
			lost += frames[i].offload.segments;
		} else if (frames[i].offload.segments) {
			cut(&batch, &frames[i]);
		} else {
			if (offload_is_set(&frames[i].offload))
				offload_complete_checksum(&frames[i]);
			add(&batch, frames[i]);
		}
	}
	flush(&batch);
	return lost;
}

void finisher_free(struct finisher *finisher)
{
	free(finisher->buffers);
	finisher->buffers = NULL;
}
