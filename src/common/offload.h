/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Frames with offload: what a tap leaves to whoever finishes the frame, as a header before it ("virtio net header", Virtual I/O Device specification
 * 5.1.6). Its fields become struct offload at one door, offload_read, where each is checked against the frame; behind the door they are true.
 */
#ifndef VDE_OFFLOAD_H
#define VDE_OFFLOAD_H

#include "common/frame.h"

enum {
	OFFLOAD_HEADER_SIZE = 10,       /* the short form, without the number of buffers */
	OFFLOAD_TAGS_MAX = 2,           /* in a frame that is to be segmented */
	/* Longest frame that is to be segmented: the longest IP packet, and what is before it. */
	OFFLOAD_FRAME_MAX = ETHERNET_HEADER_SIZE + OFFLOAD_TAGS_MAX * ETHERNET_TAG_SIZE + 65535,
	/*
	 * Frames that one frame may become. No sender comes near: the least segment size of TCP in use, 48 bytes with options, leaves 36 bytes of payload. One that
	 * would become more is dropped.
	 */
	OFFLOAD_SEGMENTS_MAX = 2048,
};

enum {
	OFFLOAD_TCP_IPV4 = 1, OFFLOAD_TCP_IPV6 = 4,     /* segment types */
	OFFLOAD_CONGESTION_NOTIFIED = 0x80,             /* and a flag in them: the first segment has CWR set (RFC 3168) */
};

/*
 * Takes the header (OFFLOAD_HEADER_SIZE bytes) of a frame whose data and length are set, and sets frame->offload. Of a frame to be segmented the TCP
 * checksum becomes the sum of the pseudo header, whatever it was. False: the fields contradict the frame or are not known here; it must be dropped.
 */
bool offload_read(const uint8_t *header, struct frame *frame);
/*
 * Makes a frame, whose data and length are set, one to be segmented, by `type` and `size` of its segments alone, as they come from elsewhere. False: they
 * contradict the frame.
 */
bool offload_set_segments(struct frame *frame, uint8_t type, uint16_t size);
/* The header for a frame with that offload. */
void offload_write(const struct offload *offload, uint8_t *header);

/* Completes the checksum of a frame that is not to be segmented; it is then a plain frame. */
void offload_complete_checksum(struct frame *frame);

/* The offload of the same frame with `bytes` more (a tag pushed) or less (popped) between addresses and type. */
void offload_shift(struct offload *offload, int bytes);

static inline bool offload_is_set(const struct offload *offload)
{
	return offload->checksum_start != 0;
}

/* Frames that it will be, and their bytes together: how a frame is counted. */
static inline uint32_t offload_frames(const struct offload *offload)
{
	return offload->segments ? offload->segments : 1;
}

static inline uint32_t offload_bytes(const struct offload *offload, uint32_t length)
{
	return length + (offload_frames(offload) - 1) * offload->header_size;
}

#endif
