/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A wire over a descriptor that keeps frames apart: one per read and write. A tap, or a datagram socket. */
#include "wire_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

struct wire_device {
	struct wire wire;
	struct tries tries;
	uint8_t *slots;
};

static struct wire_device *device_of(struct wire *wire)
{
	return (struct wire_device *)(void *)wire;
}

/* Reads one frame. Returns false when there is no more now; *end is then an errno value, or -1 for the end of file, 0: just no more. */
static bool read_frame(struct wire *wire, uint8_t *data, struct frame *frame, int *end)
{
	ssize_t n = read(wire->in_fd, data, WIRE_SLOT_SIZE + 1);

	*end = 0;
	if (n == 0)
		*end = -1;
	else if (n < 0 && errno != EAGAIN && errno != EINTR)
		*end = errno;
	if (n <= 0)
		return false;
	*frame = (struct frame){.data = data, .length = (uint32_t)n};
	return true;
}

static void device_receive(struct wire *wire)
{
	uint8_t *slots = device_of(wire)->slots;
	struct frame frames[WIRE_BATCH];
	unsigned count = 0, most = wire_reads(wire, &device_of(wire)->tries), reads;
	bool in_vain = false;
	int end = 0;

	for (reads = 0; reads < most; reads++) {
		if (!read_frame(wire, wire_slot(slots, count), &frames[count], &end)) {
			in_vain = true;
			break;
		}
		if (frames[count].length >= ETHERNET_HEADER_SIZE && frames[count].length <= FRAME_MAX_SIZE)
			count++;
		else
			wire->counters.dropped_size++;
	}
	tries_done(&device_of(wire)->tries, reads, in_vain);
	wire_deliver(wire, frames, count);
	if (end != 0)
		wire_end(wire, end > 0 ? end : 0);
}

/* Returns false when the device has no room now. */
static bool write_frame(struct wire *wire, const uint8_t *data, size_t length)
{
	while (write(wire->out_fd, data, length) < 0) {
		if (errno == EAGAIN)
			return false;
		if (errno == EINTR)
			continue;
		if (errno == EMSGSIZE || errno == EINVAL)
			wire->counters.dropped_size++;
		else
			wire->counters.errors++;        /* EIO: the interface is down */
		break;
	}
	return true;
}

static unsigned device_transmit(struct wire *wire, const struct frame *frames, unsigned count)
{
	unsigned done = 0;

	while (done < count && write_frame(wire, frames[done].data, frames[done].length))
		done++;
	return done;
}

static void device_destroy(struct wire *wire)
{
	wire_slots_free(device_of(wire)->slots);
	close(wire->out_fd);
	free(wire);
}

static const struct wire_kind device_kind = {
	.receive = device_receive,
	.transmit = device_transmit,
	.destroy = device_destroy,
};

struct wire *wire_open_device(struct loop *loop, int fd, const struct wire_callbacks *callbacks, void *owner)
{
	struct wire_device *device = calloc(1, sizeof(*device));
	int flags = fcntl(fd, F_GETFL), error;

	if (device == NULL)
		return NULL;
	device->slots = wire_slots_create();
	if (device->slots == NULL || flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) {
		error = errno;
		wire_slots_free(device->slots);
		free(device);
		errno = error;
		return NULL;
	}
	error = wire_init(&device->wire, &device_kind, loop, fd, fd, callbacks, owner);
	if (error == 0)
		return &device->wire;
	/* The caller keeps a descriptor that could not be used. */
	device->wire.out_fd = dup(fd);
	wire_close(&device->wire);
	errno = error;
	return NULL;
}
