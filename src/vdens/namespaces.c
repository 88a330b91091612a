/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation. A user namespace comes with the others, so that no privilege is needed (user_namespaces(7)). The user keeps number and
 * group: the maps have one line each, of identity, for which setgroups must be denied first. Within, the process has all
 * capabilities; the command keeps those of the ambient set (capabilities(7)) through exec.
 */
#include "vdens.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), error = 0;

	if (fd < 0)
		return errno;
	if (write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		error = errno;
	close(fd);
	return error;
}

static int write_map(const char *path, unsigned id)
{
	char line[64];

	snprintf(line, sizeof(line), "%u %u 1\n", id, id);
	return write_file(path, line);
}

bool namespaces_enter(const struct options *options, struct log *log)
{
	unsigned user = geteuid(), group = getegid();
	bool mounts = options->sysadm || options->dhcp || options->resolv_file != NULL || options->resolv_addresses.count > 0;
	int flags = CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWUTS | (mounts ? CLONE_NEWNS : 0);
	int error = unshare(flags) == 0 ? 0 : errno;

	if (error != 0) {
		log_errno(log, error, "cannot make namespaces");
		return false;
	}
	error = write_file("/proc/self/setgroups", "deny");
	if (error == 0 || error == ENOENT)
		error = write_map("/proc/self/uid_map", user);
	if (error == 0)
		error = write_map("/proc/self/gid_map", group);
	if (error != 0)
		log_errno(log, error, "cannot map user and group");
	return error == 0;
}

/* The user's first: with it comes the right to enter the others. */
int namespaces_join(pid_t pid)
{
	static const char *const names[] = {"user", "net", "mnt"};
	enum { COUNT = sizeof(names) / sizeof(names[0]) };
	int fds[COUNT], error = 0;

	for (unsigned i = 0; i < COUNT; i++) {
		char path[64];

		snprintf(path, sizeof(path), "/proc/%d/ns/%s", (int)pid, names[i]);
		fds[i] = open(path, O_RDONLY | O_CLOEXEC);
		if (fds[i] < 0 && error == 0)
			error = errno;
	}
	for (unsigned i = 0; i < COUNT; i++) {
		if (error == 0 && setns(fds[i], 0) != 0)
			error = errno;
		if (fds[i] >= 0)
			close(fds[i]);
	}
	return error;
}

static int write_addresses(int fd, const struct cli_list *addresses)
{
	int error = 0;

	for (size_t i = 0; i < addresses->count && error == 0; i++)
		error = dprintf(fd, "nameserver %s\n", addresses->item[i]) < 0 ? errno : 0;
	return error == 0 && fchmod(fd, 0444) != 0 ? errno : error;
}

/* What is there now, for DHCP to replace. */
static int copy_resolver(int fd)
{
	char text[4096];
	int from = open(RESOLVER_FILE, O_RDONLY | O_CLOEXEC);
	ssize_t n = 0;
	int error = 0;

	while (from >= 0 && error == 0 && (n = read(from, text, sizeof(text))) > 0)
		error = write(fd, text, (size_t)n) == n ? 0 : errno;
	if (from >= 0)
		close(from);
	return error == 0 && fchmod(fd, 0644) != 0 ? errno : error;
}

/* A file with these name servers, or with those of now, of which only the mount remains. */
static int mount_resolver(const struct cli_list *addresses)
{
	char path[] = "/tmp/vdensXXXXXX";
	int fd = mkostemp(path, O_CLOEXEC), error = 0;

	if (fd < 0)
		return errno;
	error = addresses->count > 0 ? write_addresses(fd, addresses) : copy_resolver(fd);
	if (error == 0 && mount(path, RESOLVER_FILE, NULL, MS_BIND, NULL) != 0)
		error = errno;
	close(fd);
	unlink(path);
	return error;
}

bool namespaces_furnish(const struct options *options, struct log *log)
{
	int error = 0;

	if (options->hostname != NULL && sethostname(options->hostname, strlen(options->hostname)) != 0) {
		log_errno(log, errno, "cannot set the host name %s", options->hostname);
		return false;
	}
	if (options->resolv_addresses.count > 0 || options->dhcp_resolver)
		error = mount_resolver(&options->resolv_addresses);
	else if (options->resolv_file != NULL && mount(options->resolv_file, RESOLVER_FILE, NULL, MS_BIND, NULL) != 0)
		error = errno;
	if (error == ENOENT && options->dhcp_resolver) {
		log_warn(log, "there is no " RESOLVER_FILE ": name servers from DHCP are not used");
		return true;
	}
	if (error != 0)
		log_errno(log, error, "cannot put %s in the place of " RESOLVER_FILE,
			  options->resolv_addresses.count == 0 && options->resolv_file != NULL ? options->resolv_file : "name servers");
	return error == 0;
}

int namespaces_keep_capabilities(bool sysadm)
{
	static const unsigned kept[] = {CAP_NET_BIND_SERVICE, CAP_NET_BROADCAST, CAP_NET_ADMIN, CAP_NET_RAW, CAP_SYS_ADMIN};
	unsigned count = sizeof(kept) / sizeof(kept[0]) - !sysadm;
	struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	if (syscall(SYS_capget, &header, data) != 0)
		return errno;
	for (unsigned i = 0; i < count; i++)
		data[0].inheritable |= 1U << kept[i];
	if (syscall(SYS_capset, &header, data) != 0)
		return errno;
	for (unsigned i = 0; i < count; i++) {
		if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, kept[i], 0, 0) != 0)
			return errno;
	}
	return 0;
}
