/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A module in front of another network: NAME://HEAD{NESTED}. It says how a frame is changed on its way out and on its way in; opening the nested
 * network, the buffers, the batches and all of the module's other functions are here.
 */
#ifndef VDE_NEST_H
#define VDE_NEST_H

#include "common/frame.h"
#include "module.h"

enum {
	NEST_GROWTH = 64,               /* bytes that a frame may grow on its way out */
	NEST_BATCH = 64,                /* frames handed on in one call */
	NEST_ALIGNMENT = 16,            /* where each of a batch begins */
	/* whole units of that, so that a frame which fits still fits when it is rounded up */
	NEST_OUT_BYTES = (2 * (FRAME_MAX_SIZE + NEST_GROWTH) + NEST_ALIGNMENT - 1) / NEST_ALIGNMENT * NEST_ALIGNMENT,
	NEST_IN_BYTES = FRAME_MAX_SIZE + NEST_GROWTH,
};

struct nest_conn;

struct nest_kind {
	/*
	 * Writes to `out`, which has room for `length` and NEST_GROWTH more, what goes to the nested network. Returns its length; 0: nothing, the frame
	 * is dropped. `frame` is a whole Ethernet header at least.
	 */
	size_t (*outward)(struct nest_conn *nest, const uint8_t *frame, size_t length, uint8_t *out);
	/*
	 * Changes what came from the nested network, in place; there is room for `size` bytes. Returns the frame's length; 0: it is dropped. Any `length`
	 * may come.
	 */
	size_t (*inward)(struct nest_conn *nest, uint8_t *frame, size_t length, size_t size);
	/* Frees what the module itself has taken; the connection is freed after it. May be NULL. */
	void (*destroy)(struct nest_conn *nest);
};

/* How such a module's connection begins: first members as struct vdeconn. */
struct nest_conn {
	void *handle;
	struct vdeplug_module *module;
	const struct nest_kind *kind;
	VDECONN *inner;
	uint8_t *in, *out;              /* NEST_IN_BYTES: the reader's; NEST_OUT_BYTES: the writer's */
};

/*
 * Makes a connection of `size` bytes, all zero but for its nest_conn, and opens `nested` (NULL: the default network). NULL with errno. Close it with
 * nest_close, which calls kind->destroy.
 */
struct nest_conn *nest_open(const struct nest_kind *kind, size_t size, char *nested, const char *description,
			    int interface_version, struct vde_open_args *args);

ssize_t nest_recv(VDECONN *conn, void *frame, size_t size, int flags);
ssize_t nest_send(VDECONN *conn, const void *frame, size_t length, int flags);
int nest_recv_batch(VDECONN *conn, struct vde_frame *frames, unsigned count, int flags);
unsigned nest_pending(VDECONN *conn);
int nest_send_batch(VDECONN *conn, const struct vde_frame *frames, unsigned count, int flags);
int nest_datafd(VDECONN *conn);
int nest_ctlfd(VDECONN *conn);
int nest_close(VDECONN *conn);

#endif
