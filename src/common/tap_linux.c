/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

_Static_assert(TAP_NAME_SIZE == IFNAMSIZ, "an interface name of Linux fits");

/* The name in a request for the kernel. Returns 0 or an errno value. */
static int set_name(struct ifreq *request, const char *name)
{
	size_t length = strlen(name);

	memset(request, 0, sizeof(*request));
	if (length >= sizeof(request->ifr_name))
		return ENAMETOOLONG;
	memcpy(request->ifr_name, name, length);
	return 0;
}

int tap_open(const char *name, char *actual)
{
	struct ifreq request;
	int error = set_name(&request, name);
	int fd;

	if (error) {
		errno = error;
		return -1;
	}
	fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return -1;
	request.ifr_flags = IFF_TAP | IFF_NO_PI;
	if (ioctl(fd, TUNSETIFF, &request) < 0) {
		error = errno;
		close(fd);
		errno = error;
		return -1;
	}
	/* A persistent interface keeps what its last user offered to finish (checksums, segments): nothing is left to us. */
	ioctl(fd, TUNSETOFFLOAD, 0);
	if (actual) {
		memcpy(actual, request.ifr_name, TAP_NAME_SIZE);
		actual[TAP_NAME_SIZE - 1] = '\0';
	}
	return fd;
}

int macvtap_open(const char *name)
{
	unsigned index = if_nametoindex(name);
	struct ifreq request = { .ifr_flags = IFF_TAP | IFF_NO_PI };
	char path[32];
	int fd;

	if (index == 0)
		return -1;
	snprintf(path, sizeof(path), "/dev/tap%u", index);
	fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd >= 0 && ioctl(fd, TUNSETIFF, &request) < 0) {
		int error = errno;

		close(fd);
		errno = error;
		return -1;
	}
	return fd;
}

int tap_up(const char *name)
{
	struct ifreq request;
	int error = set_name(&request, name);
	int fd;

	if (error)
		return error;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return errno;
	if (ioctl(fd, SIOCGIFFLAGS, &request) < 0) {
		error = errno;
	} else if (!(request.ifr_flags & IFF_UP)) {
		request.ifr_flags |= IFF_UP;
		error = ioctl(fd, SIOCSIFFLAGS, &request) < 0 ? errno : 0;
	}
	close(fd);
	return error;
}
