/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The shared secret of -P: any file of PSK_FILE_MIN to PSK_FILE_MAX bytes, stretched. */
#ifndef VDE_CRYPTCAB_PSK_FILE_H
#define VDE_CRYPTCAB_PSK_FILE_H

#include "common/log.h"
#include "protocol.h"

#include <stdbool.h>
#include <stddef.h>

enum {
	PSK_FILE_MIN = 16,
	PSK_FILE_MAX = 65536,
};

/*
 * The secret that file content stands for: scrypt with the label as salt (N 32768, r 8, p 1: a tenth of a second and 32 MiB), which makes
 * each guess at a weak content as dear. False: the library failed.
 */
bool psk_from_content(const uint8_t *content, size_t length, uint8_t secret[SECRET_SIZE]);
/* The key id that goes with a secret. */
bool psk_key_id(const uint8_t secret[SECRET_SIZE], uint8_t key_id[KEY_ID_SIZE]);
/*
 * Reads the file, which must belong to this user or root and be closed to others. Returns 0 or an errno value, already logged.
 */
int psk_file_read(const char *path, struct log *log, uint8_t secret[SECRET_SIZE]);

#endif
