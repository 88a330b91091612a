/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bridges and segments on virtual time: struct rstp values, and the wires that carry their BPDUs. After everything that
 * happens the forwarding ports are looked at: where they close a circle a frame would be duplicated, and that is
 * counted.
 */
#ifndef TOPOLOGY_NETWORK_H
#define TOPOLOGY_NETWORK_H

#include "vde_switch/rstp.h"

enum { NETWORK_BRIDGES = 64, NETWORK_SEGMENTS = 256, NETWORK_SEGMENT_PORTS = 16, NETWORK_PORTS = 64 };

struct network;

struct sim_port {
	int segment;                    /* -1: no such port */
	bool mute;                      /* what it sends is lost */
	enum rstp_port_state state;
	unsigned flushes;
	unsigned sent;
};

struct sim_bridge {
	struct network *network;
	char name[16];
	struct rstp *rstp;              /* NULL: off */
	uint8_t mac[6];
	unsigned priority;
	unsigned phase;                 /* ms within a second at which its clock ticks */
	struct sim_port port[NETWORK_PORTS];
};

struct sim_segment {
	char name[16];
	bool up;
	unsigned delay;                 /* ms */
	unsigned ports;
	struct { unsigned bridge, port; } end[NETWORK_SEGMENT_PORTS];
};

struct sim_message {
	uint64_t at, order;
	unsigned bridge, port;
	size_t length;
	uint8_t bytes[64];
};

struct network {
	uint64_t now;                   /* ms */
	uint64_t order;
	unsigned bridges, segments;
	struct sim_bridge bridge[NETWORK_BRIDGES];
	struct sim_segment segment[NETWORK_SEGMENTS];
	struct sim_message *message;    /* a heap by (at, order) */
	size_t messages, size;
	unsigned long loops;            /* moments at which a frame would have been duplicated */
	uint64_t first_loop;
	bool trace;
};

void network_init(struct network *n);
void network_free(struct network *n);

/* They return an index, or -1 when the table is full. */
int network_add_bridge(struct network *n, const char *name, unsigned priority);
int network_add_segment(struct network *n, const char *name, unsigned delay);
/* Joins a port (made here) to a segment: two ports are a point-to-point link, one a station, more a shared segment. */
int network_join(struct network *n, unsigned segment, unsigned bridge, unsigned port, bool point_to_point);
int network_find_bridge(const struct network *n, const char *name);
int network_find_segment(const struct network *n, const char *name);

void network_set_link(struct network *n, unsigned segment, bool up);
/* Off: its links go down and it forgets all; on: as new, with its ports. */
void network_power(struct network *n, unsigned bridge, bool on);

void network_run(struct network *n, uint64_t milliseconds);
/* A BPDU from nowhere. */
int network_inject(struct network *n, unsigned bridge, unsigned port, const uint8_t *bytes, size_t length);

/* Do forwarding ports close a circle? */
bool network_has_loop(const struct network *n);
/* Is there a forwarding path wherever there is a wire? With no loop it is exactly one. */
bool network_is_connected(const struct network *n);

#endif
