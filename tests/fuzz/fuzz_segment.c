/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Captured frames: cut and completed within their bounds. The first byte is the MTU in units of 16 bytes. */
#include "common/segment.h"

#include "fuzz.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct segment_plan plan;
	uint32_t mtu, length;
	uint8_t *frame;

	if (size < 1 || size > 1 + FRAME_MAX_SIZE)
		return 0;
	mtu = data[0] * 16u;
	length = (uint32_t)size - 1;
	frame = malloc(length ? length : 1);
	if (!frame)
		return 0;
	memcpy(frame, data + 1, length);
	segment_complete_checksum(frame, length);
	if (segment_plan(&plan, frame, length, mtu)) {
		for (uint32_t i = 0; i < segment_count(&plan); i++) {
			uint8_t *part = malloc(plan.header + plan.size);

			assert(part && segment_write(&plan, frame, i, part) <= plan.header + plan.size);
			free(part);
		}
	}
	free(frame);
	return 0;
}
