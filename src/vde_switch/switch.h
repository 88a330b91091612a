/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A switch. It owns everything that belongs to it, so that a process can hold several: a test has three, the switch:// module of
 * libvdeplug has one of its own.
 */
#ifndef VDE_SWITCH_H
#define VDE_SWITCH_H

#include "common/log.h"
#include "common/loop.h"
#include "common/mgmt.h"
#include "vde_switch/event.h"
#include "vde_switch/fdb.h"
#include "vde_switch/port.h"
#include "vde_switch/txqueue.h"
#include "vde_switch/uplink.h"
#include "vde_switch/vlan.h"

struct control;
struct forwarder;
struct stp;

struct switch_config {
	unsigned numports;              /* ports 1..numports; at most PORT_MAX */
	unsigned hash_size;             /* buckets to begin with */
	bool hub, trunk;
	bool has_mac;
	uint8_t mac[ETHERNET_ADDRESS_SIZE];
	unsigned priority;              /* bridge priority for the spanning tree */
	bool fstp;                      /* spanning tree on; not in a hub */
};

struct vde_switch {
	struct loop *loop;
	struct log *log;
	struct mgmt *mgmt;              /* NULL: not managed */
	uint8_t mac[ETHERNET_ADDRESS_SIZE];
	unsigned priority;
	bool hub;
	struct uplink uplink;           /* of a hub; its port exists as long as there is one */
	uint64_t started_ns;
	struct events events;

	struct port **port;             /* numports + 1 */
	unsigned numports;
	struct port **active;           /* the active ones, dense */
	unsigned active_count, active_size;

	struct vlan *vlan[VLAN_COUNT];
	struct vlan_hooks hooks;
	struct stp *stp;                /* the spanning trees */

	struct fdb *fdb;
	unsigned gc_interval;           /* seconds; 0: never */
	struct loop_timer *gc_timer;

	struct forwarder *forwarder;
	struct endpoint *answering;     /* a tap that was given segments in this event: see endpoint_event; NULL: none */
	struct txbudget txbudget;
	unsigned queue_length;          /* frames, of endpoints to come */
	struct log_limit peer_log;      /* messages that peers can cause */

	struct debug *debug;
	struct plugins *plugins;
	struct plugin_adapter *filter;  /* packet filters of plugins; NULL: none */
	bool trunk;                     /* ports to come are trunk ports */

	struct control *control;        /* the control socket; NULL: none */
};

/* A switch without sockets. NULL with errno. loop and log must outlive it. */
struct vde_switch *switch_create(struct loop *loop, struct log *log, const struct switch_config *config);
/* Closes every endpoint and the control socket, and frees. NULL is accepted. */
void switch_destroy(struct vde_switch *sw);

/* The clock of the filtering database. */
uint32_t switch_seconds(const struct vde_switch *sw);
/* Hub: no VLANs, no learning, no spanning tree (which is switched off). */
void switch_set_hub(struct vde_switch *sw, bool hub);
void switch_set_gc_interval(struct vde_switch *sw, unsigned seconds);

#endif
