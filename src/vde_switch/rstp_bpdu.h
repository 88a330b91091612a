/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * BPDUs as bytes (IEEE 802.1D-2004 clause 9), the dialect that vde_switch 2.3 speaks with -F, and the frame around them.
 */
#ifndef VDE_RSTP_BPDU_H
#define VDE_RSTP_BPDU_H

#include "rstp.h"

enum {
	BPDU_TCN_SIZE = 4,
	BPDU_CONFIG_SIZE = 35,
	BPDU_RST_SIZE = 36,
	BPDU_FRAME_SIZE = 60,           /* of every frame built here: the least an Ethernet frame has */
};

enum bpdu_type { BPDU_CONFIG = 0x00, BPDU_RST = 0x02, BPDU_TCN = 0x80 };

/* What a BPDU says about the port that sent it (9.2.9). */
enum bpdu_role { BPDU_ROLE_UNKNOWN = 0, BPDU_ROLE_ALTERNATE = 1, BPDU_ROLE_ROOT = 2, BPDU_ROLE_DESIGNATED = 3 };

struct bpdu {
	enum bpdu_type type;
	bool dialect;                   /* the flags and times are those of vde_switch 2.3 */
	bool topology_change, topology_change_ack, proposal, agreement, learning, forwarding;
	enum bpdu_role role;
	rstp_bridge_id root, bridge;
	uint32_t cost;
	uint16_t port;
	struct rstp_times times;        /* received: within the legal ranges, whatever was sent; age to the nearest second */
};

/*
 * Takes a BPDU apart. Returns 0, or EBADMSG for what 802.1D 9.3.4 has discarded: too short for its kind, not protocol
 * 0, an unknown kind, an RST BPDU of version 0 or 1, a message that is older than it may get.
 */
int bpdu_decode(struct bpdu *bpdu, const uint8_t *bytes, size_t length);

/* Writes at most BPDU_RST_SIZE bytes, returns how many. */
size_t bpdu_encode(const struct bpdu *bpdu, uint8_t bytes[BPDU_RST_SIZE]);

/* The frame for a BPDU of at most BPDU_RST_SIZE bytes, untagged and padded to BPDU_FRAME_SIZE. Returns BPDU_FRAME_SIZE. */
size_t bpdu_frame_build(uint8_t frame[BPDU_FRAME_SIZE], const uint8_t source[6], const uint8_t *bpdu, size_t length);

/* Is this frame's destination the bridge group address, 01:80:C2:00:00:00 (7.12.3)? `length` is checked. */
bool bpdu_frame_is(const uint8_t *frame, size_t length);

/*
 * Finds the BPDU in a frame, tagged or not: points at it and says how long the frame's length field has it. Returns 0,
 * or EBADMSG when the frame is not LLC 42-42-03, or says that it is longer than it is.
 */
int bpdu_frame_parse(const uint8_t *frame, size_t length, const uint8_t **bpdu, size_t *bpdu_length);

#endif
