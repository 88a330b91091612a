/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Frames in UDP datagrams, several per system call: what the modules udp, vxlan and vxvde have in common. A header of fixed size may stand
 * before each frame.
 *
 * dgram_trains.c: where the system has trains (below); dgram_loop.c: where it takes one message per call.
 */
#ifndef VDE_DGRAM_H
#define VDE_DGRAM_H

#include "pieces.h"

#include <libvdeplug.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

enum {
	DGRAM_HEADER_MAX = 8,
	DGRAM_BATCH = 64,               /* frames per call */
	DGRAM_RCVBUF = 1 << 20,         /* bytes that are asked for; the system's limit may be lower */
};

union dgram_address {
	struct sockaddr any;
	struct sockaddr_in ip4;
	struct sockaddr_in6 ip6;
};

struct dgram {
	int fd;
	size_t header_size;             /* 0: there are no headers */
	uint8_t header[DGRAM_HEADER_MAX];       /* of what is sent */
	/*
	 * Is this datagram for us? It has header_size bytes at least; `length` is the frame's, which may be 0. NULL: all of at least one byte are.
	 * It may change neither.
	 */
	bool (*accept)(void *owner, const uint8_t *header, const uint8_t *frame, size_t length, const union dgram_address *from);
	void *owner;

	/* dgram_trains.c's own */
	size_t train_max;               /* bytes of the longest datagram that may go in a train */
	bool trains_tried, trains;      /* asked to receive trains; receives them */
	unsigned messages;              /* asked for at once */
	struct stash stash;
};

/* The other members, of zeros, may be set before or after. */
void dgram_init(struct dgram *dgram, int fd);
/* Frees; does not close fd. Accepts one of zeros. */
void dgram_destroy(struct dgram *dgram);

/*
 * Never blocks. Fills the first n frames, n >= 1, a length of 0 meaning one that is too long; -1 with errno: EAGAIN when nothing is there, ENOMSG
 * when something came and none of it is for us.
 *
 * From the first time on that `count` is DGRAM_BATCH or more and frames[0] has room for 65535 bytes, the system is asked for trains; the
 * buffers of all later calls must be of that size, and after each the caller has to look at dgram_pending.
 */
int dgram_recv(struct dgram *dgram, struct vde_frame *frames, unsigned count, int flags);

/* Frames that were received and not yet delivered; the descriptor does not tell of them. */
unsigned dgram_pending(const struct dgram *dgram);

/*
 * Sends frames[i] to *to[i] (to NULL: to the connected peer). Returns how many were taken, n >= 1, or -1 with errno about the first. flags as for
 * sendmsg(2).
 */
int dgram_send(struct dgram *dgram, const struct vde_frame *frames, const union dgram_address *const *to, unsigned count, int flags);

socklen_t dgram_address_size(const union dgram_address *address);
/* Family, address and port as they were received, everything else zero, so that equal ones have equal bytes. */
void dgram_normalize(union dgram_address *address);
/* What is too long for the way is refused (EMSGSIZE). Returns false where the system cannot. */
bool dgram_never_fragment(int fd, int family);
/* Datagrams of IPv6 without a checksum are received, too (those of IPv4 are anyway). Returns false where the system cannot. */
bool dgram_accept_unsummed(int fd, int family);
/*
 * What libvdeplug's vde_recv is to modules whose descriptor to poll is poll_fd: one frame, or 1 when something came that is none. recv_batch is the
 * module's, and returns as dgram_recv.
 */
ssize_t dgram_recv_one(VDECONN *conn, int (*recv_batch)(VDECONN *, struct vde_frame *, unsigned, int), int poll_fd, void *data, size_t size, int flags);
/* The result of dgram_recv as libvdeplug's vde_recv_batch has it. */
int dgram_batch_result(int result);

/* Datagrams of this sender do not even wake us; where the system cannot, they come. */
void dgram_ignore_sender(int fd, const union dgram_address *sender);
/* Asks for a buffer of `bytes` for what comes. */
void dgram_set_rcvbuf(int fd, uint64_t bytes);

#endif
