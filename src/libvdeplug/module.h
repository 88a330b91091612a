/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The modules that are built in, and how to find the others. Adding one is a file that defines its struct builtin_module,
 * a line here, and a row in module.c.
 */
#ifndef VDE_MODULE_H
#define VDE_MODULE_H

#include "locator.h"

#include <libvdeplug_mod.h>
#include <stdbool.h>
#include <stddef.h>

/*
 * module.flags of our own modules: there is more behind it. Other libraries do not look at the flags, so that our shared objects work there too, and those of
 * others have 0.
 */
#define MODULE_OURS 0x76646501

/* What the core hands to modules. None of these symbols is exported. The vdeplug_ops of our shared objects is one, too. */
struct builtin_module {
	struct vdeplug_module module;   /* first: struct vdeconn points to it */
	const char *name;
	/* As vde_recv_batch and vde_send_batch; NULL: the core calls vde_recv and vde_send in a loop. */
	int (*recv_batch)(VDECONN *conn, struct vde_frame *frames, unsigned count, int flags);
	int (*send_batch)(VDECONN *conn, const struct vde_frame *frames, unsigned count, int flags);
	unsigned (*pending)(VDECONN *conn);     /* as vde_pending; NULL: never any */
	bool aggregates;                /* its connections begin with a socket_conn, which may have aggregates */
};

/* Not const, as the pointer in struct vdeconn is not; nothing changes them. */
extern struct builtin_module module_vde;
extern struct builtin_module module_null;
extern struct builtin_module module_seqpacket;
extern struct builtin_module module_tap;
extern struct builtin_module module_macvtap;
extern struct builtin_module module_udp;
extern struct builtin_module module_ptp;
extern struct builtin_module module_cmd;
extern struct builtin_module module_vxlan;
extern struct builtin_module module_vxvde;
extern struct builtin_module module_switch;
extern struct builtin_module module_hub;
extern struct builtin_module module_multi;
extern struct builtin_module module_bonding;
extern struct builtin_module module_vlan;
extern struct builtin_module module_vdesl;

/* The beginning of a built-in module's connection that has one socket for frames. Same first members as struct vdeconn. */
struct socket_conn {
	void *handle;
	struct vdeplug_module *module;
	int data_fd;
	int control_fd;                 /* -1: none */
	bool aggregates;                /* both sides take several frames in one datagram */
};

/* vde_ctlfd of modules that have none. */
static inline int module_no_ctlfd(VDECONN *conn)
{
	(void)conn;
	return -1;
}

/* The module of this connection when it is one of ours; NULL: others'. */
const struct builtin_module *module_builtin(const VDECONN *conn);

/* The directory that this library, or the program that has it within, was loaded from. False: unknown. */
bool module_own_directory(char *directory, size_t size);

/* A plug in the switch of `directory`, which is not parsed; for modules that have one to join. Fills conn; 0 or an errno value. */
int module_vde_join(struct socket_conn *conn, const char *directory, const char *description, int interface_version,
		    const struct vde_open_args *args);

/*
 * Opens locator->module with locator->arguments: a built-in module, or else a shared object libvdeplug_NAME.so.
 * Returns NULL with errno, EPROTONOSUPPORT when there is no such module.
 */
VDECONN *module_open(struct locator *locator, char *description, int interface_version, struct vde_open_args *args);

#endif
