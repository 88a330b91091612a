/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A frame as it leaves: with or without tag, as up to two pieces of memory, so that one received frame goes out tagged to some ports and
 * untagged to others without being copied or changed.
 */
#ifndef VDE_IMAGE_H
#define VDE_IMAGE_H

#include "common/frame.h"

#include <sys/uio.h>

struct packet;

struct frame_image {
	struct iovec piece[2];
	unsigned pieces;                /* 0: not made yet */
	uint32_t length;
	struct offload offload;         /* all zero: a finished frame */
	struct part *parts;             /* the finished frames that one to be segmented is cut into; NULL: not made yet (parts.h) */
	struct packet *packet;          /* its copy in the queues of endpoints that did not take it; NULL: none yet */
	uint8_t header[2 * ETHERNET_ADDRESS_SIZE + ETHERNET_TAG_SIZE];
};

/* The frame as it is. */
void image_plain(struct frame_image *image, const struct frame *frame);
/* With tag `vid` (priority 0) pushed. The frame must be untagged. */
void image_push_tag(struct frame_image *image, const struct frame *frame, uint16_t vid);
/*
 * With its tag popped, padded to the least length: frame->data must be followed by zeros up to ETHERNET_MIN_SIZE +
 * ETHERNET_TAG_SIZE bytes when it is shorter.
 */
void image_pop_tag(struct frame_image *image, const struct frame *frame);

#endif
