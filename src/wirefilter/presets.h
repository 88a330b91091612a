/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Cables that many people want, by name. */
#ifndef WIREFILTER_PRESETS_H
#define WIREFILTER_PRESETS_H

#include "impairment.h"

enum { PRESET_LINES_MAX = 10 };

struct preset_line {
	enum impairment impairment;
	const char *value;              /* as the user would write it; NULL: no more lines */
};

struct preset {
	const char *name;
	const char *purpose;
	struct preset_line line[PRESET_LINES_MAX];
};

/* Ended by a row without a name. */
extern const struct preset presets[];

/* NULL when there is none of that name. */
const struct preset *preset_find(const char *name);

#endif
