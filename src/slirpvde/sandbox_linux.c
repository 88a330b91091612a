/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Capabilities and the view of files on Linux.
 *
 * Theory of operation of the mount namespace: a small tmpfs becomes the root (pivot_root), with the old root below it at /old; the
 * directories that are needed are bound from there to where they were, and the old root is let go. Without CAP_SYS_ADMIN this is done in
 * a user namespace that maps the user to himself. Nothing is undone when a step in the middle fails before the old root is let
 * go: the old root is then made the root again, by the same call.
 */
#include "slirpvde/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

int sandbox_drop_capabilities(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = { { 0 } };

	for (unsigned long capability = 0; capability < 64; capability++)
		prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	return syscall(SYS_capset, &header, none) < 0 ? errno : 0;
}

int sandbox_no_new_privileges(void)
{
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? errno : 0;
}

static int write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), error = 0;

	if (fd < 0)
		return errno;
	if (write(fd, text, strlen(text)) < 0)
		error = errno;
	close(fd);
	return error;
}

/* Maps the user and the group to themselves; files keep their owners. */
static int map_ids(uid_t uid, gid_t gid)
{
	char text[64];
	int error;

	snprintf(text, sizeof(text), "%u %u 1", (unsigned)uid, (unsigned)uid);
	error = write_text("/proc/self/uid_map", text);
	if (error)
		return error;
	write_text("/proc/self/setgroups", "deny");
	snprintf(text, sizeof(text), "%u %u 1", (unsigned)gid, (unsigned)gid);
	return write_text("/proc/self/gid_map", text);
}

static int unshare_mounts(void)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();

	if (unshare(CLONE_NEWNS) == 0)
		return 0;
	if (errno != EPERM || unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
		return errno;
	return map_ids(uid, gid);
}

static int make_directories(const char *path)
{
	char copy[PATH_MAX];
	size_t length = strlen(path);

	if (length >= sizeof(copy))
		return ENAMETOOLONG;
	memcpy(copy, path, length + 1);
	for (char *slash = strchr(copy + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = 0;
		if (mkdir(copy, 0755) < 0 && errno != EEXIST)
			return errno;
		*slash = '/';
	}
	return mkdir(copy, 0755) < 0 && errno != EEXIST ? errno : 0;
}

/* Flags that a mount has must be given again when it is changed. */
static int make_read_only(const char *path)
{
	struct statvfs now;
	unsigned long flags = MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV;

	if (statvfs(path, &now) < 0)
		return errno;
	flags |= (now.f_flag & ST_NOEXEC ? MS_NOEXEC : 0) | (now.f_flag & ST_NOATIME ? MS_NOATIME : 0) |
		 (now.f_flag & ST_NODIRATIME ? MS_NODIRATIME : 0) | (now.f_flag & ST_RELATIME ? MS_RELATIME : 0);
	return mount(NULL, path, NULL, flags, NULL) < 0 ? errno : 0;
}

/* real: where path led before the root was changed */
static int show(const char *path, const char *real, bool writable)
{
	char old[PATH_MAX + 8];
	int error = make_directories(path);

	if (error)
		return error;
	snprintf(old, sizeof(old), "/old%s", real);
	if (mount(old, path, NULL, MS_BIND | MS_REC, NULL) < 0)
		return errno;
	return writable ? 0 : make_read_only(path);
}

static int pivot(const char *new_root, const char *put_old)
{
	return syscall(SYS_pivot_root, new_root, put_old) < 0 ? errno : 0;
}

static int enter_new_root(void)
{
	int error;

	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return errno;
	if (mount("tmpfs", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "size=256k,mode=0755") < 0)
		return errno;
	error = mkdir("/tmp/old", 0700) < 0 ? errno : pivot("/tmp", "/tmp/old");
	if (error)
		umount2("/tmp", MNT_DETACH);
	return error;
}

/* How many directories lie above what the path leads to: /a/b/.. has as many as /a. */
static int depth_of(const char *path)
{
	int depth = 0;

	while (*(path += strspn(path, "/"))) {
		size_t length = strcspn(path, "/");

		if (length == 2 && strncmp(path, "..", 2) == 0)
			depth -= depth > 0;
		else if (length != 1 || *path != '.')
			depth++;
		path += length;
	}
	return depth;
}

/*
 * Paths may be given twice, or one inside another: the outer is bound first, so that the inner lies on top of it. One place under two names
 * may be written to when one of them asks for it: that is bound last.
 */
static int by_depth(const void *a, const void *b)
{
	const struct sandbox_path *x = a, *y = b;
	int difference = depth_of(x->path) - depth_of(y->path);

	return difference ? difference : x->writable - y->writable;
}

struct plan {
	unsigned count;
	struct sandbox_path path[SANDBOX_PATHS_MAX];
	char *real[SANDBOX_PATHS_MAX];
	char directory[PATH_MAX];       /* the working directory */
};

/* Adds a directory that exists. One that is shown for two reasons is writable when one of them asks for it. */
static void plan_path(struct plan *plan, const struct sandbox_path *path)
{
	char *real = realpath(path->path, NULL);

	if (!real)
		return;
	for (unsigned i = 0; i < plan->count; i++)
		if (strcmp(plan->path[i].path, path->path) == 0) {
			plan->path[i].writable |= path->writable;
			free(real);
			return;
		}
	free(real);
	plan->path[plan->count++] = *path;
}

static int make_plan(const struct sandbox_config *config, struct plan *plan)
{
	if (config->count > SANDBOX_PATHS_MAX)
		return E2BIG;
	if (!getcwd(plan->directory, sizeof(plan->directory)))
		return errno;
	for (unsigned i = 0; i < config->count; i++)
		plan_path(plan, &config->paths[i]);
	qsort(plan->path, plan->count, sizeof(plan->path[0]), by_depth);
	for (unsigned i = 0; i < plan->count; i++) {
		plan->real[i] = realpath(plan->path[i].path, NULL);
		if (!plan->real[i])
			return errno;
		if (strcmp(plan->real[i], "/") == 0)
			return ENOTSUP;
	}
	return 0;
}

static int show_all(const struct plan *plan)
{
	int error = make_directories(plan->directory);

	for (unsigned i = 0; !error && i < plan->count; i++)
		error = show(plan->path[i].path, plan->real[i], plan->path[i].writable);
	return error;
}

static int change_view(const struct plan *plan)
{
	int error = unshare_mounts();

	if (!error)
		error = enter_new_root();
	if (error)
		return error;
	error = show_all(plan);
	if (error) {
		/* Back to how it was: the old root is the root again, in a namespace of our own. */
		if (pivot("/old", "/old/tmp") == 0)
			umount2("/tmp", MNT_DETACH);
	} else if (umount2("/old", MNT_DETACH) == 0) {
		rmdir("/old");
		make_read_only("/");
	}
	if (chdir(plan->directory) < 0)
		return errno;
	return error;
}

int sandbox_mount_namespace(const struct sandbox_config *config)
{
	struct plan *plan = calloc(1, sizeof(*plan));
	int error;

	if (!plan)
		return ENOMEM;
	error = make_plan(config, plan);
	if (!error)
		error = change_view(plan);
	for (unsigned i = 0; i < plan->count; i++)
		free(plan->real[i]);
	free(plan);
	return error;
}
