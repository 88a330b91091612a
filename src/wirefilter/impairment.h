/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The impairments: one row each, for the command and the line of showinfo. */
#ifndef WIREFILTER_IMPAIRMENT_H
#define WIREFILTER_IMPAIRMENT_H

enum impairment {
	LOSS,                           /* percent */
	LOST_BURST,                     /* frames */
	DELAY,                          /* ms */
	DUPLICATE,                      /* percent */
	BANDWIDTH,                      /* bytes per second */
	SPEED,                          /* bytes per second */
	NOISE,                          /* bits per 2^20 bytes */
	MTU,                            /* bytes */
	BUFFER_SIZE,                    /* bytes */
	REORDER,                        /* percent */
	TRUNCATE,                       /* percent */
	BLACKOUT,                       /* ms */
	BLACKOUT_PERIOD,                /* ms; set together with BLACKOUT */
	GE_P, GE_R, GE_BAD_LOSS, GE_GOOD_LOSS,  /* percent; set together by gemodel */
	IMPAIRMENT_COUNT
};

struct impairment_row {
	const char *command;            /* also the long option; NULL: set together with the row before */
	const char *label;              /* of the line in showinfo; of such a row what stands before its number */
};

/* IMPAIRMENT_COUNT rows */
extern const struct impairment_row impairment_rows[];

#endif
