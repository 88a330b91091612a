/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "presets.h"

#include <stddef.h>
#include <string.h>

/* The left side is the subscriber's: LR is up, RL is down. */
const struct preset presets[] = {
	{
		"dsl", "ADSL2+ with 16 Mbit/s down and 1 Mbit/s up, interleaved; left is the subscriber",
		{
			{ BANDWIDTH, "LR 125000" }, { BANDWIDTH, "RL 2000000" }, { DELAY, "12+3N" },
			{ BUFFER_SIZE, "LR 64k" }, { BUFFER_SIZE, "RL 256k" },
		},
	},
	{
		"3g", "UMTS/HSPA: 7.2 Mbit/s down, 1.4 Mbit/s up, deep buffers, losses in short bursts; left is the phone",
		{
			{ BANDWIDTH, "LR 180000+60000" }, { BANDWIDTH, "RL 900000+300000" }, { DELAY, "55+25N" },
			{ LOSS, "0.5" }, { LOST_BURST, "2" }, { BUFFER_SIZE, "256k" },
		},
	},
	{
		"satellite", "a geostationary hop: 20 Mbit/s down, 2 Mbit/s up, 280 ms each way; left is the dish",
		{
			{ BANDWIDTH, "LR 250000" }, { BANDWIDTH, "RL 2500000" }, { DELAY, "280+5N" },
			{ LOSS, "0.1" }, { LOST_BURST, "4" }, { BUFFER_SIZE, "1m" },
		},
	},
	{
		"wifi", "802.11 in a crowded house: 40 Mbit/s, jitter, fades that lose a fifth of the frames",
		{
			{ BANDWIDTH, "5000000+1500000" }, { DELAY, "3+2.5" }, { GE_P, "0.5 10 20 0.05" },
			{ BUFFER_SIZE, "512k" },
		},
	},
	{
		"lossy-lan", "gigabit Ethernet with a bad connector: 1 % lost, some frames damaged, doubled or late",
		{
			{ BANDWIDTH, "125000000" }, { DELAY, "0.2+0.1" }, { LOSS, "1" }, { DUPLICATE, "0.1" },
			{ REORDER, "0.5" }, { NOISE, "1" },
		},
	},
	{ NULL, NULL, { { LOSS, NULL } } },
};

const struct preset *preset_find(const char *name)
{
	for (const struct preset *preset = presets; preset->name; preset++)
		if (strcmp(preset->name, name) == 0)
			return preset;
	return NULL;
}
