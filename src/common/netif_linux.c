/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Addresses go through rtnetlink (rtnetlink(7)), which knows several per interface and both families; the rest through ioctls. */
#include "common/netif.h"

#include "common/tap.h"

#include <errno.h>
#include <net/if.h>
#include <net/if_arp.h>
/* the system's own structures first: the kernel's headers leave out what they define */
#include <linux/rtnetlink.h>
#include <stdbool.h>
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
	uint8_t attributes[3 * RTA_SPACE(16)];
};

struct acknowledgement {
	struct nlmsghdr header;
	struct nlmsgerr error;
	uint8_t rest[256];
};

static void append(struct request *request, unsigned short type, const void *value, size_t size)
{
	struct rtattr attribute = { .rta_len = (unsigned short)RTA_LENGTH(size), .rta_type = type };
	uint8_t *place = (uint8_t *)request + NLMSG_ALIGN(request->header.nlmsg_len);

	memcpy(place, &attribute, sizeof(attribute));
	memcpy(place + RTA_LENGTH(0), value, size);
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

/* About an address of an interface; its index is 0 when there is none of that name. */
static struct request address_request(unsigned short type, unsigned short flags, const char *name, const struct netif_address *address)
{
	size_t size = address->family == AF_INET6 ? 16 : 4;
	struct request request = {
		.header = { .nlmsg_len = NLMSG_LENGTH(sizeof(request.body.address)), .nlmsg_type = type,
			    .nlmsg_flags = (unsigned short)(NLM_F_REQUEST | NLM_F_ACK | flags) },
		.body.address = { .ifa_family = (uint8_t)address->family, .ifa_prefixlen = (uint8_t)address->prefix,
				  .ifa_index = if_nametoindex(name) },
	};

	append(&request, IFA_LOCAL, address->address, size);
	append(&request, IFA_ADDRESS, address->address, size);
	return request;
}

int netif_add_address(const char *name, const struct netif_address *address)
{
	struct request request = address_request(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, name, address);

	return request.body.address.ifa_index == 0 ? ENODEV : exchange(&request);
}

/* ---- lent addresses: those that the system does not call permanent ---- */

enum { LOANS_MAX = 32, DUMP_SIZE = 16384, FOR_EVER = 0xffffffff };

struct loans {
	unsigned index, count;
	struct netif_address address[LOANS_MAX];
};

int netif_lend_address(const char *name, const struct netif_address *address, uint32_t seconds)
{
	struct request request = address_request(RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, name, address);
	struct ifa_cacheinfo life = { .ifa_prefered = seconds, .ifa_valid = seconds };
	int error;

	if (request.body.address.ifa_index == 0)
		return ENODEV;
	if (seconds == (uint32_t)FOR_EVER)
		life.ifa_prefered = life.ifa_valid = seconds - 1;       /* which would be permanent */
	append(&request, IFA_CACHEINFO, &life, sizeof(life));
	error = exchange(&request);
	return error ? error : netif_end_loans(name, address);
}

/* One message of the list. False: it was the last one. */
static bool note_loan(struct loans *loans, struct nlmsghdr *header)
{
	struct ifaddrmsg *message = NLMSG_DATA(header);
	int length = (int)header->nlmsg_len - (int)NLMSG_LENGTH(sizeof(*message));

	if (header->nlmsg_type != RTM_NEWADDR || length < 0)
		return false;
	if (message->ifa_index != loans->index || (message->ifa_flags & IFA_F_PERMANENT) != 0 || loans->count == LOANS_MAX)
		return true;
	for (struct rtattr *item = IFA_RTA(message); RTA_OK(item, length); item = RTA_NEXT(item, length)) {
		if (item->rta_type != IFA_LOCAL || RTA_PAYLOAD(item) != 4)
			continue;
		loans->address[loans->count] = (struct netif_address){ .family = AF_INET, .prefix = message->ifa_prefixlen };
		memcpy(loans->address[loans->count++].address, RTA_DATA(item), 4);
	}
	return true;
}

static int list_loans(struct loans *loans)
{
	struct request request = {
		.header = { .nlmsg_len = NLMSG_LENGTH(sizeof(request.body.address)), .nlmsg_type = RTM_GETADDR, .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
		.body.address = { .ifa_family = AF_INET },
	};
	union { struct nlmsghdr header; uint8_t bytes[DUMP_SIZE]; } answer;
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	bool more = fd >= 0 && send(fd, &request, request.header.nlmsg_len, 0) >= 0;
	int error = more ? 0 : errno;

	while (more) {
		ssize_t n = recv(fd, &answer, sizeof(answer), 0);
		unsigned length = n > 0 ? (unsigned)n : 0;

		if (n <= 0) {
			error = n < 0 ? errno : EIO;
			break;
		}
		for (struct nlmsghdr *header = &answer.header; more && NLMSG_OK(header, length); header = NLMSG_NEXT(header, length))
			more = note_loan(loans, header);
	}
	if (fd >= 0)
		close(fd);
	return error;
}

int netif_end_loans(const char *name, const struct netif_address *keep)
{
	struct loans loans = { .index = if_nametoindex(name) };
	int error = loans.index == 0 ? ENODEV : list_loans(&loans);

	for (unsigned i = 0; i < loans.count && !error; i++) {
		struct request request = address_request(RTM_DELADDR, 0, name, &loans.address[i]);

		if (keep == NULL || memcmp(keep->address, loans.address[i].address, 4) != 0)
			error = exchange(&request);
		if (error == EADDRNOTAVAIL)
			error = 0;              /* gone meanwhile, or with another one of its network */
	}
	return error;
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
