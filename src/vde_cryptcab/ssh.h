/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The client's side of an introduction: makes a secret, runs `ssh [USER@]HOST vde_cryptcab --admit PORT` and tells it over the channel's stdin. No
 * shell, no file, nothing secret among the arguments.
 */
#ifndef VDE_CRYPTCAB_SSH_H
#define VDE_CRYPTCAB_SSH_H

#include "address.h"
#include "common/log.h"
#include "common/loop.h"
#include "protocol.h"

struct ssh;

/* The end of the introduction: error 0 and the key, or an errno value, already logged. */
typedef void ssh_callback(void *owner, int error, const uint8_t key_id[KEY_ID_SIZE], const uint8_t secret[SECRET_SIZE]);

/*
 * command: words separated by blanks, "ssh" when NULL. patience_ns: it may take so long; 0: as long as it likes, since its user may be typing a
 * password. Returns NULL with errno when nothing could be started.
 */
struct ssh *ssh_start(struct loop *loop, struct log *log, const char *command, const struct address_target *target, uint64_t patience_ns,
		      ssh_callback *done, void *owner);
/* Ends the child, too. To be called after done, or to give up. NULL is accepted. */
void ssh_end(struct ssh *ssh);

#endif
