/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Frames with offload, as taps and plugs give them, through a switch to endpoints of all kinds: the input is a sequence of (port, length high, length low, header
 * of offload.h, bytes...), a batch of up to BATCH frames at a time.
 */
#include "fuzz.h"
#include "fuzz_endpoint.h"

#include "vde_switch/forward.h"
#include "vde_switch/mirror.h"
#include "vde_switch/port.h"
#include "vde_switch/switch.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PORTS = 5, BATCH = 4, PREFIX = 3 + OFFLOAD_HEADER_SIZE, BEFORE = 64, BEHIND = 64 };

/* Whoever sends: untagged in VLAN 5 (1), in 0 and tagged in 5 (2, 4, which takes uncut frames), in 0 (3), copies of 1 (5). */
static struct vde_switch *make_switch(struct loop *loop, struct log *log, int fd)
{
	struct switch_config config = { .numports = PORTS, .hash_size = 2 };
	struct vde_switch *sw = switch_create(loop, log, &config);

	if (!sw)
		abort();
	for (int i = 1; i <= PORTS; i++) {
		struct endpoint *endpoint = fuzz_plug(sw, fd);

		endpoint->offload = i == 3 || i == 4;
		endpoint->only_uncut = i == 4;
	}
	vlan_create(sw, 5);
	vlan_set_untagged(sw, 1, 5);
	vlan_add_port(sw, 5, 2);
	vlan_add_port(sw, 5, 4);
	mirror_add(sw, 1, 5);
	return sw;
}

/* In memory that ends where a frame's room does. False: it is dropped at the door. */
static bool take(const uint8_t *data, size_t length, struct frame *frame)
{
	uint8_t *buffer = malloc(BEFORE + length + BEHIND);

	if (!buffer)
		abort();
	memcpy(buffer + BEFORE, data + PREFIX, length);
	*frame = (struct frame){ .data = buffer + BEFORE, .length = (uint32_t)length };
	if (offload_read(data + 3, frame) && (length <= FRAME_MAX_SIZE || frame->offload.segments))
		return true;
	free(buffer);
	return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct log log;
	struct loop *loop = loop_create();
	int fds[2];

	log_init(&log, "fuzz");
	if (!loop || pipe(fds) != 0)
		abort();
	struct vde_switch *sw = make_switch(loop, &log, fds[0]);
	while (size > PREFIX) {
		struct port *port = port_get(sw, 1 + data[0] % PORTS);
		struct frame frames[BATCH];
		unsigned count = 0;

		sw->hub = (data[0] & 0x80) != 0;
		for (bool more = true; more && count < BATCH && size > PREFIX; ) {
			size_t length = read_be16(data + 1);

			more = (data[0] & 0x40) != 0;
			if (length > size - PREFIX)
				length = size - PREFIX;
			count += take(data, length, &frames[count]);
			data += PREFIX + length;
			size -= PREFIX + length;
		}
		forward_batch(sw, port, frames, count);
		for (unsigned i = 0; i < count; i++)
			free(frames[i].data - BEFORE);
	}
	switch_destroy(sw);
	loop_destroy(loop);
	close(fds[0]);
	close(fds[1]);
	return 0;
}
