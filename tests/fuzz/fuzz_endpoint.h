/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Endpoints for targets that have a whole switch. */
#ifndef VDE_FUZZ_ENDPOINT_H
#define VDE_FUZZ_ENDPOINT_H

#include "vde_switch/endpoint.h"

/*
 * An endpoint at the lowest free port. It reads every byte of the frames that leave by it, so that a piece outside its buffer is seen, and at even ports takes
 * half of them only. A duplicate of fd stands for its own.
 */
struct endpoint *fuzz_plug(struct vde_switch *sw, int fd);

#endif
