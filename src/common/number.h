/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Text to number: the only way from a user's or a file's text to a value.
 *
 * Every function checks the whole string, stores nothing unless it returns 0, and returns otherwise EINVAL (not
 * that kind of text, or something follows it), ERANGE (a number, but outside the range) or ENOENT (no such name).
 */
#ifndef VDE_NUMBER_H
#define VDE_NUMBER_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Decimal, 0x hexadecimal or 0 octal (as C writes them), min..max. No sign for the unsigned ones, no blanks. */
int number_u64(const char *text, uint64_t min, uint64_t max, uint64_t *value);
int number_uint(const char *text, unsigned min, unsigned max, unsigned *value);
int number_int(const char *text, int min, int max, int *value);

/* A decimal fraction, min..max; neither infinite nor NaN; the decimal point is '.' whatever the locale. */
int number_double(const char *text, double min, double max, double *value);

/* A size in bytes: a number with an optional k, m or g (either case; powers of 1024). */
int number_size(const char *text, uint64_t min, uint64_t max, uint64_t *value);

/* Octal permission bits, 0..07777. */
int number_mode(const char *text, mode_t *mode);

/* Six bytes in hexadecimal, one or two digits each, separated by ':' or '.'. */
int number_mac(const char *text, uint8_t mac[6]);

/* A user or group: a name, else a number. ENOENT when neither. */
int number_user(const char *text, uid_t *uid);
int number_group(const char *text, gid_t *gid);

#endif
