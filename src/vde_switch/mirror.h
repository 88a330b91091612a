/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Mirroring: copies of what a port sends and receives, as it is on the wire of that port, go to other ports.
 *
 * A port that gets copies carries nothing else: it is not sent the traffic of its VLANs, and what comes in on it is dropped and counted. It stays so until
 * the mirroring is switched off, or the port is removed; and, unless the port was made by `port/create` for its user alone, until its last
 * endpoint leaves: whoever is given the number next has not asked for copies.
 */
#ifndef VDE_MIRROR_H
#define VDE_MIRROR_H

struct port;
struct vde_switch;

/* 0, EINVAL (the same port, or `to` is mirrored itself), ENXIO (no such port), EEXIST, ENOSPC (MIRROR_MAX), EBUSY (`from` gets copies itself). */
int mirror_add(struct vde_switch *sw, unsigned from, unsigned to);
/* 0, ENXIO (no such port), ENOENT (not mirrored to that port). */
int mirror_delete(struct vde_switch *sw, unsigned from, unsigned to);
/* To all ports: 0 or ENXIO (no such port). */
int mirror_delete_all(struct vde_switch *sw, unsigned from);

/* For port.c: the port lost its last endpoint; the port goes. */
void mirror_port_down(struct vde_switch *sw, struct port *port);
void mirror_port_removed(struct vde_switch *sw, struct port *port);

#endif
