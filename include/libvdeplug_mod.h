/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * For writers of libvdeplug modules. A module is a shared object libvdeplug_NAME.so that defines
 *
 *      struct vdeplug_module vdeplug_ops = { ... };
 *
 * and serves the locators "NAME://ARGUMENTS". Its open function gets the text after "://" in a copy that it may change
 * but not keep. The parsers and the table below are in libvdeplug_mod.
 */
#ifndef LIBVDEPLUG_MOD_H
#define LIBVDEPLUG_MOD_H

#include <libvdeplug.h>
#include <stdint.h>
#include <time.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CONNECTED_P2P
#define MAXDESCR 128

struct vdeplug_module;

/* How every module's connection begins. A module leaves both members zero. */
struct vdeconn {
	void *handle;
	struct vdeplug_module *module;
	unsigned char data[];
};

/* All six functions must be there. */
struct vdeplug_module {
	int flags;              /* 0 */
	VDECONN *(*vde_open_real)(char *arguments, char *description, int interface_version,
				  struct vde_open_args *args);
	ssize_t (*vde_recv)(VDECONN *conn, void *frame, size_t size, int flags);
	ssize_t (*vde_send)(VDECONN *conn, const void *frame, size_t length, int flags);
	int (*vde_datafd)(VDECONN *conn);
	int (*vde_ctlfd)(VDECONN *conn);
	int (*vde_close)(VDECONN *conn);        /* frees; the shared object is unloaded when it returns 0 */
};

/* An array of these, ended by {NULL, NULL}, says which keys there are and where their values go. */
struct vdeparms {
	char *tag;
	char **value;
};

/*
 * Parameters, taken apart in place. '...', "...", \c and %XY quote. A key may be shortened to any prefix; the first tag
 * that fits is meant; the last value wins; "key" alone has the value "". An unknown key or an unfinished quotation
 * gives a line on stderr and -1 with EINVAL. Otherwise they return 0.
 *
 * vde_parseparms:     ADDRESS/key=value/key/...
 * vde_parsepathparms: PATH[key=value/key/...]   a first tag of "" takes words that are no key
 * vde_parsenestparms: HEAD{NESTED}              cuts HEAD, returns NESTED with its quotations, NULL when there is none
 */
int vde_parseparms(char *text, struct vdeparms *parms);
int vde_parsepathparms(char *text, struct vdeparms *parms);
char *vde_parsenestparms(char *text);

/* A number with any of the letters k, m, g, t behind it, each of them a factor: powers of 1024. */
unsigned long long strtoullm(const char *text);
/* NULL: -1; "": the effective group; digits: that number; otherwise the group of that name, or -1. */
gid_t vde_grnam2gid(const char *name);

/*
 * A table from MAC address and VLAN to a value of fixed size. One entry per place: a newer address may push out an older one.
 * Group addresses are neither stored nor found. Not for use by several threads. A NULL table is accepted everywhere.
 */
struct vde_hashtable;
#define vde_hash_init(type, size, seed) _vde_hash_init(sizeof(type), (size), (seed))
/* size: places, rounded up to a power of two, at most 2^24; 0 gives NULL. */
struct vde_hashtable *_vde_hash_init(size_t value_size, unsigned int size, uint64_t seed);
void vde_hash_fini(struct vde_hashtable *table);
/* The value in the table, when it was updated at `too_old` or later; else NULL. */
void *vde_find_in_hash(struct vde_hashtable *table, unsigned char *mac, int vlan, time_t too_old);
void vde_find_in_hash_update(struct vde_hashtable *table, unsigned char *mac, int vlan, void *value, time_t now);
/* Forgets every address with this value. */
void vde_hash_delete(struct vde_hashtable *table, void *value);

#ifdef __cplusplus
}
#endif

#endif
