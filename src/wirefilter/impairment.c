/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "impairment.h"

#include <stddef.h>

const struct impairment_row impairment_rows[] = {
	[LOSS] = { "loss", "Loss" },
	[LOST_BURST] = { "lostburst", "Lburst" },
	[DELAY] = { "delay", "Delay" },
	[DUPLICATE] = { "dup", "Dup" },
	[BANDWIDTH] = { "bandwidth", "Bandw" },
	[SPEED] = { "speed", "Speed" },
	[NOISE] = { "noise", "Noise" },
	[MTU] = { "mtu", "MTU" },
	[BUFFER_SIZE] = { "chanbufsize", "Cap." },
	[REORDER] = { "reorder", "Reorder" },
	[TRUNCATE] = { "truncate", "Truncate" },
	[BLACKOUT] = { "blackout", "Blackout" },
	[BLACKOUT_PERIOD] = { NULL, " every" },
	[GE_P] = { "gemodel", "Gemodel" },
	[GE_R] = { NULL, " r" },
	[GE_BAD_LOSS] = { NULL, " 1-h" },
	[GE_GOOD_LOSS] = { NULL, " 1-k" },
};
