/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/tap.h"

#include "common/offload.h"

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

/* What is finished on this side of the tap; nothing when `offered` is false. Older kernels do not know congestion notification in segments. */
static void offer(int fd, bool offered)
{
	unsigned segments = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6;

	if (!offered || (ioctl(fd, TUNSETOFFLOAD, segments | TUN_F_TSO_ECN) < 0 && ioctl(fd, TUNSETOFFLOAD, segments) < 0))
		ioctl(fd, TUNSETOFFLOAD, 0);
}

/* The header as offload.h has it: the short form, in this machine's order of bytes; a persistent tap keeps what its last user chose. */
static bool choose_header(int fd)
{
	int size = OFFLOAD_HEADER_SIZE, native = 0;

	ioctl(fd, TUNSETVNETLE, &native);
	ioctl(fd, TUNSETVNETBE, &native);
	return ioctl(fd, TUNSETVNETHDRSZ, &size) == 0;
}

/*
 * A tap of several queues wants to be asked for one. Its settings are those of whoever took the first queue, and are not changed by us; so it gets no
 * offload, and with a header that we cannot have wanted it is not for us.
 */
static int attach(int fd, struct ifreq *request, short header)
{
	request->ifr_flags = (short)(IFF_TAP | IFF_NO_PI | header);
	if (ioctl(fd, TUNSETIFF, request) == 0)
		return 0;
	if (errno != EINVAL)
		return errno;
	request->ifr_flags = IFF_TAP | IFF_NO_PI | IFF_MULTI_QUEUE;
	if (ioctl(fd, TUNSETIFF, request) < 0)
		return errno;
	return tap_has_offload(fd) ? EBUSY : 0;
}

/* header: IFF_VNET_HDR or 0. */
static int open_tap(const char *name, char *actual, short header)
{
	struct ifreq request;
	int error = set_name(&request, name), fd;

	if (error) {
		errno = error;
		return -1;
	}
	fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return -1;
	error = attach(fd, &request, header);
	if (error) {
		close(fd);
		errno = error;
		return -1;
	}
	if (actual) {
		memcpy(actual, request.ifr_name, TAP_NAME_SIZE);
		actual[TAP_NAME_SIZE - 1] = '\0';
	}
	return fd;
}

int tap_open(const char *name, char *actual)
{
	int fd = open_tap(name, actual, 0);

	/* A persistent interface keeps what its last user offered to finish (checksums, segments): nothing is left to us. */
	if (fd >= 0)
		offer(fd, false);
	return fd;
}

int tap_open_offload(const char *name, char *actual, bool *offload)
{
	int fd = open_tap(name, actual, IFF_VNET_HDR);

	*offload = fd >= 0 && tap_has_offload(fd);
	if (*offload && !choose_header(fd)) {
		close(fd);
		*offload = false;
		return tap_open(name, actual);
	}
	if (fd >= 0)
		offer(fd, *offload);
	return fd;
}

bool tap_is_gone(int error)
{
	return error == EBADFD;
}

bool tap_has_offload(int fd)
{
	struct ifreq request;

	memset(&request, 0, sizeof(request));
	return ioctl(fd, TUNGETIFF, &request) == 0 && (request.ifr_flags & IFF_VNET_HDR) != 0;
}

void tap_close(int fd)
{
	offer(fd, false);
	close(fd);
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
