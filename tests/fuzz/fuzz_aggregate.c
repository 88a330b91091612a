/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Datagrams of several frames: taken apart within their bounds, and nothing of a malformed one is used. */
#include "common/aggregate.h"

#include "common/frame.h"
#include "fuzz.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *slot[AGGREGATE_FRAMES];
	uint32_t length[AGGREGATE_FRAMES];
	size_t all = AGGREGATE_MARK_SIZE;
	unsigned count = 0;

	if (size > 4096)
		return 0;
	/* each no longer than the datagram, so that a byte too many is noticed */
	for (unsigned i = 0; i < AGGREGATE_FRAMES; i++)
		assert((slot[i] = malloc(size + 1)) != NULL);
	memcpy(slot[0], data, size);
	if (aggregate_is(slot[0], size))
		count = aggregate_spread(slot, size, length);
	assert(count <= AGGREGATE_FRAMES);
	for (unsigned i = 0; i < count; i++) {
		assert(length[i] >= ETHERNET_HEADER_SIZE);
		assert(memcmp(slot[i], data + all + AGGREGATE_LENGTH_SIZE, length[i]) == 0);
		all += AGGREGATE_LENGTH_SIZE + length[i];
	}
	assert(count == 0 || all == size);
	for (unsigned i = 0; i < AGGREGATE_FRAMES; i++)
		free(slot[i]);
	return 0;
}
