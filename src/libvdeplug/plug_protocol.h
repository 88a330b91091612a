/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The control socket of a switch: the whole contract between a plug and the switch, for both sides.
 *
 * Theory of operation. A switch is a directory DIR with a listening stream socket DIR/ctl. A plug
 *      1. connects to DIR/ctl;
 *      2. makes a datagram socket of its own: bound to DIR/.PID-NUMBER, or elsewhere when DIR is not writable;
 *      3. sends one request, in one write, that names its socket;
 *      4. reads one reply, a sockaddr_un, exactly PLUG_REPLY_SIZE bytes: the switch's data socket for this plug. The
 *         switch has connected its socket to the plug's before it replies. A refusal is a close without a reply;
 *      5. connects its socket to the switch's, and removes its own name;
 *      6. exchanges frames, one per datagram, without a header. The stream stays open and silent: its end on either
 *         side is the end of the plug.
 *
 * Aggregates. A plug whose program takes several frames in one datagram, and sends on the named socket, may say so in its request: PLUG_AGGREGATES
 * as the last bytes of its address's path, behind the path's NUL, where nobody looks who does not know it. A switch that can do the same says so at that place of its
 * reply. Only when both have, each may send aggregates (common/aggregate.h) among plain datagrams.
 *
 * Numbers are in host byte order, members are packed. The description follows without a final NUL; the length of
 * the message tells its length. Old clients send up to two stray bytes behind the address or the description.
 */
#ifndef VDE_PLUG_PROTOCOL_H
#define VDE_PLUG_PROTOCOL_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#define PLUG_MAGIC 0xfeedfaceU
#define PLUG_CONTROL_NAME "ctl"         /* within the directory of the switch */
#define PLUG_AGGREGATES "vdeaggr1"      /* at the end of a path; without its NUL */

enum {
	PLUG_VERSION = 3,               /* the only one that is told apart by the field `version` */
	PLUG_REQUEST_MAX = 256,         /* bytes: a switch may read the request into a buffer of this size */
	PLUG_DESCRIPTION_MAX = 127,     /* bytes */
	PLUG_TYPE_BITS = 8,             /* the low bits of `type`; the port number is above them */
	PLUG_TYPE_MASK = 0xff,
	PLUG_PORT_MAX = 0xffffff,
	PLUG_TIMEOUT_MS = 10000,        /* how long a plug waits for each of connection and reply */
};

/* The low bits of `type`. */
enum plug_request_type {
	PLUG_NEW_PORT = 0,              /* port number in the high bits; 0 there: the lowest free one */
	PLUG_NEW_PORT0 = 1,             /* port 0 */
};

struct plug_request_v3 {
	uint32_t magic;
	uint32_t version;               /* PLUG_VERSION */
	uint32_t type;
	struct sockaddr_un address;     /* of the plug's datagram socket; also an abstract name, then of full length */
	char description[PLUG_DESCRIPTION_MAX];
} __attribute__((packed));

/* Before there were versions: `type` stands where `version` is now, and is 0 or 1. */
struct plug_request_v1 {
	uint32_t magic;
	uint32_t type;
	uint8_t unused[6];
	struct sockaddr_un address;
	char description[PLUG_DESCRIPTION_MAX];
} __attribute__((packed));

enum {
	PLUG_V3_MIN_SIZE = offsetof(struct plug_request_v3, description),
	PLUG_V1_MIN_SIZE = offsetof(struct plug_request_v1, description),
	PLUG_REPLY_SIZE = sizeof(struct sockaddr_un),
};

enum { PLUG_AGGREGATES_SIZE = sizeof(PLUG_AGGREGATES) - 1 };

/* Where the mark stands, or NULL: an abstract name, or a path that leaves no room for it. */
static inline char *plug_aggregates_place(struct sockaddr_un *address)
{
	size_t room = sizeof(address->sun_path) - PLUG_AGGREGATES_SIZE;

	if (address->sun_path[0] == '\0' || memchr(address->sun_path, '\0', room) == NULL)
		return NULL;
	return address->sun_path + room;
}

/* False: it cannot be said. */
static inline bool plug_offer_aggregates(struct sockaddr_un *address)
{
	char *place = plug_aggregates_place(address);

	if (place != NULL)
		memcpy(place, PLUG_AGGREGATES, PLUG_AGGREGATES_SIZE);
	return place != NULL;
}

static inline bool plug_offers_aggregates(struct sockaddr_un *address)
{
	const char *place = plug_aggregates_place(address);

	return place != NULL && memcmp(place, PLUG_AGGREGATES, PLUG_AGGREGATES_SIZE) == 0;
}

static_assert(offsetof(struct plug_request_v3, type) == 8, "wire layout");
static_assert(offsetof(struct plug_request_v3, address) == 12, "wire layout");
static_assert(offsetof(struct plug_request_v3, description) == 12 + sizeof(struct sockaddr_un), "wire layout");
static_assert(offsetof(struct plug_request_v1, type) == 4, "wire layout");
static_assert(offsetof(struct plug_request_v1, address) == 14, "wire layout");
static_assert(offsetof(struct plug_request_v1, description) == 14 + sizeof(struct sockaddr_un), "wire layout");
static_assert(sizeof(struct plug_request_v3) <= PLUG_REQUEST_MAX, "a request fits the switch's buffer");
#ifdef __linux__
static_assert(PLUG_REPLY_SIZE == 110 && PLUG_V3_MIN_SIZE == 122 && PLUG_V1_MIN_SIZE == 124, "wire layout of Linux");
#endif

#endif
