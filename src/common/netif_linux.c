/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Addresses go through rtnetlink (rtnetlink(7)), which knows several per interface and both families; the rest through ioctls. */
#include "common/netif.h"

#include "common/tap.h"

#include <errno.h>
#include <net/if.h>
#include <net/if_arp.h>
/* the system's own structures first: the kernel's headers leave out what they define */
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

struct request {
	struct nlmsghdr header;
	union {
		struct ifaddrmsg address;
		struct rtmsg route;
	} body;
	uint8_t attributes[2 * RTA_SPACE(16)];
};

struct acknowledgement {
	struct nlmsghdr header;
	struct nlmsgerr error;
	uint8_t rest[256];
};

static void append(struct request *request, unsigned short type, const void *value, size_t size)
{
	struct rtattr *attribute = (struct rtattr *)((uint8_t *)request + NLMSG_ALIGN(request->header.nlmsg_len));

	attribute->rta_type = type;
	attribute->rta_len = (unsigned short)RTA_LENGTH(size);
	memcpy(RTA_DATA(attribute), value, size);
	request->header.nlmsg_len = NLMSG_ALIGN(request->header.nlmsg_len) + (uint32_t)RTA_SPACE(size);
}

static int exchange(const struct request *request)
{
	struct acknowledgement answer;
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	int error = 0;

	if (fd < 0)
		return errno;
	if (send(fd, request, request->header.nlmsg_len, 0) < 0)
		error = errno;
	else if (recv(fd, &answer, sizeof(answer), 0) < (ssize_t)NLMSG_LENGTH(sizeof(answer.error)))
		error = EIO;
	else if (answer.header.nlmsg_type == NLMSG_ERROR)
		error = -answer.error.error;
	close(fd);
	return error;
}

int netif_add_address(const char *name, const struct netif_address *address)
{
	size_t size = address->family == AF_INET6 ? 16 : 4;
	struct request request = {
		.header = { .nlmsg_len = NLMSG_LENGTH(sizeof(request.body.address)), .nlmsg_type = RTM_NEWADDR,
			    .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL },
		.body.address = { .ifa_family = (uint8_t)address->family, .ifa_prefixlen = (uint8_t)address->prefix,
				  .ifa_index = if_nametoindex(name) },
	};

	if (request.body.address.ifa_index == 0)
		return ENODEV;
	append(&request, IFA_LOCAL, address->address, size);
	append(&request, IFA_ADDRESS, address->address, size);
	return exchange(&request);
}

int netif_add_default_route(const char *name, const struct netif_address *router)
{
	unsigned index = if_nametoindex(name);
	struct request request = {
		.header = { .nlmsg_len = NLMSG_LENGTH(sizeof(request.body.route)), .nlmsg_type = RTM_NEWROUTE,
			    .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL },
		.body.route = { .rtm_family = (uint8_t)router->family, .rtm_table = RT_TABLE_MAIN, .rtm_protocol = RTPROT_BOOT,
				.rtm_scope = RT_SCOPE_UNIVERSE, .rtm_type = RTN_UNICAST },
	};

	if (index == 0)
		return ENODEV;
	append(&request, RTA_GATEWAY, router->address, router->family == AF_INET6 ? 16 : 4);
	append(&request, RTA_OIF, &index, sizeof(index));
	return exchange(&request);
}

/* Of the request, only the name is filled in here. */
static int interface_ioctl(const char *name, unsigned long what, struct ifreq *request)
{
	size_t length = strlen(name);
	int fd, error;

	if (length >= sizeof(request->ifr_name))
		return ENODEV;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return errno;
	memcpy(request->ifr_name, name, length + 1);
	error = ioctl(fd, what, request) == 0 ? 0 : errno;
	close(fd);
	return error;
}

int netif_set_mac(const char *name, const uint8_t mac[6])
{
	struct ifreq request = { .ifr_hwaddr.sa_family = ARPHRD_ETHER };

	memcpy(request.ifr_hwaddr.sa_data, mac, 6);
	return interface_ioctl(name, SIOCSIFHWADDR, &request);
}

int netif_get_mac(const char *name, uint8_t mac[6])
{
	struct ifreq request = { .ifr_ifindex = 0 };
	int error = interface_ioctl(name, SIOCGIFHWADDR, &request);

	if (!error)
		memcpy(mac, request.ifr_hwaddr.sa_data, 6);
	return error;
}

int netif_get_mtu(const char *name, unsigned *mtu)
{
	struct ifreq request = { .ifr_ifindex = 0 };
	int error = interface_ioctl(name, SIOCGIFMTU, &request);

	if (!error)
		*mtu = (unsigned)request.ifr_mtu;
	return error;
}

int netif_up(const char *name)
{
	return tap_up(name);
}
