/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A frame that is to be segmented, cut for the endpoints that take finished frames: each part has headers and checksums of its own, and refers to its payload where
 * it was received. It is cut at most once per form (tagged, untagged), however many endpoints it goes to.
 */
#ifndef VDE_PARTS_H
#define VDE_PARTS_H

#include "common/inet.h"
#include "common/offload.h"
#include "vde_switch/image.h"

struct part {
	struct frame_image image;
	uint8_t bytes[INET_HEADERS_MAX];        /* its headers; a part shorter than a frame may be lies here whole */
};

/* Parts of a batch's frames; as many as one frame may become, so that there is always room after parts_forget. */
struct parts {
	struct part *part;              /* OFFLOAD_SEGMENTS_MAX, allocated with the first frame that is cut */
	unsigned used;
};

void parts_free(struct parts *parts);
bool parts_have_room(const struct parts *parts, const struct frame_image *image);
/* Makes image->parts: image->offload.segments of them. False: no memory. There must be room. */
bool parts_make(struct parts *parts, struct frame_image *image);
/* None is in use any more. What waits in a queue has been copied. */
void parts_forget(struct parts *parts);

#endif
