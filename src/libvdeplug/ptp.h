/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A connection of ptp://: module_ptp.c knows names and peers, ptp_frames.c moves frames. */
#ifndef VDE_PTP_H
#define VDE_PTP_H

#include "common/aggregate.h"
#include "pieces.h"
#include "socket_io.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/un.h>

enum { PTP_MARK_SIZE = AGGREGATE_MARK_SIZE + 8 };

/* Who takes aggregates, and what they begin with then: AGGREGATE_MARK, and when the socket was bound. */
struct ptp_mark {
	bool takes;
	uint8_t bytes[PTP_MARK_SIZE];
};

struct ptp_conn {
	struct socket_conn socket;      /* first */
	bool datagrams;
	bool connected;
	struct sockaddr_un own, peer;   /* of datagrams, as all that follows */
	dev_t own_device;               /* which file the own name is */
	ino_t own_inode;
	struct ptp_mark own_mark;
	struct ptp_mark peer_mark;      /* while connected */

	/* ptp_frames.c's own */
	unsigned messages;              /* asked for at once, when frames are asked for by the batch */
	struct stash stash;
	uint8_t *room;                  /* for any datagram, when the caller has none; NULL: not needed yet */
};

static inline struct ptp_conn *ptp_of(VDECONN *conn)
{
	return (struct ptp_conn *)(void *)conn;
}

/* Connects when it is not; false: nobody is there. */
bool ptp_find_peer(struct ptp_conn *ptp);
/* The peer has gone: the next send looks for a new one. */
void ptp_forget_peer(struct ptp_conn *ptp);

/* What builtin_module has. */
ssize_t ptp_send(VDECONN *conn, const void *frame, size_t length, int flags);
int ptp_send_batch(VDECONN *conn, const struct vde_frame *frames, unsigned count, int flags);
ssize_t ptp_recv(VDECONN *conn, void *frame, size_t size, int flags);
int ptp_recv_batch(VDECONN *conn, struct vde_frame *frames, unsigned count, int flags);
unsigned ptp_pending(VDECONN *conn);

#endif
