/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A hub with an uplink: what the other ports send goes to the uplink alone, what the uplink sends goes to all of them, or, bonded, to one of them.
 */
#ifndef VDE_UPLINK_H
#define VDE_UPLINK_H

#include "common/frame.h"

#include <stdint.h>

struct port;
struct vde_switch;

enum uplink_mode {
	UPLINK_NONE,
	UPLINK_MULTI,                   /* to all */
	UPLINK_ROUND_ROBIN,             /* to each in turn; one that does not keep up is passed over while another one does */
	UPLINK_FLOW,                    /* frames of one conversation to the same, in order, while the same ports are active */
};

/* Part of struct vde_switch. */
struct uplink {
	enum uplink_mode mode;
	unsigned port;                  /* its number */
	unsigned turn;                  /* whose it is, in the list of active ports */
};

/* The port, active or not, of which this is the uplink's; NULL: it does not exist. */
struct port *uplink_port(const struct vde_switch *sw);
/* Of a bonded uplink: where its frame goes. NULL: nobody is there. */
struct port *uplink_choose(struct vde_switch *sw, const struct frame *frame);

/* The same number for all frames of a conversation: of TCP and UDP addresses and ports, of other IP addresses, else of MAC addresses. */
uint32_t uplink_flow(const struct frame *frame);

#endif
