/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * VLANs (802.1Q): which ports are members, tagged or untagged, and in which state each member is.
 *
 * A port is untagged in at most one VLAN and tagged in any number. What the way of a frame needs is kept ready: for ingress, the port knows
 * its VLANs and states; for egress, each VLAN keeps a dense list of the members that forward now.
 */
#ifndef VDE_VLAN_H
#define VDE_VLAN_H

#include "common/frame.h"

#include <stdbool.h>
#include <stdint.h>

struct port;
struct vde_switch;

/* What a spanning tree makes of a member (802.1D-2004 clause 7.4). Without one, an active member forwards. */
enum vlan_state { VLAN_DISCARDING, VLAN_LEARNING, VLAN_FORWARDING };

struct vlan_egress {
	struct port *port;
	bool tagged;
};

struct vlan {
	uint16_t vid;
	unsigned members;               /* ports configured in it, active or not */
	struct vlan_egress *egress;     /* active members that forward */
	unsigned egress_count, egress_size;
};

enum { VLAN_WORDS = VLAN_COUNT / 64 };

/* A port's tagged VLANs, one bit each. */
struct port_vlans {
	uint64_t member[VLAN_WORDS];
	uint64_t learning[VLAN_WORDS];          /* state is at least learning */
	uint64_t forwarding[VLAN_WORDS];
	unsigned count;
};

/* What a spanning tree wants to be told; all NULL while there is none. */
struct vlan_hooks {
	void *owner;
	/* An active port is (still) a member; the return value is its state from now on. Called again when the number of endpoints changes. */
	enum vlan_state (*member_up)(void *owner, uint16_t vid, struct port *port, bool tagged);
	void (*member_down)(void *owner, uint16_t vid, struct port *port);
	/* The port is no longer configured into the VLAN; it is down already. */
	void (*member_removed)(void *owner, uint16_t vid, struct port *port);
	/* A frame to 01:80:C2:00:00:00 arrived in VLAN vid. True: it was for the spanning tree and goes no further. */
	bool (*receive)(void *owner, uint16_t vid, struct port *port, const struct frame *frame);
	void (*vlan_created)(void *owner, uint16_t vid);
	void (*vlan_removed)(void *owner, uint16_t vid);
};

/* VLAN 0 exists from the start. 0 or ENOMEM. */
int vlan_table_init(struct vde_switch *sw);
void vlan_table_free(struct vde_switch *sw);

struct vlan *vlan_get(const struct vde_switch *sw, unsigned vid);
/* 0, EINVAL (not 1..4094), EEXIST, ENOMEM. */
int vlan_create(struct vde_switch *sw, unsigned vid);
/* 0, EINVAL, ENXIO, EADDRINUSE (has members). */
int vlan_remove(struct vde_switch *sw, unsigned vid);
/* Membership as a tagged port: 0, EINVAL, ENXIO (no such VLAN or port), ENOMEM; nothing changes where the port is untagged in it. */
int vlan_add_port(struct vde_switch *sw, unsigned vid, unsigned port_number);
/* 0 also when it was no member; EADDRINUSE when it is untagged in it; EINVAL, ENXIO. */
int vlan_del_port(struct vde_switch *sw, unsigned vid, unsigned port_number);
/* The port's untagged VLAN, VLAN_NONE for none: 0, EINVAL, ENXIO, ENOMEM. */
int vlan_set_untagged(struct vde_switch *sw, unsigned port_number, unsigned vid);

/* For port.c: a port comes into being in VLAN 0 (0 or ENOMEM), goes, loses its last endpoint. */
int vlan_port_created(struct vde_switch *sw, struct port *port);
void vlan_port_removed(struct vde_switch *sw, struct port *port);
void vlan_port_down(struct vde_switch *sw, struct port *port);
/* The port got its first endpoint, or the spanning tree must be asked anew (its endpoints changed, the tree was switched on or off). */
void vlan_port_refresh(struct vde_switch *sw, struct port *port);

/* For the spanning tree. Ports that are no active members are left alone. */
void vlan_set_state(struct vde_switch *sw, uint16_t vid, struct port *port, enum vlan_state state);
enum vlan_state vlan_get_state(const struct port *port, uint16_t vid);

bool vlan_is_tagged(const struct port *port, unsigned vid);
static inline bool vlan_test(const uint64_t *bits, unsigned vid)
{
	return (bits[vid / 64] >> (vid % 64)) & 1;
}

#endif
