/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation. What the switch does not take waits in the plug's queue, beyond whose bound frames are dropped. Before that happens, while no cable takes
 * more, datagrams are left in the system: its buffer is larger, and what is not read yet costs nothing to lose. One cable of many that is stuck stops
 * none of the others. After NODE_PAUSE_TICKS a batch is read in any case: sessions live by what arrives, whatever the switch does.
 */
#include "node.h"

#include "psk_file.h"

#include "common/offload.h"
#include "common/segment.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- from the network to the plugs ---- */

static void set_full(struct cable *cable, bool full)
{
	struct node *node = cable->node;

	if (cable->full != full)
		node->full_cables += full ? 1 : -1u;
	cable->full = full;
	udp_pause(node->udp, node->cables && node->full_cables == node->cables);
}

static void cable_hand_over(struct cable *cable)
{
	if (cable->count && cable->wire) {
		wire_send(cable->wire, cable->frames, cable->count);
		set_full(cable, wire_is_full(cable->wire));
	}
	cable->count = 0;
}

void node_hand_over(struct node *node)
{
	while (node->dirty) {
		struct cable *cable = node->dirty;

		node->dirty = cable->next_dirty;
		cable->dirty = false;
		cable_hand_over(cable);
	}
	node->copies_used = 0;
}

/* A reassembled frame is gone when this call is over: it waits for the end of the batch as a copy. */
static uint8_t *keep_copy(struct node *node, const uint8_t *frame, size_t length)
{
	uint8_t *copy;

	if (NODE_COPIES - node->copies_used < length)
		node_hand_over(node);
	copy = memcpy(node->copies + node->copies_used, frame, length);
	node->copies_used += length;
	return copy;
}

static void collect(struct node *node, struct cable *cable, const struct frame *frame)
{
	if (cable->count == WIRE_BATCH)
		cable_hand_over(cable);
	cable->frames[cable->count++] = *frame;
	if (cable->dirty)
		return;
	cable->dirty = true;
	cable->next_dirty = node->dirty;
	node->dirty = cable;
}

static void deliver(void *owner, struct session *session, uint8_t *bytes, size_t length, bool transient)
{
	struct node *node = owner;
	struct frame frame = { .data = bytes, .length = (uint32_t)length };

	if (!session->user)
		return;
	if (transient)
		frame.data = keep_copy(node, bytes, length);
	collect(node, session->user, &frame);
}

static void deliver_uncut(void *owner, struct session *session, uint8_t *bytes, size_t length, uint8_t type, uint16_t size)
{
	struct frame frame = { .data = bytes, .length = (uint32_t)length };

	if (session->user && offload_set_segments(&frame, type, size))
		collect(owner, session->user, &frame);
}

static uint8_t *give_buffer(void *owner, size_t size)
{
	struct node *node = owner;

	return udp_buffer(node->udp, size);
}

static void send_datagram(void *owner, const union address *to, uint8_t *datagram, size_t length)
{
	struct node *node = owner;

	udp_queue(node->udp, to, datagram, length);
}

/* ---- from the plugs to the network ---- */

/* Cut, for a path that does not take it whole. */
static void send_cut(struct cable *cable, const struct frame *frame, uint64_t now)
{
	uint8_t *part = cable->node->part + FRAME_HEADROOM;
	struct segment_plan plan;

	if (!segment_plan_sized(&plan, frame->data, frame->length, frame->offload.segment_size))
		return;
	for (uint32_t i = 0; i < segment_count(&plan); i++)
		session_send_frame(cable->session, part, segment_write(&plan, frame->data, i, part), now);
}

static void frames_came(void *owner, struct frame *frames, unsigned count)
{
	struct cable *cable = owner;
	uint64_t now = loop_now(cable->node->loop);

	for (unsigned i = 0; i < count; i++) {
		const struct offload *offload = &frames[i].offload;

		if (offload->segments == 0)
			session_send_frame(cable->session, frames[i].data, frames[i].length, now);
		else if (!session_send_uncut(cable->session, frames[i].data, frames[i].length, (uint8_t)offload->segment_type,
					     offload->segment_size, now))
			send_cut(cable, &frames[i], now);
	}
	udp_flush(cable->node->udp);
}

static int plug_in(struct cable *cable);

static void retry(void *owner)
{
	struct cable *cable = owner;

	if (plug_in(cable) == 0)
		log_info(cable->node->log, "the switch is back");
	else
		loop_timer_after(cable->retry, LOOP_SECOND);
}

static void switch_lost(void *owner, int error)
{
	struct cable *cable = owner;
	struct node *node = cable->node;

	wire_close(cable->wire);
	cable->wire = NULL;
	set_full(cable, false);
	if (error)
		log_errno(node->log, error, "the switch is gone");
	else
		log_warn(node->log, "the switch is gone");
	if (node->options->reconnect)
		loop_timer_after(cable->retry, LOOP_SECOND);
	else
		loop_stop(node->loop, 1);
}

static void drained(void *owner)
{
	set_full(owner, false);
}

static const struct wire_callbacks wire_calls = { .receive = frames_came, .lost = switch_lost, .drained = drained };

static int plug_in(struct cable *cable)
{
	const char *name = cable->node->options->socket;

	cable->wire = wire_open_plug(cable->node->loop, name, cable->description, NULL, &wire_calls, cable);
	if (!cable->wire)
		return errno;
	wire_take_uncut(cable->wire);
	return 0;
}

struct cable *cable_open(struct node *node, struct session *session, const char *description)
{
	struct cable *cable = calloc(1, sizeof(*cable));
	int error;

	if (!cable)
		return NULL;
	cable->node = node;
	node->cables++;
	cable->session = session;
	snprintf(cable->description, sizeof(cable->description), "%s", description);
	cable->retry = loop_add_timer(node->loop, retry, cable);
	error = cable->retry ? plug_in(cable) : ENOMEM;
	if (!error)
		return cable;
	cable_close(cable);
	errno = error;
	return NULL;
}

void cable_close(struct cable *cable)
{
	struct cable **link;

	if (!cable)
		return;
	for (link = &cable->node->dirty; *link && *link != cable; link = &(*link)->next_dirty)
		;
	if (*link)
		*link = cable->next_dirty;
	cable_hand_over(cable);
	cable->node->cables--;
	set_full(cable, false);
	wire_close(cable->wire);
	loop_remove_timer(cable->retry);
	free(cable);
}

/* ---- life ---- */

static const struct session_callbacks session_calls = { give_buffer, send_datagram, deliver, deliver_uncut };

static void tick(void *owner)
{
	struct node *node = owner;

	loop_timer_after(node->tick, (uint64_t)NODE_TICK_MS * (LOOP_SECOND / 1000));
	node->ticked(node->owner);
	node_hand_over(node);
	node->paused_ticks = node->full_cables ? node->paused_ticks + 1 : 0;
	if (node->paused_ticks % NODE_PAUSE_TICKS == NODE_PAUSE_TICKS - 1)
		udp_pause(node->udp, false);
	udp_flush(node->udp);
}

void node_set_ticking(struct node *node, bool ticking)
{
	if (!ticking)
		loop_timer_stop(node->tick);
	else if (!loop_timer_running(node->tick))
		loop_timer_after(node->tick, 0);
}

static int open_env(struct node *node)
{
	struct session_env *env = calloc(1, sizeof(*env));

	node->env = env;
	if (!env)
		return ENOMEM;
	env->noise = noise_create();
	if (!env->noise)
		return ENOSYS;
	env->mode = node->options->clear ? MODE_CLEAR : MODE_SEALED;
	env->mtu_ceiling = node->options->mtu;
	env->keepalive_ns = node->options->keepalive ? KEEPALIVE_SHORT_TIME : KEEPALIVE_TIME;
	env->callbacks = &session_calls;
	env->owner = node;
	return 0;
}

int node_open(struct node *node, const struct options *options, struct loop *loop, struct log *log, unsigned port,
	      const struct udp_callbacks *udp_calls, void (*ticked)(void *owner), void *owner)
{
	int error;

	*node = (struct node){ .options = options, .loop = loop, .log = log, .started_ns = loop_clock(), .ticked = ticked, .owner = owner };
	error = open_env(node);
	if (error) {
		log_error(log, "the cryptographic library lacks X25519, ChaCha20-Poly1305 or SHA-256");
		return error;
	}
	node->copies = malloc(NODE_COPIES);
	node->tick = loop_add_timer(loop, tick, node);
	node->part = malloc(FRAME_HEADROOM + FRAME_MAX_SIZE);
	if (!node->copies || !node->part || !node->tick) {
		log_errno(log, ENOMEM, "cannot start");
		return ENOMEM;
	}
	node->udp = udp_open(loop, log, port, udp_calls, owner);
	if (!node->udp) {
		error = errno;
		log_errno(log, error, "UDP port %u", port);
		return error;
	}
	return 0;
}

int node_secret(const struct node *node, uint8_t secret[SECRET_SIZE])
{
	if (!node->options->clear)
		return psk_file_read(node->options->preshared, node->log, secret);
	/* A secret that all know: the handshake makes a session, and proves nothing. */
	return noise_labelled_hash(PROTOCOL_LABEL_CLEAR, NULL, 0, secret) ? 0 : EIO;
}

void node_close(struct node *node)
{
	if (node->udp)
		udp_flush(node->udp);
	udp_close(node->udp);
	loop_remove_timer(node->tick);
	free(node->copies);
	free(node->part);
	if (node->env) {
		noise_destroy(node->env->noise);
		OPENSSL_cleanse(node->env, sizeof(*node->env));
	}
	free(node->env);
	*node = (struct node){ 0 };
}
