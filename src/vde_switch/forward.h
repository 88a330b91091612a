/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The way of a frame through the switch: checks, ingress VLAN, state, learning, look-up, output. */
#ifndef VDE_FORWARD_H
#define VDE_FORWARD_H

#include "common/frame.h"

struct endpoint;
struct forwarder;
struct port;
struct vde_switch;

struct forwarder *forwarder_create(void);
void forwarder_destroy(struct forwarder *forwarder);

/* One batch from an endpoint: received, forwarded and handed to the endpoints it goes to. */
void forward_receive(struct vde_switch *sw, struct endpoint *from);

/*
 * Frames that came in on `port`, at most ENDPOINT_BATCH. Behind each frame's data there must be room to pad it to ETHERNET_MIN_SIZE + ETHERNET_TAG_SIZE
 * bytes. Everything is sent before it returns.
 */
void forward_batch(struct vde_switch *sw, struct port *port, struct frame *frames, unsigned count);

/* A frame of the switch's own to one port, tagged or not as the caller made it. */
void forward_to_port(struct vde_switch *sw, struct port *port, const struct frame *frame);

#endif
