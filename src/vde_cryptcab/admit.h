/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `vde_cryptcab --admit PORT`: what ssh runs beside the server. */
#ifndef VDE_CRYPTCAB_ADMIT_H
#define VDE_CRYPTCAB_ADMIT_H

#include "common/log.h"

/* Hands the line on stdin to the server of this UDP port and its answer to stdout. Returns the exit status. */
int admit_run(unsigned port, struct log *log);

#endif
