/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libvdeplug for programs that load it at run time:
 *
 *      struct vdepluglib plug;
 *      libvdeplug_dynopen(plug);
 *      if (plug.dl_handle != NULL)
 *              conn = plug.vde_open(locator, description, &args);
 *      libvdeplug_dynclose(plug);
 */
#ifndef LIBVDEPLUG_DYN_H
#define LIBVDEPLUG_DYN_H

#include <dlfcn.h>
#include <libvdeplug.h>
#include <string.h>

struct vdepluglib {
	void *dl_handle;        /* NULL: the library is not there */
	VDECONN *(*vde_open_real)(char *locator, char *description, int interface_version, struct vde_open_args *args);
	ssize_t (*vde_recv)(VDECONN *conn, void *frame, size_t size, int flags);
	ssize_t (*vde_send)(VDECONN *conn, const void *frame, size_t length, int flags);
	int (*vde_datafd)(VDECONN *conn);
	int (*vde_ctlfd)(VDECONN *conn);
	int (*vde_close)(VDECONN *conn);
};

static inline void vdepluglib_close(struct vdepluglib *library)
{
	if (library->dl_handle != NULL)
		dlclose(library->dl_handle);
	memset(library, 0, sizeof(*library));
}

/* Stores the address of `name` at `pointer`, the member of a function; 0 when it is missing. */
static inline int vdepluglib_find(struct vdepluglib *library, const char *name, void *pointer, size_t size)
{
	void *address = dlsym(library->dl_handle, name);

	memcpy(pointer, &address, size);
	return address != NULL;
}

#define VDEPLUGLIB_FIND(library, name) vdepluglib_find((library), #name, &(library)->name, sizeof((library)->name))

static inline void vdepluglib_open(struct vdepluglib *library)
{
	memset(library, 0, sizeof(*library));
	library->dl_handle = dlopen("libvdeplug.so.2", RTLD_NOW | RTLD_GLOBAL);
	if (library->dl_handle == NULL)
		library->dl_handle = dlopen("libvdeplug.so", RTLD_NOW | RTLD_GLOBAL);
	if (library->dl_handle == NULL)
		return;
	if (!VDEPLUGLIB_FIND(library, vde_open_real) || !VDEPLUGLIB_FIND(library, vde_recv) ||
	    !VDEPLUGLIB_FIND(library, vde_send) || !VDEPLUGLIB_FIND(library, vde_datafd) ||
	    !VDEPLUGLIB_FIND(library, vde_ctlfd) || !VDEPLUGLIB_FIND(library, vde_close))
		vdepluglib_close(library);
}

#define libvdeplug_dynopen(library) vdepluglib_open(&(library))
#define libvdeplug_dynclose(library) vdepluglib_close(&(library))

#endif
