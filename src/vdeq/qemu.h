/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which QEMU, and what it can do. */
#ifndef VDE_VDEQ_QEMU_H
#define VDE_VDEQ_QEMU_H

#include <stdbool.h>

enum { QEMU_NAME_SIZE = 64 };

/*
 * From the name that the program was started by: "vdeqemu" is qemu, or, where there is none of that name, the system emulator of this
 * machine's architecture; "vdekvm" is kvm, or that emulator with -enable-kvm. False for plain "vdeq": the first word says which.
 */
bool qemu_from_name(const char *program, char name[QEMU_NAME_SIZE], bool *enable_kvm);

/* Asks "QEMU -netdev help". 0 and *has, or the errno value of starting it. An emulator that does not answer in time has it not. */
int qemu_has_netdev_vde(const char *qemu, bool *has);

#endif
