/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Frames that guests may send: the input is a sequence of (port, length high, length low, bytes...). */
#include "fuzz.h"
#include "fuzz_endpoint.h"

#include "vde_switch/forward.h"
#include "vde_switch/port.h"
#include "vde_switch/switch.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PORTS = 4, HEADER = 3 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct switch_config config = { .numports = PORTS, .hash_size = 2 };
	struct log log;
	struct loop *loop = loop_create();
	uint8_t *buffer = malloc(FRAME_MAX_SIZE + 1 + 128);
	int fds[2];

	log_init(&log, "fuzz");
	if (!loop || !buffer || pipe(fds) != 0)
		abort();
	struct vde_switch *sw = switch_create(loop, &log, &config);
	vlan_create(sw, 5);
	for (int i = 0; i < PORTS; i++)
		fuzz_plug(sw, fds[0]);
	vlan_set_untagged(sw, 1, 5);
	vlan_add_port(sw, 5, 2);
	while (size > HEADER) {
		size_t length = read_be16(data + 1);
		struct port *port = port_get(sw, 1 + data[0] % PORTS);

		sw->hub = (data[0] & 0x80) != 0;
		data += HEADER;
		size -= HEADER;
		if (length > size)
			length = size;
		memcpy(buffer + 64, data, length);
		struct frame frame = { .data = buffer + 64, .length = (uint32_t)length };
		forward_batch(sw, port, &frame, 1);
		data += length;
		size -= length;
	}
	switch_destroy(sw);
	loop_destroy(loop);
	close(fds[0]);
	close(fds[1]);
	free(buffer);
	return 0;
}
