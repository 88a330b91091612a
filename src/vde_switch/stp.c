/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation
 *
 * A tree exists for each VLAN as long as the VLAN, whether the protocol is on or off, and keeps what was set for its
 * ports. A member's link is up in it only while the protocol is on. So switching on and off is nothing but links coming
 * up and going down, and what the operator sets before is there.
 *
 * The clock is a timer that is set anew each time it fires. After a stall (the process was stopped, the machine slept)
 * one second has passed for the trees, not all that were missed: the BPDUs that came meanwhile are still to be read,
 * and no root may age away before.
 */
#include "vde_switch/stp.h"

#include "common/command.h"
#include "common/frame.h"
#include "vde_switch/forward.h"
#include "vde_switch/port.h"
#include "vde_switch/rstp_bpdu.h"
#include "vde_switch/switch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct tree {
	struct stp *stp;
	uint16_t vid;
	struct rstp *rstp;
	unsigned bonus_port;
	uint32_t bonus;
};

struct stp {
	struct vde_switch *sw;
	bool on;
	struct loop_timer *timer;
	struct rstp_times times;
	struct tree *tree[VLAN_COUNT];
};

/* ---- what a tree asks for ---- */

static void send_bpdu(void *owner, unsigned number, const uint8_t *bpdu, size_t length)
{
	struct tree *tree = owner;
	struct vde_switch *sw = tree->stp->sw;
	struct port *port = port_get(sw, number);
	uint8_t bytes[ETHERNET_TAG_SIZE + BPDU_FRAME_SIZE];
	struct frame frame = { .data = bytes + ETHERNET_TAG_SIZE, .vid = tree->vid };

	if (!tree->stp->on || !port || !port_is_active(port))
		return;
	frame.length = (uint32_t)bpdu_frame_build(frame.data, sw->mac, bpdu, length);
	if (port->untagged_vid != tree->vid) {
		memmove(bytes, frame.data, 2 * ETHERNET_ADDRESS_SIZE);
		write_be16(bytes + 12, ETHERTYPE_VLAN);
		write_be16(bytes + 14, tree->vid);
		frame.data = bytes;
		frame.length += ETHERNET_TAG_SIZE;
		frame.tagged = true;
	}
	forward_to_port(sw, port, &frame);
}

static void publish(const struct tree *tree, enum event_kind kind, unsigned port, const char *text)
{
	struct vde_switch *sw = tree->stp->sw;
	struct event event = { .kind = kind, .port = port, .vid = tree->vid, .text = text };

	if (event_wanted(&sw->events, kind))
		event_publish(&sw->events, &event);
}

/* The words of the debug stream; forwarding implies learning and has always been told so. */
static void state_changed(void *owner, unsigned number, enum rstp_port_state state)
{
	static const char *const text[] = { "discarding", "learning", "learning+forwarding" };
	static const enum vlan_state same[] = { VLAN_DISCARDING, VLAN_LEARNING, VLAN_FORWARDING };
	struct tree *tree = owner;
	struct port *port = port_get(tree->stp->sw, number);

	if (port)
		vlan_set_state(tree->stp->sw, tree->vid, port, same[state]);
	publish(tree, EVENT_FSTP_STATUS, number, text[state]);
}

static void flush(void *owner, unsigned number)
{
	struct tree *tree = owner;

	if (tree->stp->on)
		fdb_flush_port_vlan(tree->stp->sw->fdb, number, tree->vid);
}

static void tell_root(const struct tree *tree, unsigned port, rstp_bridge_id root)
{
	struct vde_switch *sw = tree->stp->sw;
	uint8_t mac[ETHERNET_ADDRESS_SIZE];
	struct event event = { .kind = EVENT_FSTP_ROOT, .port = port, .vid = tree->vid, .mac = mac,
			       .priority = (unsigned)(root >> 48) };

	if (!event_wanted(&sw->events, EVENT_FSTP_ROOT))
		return;
	write_be16(mac, (uint16_t)(root >> 32));
	write_be32(mac + 2, (uint32_t)root);
	event_publish(&sw->events, &event);
}

static void root_changed(void *owner, int port, rstp_bridge_id root)
{
	tell_root(owner, port < 0 ? 0 : (unsigned)port, root);
}

static void tell_own_root(const struct tree *tree)
{
	struct rstp_bridge_info info;

	rstp_get_bridge(tree->rstp, &info);
	tell_root(tree, 0, info.bridge);
}

static void guarded(void *owner, unsigned port)
{
	const struct tree *tree = owner;
	struct vde_switch *sw = tree->stp->sw;

	log_limited(sw->log, &sw->peer_log, "BPDU guard: a bridge speaks on port %u, VLAN %u: disabled until its link goes down", port,
		    tree->vid);
}

static void neighbour(void *owner, unsigned port, bool present)
{
	publish(owner, present ? EVENT_FSTP_ADD : EVENT_FSTP_DEL, port, NULL);
}

/* ---- trees come and go ---- */

static struct tree *create_tree(struct stp *stp, uint16_t vid)
{
	static const struct rstp_callbacks callbacks = {
		.send = send_bpdu, .set_state = state_changed, .flush = flush, .root = root_changed, .guard = guarded,
		.neighbour = neighbour,
	};
	struct tree *tree = calloc(1, sizeof(*tree));

	if (!tree)
		return NULL;
	tree->stp = stp;
	tree->vid = vid;
	tree->rstp = rstp_create(stp->sw->mac, stp->sw->priority, &callbacks, tree);
	if (!tree->rstp) {
		free(tree);
		return NULL;
	}
	rstp_set_times(tree->rstp, stp->times.hello, stp->times.max_age, stp->times.forward_delay);
	stp->tree[vid] = tree;
	return tree;
}

static void destroy_tree(struct stp *stp, uint16_t vid)
{
	struct tree *tree = stp->tree[vid];

	if (!tree)
		return;
	rstp_destroy(tree->rstp);
	free(tree);
	stp->tree[vid] = NULL;
}

static void vlan_created(void *owner, uint16_t vid)
{
	struct stp *stp = owner;
	struct tree *tree = create_tree(stp, vid);

	if (!tree)
		log_error(stp->sw->log, "VLAN %u: no memory for its spanning tree: its ports stay discarding while FSTP is on", vid);
	else
		tell_own_root(tree);
}

static void vlan_removed(void *owner, uint16_t vid)
{
	destroy_tree(owner, vid);
}

/* ---- members come and go ---- */

static int add_port(struct tree *tree, const struct port *port)
{
	int error = rstp_port_add(tree->rstp, port->number, RSTP_COST_DEFAULT, port->endpoint_count == 1);

	if (error == EEXIST)
		return 0;
	if (error == 0 && tree->bonus && tree->bonus_port == port->number)
		rstp_port_set_bonus(tree->rstp, port->number, tree->bonus);
	return error;
}

static enum vlan_state member_up(void *owner, uint16_t vid, struct port *port, bool tagged)
{
	struct stp *stp = owner;
	struct tree *tree = stp->tree[vid];
	struct rstp_port_info info;

	(void)tagged;
	if (!stp->on)
		return VLAN_FORWARDING;
	int error = tree ? add_port(tree, port) : ENOMEM;
	if (error) {
		log_limited(stp->sw->log, &stp->sw->peer_log,
			    "port %u cannot take part in the spanning tree of VLAN %u (at most %d ports) and stays discarding: %s",
			    port->number, vid, RSTP_PORTS_MAX, strerror(error));
		return VLAN_DISCARDING;
	}
	rstp_port_set_point_to_point(tree->rstp, port->number, port->endpoint_count == 1);
	rstp_port_link(tree->rstp, port->number, true);
	rstp_get_port(tree->rstp, port->number, &info);
	return (enum vlan_state)info.state;
}

static void member_down(void *owner, uint16_t vid, struct port *port)
{
	struct stp *stp = owner;

	if (stp->tree[vid])
		rstp_port_link(stp->tree[vid]->rstp, port->number, false);
}

static void member_removed(void *owner, uint16_t vid, struct port *port)
{
	struct stp *stp = owner;

	if (stp->tree[vid])
		rstp_port_remove(stp->tree[vid]->rstp, port->number);
}

/* Whatever is addressed to the bridges goes no further (802.1D 7.12.6), BPDU or not. */
static bool receive(void *owner, uint16_t vid, struct port *port, const struct frame *frame)
{
	struct stp *stp = owner;
	const uint8_t *bpdu = frame->data;
	size_t length = 0;

	/* What is no LLC frame is counted with the invalid BPDUs, as one of no length. */
	if (bpdu_frame_parse(frame->data, frame->length, &bpdu, &length) != 0)
		length = 0;
	if (stp->tree[vid])
		rstp_receive(stp->tree[vid]->rstp, port->number, bpdu, length);
	return true;
}

/* ---- the whole ---- */

static void second_passed(void *owner)
{
	struct stp *stp = owner;

	loop_timer_after(stp->timer, LOOP_SECOND);
	for (unsigned vid = 0; vid < VLAN_COUNT; vid++)
		if (stp->tree[vid])
			rstp_tick(stp->tree[vid]->rstp);
}

struct stp *stp_create(struct vde_switch *sw)
{
	struct stp *stp = calloc(1, sizeof(*stp));

	if (!stp)
		return NULL;
	stp->sw = sw;
	stp->times = (struct rstp_times){ .hello = 2, .max_age = 20, .forward_delay = 15 };
	stp->timer = loop_add_timer(sw->loop, second_passed, stp);
	for (unsigned vid = 0; stp->timer && vid < VLAN_COUNT; vid++)
		if (vlan_get(sw, vid) && !create_tree(stp, (uint16_t)vid)) {
			stp_destroy(stp);
			return NULL;
		}
	if (!stp->timer) {
		free(stp);
		return NULL;
	}
	sw->hooks = (struct vlan_hooks){
		.owner = stp, .member_up = member_up, .member_down = member_down, .member_removed = member_removed,
		.vlan_created = vlan_created, .vlan_removed = vlan_removed,
	};
	return stp;
}

void stp_destroy(struct stp *stp)
{
	if (!stp)
		return;
	stp->sw->hooks = (struct vlan_hooks){ .owner = NULL };
	loop_remove_timer(stp->timer);
	for (unsigned vid = 0; vid < VLAN_COUNT; vid++)
		destroy_tree(stp, (uint16_t)vid);
	free(stp);
}

/* Every link of a tree goes down; nothing is told to the other bridges, which find out by the silence. */
static void take_links_down(struct stp *stp)
{
	for (unsigned vid = 0; vid < VLAN_COUNT; vid++) {
		struct tree *tree = stp->tree[vid];

		for (int port = -1; tree && (port = rstp_next_port(tree->rstp, port)) >= 0; )
			rstp_port_link(tree->rstp, (unsigned)port, false);
	}
}

void stp_set_enabled(struct stp *stp, bool on)
{
	struct vde_switch *sw = stp->sw;

	if (stp->on == on)
		return;
	loop_timer_stop(stp->timer);
	stp->on = on;
	sw->hooks.receive = on ? receive : NULL;        /* while off no frame is looked at */
	if (!on)
		take_links_down(stp);
	if (on)
		loop_timer_after(stp->timer, LOOP_SECOND);
	for (unsigned i = 0; i < sw->active_count; i++)
		vlan_port_refresh(sw, sw->active[i]);
	for (unsigned vid = 0; !on && vid < VLAN_COUNT; vid++)
		if (stp->tree[vid])
			tell_own_root(stp->tree[vid]);
}

bool stp_is_enabled(const struct stp *stp)
{
	return stp->on;
}

struct rstp *stp_tree(const struct stp *stp, unsigned vid)
{
	return vid < VLAN_COUNT && stp->tree[vid] ? stp->tree[vid]->rstp : NULL;
}

int stp_set_priority(struct stp *stp, unsigned priority)
{
	if (priority > 0xffff)
		return ERANGE;
	stp->sw->priority = priority;
	for (unsigned vid = 0; vid < VLAN_COUNT; vid++)
		if (stp->tree[vid])
			rstp_set_priority(stp->tree[vid]->rstp, priority);
	return 0;
}

int stp_set_times(struct stp *stp, unsigned hello, unsigned max_age, unsigned forward_delay)
{
	int error = 0;

	/* VLAN 0 always has a tree, and the first to refuse is the only one that can. */
	for (unsigned vid = 0; !error && vid < VLAN_COUNT; vid++)
		if (stp->tree[vid])
			error = rstp_set_times(stp->tree[vid]->rstp, hello, max_age, forward_delay);
	if (!error)
		stp->times = (struct rstp_times){ 0, (uint16_t)max_age, (uint16_t)hello, (uint16_t)forward_delay };
	return error;
}

const struct rstp_times *stp_times(const struct stp *stp)
{
	return &stp->times;
}

int stp_set_bonus(struct stp *stp, unsigned vid, unsigned port, uint32_t bonus)
{
	struct tree *tree = vid < VLAN_COUNT ? stp->tree[vid] : NULL;

	if (!tree)
		return ENXIO;
	if (tree->bonus)
		rstp_port_set_bonus(tree->rstp, tree->bonus_port, 0);
	tree->bonus_port = bonus ? port : 0;
	tree->bonus = bonus;
	rstp_port_set_bonus(tree->rstp, port, bonus);
	return 0;
}

void stp_get_bonus(const struct stp *stp, unsigned vid, unsigned *port, uint32_t *bonus)
{
	*port = stp->tree[vid]->bonus_port;
	*bonus = stp->tree[vid]->bonus;
}

int stp_prepare_port(struct stp *stp, unsigned vid, unsigned number)
{
	struct port *port = port_get(stp->sw, number);
	struct tree *tree = vid < VLAN_COUNT ? stp->tree[vid] : NULL;

	return tree && port ? add_port(tree, port) : ENXIO;
}

/* ---- the configuration as a script ---- */

static bool port_is_set(const struct tree *tree, unsigned number, struct rstp_port_info *info)
{
	if (!tree || rstp_get_port(tree->rstp, number, info) != 0)
		return false;
	return info->admin_edge || info->guard != RSTP_GUARD_OFF || info->cost_set != RSTP_COST_DEFAULT;
}

bool stp_is_configured(const struct stp *stp, const struct port *port)
{
	struct rstp_port_info info;

	for (unsigned vid = 0; vid < VLAN_COUNT; vid++)
		if (port_is_set(stp->tree[vid], port->number, &info))
			return true;
	return false;
}

static void print_tree(const struct tree *tree, struct reply *reply)
{
	struct rstp_port_info info;

	for (int port = -1; (port = rstp_next_port(tree->rstp, port)) >= 0; ) {
		if (!port_is_set(tree, (unsigned)port, &info))
			continue;
		if (info.admin_edge)
			reply_printf(reply, "fstp/setedge %u %d 1\n", tree->vid, port);
		if (info.cost_set != RSTP_COST_DEFAULT)
			reply_printf(reply, "fstp/cost %u %d %u\n", tree->vid, port, info.cost_set);
		if (info.guard != RSTP_GUARD_OFF)
			reply_printf(reply, "fstp/guard %u %d %s\n", tree->vid, port, info.guard == RSTP_GUARD_BPDU ? "bpdu" : "root");
	}
	if (tree->bonus)
		reply_printf(reply, "fstp/bonus %u %u %u\n", tree->vid, tree->bonus_port, tree->bonus);
}

void stp_print_configuration(const struct stp *stp, struct reply *reply)
{
	reply_printf(reply, "fstp/priority %u\n", stp->sw->priority);
	reply_printf(reply, "fstp/timers %u %u %u\n", stp->times.hello, stp->times.max_age, stp->times.forward_delay);
	for (unsigned vid = 0; vid < VLAN_COUNT; vid++)
		if (stp->tree[vid])
			print_tree(stp->tree[vid], reply);
	if (!stp->sw->hub)
		reply_printf(reply, "fstp/setfstp %d\n", stp->on);
}
