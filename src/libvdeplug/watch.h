/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One descriptor that stands for several. watch_epoll.c, or watch_none.c where the system has nothing of the kind. */
#ifndef VDE_WATCH_H
#define VDE_WATCH_H

/* A descriptor to poll, readable when one of the `count` others is; they are not closed with it. -1 with errno. */
int watch_open(const int *fds, unsigned count);

#endif
