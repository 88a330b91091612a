/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation. A captured frame lies in a ring that is taken back as soon as libpcap's callback returns; so frames are copied, and handed on when a batch is full
 * or the ring is empty. One long frame may become a batch of its own. When the other end is full the capture pauses: what comes then waits in the ring, and
 * when that is full the kernel drops.
 *
 * An interface that goes is announced when it goes down, once, and may still be there when libpcap looks. So after a wake-up for nothing its presence is
 * looked at each second until a frame comes.
 */
#include "vde_pcapplug/wire_pcap.h"

#include "vde_pcapplug/pcap_socket.h"
#include "common/segment.h"
#include "wire/wire_internal.h"

#include <errno.h>
#include <net/if.h>
#include <stdlib.h>

struct wire_pcap {
	struct wire wire;
	pcap_t *pcap;
	struct log *log;
	const char *interface;
	unsigned index;                 /* of the interface */
	struct loop_timer *presence;
	unsigned mtu;
	uint8_t *slots;
	struct frame frames[WIRE_BATCH];
	unsigned count;
};

static struct wire_pcap *pcap_of(struct wire *wire)
{
	return (struct wire_pcap *)(void *)wire;
}

static void deliver(struct wire_pcap *capture)
{
	unsigned count = capture->count;

	capture->count = 0;
	if (capture->wire.closed)
		return;
	wire_deliver(&capture->wire, capture->frames, count);
	if (!wire_is_reading(&capture->wire))
		pcap_breakloop(capture->pcap);
}

/* A place for one more frame, always there. */
static uint8_t *next_slot(struct wire_pcap *capture)
{
	if (capture->count == WIRE_BATCH)
		deliver(capture);
	return wire_slot(capture->slots, capture->count);
}

static void add(struct wire_pcap *capture, uint8_t *data, uint32_t length)
{
	capture->frames[capture->count++] = (struct frame){ .data = data, .length = length };
}

static void captured(u_char *owner, const struct pcap_pkthdr *header, const u_char *data)
{
	struct wire_pcap *capture = (struct wire_pcap *)(void *)owner;
	struct segment_plan plan;
	uint8_t *slot;

	if (header->caplen != header->len || header->len < ETHERNET_HEADER_SIZE || header->len > FRAME_MAX_SIZE) {
		capture->wire.counters.dropped_size++;
		return;
	}
	if (!segment_plan(&plan, data, header->caplen, capture->mtu)) {
		slot = next_slot(capture);
		memcpy(slot, data, header->caplen);
		segment_complete_checksum(slot, header->caplen);
		add(capture, slot, header->caplen);
		return;
	}
	for (uint32_t i = 0; i < segment_count(&plan); i++) {
		slot = next_slot(capture);
		add(capture, slot, segment_write(&plan, data, i, slot));
	}
}

static void look_for_interface(void *owner)
{
	struct wire_pcap *capture = owner;

	if (if_nametoindex(capture->interface) == capture->index) {
		loop_timer_after(capture->presence, LOOP_SECOND);
		return;
	}
	log_error(capture->log, "the capture ended: there is no %s any more", capture->interface);
	wire_end(&capture->wire, ENODEV);
}

static void pcap_receive(struct wire *wire)
{
	struct wire_pcap *capture = pcap_of(wire);
	int n = pcap_dispatch(capture->pcap, WIRE_BATCH, captured, (u_char *)capture);

	if (n == 0 && !loop_timer_running(capture->presence))
		loop_timer_after(capture->presence, LOOP_SECOND);
	else if (n > 0 && loop_timer_running(capture->presence))
		loop_timer_stop(capture->presence);
	if (capture->count > 0)
		deliver(capture);
	if (n >= 0 || n == PCAP_ERROR_BREAK || wire->closed)
		return;
	log_error(capture->log, "the capture ended: %s", pcap_geterr(capture->pcap));
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
		int n = pcap_socket_send(pcap_of(wire)->pcap, frames + done, count - done);

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

static void pcap_flush(struct wire *wire)
{
	unsigned count, done;

	do {
		struct frame frames[WIRE_BATCH];
		size_t offset = 0, ends[WIRE_BATCH];

		for (count = 0; count < WIRE_BATCH && wire_queue_next(&wire->queue, &offset, &frames[count].data, &frames[count].length);
		     count++)
			ends[count] = offset;
		done = pcap_transmit(wire, frames, count);
		if (done > 0)
			wire_queue_remove(&wire->queue, ends[done - 1]);
	} while (count > 0 && done == count);
}

static void pcap_destroy(struct wire *wire)
{
	loop_remove_timer(pcap_of(wire)->presence);
	wire_slots_free(pcap_of(wire)->slots);
	if (pcap_of(wire)->pcap)
		pcap_close(pcap_of(wire)->pcap);
	free(wire);
}

static const struct wire_kind pcap_kind = {
	.receive = pcap_receive,
	.transmit = pcap_transmit,
	.flush = pcap_flush,
	.destroy = pcap_destroy,
};

struct wire *wire_open_pcap(struct loop *loop, struct log *log, pcap_t *pcap, const char *interface, unsigned mtu,
			    const struct wire_callbacks *callbacks, void *owner)
{
	struct wire_pcap *capture = calloc(1, sizeof(*capture));
	int fd = pcap_get_selectable_fd(pcap), error;

	if (!capture)
		return NULL;
	capture->log = log;
	capture->mtu = mtu;
	capture->interface = interface;
	capture->index = if_nametoindex(interface);
	capture->presence = loop_add_timer(loop, look_for_interface, capture);
	capture->slots = wire_slots_create();
	error = !capture->slots || !capture->presence ? ENOMEM : fd < 0 ? ENOTSUP : 0;
	if (error) {
		loop_remove_timer(capture->presence);
		wire_slots_free(capture->slots);
		free(capture);
		errno = error;
		return NULL;
	}
	error = wire_init(&capture->wire, &pcap_kind, loop, fd, fd, callbacks, owner);
	if (error) {
		wire_close(&capture->wire);
		errno = error;
		return NULL;
	}
	capture->pcap = pcap;
	return &capture->wire;
}
