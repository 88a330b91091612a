/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Messages to the person who runs the program: stderr until the program is in the background, syslog after.
 *
 * A line on stderr is "PROGRAM: text". Text that came from a peer is escaped before it is written, so that no
 * peer can speak to the reader's terminal. Messages about what peers do go through a struct log_limit.
 */
#ifndef VDE_LOG_H
#define VDE_LOG_H

#include <stdbool.h>
#include <stdint.h>

struct log {
	const char *program;            /* the name the program was started by */
	bool to_syslog;                 /* set by log_to_syslog */
	bool verbose;                   /* log_debug writes only when set */
};

/* At most `burst` messages in any 10 seconds; the number suppressed is told when the next one may be written. */
struct log_limit {
	uint64_t window_start_ns;
	unsigned count;
	unsigned suppressed;
};

/* program: argv[0]; its last component is the name. */
void log_init(struct log *log, const char *program);
void log_to_syslog(struct log *log);

#define LOG_PRINTF(a, b) __attribute__((format(printf, a, b)))
void log_error(struct log *log, const char *format, ...) LOG_PRINTF(2, 3);
void log_warn(struct log *log, const char *format, ...) LOG_PRINTF(2, 3);
void log_info(struct log *log, const char *format, ...) LOG_PRINTF(2, 3);
void log_debug(struct log *log, const char *format, ...) LOG_PRINTF(2, 3);
/* As log_warn, followed by ": " and the text of errno value `error`. */
void log_errno(struct log *log, int error, const char *format, ...) LOG_PRINTF(3, 4);
/* As log_warn, rate limited. */
void log_limited(struct log *log, struct log_limit *limit, const char *format, ...) LOG_PRINTF(3, 4);

/*
 * Writes `text` to `out`, at most `size` bytes with the final NUL, with every byte that is not printable ASCII
 * written as \xNN and a backslash doubled. Returns out. What does not fit is left out.
 */
char *log_escape(char *out, unsigned long size, const char *text, unsigned long length);

#endif
