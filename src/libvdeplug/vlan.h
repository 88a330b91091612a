/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What becomes of a frame's VLAN between a program and the network behind vlan://. */
#ifndef VDE_LIBVDEPLUG_VLAN_H
#define VDE_LIBVDEPLUG_VLAN_H

#include "common/frame.h"

enum {
	VLAN_UNTAGGED = 0,              /* in the maps: without a tag */
	VLAN_DROPPED = 0xffff,
};

struct vlan_map {
	uint16_t tpid;                  /* of our tags; frames with another one are untagged to us */
	uint16_t out[VLAN_COUNT];       /* from the program's VID to the network's; index 0: untagged frames */
	uint16_t in[VLAN_COUNT];        /* and back */
};

/*
 * Reads "[UNTAGGED][/untag=VID/tag=LIST/trunk/qinq]", or with the options in brackets; `text` is changed. Returns 0, or EINVAL after a line on stderr.
 */
int vlan_parse(struct vlan_map *map, char *text);

/* Writes the frame (ETHERNET_HEADER_SIZE bytes at least) as it goes to the network; `out` has ETHERNET_TAG_SIZE bytes more. Returns its length; 0: dropped. */
size_t vlan_outward(const struct vlan_map *map, const uint8_t *frame, size_t length, uint8_t *out);
/* Changes the frame to what the program sees, in place; there is room for `size` bytes. Returns its length; 0: dropped. */
size_t vlan_inward(const struct vlan_map *map, uint8_t *frame, size_t length, size_t size);

#endif
