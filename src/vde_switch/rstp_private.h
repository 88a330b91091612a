/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What rstp.c (the interface), rstp_roles.c (priority vectors and role selection), rstp_machines.c and
 * rstp_transitions.c (the state machines) share. Variables have the names of IEEE 802.1D-2004 clauses 17.17 to 17.19,
 * with _ between the words.
 */
#ifndef VDE_RSTP_PRIVATE_H
#define VDE_RSTP_PRIVATE_H

#include "vde_switch/rstp.h"
#include "vde_switch/rstp_bpdu.h"

enum { MIGRATE_TIME = 3 };      /* 17.13.9, seconds */

/* 17.17: count down to zero, one a second. */
enum rstp_timer {
	EDGE_DELAY_WHILE, FD_WHILE, HELLO_WHEN, MDELAY_WHILE, RB_WHILE, RCVD_INFO_WHILE, RR_WHILE, TC_WHILE,
	DIALECT_WHILE,          /* ours: for how long an old peer is remembered that says nothing */
	RSTP_TIMERS,
};

enum { DIALECT_TIME = 16 };     /* four hellos of an old peer */

/* 17.5, 17.6: compared from the top. rx_port is the port it was received on. */
struct priority_vector {
	rstp_bridge_id root;
	uint32_t cost;
	rstp_bridge_id bridge;
	uint16_t port;
	uint16_t rx_port;
};

enum info_is { INFO_DISABLED, INFO_AGED, INFO_MINE, INFO_RECEIVED };
enum rcvd_info {
	SUPERIOR_DESIGNATED_INFO, REPEATED_DESIGNATED_INFO, INFERIOR_DESIGNATED_INFO, INFERIOR_ROOT_ALTERNATE_INFO, OTHER_INFO,
};

enum port_receive_state { PRX_DISCARD, PRX_RECEIVE };
enum port_migration_state { PPM_CHECKING_RSTP, PPM_SELECTING_STP, PPM_SENSING };
enum bridge_detection_state { BDM_NOT_EDGE, BDM_EDGE };
enum port_transmit_state { PTX_TRANSMIT_INIT, PTX_IDLE };
enum port_information_state { PIM_DISABLED, PIM_AGED, PIM_CURRENT };
enum port_role_state {
	PRT_DISABLE_PORT, PRT_DISABLED_PORT, PRT_ROOT_PORT, PRT_DESIGNATED_PORT, PRT_BLOCK_PORT, PRT_ALTERNATE_PORT,
};
enum topology_change_state { TCM_INACTIVE, TCM_LEARNING, TCM_ACTIVE };

struct rstp_port {
	struct rstp *bridge;
	unsigned number;                /* the caller's */
	uint16_t identifier;            /* 12 bits */
	uint8_t priority;
	uint32_t path_cost, bonus;
	bool link, guarded, neighbour;
	enum rstp_guard guard;
	uint16_t timer[RSTP_TIMERS];

	/* 17.19 */
	bool admin_edge, auto_edge, oper_edge, oper_point_to_point;
	bool agree, agreed, disputed, forward, forwarding, learn, learning;
	bool mcheck, new_info, proposed, proposing;
	bool rcvd_bpdu, rcvd_msg, rcvd_rstp, rcvd_stp, rcvd_tc, rcvd_tc_ack, rcvd_tcn;
	bool re_root, reselect, selected, send_rstp, sync, synced, tc_ack, tc_prop, updt_info;
	enum info_is info_is;
	enum rstp_role role, selected_role;
	unsigned tx_count;
	bool told;                      /* port_priority has been sent: there is something to agree to */
	bool held;                      /* it could not be sent for TxHoldCount: the peer believes what was so before */
	struct priority_vector designated_priority, msg_priority, port_priority;
	struct rstp_times designated_times, msg_times, port_times;
	struct bpdu msg;                /* what rcvd_msg speaks of */

	enum port_receive_state receive_state;
	enum port_migration_state migration_state;
	enum bridge_detection_state detection_state;
	enum port_transmit_state transmit_state;
	enum port_information_state information_state;
	enum port_role_state role_state;
	enum rstp_port_state transition_state;
	enum topology_change_state change_state;

	unsigned long sent, received, sent_tcn, received_tcn, sent_tc, received_tc, invalid, looped;
};

struct rstp {
	struct rstp_callbacks call;
	void *owner;
	uint8_t mac[6];
	uint16_t priority;
	enum rstp_version version;
	unsigned hold_count;            /* TxHoldCount, 17.13.12 */
	struct rstp_times times;        /* BridgeTimes, 17.18.4 */

	struct priority_vector root_priority;
	struct rstp_times root_times;
	struct rstp_port *root_port;    /* NULL: this bridge is the root */
	rstp_bridge_id told_root;       /* what call.root was told last */
	int told_root_port;

	struct rstp_port **port;        /* sorted by number */
	size_t ports, size;
	unsigned long topology_changes, seconds_since_change, invalid;
	bool reselect;                  /* something changed that no port stands for */
	bool wide;                      /* a port's machines did what other ports' machines look at */
};

static inline rstp_bridge_id rstp_own_id(const struct rstp *rstp)
{
	rstp_bridge_id id = rstp->priority;

	for (unsigned i = 0; i < 6; i++)
		id = id << 8 | rstp->mac[i];
	return id;
}

/* PortId, 17.19.19 */
static inline uint16_t rstp_port_id(const struct rstp_port *p)
{
	return (uint16_t)((p->priority & 0xf0u) << 8 | p->identifier);
}

static inline uint32_t rstp_effective_cost(const struct rstp_port *p)
{
	return p->bonus < p->path_cost ? p->path_cost - p->bonus : 1;
}

static inline bool rstp_port_enabled(const struct rstp_port *p)
{
	return p->link && !p->guarded;
}

/* ---- 17.20 ---- */

static inline uint16_t hello_time(const struct rstp_port *p)           /* 17.20.6 */
{
	return p->designated_times.hello;
}

static inline uint16_t fwd_delay(const struct rstp_port *p)            /* 17.20.5: FwdDelay */
{
	return p->designated_times.forward_delay;
}

static inline uint16_t forward_delay(const struct rstp_port *p)        /* 17.20.5, see rstp_machines.c */
{
	return p->send_rstp && p->oper_point_to_point ? hello_time(p) : fwd_delay(p);
}

static inline uint16_t max_age(const struct rstp_port *p)              /* 17.20.8 */
{
	return p->designated_times.max_age;
}

static inline uint16_t edge_delay(const struct rstp_port *p)           /* 17.20.4 */
{
	return p->oper_point_to_point ? MIGRATE_TIME : max_age(p);
}

static inline bool rstp_version(const struct rstp_port *p)             /* 17.20.11 */
{
	return p->bridge->version >= RSTP_VERSION_RSTP;
}

/* rstp_roles.c */
int priority_compare(const struct priority_vector *a, const struct priority_vector *b);
bool times_equal(const struct rstp_times *a, const struct rstp_times *b);
enum rcvd_info rstp_rcv_info(struct rstp_port *p);
bool rstp_same_info(const struct rstp_port *p, enum info_is new_info_is);
/* The port role selection machine: does its round if any port asks for it, and says whether. */
bool rstp_role_selection(struct rstp *rstp);

/* rstp_transitions.c: each looks whether its machine can leave its state, does so at most once, and says whether it did. */
bool rstp_port_role_transition_machine(struct rstp_port *p);
bool rstp_port_state_transition_machine(struct rstp_port *p);
bool rstp_topology_change_machine(struct rstp_port *p);
/* Their first states. */
void rstp_transitions_begin(struct rstp_port *p);

/* rstp_machines.c */
/* BEGIN for one port, 17.16: every machine in its first state. */
void rstp_port_begin(struct rstp_port *p);
/* Runs every machine until none has anything to do; `p` is the port that something happened to, NULL: any may be. */
void rstp_run(struct rstp *rstp, struct rstp_port *p);

#endif
