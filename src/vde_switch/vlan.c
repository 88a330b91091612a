/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vde_switch/vlan.h"

#include "vde_switch/port.h"
#include "vde_switch/switch.h"

#include <errno.h>
#include <stdlib.h>

static void set_bit(uint64_t *bits, unsigned vid, bool on)
{
	uint64_t bit = (uint64_t)1 << (vid % 64);

	if (on)
		bits[vid / 64] |= bit;
	else
		bits[vid / 64] &= ~bit;
}

bool vlan_is_tagged(const struct port *port, unsigned vid)
{
	return port->tagged && vlan_test(port->tagged->member, vid);
}

static bool is_member(const struct port *port, unsigned vid)
{
	return port->untagged_vid == vid || vlan_is_tagged(port, vid);
}

struct vlan *vlan_get(const struct vde_switch *sw, unsigned vid)
{
	return vid < VLAN_COUNT ? sw->vlan[vid] : NULL;
}

/* ---- the list of members that forward ---- */

static void egress_remove(struct vlan *vlan, const struct port *port)
{
	for (unsigned i = 0; i < vlan->egress_count; i++)
		if (vlan->egress[i].port == port) {
			vlan->egress[i] = vlan->egress[--vlan->egress_count];
			return;
		}
}

/* Room for one more is made when a port becomes a member, so that a change of state cannot fail. */
static int egress_reserve(struct vlan *vlan, unsigned size)
{
	if (size <= vlan->egress_size)
		return 0;
	unsigned wanted = vlan->egress_size ? vlan->egress_size * 2 : 8;
	if (wanted < size)
		wanted = size;
	struct vlan_egress *egress = realloc(vlan->egress, wanted * sizeof(*egress));
	if (!egress)
		return ENOMEM;
	vlan->egress = egress;
	vlan->egress_size = wanted;
	return 0;
}

static void store_state(struct port *port, uint16_t vid, enum vlan_state state)
{
	if (port->untagged_vid == vid) {
		port->untagged_state = (uint8_t)state;
		return;
	}
	set_bit(port->tagged->learning, vid, state >= VLAN_LEARNING);
	set_bit(port->tagged->forwarding, vid, state == VLAN_FORWARDING);
}

enum vlan_state vlan_get_state(const struct port *port, uint16_t vid)
{
	if (port->untagged_vid == vid)
		return (enum vlan_state)port->untagged_state;
	if (!vlan_is_tagged(port, vid))
		return VLAN_DISCARDING;
	if (vlan_test(port->tagged->forwarding, vid))
		return VLAN_FORWARDING;
	return vlan_test(port->tagged->learning, vid) ? VLAN_LEARNING : VLAN_DISCARDING;
}

void vlan_set_state(struct vde_switch *sw, uint16_t vid, struct port *port, enum vlan_state state)
{
	struct vlan *vlan = vlan_get(sw, vid);

	if (!vlan || !is_member(port, vid) || !port_is_active(port))
		return;
	bool was_forwarding = vlan_get_state(port, vid) == VLAN_FORWARDING;
	store_state(port, vid, state);
	if (was_forwarding && state != VLAN_FORWARDING)
		egress_remove(vlan, port);
	else if (!was_forwarding && state == VLAN_FORWARDING)
		vlan->egress[vlan->egress_count++] =
			(struct vlan_egress){ .port = port, .tagged = port->untagged_vid != vid };
}

/* ---- members come and go ---- */

static void member_up(struct vde_switch *sw, uint16_t vid, struct port *port)
{
	enum vlan_state state = VLAN_FORWARDING;

	if (sw->hooks.member_up)
		state = sw->hooks.member_up(sw->hooks.owner, vid, port, port->untagged_vid != vid);
	vlan_set_state(sw, vid, port, state);
}

static void member_down(struct vde_switch *sw, uint16_t vid, struct port *port)
{
	struct vlan *vlan = sw->vlan[vid];

	egress_remove(vlan, port);
	store_state(port, vid, VLAN_DISCARDING);
	if (sw->hooks.member_down)
		sw->hooks.member_down(sw->hooks.owner, vid, port);
}

/* The port was configured into the VLAN; its bit or untagged VLAN is set already. */
static void member_added(struct vde_switch *sw, uint16_t vid, struct port *port)
{
	sw->vlan[vid]->members++;
	if (port_is_active(port))
		member_up(sw, vid, port);
}

/* Before its bit or untagged VLAN is cleared. */
static void member_removed(struct vde_switch *sw, uint16_t vid, struct port *port)
{
	if (port_is_active(port))
		member_down(sw, vid, port);
	sw->vlan[vid]->members--;
	if (sw->hooks.member_removed)
		sw->hooks.member_removed(sw->hooks.owner, vid, port);
	fdb_flush_port_vlan(sw->fdb, port->number, vid);
}

static void for_each_vlan(struct vde_switch *sw, struct port *port,
			  void (*call)(struct vde_switch *sw, uint16_t vid, struct port *port))
{
	if (port->untagged_vid != VLAN_NONE)
		call(sw, port->untagged_vid, port);
	for (unsigned word = 0; port->tagged && word < VLAN_WORDS; word++)
		for (uint64_t bits = port->tagged->member[word]; bits; bits &= bits - 1)
			call(sw, (uint16_t)(word * 64 + (unsigned)__builtin_ctzll(bits)), port);
}

int vlan_port_created(struct vde_switch *sw, struct port *port)
{
	if (egress_reserve(sw->vlan[0], sw->vlan[0]->members + 1) != 0)
		return ENOMEM;
	port->untagged_vid = 0;
	port->untagged_state = VLAN_DISCARDING;
	member_added(sw, 0, port);
	return 0;
}

void vlan_port_removed(struct vde_switch *sw, struct port *port)
{
	for_each_vlan(sw, port, member_removed);
	free(port->tagged);
	port->tagged = NULL;
	port->untagged_vid = VLAN_NONE;
}

void vlan_port_down(struct vde_switch *sw, struct port *port)
{
	for_each_vlan(sw, port, member_down);
}

void vlan_port_refresh(struct vde_switch *sw, struct port *port)
{
	if (port_is_active(port))
		for_each_vlan(sw, port, member_up);
}

/* ---- what commands do ---- */

int vlan_create(struct vde_switch *sw, unsigned vid)
{
	if (vid < 1 || vid > VLAN_MAX)
		return EINVAL;
	if (sw->vlan[vid])
		return EEXIST;
	struct vlan *vlan = calloc(1, sizeof(*vlan));
	if (!vlan)
		return ENOMEM;
	vlan->vid = (uint16_t)vid;
	sw->vlan[vid] = vlan;
	if (sw->hooks.vlan_created)
		sw->hooks.vlan_created(sw->hooks.owner, vlan->vid);
	return 0;
}

static void destroy_vlan(struct vde_switch *sw, unsigned vid)
{
	if (!sw->vlan[vid])
		return;
	free(sw->vlan[vid]->egress);
	free(sw->vlan[vid]);
	sw->vlan[vid] = NULL;
}

int vlan_remove(struct vde_switch *sw, unsigned vid)
{
	if (vid > VLAN_MAX)
		return EINVAL;
	if (!sw->vlan[vid])
		return ENXIO;
	if (vid == 0 || sw->vlan[vid]->members)
		return EADDRINUSE;
	if (sw->hooks.vlan_removed)
		sw->hooks.vlan_removed(sw->hooks.owner, (uint16_t)vid);
	fdb_flush_vlan(sw->fdb, (uint16_t)vid);
	destroy_vlan(sw, vid);
	return 0;
}

/* 0 with *port set when both exist and are in range. */
static int find(struct vde_switch *sw, unsigned vid, unsigned port_number, struct port **port)
{
	if (vid > VLAN_MAX || port_number > sw->numports)
		return EINVAL;
	*port = port_get(sw, port_number);
	return *port && sw->vlan[vid] ? 0 : ENXIO;
}

static int ensure_tagged(struct port *port)
{
	if (!port->tagged)
		port->tagged = calloc(1, sizeof(*port->tagged));
	return port->tagged ? 0 : ENOMEM;
}

int vlan_add_port(struct vde_switch *sw, unsigned vid, unsigned port_number)
{
	struct port *port;
	int error = find(sw, vid, port_number, &port);

	if (error || is_member(port, vid))
		return error;
	error = ensure_tagged(port);
	if (!error)
		error = egress_reserve(sw->vlan[vid], sw->vlan[vid]->members + 1);
	if (error)
		return error;
	set_bit(port->tagged->member, vid, true);
	port->tagged->count++;
	member_added(sw, (uint16_t)vid, port);
	return 0;
}

static void remove_tagged(struct vde_switch *sw, uint16_t vid, struct port *port)
{
	member_removed(sw, vid, port);
	set_bit(port->tagged->member, vid, false);
	if (--port->tagged->count == 0) {
		free(port->tagged);
		port->tagged = NULL;
	}
}

int vlan_del_port(struct vde_switch *sw, unsigned vid, unsigned port_number)
{
	struct port *port;
	int error = find(sw, vid, port_number, &port);

	if (error)
		return error;
	if (port->untagged_vid == vid)
		return EADDRINUSE;
	if (vlan_is_tagged(port, vid))
		remove_tagged(sw, (uint16_t)vid, port);
	return 0;
}

int vlan_set_untagged(struct vde_switch *sw, unsigned port_number, unsigned vid)
{
	struct port *port = port_get(sw, port_number);

	if (vid > VLAN_NONE || port_number > sw->numports)
		return EINVAL;
	if (!port || (vid != VLAN_NONE && !sw->vlan[vid]))
		return ENXIO;
	if (port->untagged_vid == vid)
		return 0;
	if (vid != VLAN_NONE && egress_reserve(sw->vlan[vid], sw->vlan[vid]->members + 1) != 0)
		return ENOMEM;
	if (vlan_is_tagged(port, vid))
		remove_tagged(sw, (uint16_t)vid, port);
	if (port->untagged_vid != VLAN_NONE)
		member_removed(sw, port->untagged_vid, port);
	port->untagged_vid = (uint16_t)vid;
	port->untagged_state = VLAN_DISCARDING;
	if (vid != VLAN_NONE)
		member_added(sw, (uint16_t)vid, port);
	return 0;
}

int vlan_table_init(struct vde_switch *sw)
{
	sw->vlan[0] = calloc(1, sizeof(*sw->vlan[0]));
	return sw->vlan[0] ? 0 : ENOMEM;
}

void vlan_table_free(struct vde_switch *sw)
{
	for (unsigned vid = 0; vid < VLAN_COUNT; vid++)
		destroy_vlan(sw, vid);
}
