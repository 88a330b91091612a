/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An Ethernet interface through libpcap, as frames: what comes in there, whole and finished (common/segment.h), and sending from it. For vde_pcapplug and for the module
 * pcap of libvdeplug.
 */
#ifndef VDE_CAPTURE_H
#define VDE_CAPTURE_H

#include "common/segment.h"

#include <pcap/pcap.h>

enum { CAPTURE_ERROR_SIZE = PCAP_ERRBUF_SIZE };

struct capture_options {
	const char *interface;
	const char *filter;             /* pcap-filter(7); NULL: everything */
	bool quiet;                     /* only what the interface takes for itself: not promiscuous */
};

/* Members are the functions' own. */
struct capture {
	pcap_t *pcap;
	unsigned index;                 /* of the interface */
	unsigned mtu;
	struct frame *frames;           /* while capture_read runs: where frames go */
	uint32_t room;                  /* bytes in each of them */
	unsigned count, max;
	uint64_t dropped;               /* frames that were cut by the system, or too long for the room */
	struct segment_plan plan;       /* of a long frame whose parts did not find room */
	uint32_t next, parts;           /* the next one, and how many there are; equal: none is waiting */
	uint8_t whole[FRAME_MAX_SIZE];  /* that frame */
};

/* 0, or an errno value with the reason in `text`. capture_close frees, also after an error. */
int capture_open(struct capture *capture, const struct capture_options *options, char text[CAPTURE_ERROR_SIZE]);
void capture_close(struct capture *capture);
/* Whether a filter can be understood: 0, or EINVAL with the reason. */
int capture_check_filter(const char *filter, char text[CAPTURE_ERROR_SIZE]);

/* Readable when capture_read may have frames; -1: cannot be waited for. Non-blocking. */
int capture_descriptor(const struct capture *capture);
/* True while frames wait here, whatever the descriptor says. */
static inline bool capture_is_waiting(const struct capture *capture)
{
	return capture->next < capture->parts;
}
/*
 * Fills at most `max` frames, whose data are buffers of `room` bytes. Returns how many; 0: none now; -1 with errno when the capture has ended (capture_reason
 * says why).
 */
int capture_read(struct capture *capture, struct frame *frames, uint32_t room, unsigned max);
const char *capture_reason(const struct capture *capture);
/* False when the interface has gone. It may go without a word to who waits. */
bool capture_is_present(const struct capture *capture, const char *interface);

#endif
