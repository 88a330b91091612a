/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation
 *
 * A batch of frames from one endpoint is classified, learned and looked up frame by frame; nothing is sent meanwhile. Each frame's way out is an "image", made at
 * most once per form (tagged, untagged), and each endpoint that it goes to gets a "stage": the list of images for it. At the end of the batch every stage is sent with one
 * call. Images refer to the received bytes; only what must wait in a queue is copied, once.
 *
 * A frame from a tap may have offload: a checksum to be done, a TCP segment to be cut. It is one frame on its way, with one look-up, and goes as it is to endpoints with
 * offload. When it goes to another endpoint its checksum is completed in place, or its images are cut into parts, once for all such endpoints. Listeners and filters see
 * finished frames only: while there are any, frames are finished first.
 *
 * The received bytes, images and stages are those of the forwarder and are reused for the next batch: the common case allocates nothing.
 */
#include "vde_switch/forward.h"

#include "vde_switch/endpoint.h"
#include "vde_switch/finish.h"
#include "vde_switch/image.h"
#include "vde_switch/parts.h"
#include "vde_switch/plugin_adapter.h"
#include "vde_switch/port.h"
#include "vde_switch/switch.h"

#include <stdlib.h>

enum {
	STAGES = 128,           /* endpoints touched before an early send */
	HEADROOM = ENDPOINT_HEADROOM,
	TAILROOM = 64,
	/* Not a multiple of the page size, so that the frames' first bytes do not compete for the same cache sets. */
	BUFFER_STRIDE = HEADROOM + ENDPOINT_FRAME_ROOM + 1 + TAILROOM + 192,
};

enum image_form { AS_IT_IS, CONVERTED, FORMS };

struct stage {
	struct endpoint *endpoint;
	unsigned count;
	struct frame_image *image[ENDPOINT_BATCH];
};

struct forwarder {
	uint8_t *buffers;
	uint8_t *flat;          /* a frame that leaves, in one piece, for events and filters */
	bool transparent;       /* the current frame's tag is of no VLAN here: it travels from trunk port to trunk port */
	struct frame *current;  /* the frame on its way, and its place in the batch */
	unsigned current_index;
	struct parts parts;
	struct finisher finisher;
	struct frame frame[ENDPOINT_BATCH];
	struct frame_image image[ENDPOINT_BATCH][FORMS];
	unsigned stages;
	struct stage stage[STAGES];
};

static const uint8_t bridge_group_address[ETHERNET_ADDRESS_SIZE] = { 0x01, 0x80, 0xc2, 0x00, 0x00, 0x00 };

struct forwarder *forwarder_create(void)
{
	struct forwarder *forwarder = calloc(1, sizeof(*forwarder));

	if (!forwarder)
		return NULL;
	forwarder->buffers = calloc(ENDPOINT_BATCH, BUFFER_STRIDE);
	forwarder->flat = calloc(1, FRAME_MAX_SIZE + TAILROOM);
	if (!forwarder->buffers || !forwarder->flat) {
		forwarder_destroy(forwarder);
		return NULL;
	}
	for (unsigned i = 0; i < ENDPOINT_BATCH; i++)
		forwarder->frame[i].data = forwarder->buffers + (size_t)i * BUFFER_STRIDE + HEADROOM;
	return forwarder;
}

void forwarder_destroy(struct forwarder *forwarder)
{
	if (!forwarder)
		return;
	parts_free(&forwarder->parts);
	free(forwarder->buffers);
	finisher_free(&forwarder->finisher);
	free(forwarder->flat);
	free(forwarder);
}

/* ---- output ---- */

static void flush_stages(struct forwarder *forwarder)
{
	for (unsigned i = 0; i < forwarder->stages; i++) {
		struct stage *stage = &forwarder->stage[i];

		stage->endpoint->stage = NULL;
		endpoint_send(stage->endpoint, stage->image, stage->count);
	}
	forwarder->stages = 0;
}

static void stage_image(struct forwarder *forwarder, struct endpoint *endpoint, struct frame_image *image)
{
	if (!endpoint->stage) {
		if (forwarder->stages == STAGES)
			flush_stages(forwarder);
		endpoint->stage = &forwarder->stage[forwarder->stages++];
		endpoint->stage->endpoint = endpoint;
		endpoint->stage->count = 0;
	}
	if (endpoint->stage->count == ENDPOINT_BATCH) {         /* a mirror gets several copies of a frame; or frames were cut */
		endpoint_send(endpoint, endpoint->stage->image, ENDPOINT_BATCH);
		endpoint->stage->count = 0;
	}
	endpoint->stage->image[endpoint->stage->count++] = image;
}

/* NULL: with a tag it would be longer than any frame may be. */
static struct frame_image *frame_image(struct forwarder *forwarder, const struct frame *frame, unsigned index, bool tagged)
{
	struct frame_image *image = &forwarder->image[index][frame->tagged == tagged ? AS_IT_IS : CONVERTED];

	if (image->pieces)
		return image;
	if (frame->tagged == tagged)
		image_plain(image, frame);
	else if (tagged && frame->length + ETHERNET_TAG_SIZE > FRAME_MAX_SIZE && frame->offload.segments == 0)
		return NULL;
	else if (tagged)
		image_push_tag(image, frame, frame->vid);
	else
		image_pop_tag(image, frame);
	return image;
}

static void publish_packet(struct vde_switch *sw, enum event_kind kind, const struct port *port, const struct frame *frame)
{
	struct event event = { .kind = kind, .port = port->number, .vid = frame->vid, .frame = frame };

	event_publish(&sw->events, &event);
}

/* What comes in, to whoever listens and to the plugins' filters. False: a filter dropped it. */
static bool filter_input(struct vde_switch *sw, const struct port *port, struct frame *frame)
{
	publish_packet(sw, EVENT_PACKET_IN, port, frame);
	if (sw->filter)
		frame->length = plugin_adapter_filter(sw->filter, EVENT_PACKET_IN, port->number, frame->data, frame->length);
	return frame->length >= ETHERNET_HEADER_SIZE;
}

/* The image in one piece of memory of our own. */
static void flatten(struct forwarder *forwarder, const struct frame_image *image, struct frame *frame)
{
	*frame = (struct frame){ .data = forwarder->flat };
	for (unsigned i = 0; i < image->pieces; i++) {
		memcpy(frame->data + frame->length, image->piece[i].iov_base, image->piece[i].iov_len);
		frame->length += (uint32_t)image->piece[i].iov_len;
	}
}

static bool is_unchanged(const struct frame_image *image, const struct frame *frame)
{
	uint32_t at = 0;

	if (frame->length != image->length)
		return false;
	for (unsigned i = 0; i < image->pieces; i++) {
		if (memcmp(frame->data + at, image->piece[i].iov_base, image->piece[i].iov_len) != 0)
			return false;
		at += (uint32_t)image->piece[i].iov_len;
	}
	return true;
}

/* Past the stages: this may be called in the middle of a batch. */
static void send_now(struct port *port, struct frame_image *image)
{
	struct frame_image *images[1] = { image };
	struct endpoint *next;

	port->counters.out_frames++;
	port->counters.out_bytes += image->length;
	for (struct endpoint *endpoint = port->endpoints; endpoint; endpoint = next) {
		next = endpoint->next;
		endpoint_send(endpoint, images, 1);
	}
}

/* To a port and to those that get copies of what it sends. */
static void send_with_copies(struct vde_switch *sw, struct port *port, struct frame_image *image)
{
	send_now(port, image);
	for (unsigned i = 0; i < port->mirror_count; i++)
		send_now(sw->port[port->mirror_to[i]], image);
	packet_release(image->packet);
}

/*
 * The frame as it leaves, tag pushed or popped, to whoever listens and to the plugins' filters. False: there is nothing left to send: a filter
 * dropped it, or changed it, in which case the changed one has been sent, after those before it.
 */
static bool filter_output(struct vde_switch *sw, struct port *port, uint16_t vid, const struct frame_image *image)
{
	struct frame_image changed = { .pieces = 0 };
	struct frame frame;

	flatten(sw->forwarder, image, &frame);
	frame.vid = vid;
	publish_packet(sw, EVENT_PACKET_OUT, port, &frame);
	if (sw->filter)
		frame.length = plugin_adapter_filter(sw->filter, EVENT_PACKET_OUT, port->number, frame.data, frame.length);
	if (frame.length < ETHERNET_HEADER_SIZE) {
		port->counters.dropped[DROP_FILTER]++;
		return false;
	}
	if (is_unchanged(image, &frame))
		return true;
	flush_stages(sw->forwarder);
	image_plain(&changed, &frame);
	send_with_copies(sw, port, &changed);
	return false;
}

/* The current frame's checksum, in place: its images are of a finished frame from now on. */
static void complete_checksum(struct forwarder *forwarder)
{
	offload_complete_checksum(forwarder->current);
	for (unsigned form = 0; form < FORMS; form++) {
		struct frame_image *image = &forwarder->image[forwarder->current_index][form];

		image->offload = forwarder->current->offload;
		packet_release(image->packet);
		image->packet = NULL;
	}
}

static void forget_parts(struct forwarder *forwarder)
{
	parts_forget(&forwarder->parts);
	for (unsigned i = 0; i < ENDPOINT_BATCH; i++)
		for (unsigned form = 0; form < FORMS; form++)
			forwarder->image[i][form].parts = NULL;
}

/* The image to an endpoint that takes finished frames only. */
static void stage_finished(struct vde_switch *sw, struct endpoint *endpoint, struct frame_image *image)
{
	struct forwarder *forwarder = sw->forwarder;

	if (image->offload.segments == 0) {
		complete_checksum(forwarder);
		stage_image(forwarder, endpoint, image);
		return;
	}
	if (!image->parts && !parts_have_room(&forwarder->parts, image)) {
		flush_stages(forwarder);
		forget_parts(forwarder);
	}
	if (!image->parts && !parts_make(&forwarder->parts, image)) {
		endpoint->port->counters.dropped[DROP_ERROR] += image->offload.segments;
		return;
	}
	for (unsigned i = 0; i < image->offload.segments; i++)
		stage_image(forwarder, endpoint, &image->parts[i].image);
}

/* Whether the endpoint takes this image as it is. */
static bool takes(const struct endpoint *endpoint, const struct frame_image *image)
{
	return !offload_is_set(&image->offload) || (endpoint->offload && (image->offload.segments || !endpoint->only_uncut));
}

static void port_transmit(struct vde_switch *sw, struct port *port, struct frame_image *image)
{
	port->counters.out_frames += offload_frames(&image->offload);
	port->counters.out_bytes += offload_bytes(&image->offload, image->length);
	for (struct endpoint *endpoint = port->endpoints; endpoint; endpoint = endpoint->next)
		if (takes(endpoint, image))
			stage_image(sw->forwarder, endpoint, image);
		else
			stage_finished(sw, endpoint, image);
}

static void port_mirror(struct vde_switch *sw, const struct port *port, struct frame_image *image)
{
	for (unsigned i = 0; i < port->mirror_count; i++)
		port_transmit(sw, sw->port[port->mirror_to[i]], image);
}

/* image NULL: with its tag the frame would be too long. */
static void port_output(struct vde_switch *sw, struct port *port, const struct frame *frame, struct frame_image *image)
{
	if (port->mirror_sources)
		return;
	if (!image) {
		port->counters.dropped[DROP_OVERSIZE]++;
		return;
	}
	/* What is not finished here came before anyone listened: see forward_unfinished. */
	if (event_wanted(&sw->events, EVENT_PACKET_OUT) && !offload_is_set(&image->offload) &&
	    !filter_output(sw, port, frame->vid, image))
		return;
	port_transmit(sw, port, image);
	if (port->mirror_count)
		port_mirror(sw, port, image);
}

static void flood_hub(struct vde_switch *sw, const struct port *from, const struct frame *frame, unsigned index)
{
	struct frame_image *image = frame_image(sw->forwarder, frame, index, frame->tagged);

	for (unsigned i = 0; i < sw->active_count; i++)
		if (sw->active[i] != from)
			port_output(sw, sw->active[i], frame, image);
}

static void pass_uplink(struct vde_switch *sw, const struct port *from, const struct frame *frame, unsigned index)
{
	struct frame_image *image = frame_image(sw->forwarder, frame, index, frame->tagged);
	struct port *to = uplink_port(sw);

	if (from == to)
		to = uplink_choose(sw, frame);
	if (to)
		port_output(sw, to, frame, image);
}

static void repeat(struct vde_switch *sw, const struct port *from, const struct frame *frame, unsigned index)
{
	enum uplink_mode mode = sw->uplink.mode;

	if (mode == UPLINK_NONE || (mode == UPLINK_MULTI && from->number == sw->uplink.port))
		flood_hub(sw, from, frame, index);
	else
		pass_uplink(sw, from, frame, index);
}

static void flood_vlan(struct vde_switch *sw, const struct port *from, const struct frame *frame, unsigned index)
{
	const struct vlan *vlan = sw->vlan[frame->vid];
	bool transparent = sw->forwarder->transparent;

	for (unsigned i = 0; i < vlan->egress_count; i++) {
		const struct vlan_egress *egress = &vlan->egress[i];

		if (egress->port != from && (!transparent || egress->port->trunk))
			port_output(sw, egress->port, frame, frame_image(sw->forwarder, frame, index, egress->tagged));
	}
}

static void output_unicast(struct vde_switch *sw, const struct port *from, const struct frame *frame, unsigned index, uint32_t number)
{
	struct port *port = sw->port[number];

	if (!port || port == from || vlan_get_state(port, frame->vid) != VLAN_FORWARDING)
		return;
	if (sw->forwarder->transparent && !port->trunk)
		return;
	port_output(sw, port, frame, frame_image(sw->forwarder, frame, index, port->untagged_vid != frame->vid));
}

/* ---- input ---- */

/* Zeros behind a short frame: for its padding, and for that of its untagged form. Nothing of the buffer's past leaves the switch. */
static void pad(struct frame *frame)
{
	enum { LEAST = ETHERNET_MIN_SIZE + ETHERNET_TAG_SIZE };

	if (frame->length >= LEAST)
		return;
	memset(frame->data + frame->length, 0, LEAST - frame->length);
	if (frame->length < ETHERNET_MIN_SIZE)
		frame->length = ETHERNET_MIN_SIZE;
}

/*
 * A tag of a VLAN that the switch does not have, on a trunk port: the tag is payload like any other, and the frame travels in the port's
 * untagged VLAN. VLANs that the switch has are never crossed this way.
 */
static bool accept_transparently(struct vde_switch *sw, const struct port *port, struct frame *frame)
{
	if (!port->trunk || !frame->tagged || vlan_get(sw, frame->vid) || port->untagged_vid == VLAN_NONE)
		return false;
	frame->vid = port->untagged_vid;
	frame->tagged = false;
	sw->forwarder->transparent = true;
	return true;
}

/* The current frame's bytes are about to change: copies of them as they came, for mirrors, go out before. */
static void let_go_of_image(struct forwarder *forwarder)
{
	struct frame_image *image = &forwarder->image[forwarder->current_index][AS_IT_IS];

	flush_stages(forwarder);
	packet_release(image->packet);
	image->packet = NULL;
	image->parts = NULL;
	image->pieces = 0;
}

/* The tag of the current frame names a VLAN from now on; its priority stays. */
static void name_vlan(struct vde_switch *sw, const struct port *port, struct frame *frame)
{
	uint8_t *control = frame->data + ETHERNET_HEADER_SIZE;

	if (port->mirror_count)
		let_go_of_image(sw->forwarder);
	write_be16(control, (uint16_t)((read_be16(control) & ~VLAN_VID_MASK) | frame->vid));
}

/*
 * The VLAN a frame travels in (802.1Q clause 6.9). A tag with VID 0 only carries a priority: the frame belongs to the port's untagged VLAN, and says so
 * where it leaves tagged. False: the port does not accept it.
 */
static bool classify(struct vde_switch *sw, const struct port *port, struct frame *frame)
{
	sw->forwarder->transparent = false;
	frame->tagged = frame_outer_type(frame) == ETHERTYPE_VLAN && frame->length >= ETHERNET_HEADER_SIZE + ETHERNET_TAG_SIZE;
	frame->vid = frame->tagged ? read_be16(frame->data + ETHERNET_HEADER_SIZE) & VLAN_VID_MASK : 0;
	bool priority_only = frame->tagged && frame->vid == 0;
	if (frame->vid == 0)
		frame->vid = port->untagged_vid;
	if (frame->vid == VLAN_NONE)
		return false;
	if (priority_only && frame->vid != 0)
		name_vlan(sw, port, frame);
	if (frame->vid == port->untagged_vid || vlan_is_tagged(port, frame->vid))
		return true;
	return accept_transparently(sw, port, frame);
}

static void learn(struct vde_switch *sw, const struct port *port, const struct frame *frame, uint32_t now)
{
	const uint8_t *source = frame_source(frame);

	if (mac_is_group(source))
		return;
	if (fdb_learn(sw->fdb, frame->vid, source, port->number, now) == FDB_MOVED)
		log_limited(sw->log, &sw->peer_log, "MAC %02x:%02x:%02x:%02x:%02x:%02x moved to port %u", source[0], source[1],
			    source[2], source[3], source[4], source[5], port->number);
}

static bool is_for_spanning_tree(struct vde_switch *sw, struct port *port, const struct frame *frame)
{
	return sw->hooks.receive && mac_equal(frame_destination(frame), bridge_group_address) &&
	       sw->hooks.receive(sw->hooks.owner, frame->vid, port, frame);
}

static void switch_frame(struct vde_switch *sw, struct port *port, struct frame *frame, unsigned index, uint32_t now)
{
	if (!classify(sw, port, frame)) {
		port->counters.dropped[DROP_VLAN]++;
		return;
	}
	if (!sw->forwarder->transparent && is_for_spanning_tree(sw, port, frame))
		return;
	enum vlan_state state = vlan_get_state(port, frame->vid);
	if (state != VLAN_DISCARDING)
		learn(sw, port, frame, now);
	if (state != VLAN_FORWARDING) {
		port->counters.dropped[DROP_BLOCKED]++;
		return;
	}
	uint32_t number = FDB_NO_PORT;
	if (!mac_is_group(frame_destination(frame)))
		number = fdb_lookup(sw->fdb, frame->vid, frame_destination(frame), now);
	if (number == FDB_NO_PORT)
		flood_vlan(sw, port, frame, index);
	else
		output_unicast(sw, port, frame, index, number);
}

static void forget_images(struct forwarder *forwarder, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		for (unsigned form = 0; form < FORMS; form++) {
			struct frame_image *image = &forwarder->image[i][form];

			packet_release(image->packet);
			image->packet = NULL;
			image->parts = NULL;
			image->pieces = 0;
		}
	parts_forget(&forwarder->parts);
}

void forward_batch(struct vde_switch *sw, struct port *port, struct frame *frames, unsigned count)
{
	uint32_t now = switch_seconds(sw);

	for (unsigned i = 0; i < count; i++) {
		struct frame *frame = &frames[i];

		if (frame->length < ETHERNET_HEADER_SIZE) {
			port->counters.dropped[DROP_RUNT]++;
			continue;
		}
		if (port->mirror_sources) {
			port->counters.dropped[DROP_MIRROR]++;
			continue;
		}
		if (event_wanted(&sw->events, EVENT_PACKET_IN) && !filter_input(sw, port, frame)) {
			port->counters.dropped[DROP_FILTER]++;
			continue;
		}
		pad(frame);
		sw->forwarder->current = frame;
		sw->forwarder->current_index = i;
		port->counters.in_frames += offload_frames(&frame->offload);
		port->counters.in_bytes += offload_bytes(&frame->offload, frame->length);
		if (port->mirror_count)
			port_mirror(sw, port, frame_image(sw->forwarder, frame, i, frame->tagged));
		if (sw->hub)
			repeat(sw, port, frame, i);
		else
			switch_frame(sw, port, frame, i, now);
	}
	flush_stages(sw->forwarder);
	forget_images(sw->forwarder, count);
}

struct input {
	struct vde_switch *sw;
	struct port *port;
};

static void forward_finished(void *owner, struct frame *frames, unsigned count)
{
	const struct input *input = owner;

	forward_batch(input->sw, input->port, frames, count);
}

/* A received frame is at the beginning of its buffer again, and plain. */
static void reset_frame(const struct forwarder *forwarder, struct frame *frame)
{
	size_t index = (size_t)(frame->data - forwarder->buffers) / BUFFER_STRIDE;

	frame->data = forwarder->buffers + index * BUFFER_STRIDE + HEADROOM;
	frame->offload = (struct offload){ .checksum_start = 0 };
}

/* Frames with offload: as they are, unless there are listeners. */
static void forward_unfinished(struct vde_switch *sw, struct port *port, struct frame *frames, unsigned count)
{
	struct input input = { sw, port };

	if (!event_wanted(&sw->events, EVENT_PACKET_IN) && !event_wanted(&sw->events, EVENT_PACKET_OUT))
		forward_batch(sw, port, frames, count);
	else
		port->counters.dropped[DROP_ERROR] += finish_frames(&sw->forwarder->finisher, frames, count, forward_finished, &input);
	for (unsigned i = 0; i < count; i++)
		reset_frame(sw->forwarder, &frames[i]);
}

void forward_receive(struct vde_switch *sw, struct endpoint *from)
{
	struct forwarder *forwarder = sw->forwarder;
	struct port *port = from->port;
	uint64_t oversize = from->oversize, invalid = from->invalid;

	unsigned count = from->ops->receive(from, forwarder->frame, ENDPOINT_BATCH);
	port->counters.dropped[DROP_OVERSIZE] += from->oversize - oversize;
	port->counters.dropped[DROP_OFFLOAD] += from->invalid - invalid;
	if (count && from->offload)
		forward_unfinished(sw, port, forwarder->frame, count);
	else if (count)
		forward_batch(sw, port, forwarder->frame, count);
}

void forward_to_port(struct vde_switch *sw, struct port *port, const struct frame *frame)
{
	struct frame_image image = { .pieces = 0 };

	if (port->mirror_sources)
		return;
	image_plain(&image, frame);
	if (event_wanted(&sw->events, EVENT_PACKET_OUT) && !filter_output(sw, port, frame->vid, &image))
		return;
	send_with_copies(sw, port, &image);
}
