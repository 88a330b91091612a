/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ports: numbers, who may use them, their endpoints and counters.
 *
 * Ports 1..numports are usable, port 0 on request only. A port exists from `port/create` or from its first endpoint on, until `port/remove`; it is
 * active while it has endpoints.
 */
#ifndef VDE_PORT_H
#define VDE_PORT_H

#include "vde_switch/endpoint.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum {
	PORT_ANY = -1,
	PORT_MAX = 65535,
	PORT_DEFAULT_COUNT = 32,
	MIRROR_MAX = 4,                 /* ports that get copies of one port's frames; a further one is refused: ENOSPC */
};

/* Frames a port dropped, by reason. */
enum port_drop {
	DROP_RUNT,                      /* under 14 bytes */
	DROP_OVERSIZE,                  /* over 65535 bytes */
	DROP_VLAN,                      /* of a VLAN that the port is not in, or without tag where none is allowed */
	DROP_BLOCKED,                   /* the spanning tree has the port discarding */
	DROP_QUEUE,                     /* an endpoint's queue was full */
	DROP_ERROR,                     /* the system refused it */
	DROP_FILTER,                    /* a plugin did not let it pass */
	DROP_MIRROR,                    /* came in on a port that only takes copies (mirror.h) */
	DROP_OFFLOAD,                   /* a tap left something to be finished that is impossible or too much (offload.h) */
	DROP_COUNT,
};

/* A frame that is to be segmented counts as the frames that it will be, in all of these. */
struct port_counters {
	uint64_t in_frames, in_bytes;
	uint64_t out_frames, out_bytes; /* sent to the port, dropped ones included */
	uint64_t dropped[DROP_COUNT];
};

struct port_vlans;

enum { PORT_USER_GROUPS = 64 };         /* supplementary groups looked at; further ones do not open a port */

/* Who asks for a port. */
struct port_user {
	uid_t uid;                      /* (uid_t)-1: nobody */
	gid_t gid;
	unsigned group_count;
	gid_t groups[PORT_USER_GROUPS];
};

struct port {
	unsigned number;
	bool allocatable;               /* may be given to a client that asked for no number */
	uint16_t untagged_vid;          /* VLAN_NONE: no untagged traffic */
	uint8_t untagged_state;         /* enum vlan_state in that VLAN */
	struct port_vlans *tagged;      /* NULL: in no VLAN tagged */
	uid_t allowed_user;             /* (uid_t)-1: none given */
	gid_t allowed_group;            /* (gid_t)-1: none given */
	struct endpoint *endpoints;
	unsigned endpoint_count;
	unsigned active_index;          /* in the switch's list of active ports */
	bool trunk;                     /* tagged frames of VLANs that the switch does not have pass, between trunk ports */
	unsigned mirror_count;          /* ports that get copies of what this one sends and receives, */
	uint16_t mirror_to[MIRROR_MAX]; /* and their numbers (mirror.h) */
	unsigned mirror_sources;        /* ports whose copies this one gets; above 0 it carries nothing else */
	struct port_counters counters;
};

static inline bool port_is_active(const struct port *port)
{
	return port->endpoints != NULL;
}

/* The table of ports, numbered 0..numports. */
int port_table_init(struct vde_switch *sw, unsigned numports);
void port_table_free(struct vde_switch *sw);
/* Changes the number of ports: 0, EINVAL (not 1..PORT_MAX), EADDRINUSE (a port above exists), ENOMEM. */
int port_set_count(struct vde_switch *sw, unsigned numports);

/* The port, or NULL: none of that number. */
struct port *port_get(const struct vde_switch *sw, unsigned number);
/* 0, EEXIST, EINVAL (out of range), ENOMEM. */
int port_create(struct vde_switch *sw, unsigned number, struct port **port);
/* 0, ENXIO (none), EADDRINUSE (has endpoints). */
int port_remove(struct vde_switch *sw, unsigned number);
/* The lowest number from 1 that does not exist; 0: all do. */
unsigned port_lowest_absent(const struct vde_switch *sw);

/* May `user` use the port now? 0, EACCES, EADDRINUSE (in use by another user). */
int port_check_access(const struct port *port, const struct port_user *user);

/*
 * Finds or creates the port for a new endpoint: `number`, or with PORT_ANY the lowest from 1 that is absent, or idle and allocatable, and that the user may
 * use. 0, EINVAL (out of range), ENOSPC (none free), EACCES, EADDRINUSE, ENOMEM.
 */
int port_acquire(struct vde_switch *sw, int number, const struct port_user *user, struct port **port);

/* The endpoint joins the port; the first one makes it active. 0 or ENOMEM. */
int port_attach(struct vde_switch *sw, struct port *port, struct endpoint *endpoint);
/* The endpoint leaves; the last one makes the port inactive. */
void port_detach(struct vde_switch *sw, struct endpoint *endpoint);

#endif
