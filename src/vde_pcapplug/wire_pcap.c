/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation. Frames are handed on in batches as they come (capture.h). When the other end is full the capture pauses: what comes then waits in the
 * ring, and when that is full the kernel drops.
 *
 * An interface that goes is announced when it goes down, once, and may still be there when libpcap looks. So after a wake-up for nothing its presence is
 * looked at each second until a frame comes.
 */
#include "vde_pcapplug/wire_pcap.h"

#include "vde_pcapplug/pcap_socket.h"
#include "wire/wire_internal.h"

#include <errno.h>
#include <stdlib.h>

struct wire_pcap {
	struct wire wire;
	struct capture *capture;
	struct log *log;
	const char *interface;
	struct loop_timer *presence;
	uint8_t *slots;
};

static struct wire_pcap *pcap_of(struct wire *wire)
{
	return (struct wire_pcap *)(void *)wire;
}

static void look_for_interface(void *owner)
{
	struct wire_pcap *end = owner;

	if (capture_is_present(end->capture, end->interface)) {
		loop_timer_after(end->presence, LOOP_SECOND);
		return;
	}
	log_error(end->log, "the capture ended: there is no %s any more", end->interface);
	wire_end(&end->wire, ENODEV);
}

static void pcap_receive(struct wire *wire)
{
	struct wire_pcap *end = pcap_of(wire);
	uint64_t dropped = end->capture->dropped;
	struct frame frames[WIRE_BATCH];
	int n;

	for (unsigned i = 0; i < WIRE_BATCH; i++)
		frames[i] = (struct frame){ .data = wire_slot(end->slots, i) };
	n = capture_read(end->capture, frames, FRAME_MAX_SIZE, WIRE_BATCH);
	wire->counters.dropped_size += end->capture->dropped - dropped;
	wire->pending = capture_is_waiting(end->capture);
	if (n == 0 && !loop_timer_running(end->presence))
		loop_timer_after(end->presence, LOOP_SECOND);
	else if (n > 0 && loop_timer_running(end->presence))
		loop_timer_stop(end->presence);
	if (n > 0)
		wire_deliver(wire, frames, (unsigned)n);
	if (n >= 0)
		return;
	log_error(end->log, "the capture ended: %s", capture_reason(end->capture));
	wire_end(wire, ENETDOWN);
}

/* Whether the frame that could not be sent is done with: only a full socket is worth waiting for. */
static bool refused_for_good(struct wire *wire, int error)
{
	if (error == EAGAIN)
		return false;
	if (error == EMSGSIZE)
		wire->counters.dropped_size++;
	else
		wire->counters.errors++;        /* the interface is down, or its queue is full */
	return true;
}

static unsigned pcap_transmit(struct wire *wire, const struct frame *frames, unsigned count)
{
	unsigned done = 0;

	while (done < count) {
		int n = pcap_socket_send(pcap_of(wire)->capture->pcap, frames + done, count - done);

		if (n > 0)
			done += (unsigned)n;
		else if (errno == EINTR)
			continue;
		else if (refused_for_good(wire, errno))
			done++;
		else
			break;
	}
	return done;
}

static void pcap_destroy(struct wire *wire)
{
	loop_remove_timer(pcap_of(wire)->presence);
	wire_slots_free(pcap_of(wire)->slots);
	if (pcap_of(wire)->capture) {
		capture_close(pcap_of(wire)->capture);
		free(pcap_of(wire)->capture);
	}
	free(wire);
}

static const struct wire_kind pcap_kind = {
	.receive = pcap_receive,
	.transmit = pcap_transmit,
	.destroy = pcap_destroy,
};

struct wire *wire_open_pcap(struct loop *loop, struct log *log, struct capture *capture, const char *interface,
			    const struct wire_callbacks *callbacks, void *owner)
{
	struct wire_pcap *end = calloc(1, sizeof(*end));
	int fd = capture_descriptor(capture), error;

	if (!end)
		return NULL;
	end->log = log;
	end->interface = interface;
	end->presence = loop_add_timer(loop, look_for_interface, end);
	end->slots = wire_slots_create();
	error = !end->slots || !end->presence ? ENOMEM : fd < 0 ? ENOTSUP : 0;
	if (error) {
		loop_remove_timer(end->presence);
		wire_slots_free(end->slots);
		free(end);
		errno = error;
		return NULL;
	}
	error = wire_init(&end->wire, &pcap_kind, loop, fd, fd, callbacks, owner);
	if (error) {
		wire_close(&end->wire);
		errno = error;
		return NULL;
	}
	end->capture = capture;
	return &end->wire;
}
