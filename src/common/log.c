/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/log.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

enum {
	LOG_LINE_MAX = 2048,            /* bytes of a message; a longer one is cut */
	LOG_LIMIT_BURST = 10,
};

#define LOG_LIMIT_WINDOW_NS 10000000000ull

void log_init(struct log *log, const char *program)
{
	const char *slash = program ? strrchr(program, '/') : NULL;

	*log = (struct log){ .program = slash ? slash + 1 : program };
	if (!log->program || !*log->program)
		log->program = "vde";
}

void log_to_syslog(struct log *log)
{
	/* At once: a program that shuts itself in does not find the way to it later. */
	openlog(log->program, LOG_PID | LOG_NDELAY, LOG_DAEMON);
	log->to_syslog = true;
}

char *log_escape(char *out, unsigned long size, const char *text, unsigned long length)
{
	static const char digits[] = "0123456789abcdef";
	unsigned long used = 0;

	if (size == 0)
		return out;
	for (unsigned long i = 0; i < length; i++) {
		unsigned char c = (unsigned char)text[i];
		bool plain = c >= ' ' && c < 0x7f;
		unsigned long need = c == '\\' ? 2 : plain ? 1 : 4;

		if (need > size - 1 - used)
			break;
		if (need > 1)
			out[used++] = '\\';
		if (need == 4) {
			out[used++] = 'x';
			out[used++] = digits[c >> 4];
			out[used++] = digits[c & 15];
		} else {
			out[used++] = (char)c;
		}
	}
	out[used] = '\0';
	return out;
}

/*
 * The last guard before the reader: control characters become '?'. Bytes above 127 stay, they may be a file name in
 * UTF-8; what comes from a peer has gone through log_escape before.
 */
static void replace_controls(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			*text = '?';
}

/* False: whoever has the other end of a pipe does not read it. The program is not to stand still for that; the line is lost. */
static bool may_write(int fd)
{
	struct pollfd polled = { .fd = fd, .events = POLLOUT };

	return poll(&polled, 1, 0) != 0;
}

static void log_line(struct log *log, int priority, char *text)
{
	char line[LOG_LINE_MAX + 256];
	int length;

	replace_controls(text);
	if (log->to_syslog) {
		syslog(priority, "%s", text);
		return;
	}
	length = snprintf(line, sizeof(line), "%s: %s\n", log->program, text);
	if (length >= (int)sizeof(line)) {
		length = sizeof(line) - 1;
		line[length - 1] = '\n';
	}
	/* One write, so that lines of several processes do not mix. Nobody is left to be told of a failure. */
	if (!may_write(STDERR_FILENO) || write(STDERR_FILENO, line, (size_t)length) < 0)
		return;
}

static void log_va(struct log *log, int priority, const char *format, va_list arguments) LOG_PRINTF(3, 0);
static void log_va(struct log *log, int priority, const char *format, va_list arguments)
{
	int saved_errno = errno;
	char text[LOG_LINE_MAX];

	vsnprintf(text, sizeof(text), format, arguments);
	log_line(log, priority, text);
	errno = saved_errno;
}

void log_error(struct log *log, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	log_va(log, LOG_ERR, format, arguments);
	va_end(arguments);
}

void log_warn(struct log *log, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	log_va(log, LOG_WARNING, format, arguments);
	va_end(arguments);
}

void log_info(struct log *log, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	log_va(log, LOG_INFO, format, arguments);
	va_end(arguments);
}

void log_debug(struct log *log, const char *format, ...)
{
	va_list arguments;

	if (!log->verbose)
		return;
	va_start(arguments, format);
	log_va(log, LOG_DEBUG, format, arguments);
	va_end(arguments);
}

void log_errno(struct log *log, int error, const char *format, ...)
{
	char text[LOG_LINE_MAX - 128];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	log_warn(log, "%s: %s", text, strerror(error));
}

/* True when one more message may be written now. */
static bool limit_allows(struct log *log, struct log_limit *limit)
{
	struct timespec time;
	uint64_t now;

	clock_gettime(CLOCK_MONOTONIC, &time);
	now = (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
	if (limit->count == 0 || now - limit->window_start_ns >= LOG_LIMIT_WINDOW_NS) {
		if (limit->suppressed > 0)
			log_warn(log, "(%u such messages suppressed)", limit->suppressed);
		*limit = (struct log_limit){ .window_start_ns = now };
	}
	if (limit->count >= LOG_LIMIT_BURST) {
		limit->suppressed++;
		return false;
	}
	limit->count++;
	return true;
}

void log_limited(struct log *log, struct log_limit *limit, const char *format, ...)
{
	int saved_errno = errno;
	va_list arguments;

	if (limit_allows(log, limit)) {
		va_start(arguments, format);
		log_va(log, LOG_WARNING, format, arguments);
		va_end(arguments);
	}
	errno = saved_errno;
}
