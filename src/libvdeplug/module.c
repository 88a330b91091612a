/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "module.h"
#include "dynload.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct builtin_module *const builtin_modules[] = {
	&module_vde,
	&module_null,
	&module_seqpacket,
	&module_tap,
	&module_macvtap,
	&module_udp,
	&module_ptp,
	&module_cmd,
	&module_vxlan,
	&module_vxvde,
	&module_switch,
	&module_hub,
	&module_multi,
	&module_bonding,
	&module_vlan,
	&module_vdesl,
};

extern uint64_t __vde_version_tag;

const struct builtin_module *module_builtin(const VDECONN *conn)
{
	bool ours = conn->handle == NULL || conn->module->flags == MODULE_OURS;

	return ours ? (const struct builtin_module *)(const void *)conn->module : NULL;
}

/* Runs a module's open. A NULL that comes without a reason gets one. */
static VDECONN *call_open(struct vdeplug_module *module, void *handle, char *arguments, char *description,
			  int interface_version, struct vde_open_args *args)
{
	VDECONN *conn;

	errno = 0;
	conn = module->vde_open_real(arguments, description, interface_version, args);
	if (conn == NULL) {
		if (errno == 0)
			errno = EINVAL;
		return NULL;
	}
	conn->handle = handle;
	conn->module = module;
	return conn;
}

static bool is_complete(const struct vdeplug_module *module)
{
	return module->vde_open_real != NULL && module->vde_recv != NULL && module->vde_send != NULL &&
	       module->vde_datafd != NULL && module->vde_ctlfd != NULL && module->vde_close != NULL;
}

/* One try to open a module: everything that module_open was given. */
struct attempt {
	struct locator *locator;
	char *description;
	int interface_version;
	struct vde_open_args *args;
	VDECONN *conn;
};

/* A file that is there was meant, so why it is no module is worth a line. */
static void say_why(const char *file, const char *reason)
{
	if (strchr(file, '/') != NULL && access(file, F_OK) == 0)
		fprintf(stderr, "libvdeplug: %s cannot be used: %s\n", file, reason != NULL ? reason : "unknown reason");
}

/* Tries one file. Returns true when the search is over, with errno when attempt->conn is NULL. */
static bool try_file(struct attempt *attempt, const char *file)
{
	void *handle = dlopen(file, DYNLOAD_FLAGS);
	struct vdeplug_module *module;
	char arguments[LOCATOR_MAX];
	int error;

	if (handle == NULL) {
		say_why(file, dlerror());
		errno = EPROTONOSUPPORT;
		return false;
	}
	module = dlsym(handle, "vdeplug_ops");
	if (module != NULL && is_complete(module)) {
		strcpy(arguments, attempt->locator->arguments);         /* fits: LOCATOR_MAX bounds the whole locator */
		attempt->conn = call_open(module, handle, arguments, attempt->description, attempt->interface_version,
					  attempt->args);
		if (attempt->conn != NULL)
			return true;
	} else {
		say_why(file, module == NULL ? "no vdeplug_ops in it" : "not all of its functions are there");
		errno = EPROTONOSUPPORT;
	}
	error = errno;
	dlclose(handle);
	errno = error;
	return error != EPROTONOSUPPORT;
}

/* Tries DIRECTORY/SUBDIRECTORYlibvdeplug_NAME.so */
static bool try_directory(struct attempt *attempt, const char *directory, size_t length, const char *subdirectory)
{
	char file[PATH_MAX];
	int n = snprintf(file, sizeof(file), "%.*s/%slibvdeplug_%s.so", (int)length, directory, subdirectory,
			 attempt->locator->module);

	if (length == 0 || length >= PATH_MAX || n < 0 || (size_t)n >= sizeof(file))
		return false;
	return try_file(attempt, file);
}

/* Every directory of a list that is separated by colons. */
static bool try_path(struct attempt *attempt, const char *path, const char *subdirectory)
{
	while (path != NULL && path[0] != '\0') {
		size_t length = strcspn(path, ":");

		if (try_directory(attempt, path, length, subdirectory))
			return true;
		path += length;
		path += path[0] == ':';
	}
	return false;
}

bool module_own_directory(char *directory, size_t size)
{
	Dl_info info;
	const char *slash;
	int n;

	if (dladdr(&__vde_version_tag, &info) == 0 || info.dli_fname == NULL)
		return false;
	slash = strrchr(info.dli_fname, '/');
	if (slash == NULL)
		return false;
	n = snprintf(directory, size, "%.*s", (int)(slash - info.dli_fname), info.dli_fname);
	return n > 0 && (size_t)n < size;
}

/*
 * A module that opens other modules calls the vde_ functions without naming this library, so they must be global symbols of the process
 * even when a host loaded us for itself only.
 */
static void make_global(void)
{
	Dl_info info;

	if (dladdr(&__vde_version_tag, &info) != 0 && info.dli_fname != NULL)
		dlopen(info.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_GLOBAL);   /* never closed: we stay as long as a module does */
}

static VDECONN *open_shared_object(struct attempt *attempt)
{
	const char *path = trusted_getenv("VDEPLUGIN_PATH");
	char directory[PATH_MAX], plain[LOCATOR_MODULE_MAX + 32];
	bool known = module_own_directory(directory, sizeof(directory));

	make_global();
	errno = EPROTONOSUPPORT;
	if (path != NULL) {
		try_path(attempt, path, "");
		return attempt->conn;
	}
	if (known && (try_directory(attempt, directory, strlen(directory), "vdeplug/") ||
		      try_directory(attempt, directory, strlen(directory), "")))
		return attempt->conn;
	if (try_path(attempt, VDEPLUG_MODULE_DIR, "") ||
	    try_path(attempt, trusted_getenv("LD_LIBRARY_PATH"), "vdeplug/") ||
	    try_path(attempt, "/lib:/usr/lib", "vdeplug/"))
		return attempt->conn;
	snprintf(plain, sizeof(plain), "libvdeplug_%s.so", attempt->locator->module);
	try_file(attempt, plain);
	return attempt->conn;
}

VDECONN *module_open(struct locator *locator, char *description, int interface_version, struct vde_open_args *args)
{
	/* what is beyond the interface of all modules is for built-in ones */
	int known = interface_version == VDE_INTERFACE_AGGREGATES ? LIBVDEPLUG_INTERFACE_VERSION : interface_version;
	struct attempt attempt = {locator, description, known, args, NULL};

	for (size_t i = 0; i < sizeof(builtin_modules) / sizeof(builtin_modules[0]); i++) {
		struct builtin_module *builtin = builtin_modules[i];

		if (strcmp(builtin->name, locator->module) == 0)
			return call_open(&builtin->module, NULL, locator->arguments, description, interface_version, args);
	}
	return open_shared_object(&attempt);
}
