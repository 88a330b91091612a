/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The server's private door: a unix socket on which `vde_cryptcab --admit` hands over the secret of a client that ssh has let in.
 * Served are this user, root, and the members of --admit-group.
 */
#ifndef VDE_CRYPTCAB_ADMISSION_H
#define VDE_CRYPTCAB_ADMISSION_H

#include "common/log.h"
#include "common/loop.h"
#include "protocol.h"

#include <sys/types.h>

struct admission;

/* A secret to be admitted. Returns NULL, or why not, for the client's user to read. */
typedef const char *admission_callback(void *owner, const uint8_t key_id[KEY_ID_SIZE], const uint8_t secret[SECRET_SIZE]);

/*
 * Listens for the server of this UDP port, in the first place that can be used. group (gid_t)-1: none. NULL with errno, already logged.
 */
struct admission *admission_open(struct loop *loop, struct log *log, unsigned port, gid_t group, admission_callback *admit, void *owner);
const char *admission_path(const struct admission *admission);
/* Removes the socket. NULL is accepted. */
void admission_close(struct admission *admission);

#endif
