/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Frames on a non-blocking descriptor with one frame per read and write: a tap. The functions of modules whose connections begin with a
 * socket_conn. A caller that did not ask for MSG_DONTWAIT is blocked as it expects.
 */
#ifndef VDE_DEVICE_IO_H
#define VDE_DEVICE_IO_H

#include "module.h"

ssize_t device_io_recv(VDECONN *conn, void *frame, size_t size, int flags);
ssize_t device_io_send(VDECONN *conn, const void *frame, size_t length, int flags);
int device_io_recv_batch(VDECONN *conn, struct vde_frame *frames, unsigned count, int flags);
int device_io_send_batch(VDECONN *conn, const struct vde_frame *frames, unsigned count, int flags);

#endif
