/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Frames on a socket that keeps them apart: one frame per message. The functions of modules whose connections begin with a socket_conn. */
#ifndef VDE_SOCKET_IO_H
#define VDE_SOCKET_IO_H

#include "module.h"

enum { SOCKET_IO_BATCH = 64 };          /* messages per system call */

/* A connection over fd without a control descriptor; fd is closed when memory is short: then NULL with errno. fd < 0 passes errno on. */
VDECONN *socket_io_create(int fd);
ssize_t socket_io_recv(VDECONN *conn, void *frame, size_t size, int flags);
ssize_t socket_io_send(VDECONN *conn, const void *frame, size_t length, int flags);
int socket_io_datafd(VDECONN *conn);
int socket_io_ctlfd(VDECONN *conn);
/*
 * Gives the name of a socket of ours these permissions. Its directory may be another user's, who could put a link to a file of ours in its place at any time: that
 * file's stay as they are. Returns 0, EEXIST when it is no socket, or another errno value.
 */
int socket_io_set_mode(const char *path, mode_t mode);
/* Closes the two descriptors and frees. */
int socket_io_close(VDECONN *conn);

/* socket_io_mmsg.c, or socket_io_loop.c where the system takes one message per call. */
int socket_io_recv_batch(VDECONN *conn, struct vde_frame *frames, unsigned count, int flags);
int socket_io_send_batch(VDECONN *conn, const struct vde_frame *frames, unsigned count, int flags);

/*
 * Two connected sockets (AF_UNIX, close-on-exec) above stdin, stdout and stderr, which a program may have closed, and for which a new process would take them.
 * Returns 0 or an errno value.
 */
int socket_io_pair(int type, int pair[2]);

#endif
