/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What libslirp sends, put together: frames of one turn go in one call, segments of one stream in one frame (uncut.h). */
#include "slirpvde/engine_private.h"

enum {
	/*
	 * So much is sent without waiting for the end of a turn: the switch and the guest work on it meanwhile. It is half of libslirp's window,
	 * and goes to the switch as one datagram or two.
	 */
	OUTPUT_EARLY = 32000,
	ICMPV6_ROUTER_ADVERTISEMENT = 134,
	ARP_SENDER_ADDRESS = 14,        /* from the start of the ARP packet, IPv4 over Ethernet (RFC 826) */
};

void engine_output_flush(struct slirp_engine *engine)
{
	struct output *output = &engine->output;
	unsigned count = output->count;

	uncut_end(&output->last);
	output->count = 0;
	output->used = 0;
	if (count)
		engine->callbacks.transmit(engine->owner, output->frame, count);
}

static bool is_advertisement(const struct frame *frame)
{
	struct packet packet;

	return packet_parse(frame, &packet) && packet.ipv6 && packet.protocol == PROTOCOL_ICMPV6 && packet.length > 0 &&
	       packet.transport[0] == ICMPV6_ROUTER_ADVERTISEMENT;
}

/* An answer to "who has the hidden address": guests must not know it. */
static bool betrays_alias(const struct alias *alias, const struct frame *frame)
{
	return alias->count > 0 && frame_outer_type(frame) == ETHERTYPE_ARP &&
	       frame->length >= ETHERNET_HEADER_SIZE + ARP_SENDER_ADDRESS + 4 &&
	       memcmp(frame->data + ETHERNET_HEADER_SIZE + ARP_SENDER_ADDRESS, &alias->hidden, 4) == 0;
}

/* False: the frame is not for guests. */
static bool finish_frame(struct slirp_engine *engine, struct frame *frame)
{
	if (betrays_alias(&engine->alias, frame))
		return false;
	if (engine->config.host6.address.family != AF_UNSPEC && !engine->config.advertise && is_advertisement(frame))
		return false;
	alias_to_guest(&engine->alias, frame);
	alias_hide_loopback(frame, &engine->config.host4.address.v4, &engine->config.host6.address.v6);
	if (engine->config.dhcp)
		dhcp_to_guest(&engine->leases, frame, engine_clock());
	return true;
}

/* Puts a frame of libslirp's behind the others. */
static void put_frame(struct slirp_engine *engine, const void *data, uint32_t length)
{
	struct output *output = &engine->output;
	struct frame *frame = &output->frame[output->count];

	uncut_end(&output->last);
	*frame = (struct frame){ .data = output->bytes + output->used, .length = length };
	memcpy(frame->data, data, length);
	if (!finish_frame(engine, frame))
		return;
	/* The next one begins at a multiple of 16, where copies are quick. */
	output->used += (length + 15) & ~15U;
	output->count++;
	if (engine->uncut)
		uncut_begin(&output->last, frame);
	engine->counters.frames_out++;
}

/* Appends it to the last frame, if it continues that. */
static bool continue_frame(struct slirp_engine *engine, const void *data, uint32_t length)
{
	struct output *output = &engine->output;
	struct frame next = { .data = (uint8_t *)(uintptr_t)data, .length = length }, *last = output->last.frame;

	/* Of a stream with a hidden address each frame is rewritten: none is like the one that libslirp sends next. */
	if (!last || !uncut_append(&output->last, &next, (uint32_t)(output->bytes + sizeof(output->bytes) - (last->data + last->length))))
		return false;
	output->used = (uint32_t)(last->data + last->length - output->bytes + 15) & ~15U;
	engine->counters.frames_out++;
	return true;
}

ssize_t engine_output_packet(const void *data, size_t length, void *opaque)
{
	struct slirp_engine *engine = opaque;
	struct output *output = &engine->output;

	if (engine->muted || length < ETHERNET_HEADER_SIZE || length > FRAME_MAX_SIZE)
		return (ssize_t)length;
	if (!continue_frame(engine, data, (uint32_t)length)) {
		if (output->count == ENGINE_BATCH || output->used + length > sizeof(output->bytes))
			engine_output_flush(engine);
		put_frame(engine, data, (uint32_t)length);
	}
	if (output->used >= OUTPUT_EARLY)
		engine_output_flush(engine);
	return (ssize_t)length;
}
