/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VDE_ENDPOINT_TAP_H
#define VDE_ENDPOINT_TAP_H

#include <stdbool.h>

struct vde_switch;

/*
 * Opens tap `name` (empty: the system chooses one) and plugs it into the lowest free port. 0 or an errno value: those of tap_open() and of
 * port_acquire(). offload: checksums and segments may be left to the interfaces, where the kernel can do it.
 */
int endpoint_tap_open(struct vde_switch *sw, const char *name, bool offload);

#endif
