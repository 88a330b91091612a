/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libvdeplug: a plug for a Virtual Distributed Ethernet.
 *
 * A connection is opened by a locator, "MODULE://ARGUMENTS" or the directory of a switch, and then carries whole
 * Ethernet frames (no preamble, no FCS). Different threads may use different connections at the same time; one
 * connection may be read by one thread while another one writes to it. See libvdeplug(3).
 */
#ifndef LIBVDEPLUG_H
#define LIBVDEPLUG_H

#include <stddef.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LIBVDEPLUG_INTERFACE_VERSION 1

#define VDE_MAXMTU 9216
#define VDE_ETHBUFSIZE (VDE_MAXMTU + 14 + 4)

struct vdeconn;
typedef struct vdeconn VDECONN;

/* How to open. All zero, or no struct at all, is a connection to any port for this user only. */
struct vde_open_args {
	int port;       /* of the switch; 0: any free one; -1: port 0, the management port */
	char *group;    /* name or number of the group that may use the connection's socket; NULL: none */
	mode_t mode;    /* permissions of the connection's socket; 0: the default, 0700 */
};

/*
 * Opens a connection. locator: NULL or "" is the user's default network. description: shown by the switch; may be NULL.
 * args may be NULL. Neither string is changed. Waits at most 10 seconds for an answer. Returns NULL with errno:
 * ENOENT (no such switch), EACCES, ECONNREFUSED (nobody listens, or the switch refused), ETIMEDOUT, EINVAL (wrong
 * syntax, key, group or interface version), EPROTONOSUPPORT (no such module), or the module's own.
 */
#define vde_open(locator, description, args) \
	vde_open_real((locator), (description), LIBVDEPLUG_INTERFACE_VERSION, (args))
VDECONN *vde_open_real(char *locator, char *description, int interface_version, struct vde_open_args *args);

/*
 * Receives one frame. flags as for recv(2), MSG_DONTWAIT for instance. Returns its length; 0 at the end; 1 when there
 * was an event but no frame (less than 14 is never a frame); -1 with errno. A frame longer than `size` is
 * dropped, not cut.
 */
ssize_t vde_recv(VDECONN *conn, void *frame, size_t size, int flags);
/* Sends one frame. flags as for send(2). Returns `length`, or -1 with errno; never raises SIGPIPE. */
ssize_t vde_send(VDECONN *conn, const void *frame, size_t length, int flags);
/* To poll: readable when vde_recv will not block. Not to be read or closed. */
int vde_datafd(VDECONN *conn);
/* To poll: silent until the other side is gone. -1: there is none. */
int vde_ctlfd(VDECONN *conn);
/* Closes and frees. Returns 0. Every function answers -1 with EBADF to a NULL connection. */
int vde_close(VDECONN *conn);

/*
 * Several frames in one call (since 2.9). They never block.
 *
 * vde_recv_batch fills `length` of the first n frames, n >= 1, and returns n; a length of 0 is a frame that was dropped
 * because it is longer than `size`. It returns 0 at the end, or -1 with errno: EAGAIN when there is nothing now.
 * After each call vde_pending says how many frames the library holds that the descriptor does not tell of: when there are any,
 * receive them before polling. (There are none as long as every batch is smaller than 64 or has buffers of less than 65535 bytes. A
 * program whose buffers are of that size keeps to it.)
 * vde_send_batch sends `length` bytes of each and returns how many it took, n >= 1, or -1 with errno: EAGAIN when it
 * could take none now, or the error of the first.
 */
struct vde_frame {
	void *data;
	size_t size;            /* of the buffer; not looked at when sending */
	size_t length;          /* of the frame */
};
int vde_recv_batch(VDECONN *conn, struct vde_frame *frames, unsigned count, int flags);
int vde_send_batch(VDECONN *conn, const struct vde_frame *frames, unsigned count, int flags);
unsigned vde_pending(VDECONN *conn);

/*
 * As vde_open (since 2.9), for programs that take several frames in one datagram from vde_datafd, and send so, where
 * the other side does too: vde_aggregates tells whether it does, 1 or 0. When it does, frames are not to be received or sent
 * by the functions above. doc/protocol.md has the format. When it does not, the library may do the same by itself: look at
 * vde_pending after each vde_recv and vde_recv_batch, whatever the size of the batch. It costs least with buffers of 65535 bytes.
 */
#define VDE_INTERFACE_AGGREGATES 0x101
#define vde_open_aggregates(locator, description, args) \
	vde_open_real((locator), (description), VDE_INTERFACE_AGGREGATES, (args))
int vde_aggregates(VDECONN *conn);

/*
 * vdestream: frames on a byte stream, each preceded by its length as two bytes, the higher first.
 */
struct vdestream;
typedef struct vdestream VDESTREAM;

#define PACKET_LENGTH_ERROR 1

/* receive is called by vdestream_recv for each whole frame; fdout is where vdestream_send writes; error may be NULL. */
VDESTREAM *vdestream_open(void *opaque, int fdout,
			  ssize_t (*receive)(void *opaque, void *frame, size_t length),
			  void (*error)(void *opaque, int type, char *format, ...));
/* Writes one frame. Returns the bytes written, header included; 0 when it is longer than 65535; -1 with errno. */
ssize_t vdestream_send(VDESTREAM *stream, const void *frame, size_t length);
/* Takes any piece of the stream; an unfinished frame or header is kept for the next call. */
void vdestream_recv(VDESTREAM *stream, unsigned char *bytes, size_t length);
void vdestream_close(VDESTREAM *stream);

#ifdef __cplusplus
}
#endif

#endif
