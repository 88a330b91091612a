/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One end of a port: a socket of a client, a tap. A kind is one file with one struct endpoint_ops; it knows this header and nothing else
 * of the switch. A port may have several endpoints: what goes to the port goes to all of them, and they do not hear each other.
 */
#ifndef VDE_ENDPOINT_H
#define VDE_ENDPOINT_H

#include "common/frame.h"
#include "common/loop.h"
#include "common/offload.h"
#include "vde_switch/txqueue.h"

#include <sys/types.h>

struct endpoint;
struct port;
struct vde_switch;

enum {
	ENDPOINT_BATCH = 64,            /* frames received or sent in one go */
	ENDPOINT_DESCRIPTION_MAX = 127, /* bytes; what is longer is cut */
	ENDPOINT_FRAME_ROOM = OFFLOAD_FRAME_MAX,
	ENDPOINT_HEADROOM = 64,
};

/* A frame to send: its pieces, all of one datagram. */
struct egress {
	const struct iovec *piece;
	unsigned pieces;
	uint32_t length;
	const struct offload *offload;  /* all zero but for endpoints with offload */
};

struct endpoint_ops {
	const char *kind;               /* "unix prog", "tuntap": printed by port/print */
	/*
	 * Fills frames whose data points to ENDPOINT_FRAME_ROOM writable bytes, with ENDPOINT_HEADROOM before; sets data, length and offload (which is all zero
	 * on entry). 0: nothing more now. Frames that are too long are left out and counted in endpoint->oversize, those whose offload makes no sense in
	 * endpoint->invalid. Where nothing can ever come any more it sets endpoint->gone: the endpoint is closed then.
	 */
	unsigned (*receive)(struct endpoint *endpoint, struct frame *frames, unsigned max);
	/* Frames done with, in order, whether sent or refused for good (counted in endpoint->errors); the rest did not fit now. */
	unsigned (*transmit)(struct endpoint *endpoint, const struct egress *frames, unsigned count);
	/* Releases what the kind holds and frees the endpoint. */
	void (*close)(struct endpoint *endpoint);
};

/* The part that all kinds share; a kind's own struct begins with it. */
struct endpoint {
	const struct endpoint_ops *ops;
	struct vde_switch *sw;
	struct port *port;              /* NULL until endpoint_attach */
	struct endpoint *next;          /* of the same port; newest first */
	struct loop_io *io;
	int fd;                         /* where frames come and go */
	int id;                         /* "endpoint ID" of port/print: the control connection, or the tap */
	uid_t user;                     /* (uid_t)-1: none */
	char *description;              /* safe to print; NULL: none */
	struct txqueue queue;
	struct stage *stage;            /* frames of the current batch; NULL: none */
	uint64_t dropped_full;          /* frames that found the queue full */
	uint64_t errors;                /* frames that the system refused for good */
	uint64_t oversize;              /* frames received that were too long */
	uint64_t invalid;               /* and with impossible offload */
	bool gone;                      /* what it was made of is no more */
	bool offload;                   /* gives and takes frames with offload; to others they go finished */
	bool only_uncut;                /* of these it takes those that are to be segmented, no others */
};

/*
 * Initialises the shared part and starts watching fd. 0 or an errno value. description is copied with whatever is not printable escaped;
 * NULL or empty: none.
 */
int endpoint_init(struct endpoint *endpoint, const struct endpoint_ops *ops, struct vde_switch *sw, int fd, int id,
		  const char *description, size_t description_length);

/* Sends what it can of `count` frames and queues the rest; frames that find the queue full are dropped and counted. */
void endpoint_send(struct endpoint *endpoint, struct frame_image *const *images, unsigned count);

/* Takes it from its port and closes it. */
void endpoint_close(struct endpoint *endpoint);

#endif
