/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rapid spanning tree (IEEE 802.1D-2004 clause 17, with the corrections of 802.1Q) as a value: one `struct rstp` is one
 * bridge in one tree. It knows no socket, no clock and no port table. It is told what happens (a link came up, a BPDU
 * came in, a second has passed) and tells through callbacks what is to be done (send this, this port forwards now,
 * forget what was learned there). A switch has one per VLAN.
 *
 * Callbacks are called from inside the functions below and must not call back into the same value. A port in a new
 * tree is Discarding until set_state says otherwise.
 *
 * Port numbers are the caller's, 0..65535. The protocol has 12 bits for them and no zero: a port whose number is
 * 1..4095 has that identifier when it is free, any other takes the highest free one; a tree therefore has at most
 * RSTP_PORTS_MAX ports.
 */
#ifndef VDE_RSTP_H
#define VDE_RSTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	RSTP_PORT_NUMBER_MAX = 65535,
	RSTP_PORTS_MAX = 4095,                  /* 802.1D 9.2.7: 12 bits, zero is no port */
	RSTP_COST_DEFAULT = 200000,             /* 802.1D Table 17-3: a link of 100 Mb/s */
	RSTP_COST_MAX = 200000000,
	RSTP_BRIDGE_PRIORITY_DEFAULT = 0x8000,
	RSTP_PORT_PRIORITY_DEFAULT = 128,       /* 0..240 in steps of 16 */
	RSTP_HOLD_COUNT_DEFAULT = 6,
};

enum rstp_port_state { RSTP_DISCARDING, RSTP_LEARNING, RSTP_FORWARDING };
enum rstp_role { RSTP_DISABLED, RSTP_ROOT, RSTP_DESIGNATED, RSTP_ALTERNATE, RSTP_BACKUP };
/* RSTP_GUARD_BPDU: a BPDU disables the port until its link goes down. RSTP_GUARD_ROOT: never the root port. */
enum rstp_guard { RSTP_GUARD_OFF, RSTP_GUARD_BPDU, RSTP_GUARD_ROOT };
enum rstp_version { RSTP_VERSION_STP = 0, RSTP_VERSION_RSTP = 2 };

/* Priority in the high 16 bits, MAC address below: the lower number is the better bridge. */
typedef uint64_t rstp_bridge_id;

struct rstp_callbacks {
	/* A BPDU without LLC and Ethernet header, to be sent now; see bpdu_frame_build. */
	void (*send)(void *owner, unsigned port, const uint8_t *bpdu, size_t length);
	void (*set_state)(void *owner, unsigned port, enum rstp_port_state state);
	/* Forget every address that was learned on this port in this tree. */
	void (*flush)(void *owner, unsigned port);
	/* The rest tell what happened, for people; each may be NULL. */
	void (*role)(void *owner, unsigned port, enum rstp_role role);
	/* The root bridge or the root port is another one; port is -1 where this bridge is the root. */
	void (*root)(void *owner, int port, rstp_bridge_id root);
	void (*guard)(void *owner, unsigned port);      /* BPDU guard has disabled the port */
	/* The first BPDU since the link came up was heard (present), or a link that had heard some went down. */
	void (*neighbour)(void *owner, unsigned port, bool present);
};

struct rstp;

/* In seconds. */
struct rstp_times {
	uint16_t message_age;
	uint16_t max_age;
	uint16_t hello;
	uint16_t forward_delay;
};

/* The callbacks are copied. Any priority 0..65535 is taken; the standard's own steps are 4096. NULL: no memory. */
struct rstp *rstp_create(const uint8_t mac[6], unsigned priority, const struct rstp_callbacks *callbacks, void *owner);
void rstp_destroy(struct rstp *rstp);           /* calls nothing back; NULL is accepted */

/* One second has passed. */
void rstp_tick(struct rstp *rstp);

/* A new port has its link down. Returns 0, EEXIST, ENOSPC (RSTP_PORTS_MAX), EINVAL (number or cost) or ENOMEM. */
int rstp_port_add(struct rstp *rstp, unsigned port, uint32_t cost, bool point_to_point);
/* The tree repairs at once; set_state is not called for a port that is removed. */
int rstp_port_remove(struct rstp *rstp, unsigned port);
bool rstp_port_exists(const struct rstp *rstp, unsigned port);
int rstp_port_link(struct rstp *rstp, unsigned port, bool up);

/*
 * A BPDU came in: what follows the LLC header. Whatever is not a valid BPDU (802.1D 9.3.4) changes nothing but the
 * counters. Returns 0, or EBADMSG for an invalid one, ENOENT (no such port), ENETDOWN (its link is down or guarded):
 * all may be ignored.
 */
int rstp_receive(struct rstp *rstp, unsigned port, const uint8_t *bpdu, size_t length);

/* Settings. They return 0, EINVAL or ERANGE (value not allowed) or ENOENT (no such port), and take effect at once. */
int rstp_set_priority(struct rstp *rstp, unsigned priority);
/*
 * hello 1..2, max_age 6..40, forward_delay 4..30 (802.1D Table 17-1), and 2 * (forward_delay - 1) >= max_age >= 2 *
 * (hello + 1) (17.14). ERANGE: one of the three is out of its range; EINVAL: the relation does not hold.
 */
int rstp_set_times(struct rstp *rstp, unsigned hello, unsigned max_age, unsigned forward_delay);
int rstp_set_hold_count(struct rstp *rstp, unsigned count);     /* 1..10 BPDUs in a second */
int rstp_set_version(struct rstp *rstp, enum rstp_version version);     /* the tree begins anew */
int rstp_port_set_cost(struct rstp *rstp, unsigned port, uint32_t cost);        /* 1..RSTP_COST_MAX */
int rstp_port_set_bonus(struct rstp *rstp, unsigned port, uint32_t bonus);      /* taken from the cost, of which 1 is left */
int rstp_port_set_priority(struct rstp *rstp, unsigned port, unsigned priority);
int rstp_port_set_point_to_point(struct rstp *rstp, unsigned port, bool point_to_point);
int rstp_port_set_admin_edge(struct rstp *rstp, unsigned port, bool edge);
int rstp_port_set_auto_edge(struct rstp *rstp, unsigned port, bool edge);       /* on in a new port */
int rstp_port_set_guard(struct rstp *rstp, unsigned port, enum rstp_guard guard);
int rstp_port_mcheck(struct rstp *rstp, unsigned port);         /* try again to speak RSTP (17.19.13) */

struct rstp_bridge_info {
	rstp_bridge_id bridge;
	rstp_bridge_id root;
	rstp_bridge_id designated;      /* of the root port's segment; this bridge where it is the root */
	bool is_root;
	unsigned root_port;             /* when not is_root */
	uint32_t root_cost;
	struct rstp_times times;        /* as the root has them */
	struct rstp_times own_times;    /* as they were set here */
	unsigned hold_count;
	enum rstp_version version;
	unsigned long topology_changes; /* detected here or told by others */
	unsigned long seconds_since_change;
	size_t ports;
	unsigned long invalid;          /* BPDUs that were not valid, all ports */
};

struct rstp_port_info {
	unsigned port;
	uint16_t id;                    /* as sent: priority and identifier */
	enum rstp_role role;
	enum rstp_port_state state;
	uint32_t cost, bonus;           /* the bonus is taken off already */
	uint32_t cost_set;              /* without the bonus */
	bool link, point_to_point, admin_edge, auto_edge, oper_edge;
	bool legacy;                    /* speaks 802.1D (STP) here */
	bool dialect;                   /* speaks as vde_switch 2.3 -F did here */
	enum rstp_guard guard;
	bool guarded;                   /* disabled by BPDU guard */
	bool disputed;
	rstp_bridge_id designated_root, designated_bridge;
	uint32_t designated_cost;
	uint16_t designated_port;
	unsigned long sent, received, sent_tcn, received_tcn, sent_tc, received_tc;
	unsigned long invalid, looped;  /* not valid; our own come back */
};

void rstp_get_bridge(const struct rstp *rstp, struct rstp_bridge_info *info);
int rstp_get_port(const struct rstp *rstp, unsigned port, struct rstp_port_info *info);
/* The port with the lowest number above `port` (-1: the first), or -1. */
int rstp_next_port(const struct rstp *rstp, int port);

const char *rstp_role_name(enum rstp_role role);        /* "Root" */
const char *rstp_state_name(enum rstp_port_state state);        /* "Forwarding" */

#endif
