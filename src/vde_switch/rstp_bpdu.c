/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation
 *
 * A BPDU (IEEE 802.1D-2004 clause 9) is a few fixed fields: a topology change notification is the first four bytes of
 * it, a configuration BPDU 35 bytes, an RST BPDU 36. Times are in 1/256 s. Here they become whole seconds, as the state
 * machines count, and are brought into the ranges of Table 17-1, so that no peer can make a timer that never or always
 * expires.
 *
 * The dialect: vde_switch 2.3 with -F sends what looks like an RST BPDU, always with max age 40, hello 4 and forward
 * delay 0, which the standard does not allow (forward delay is 4 at least): that is how it is known. Its role bits are
 * other ones (root 01, alternate 10), bit 1 is no proposal but marks a backup port. Its times are replaced by legal
 * ones, lest they travel on to bridges which believe them; hello stays 4 because that is how often it speaks.
 */
#include "vde_switch/rstp_bpdu.h"

#include <errno.h>
#include <string.h>

#include "common/frame.h"

enum {
	FLAG_TOPOLOGY_CHANGE = 0x01,
	FLAG_PROPOSAL = 0x02,
	FLAG_ROLE = 0x0c,
	FLAG_ROLE_SHIFT = 2,
	FLAG_LEARNING = 0x10,
	FLAG_FORWARDING = 0x20,
	FLAG_AGREEMENT = 0x40,
	FLAG_TOPOLOGY_CHANGE_ACK = 0x80,
};

/* Offsets in a BPDU (9.3.1, 9.3.3). */
enum {
	AT_PROTOCOL = 0, AT_VERSION = 2, AT_TYPE = 3, AT_FLAGS = 4, AT_ROOT = 5, AT_COST = 13, AT_BRIDGE = 17, AT_PORT = 25,
	AT_MESSAGE_AGE = 27, AT_MAX_AGE = 29, AT_HELLO = 31, AT_FORWARD_DELAY = 33, AT_VERSION_1_LENGTH = 35,
};

enum { DIALECT_MAX_AGE = 40 << 8, DIALECT_HELLO = 4 << 8, DIALECT_FORWARD_DELAY = 0 };

/* The same exchange of two bits both ways. */
static enum bpdu_role dialect_role(enum bpdu_role role)
{
	switch (role) {
	case BPDU_ROLE_ALTERNATE: return BPDU_ROLE_ROOT;
	case BPDU_ROLE_ROOT: return BPDU_ROLE_ALTERNATE;
	default: return role;
	}
}

static uint64_t read_be64(const uint8_t *p)
{
	return ((uint64_t)read_be32(p) << 32) | read_be32(p + 4);
}

static void write_be64(uint8_t *p, uint64_t value)
{
	write_be32(p, (uint32_t)(value >> 32));
	write_be32(p + 4, (uint32_t)value);
}

static uint16_t clamp(unsigned value, unsigned min, unsigned max)
{
	return (uint16_t)(value < min ? min : value > max ? max : value);
}

static unsigned seconds_up(const uint8_t *p)
{
	return (read_be16(p) + 255u) >> 8;
}

static void decode_times(struct bpdu *bpdu, const uint8_t *b)
{
	bpdu->times.message_age = (uint16_t)((read_be16(b + AT_MESSAGE_AGE) + 128u) >> 8);
	bpdu->times.max_age = clamp(seconds_up(b + AT_MAX_AGE), 6, 40);
	bpdu->times.hello = clamp(seconds_up(b + AT_HELLO), 1, 10);
	bpdu->times.forward_delay = clamp(seconds_up(b + AT_FORWARD_DELAY), 4, 30);
}

static void decode_flags(struct bpdu *bpdu, uint8_t flags)
{
	bpdu->topology_change = flags & FLAG_TOPOLOGY_CHANGE;
	bpdu->topology_change_ack = flags & FLAG_TOPOLOGY_CHANGE_ACK;
	bpdu->role = BPDU_ROLE_DESIGNATED;
	if (bpdu->type == BPDU_CONFIG)
		return;
	bpdu->proposal = flags & FLAG_PROPOSAL;
	bpdu->role = (enum bpdu_role)((flags & FLAG_ROLE) >> FLAG_ROLE_SHIFT);
	bpdu->learning = flags & FLAG_LEARNING;
	bpdu->forwarding = flags & FLAG_FORWARDING;
	bpdu->agreement = flags & FLAG_AGREEMENT;
}

static void decode_dialect(struct bpdu *bpdu)
{
	bpdu->dialect = true;
	bpdu->role = dialect_role(bpdu->role);
	bpdu->times.max_age = 20;
	bpdu->times.forward_delay = 15;
	/* A port that blocks itself waits to hear that somebody needs it. */
	bpdu->proposal = !bpdu->forwarding;
	bpdu->topology_change_ack = false;
}

/* 9.3.4 */
int bpdu_decode(struct bpdu *bpdu, const uint8_t *bytes, size_t length)
{
	uint8_t b[BPDU_RST_SIZE] = { 0 };

	memset(bpdu, 0, sizeof(*bpdu));
	memcpy(b, bytes, length < sizeof(b) ? length : sizeof(b));
	if (length < BPDU_TCN_SIZE || read_be16(b + AT_PROTOCOL) != 0)
		return EBADMSG;
	switch (b[AT_TYPE]) {
	case BPDU_TCN:
		bpdu->type = BPDU_TCN;
		return 0;
	case BPDU_CONFIG:
		if (length < BPDU_CONFIG_SIZE || read_be16(b + AT_MESSAGE_AGE) >= read_be16(b + AT_MAX_AGE))
			return EBADMSG;
		break;
	case BPDU_RST:
		if (length < BPDU_RST_SIZE || b[AT_VERSION] < 2)
			return EBADMSG;
		break;
	default:
		return EBADMSG;
	}
	bpdu->type = (enum bpdu_type)b[AT_TYPE];
	bpdu->root = read_be64(b + AT_ROOT);
	bpdu->cost = read_be32(b + AT_COST);
	bpdu->bridge = read_be64(b + AT_BRIDGE);
	bpdu->port = read_be16(b + AT_PORT);
	decode_times(bpdu, b);
	decode_flags(bpdu, b[AT_FLAGS]);
	if (bpdu->type == BPDU_RST && read_be16(b + AT_MAX_AGE) == DIALECT_MAX_AGE &&
	    read_be16(b + AT_HELLO) == DIALECT_HELLO && read_be16(b + AT_FORWARD_DELAY) == DIALECT_FORWARD_DELAY)
		decode_dialect(bpdu);
	return 0;
}

static uint8_t encode_flags(const struct bpdu *bpdu)
{
	enum bpdu_role role = bpdu->dialect ? dialect_role(bpdu->role) : bpdu->role;
	unsigned flags = bpdu->topology_change ? FLAG_TOPOLOGY_CHANGE : 0;

	if (bpdu->type == BPDU_CONFIG)
		return (uint8_t)(flags | (bpdu->topology_change_ack ? FLAG_TOPOLOGY_CHANGE_ACK : 0));
	flags |= (unsigned)role << FLAG_ROLE_SHIFT;
	flags |= bpdu->learning ? FLAG_LEARNING : 0;
	flags |= bpdu->forwarding ? FLAG_FORWARDING : 0;
	flags |= bpdu->agreement ? FLAG_AGREEMENT : 0;
	if (bpdu->dialect ? bpdu->role == BPDU_ROLE_ALTERNATE : bpdu->proposal)
		flags |= FLAG_PROPOSAL;
	return (uint8_t)flags;
}

size_t bpdu_encode(const struct bpdu *bpdu, uint8_t bytes[BPDU_RST_SIZE])
{
	memset(bytes, 0, BPDU_RST_SIZE);
	bytes[AT_TYPE] = (uint8_t)bpdu->type;
	if (bpdu->type == BPDU_TCN)
		return BPDU_TCN_SIZE;
	bytes[AT_VERSION] = bpdu->type == BPDU_RST ? 2 : 0;
	bytes[AT_FLAGS] = encode_flags(bpdu);
	write_be64(bytes + AT_ROOT, bpdu->root);
	write_be32(bytes + AT_COST, bpdu->cost);
	write_be64(bytes + AT_BRIDGE, bpdu->bridge);
	write_be16(bytes + AT_PORT, bpdu->port);
	write_be16(bytes + AT_MESSAGE_AGE, (uint16_t)(bpdu->times.message_age << 8));
	write_be16(bytes + AT_MAX_AGE, (uint16_t)(bpdu->times.max_age << 8));
	write_be16(bytes + AT_HELLO, (uint16_t)(bpdu->times.hello << 8));
	write_be16(bytes + AT_FORWARD_DELAY, (uint16_t)(bpdu->times.forward_delay << 8));
	return bpdu->type == BPDU_RST ? BPDU_RST_SIZE : BPDU_CONFIG_SIZE;
}

static const uint8_t bridge_group_address[6] = { 0x01, 0x80, 0xc2, 0x00, 0x00, 0x00 };
static const uint8_t llc_header[3] = { 0x42, 0x42, 0x03 };

size_t bpdu_frame_build(uint8_t frame[BPDU_FRAME_SIZE], const uint8_t source[6], const uint8_t *bpdu, size_t length)
{
	memset(frame, 0, BPDU_FRAME_SIZE);
	memcpy(frame, bridge_group_address, 6);
	memcpy(frame + 6, source, 6);
	write_be16(frame + 12, (uint16_t)(sizeof(llc_header) + length));
	memcpy(frame + ETHERNET_HEADER_SIZE, llc_header, sizeof(llc_header));
	memcpy(frame + ETHERNET_HEADER_SIZE + sizeof(llc_header), bpdu, length);
	return BPDU_FRAME_SIZE;
}

bool bpdu_frame_is(const uint8_t *frame, size_t length)
{
	return length >= ETHERNET_HEADER_SIZE && mac_equal(frame, bridge_group_address);
}

int bpdu_frame_parse(const uint8_t *frame, size_t length, const uint8_t **bpdu, size_t *bpdu_length)
{
	size_t header = ETHERNET_HEADER_SIZE, said;

	if (!bpdu_frame_is(frame, length))
		return EBADMSG;
	if (read_be16(frame + 12) == ETHERTYPE_VLAN)
		header += ETHERNET_TAG_SIZE;
	if (length < header + sizeof(llc_header))
		return EBADMSG;
	said = read_be16(frame + header - 2);
	if (said < sizeof(llc_header) || said > length - header || memcmp(frame + header, llc_header, sizeof(llc_header)) != 0)
		return EBADMSG;
	*bpdu = frame + header + sizeof(llc_header);
	*bpdu_length = said - sizeof(llc_header);
	return 0;
}
