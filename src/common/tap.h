/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tap interfaces: one file per operating system (tap_linux.c; tap_none.c where there are none). */
#ifndef VDE_TAP_H
#define VDE_TAP_H

#include <stdbool.h>
#include <stddef.h>

enum { TAP_NAME_SIZE = 16 };

/*
 * Opens tap `name` (at most 15 characters; empty: the system chooses) without packet information header, non-blocking
 * and CLOEXEC. The name in use is written to `actual` (TAP_NAME_SIZE bytes, may be NULL). Returns the descriptor, or
 * -1 with errno: ENAMETOOLONG, EBUSY (in use), EPERM (neither CAP_NET_ADMIN nor a tap prepared for this user), ENOSYS
 * (no taps in this build).
 */
int tap_open(const char *name, char *actual);

/*
 * The same with offload, where the kernel has it: *offload is then true, and before each frame there is a header of OFFLOAD_HEADER_SIZE bytes
 * (offload.h), both ways. False: as by tap_open. EBUSY also: another program holds a queue of the tap, with a header of its own.
 */
int tap_open_offload(const char *name, char *actual, bool *offload);
/* Whether an error of reading a tap says that its interface was deleted: the descriptor is ready for ever then, and nothing comes. */
bool tap_is_gone(int error);
/* Whether frames of this tap have a header. */
bool tap_has_offload(int fd);
/*
 * Closes a tap. What was offered to be finished for it is taken back before: a persistent tap keeps it, and its next user may know nothing of it.
 */
void tap_close(int fd);

/*
 * Opens the existing macvtap interface `name` through the device of its number (/dev/tapN), likewise. ENODEV: no such interface; ENOENT: it is no macvtap.
 */
int macvtap_open(const char *name);

/* Brings interface `name` up. Returns 0 or an errno value. */
int tap_up(const char *name);

#endif
