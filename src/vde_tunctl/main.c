/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vde_tunctl: makes and removes persistent tap and tun interfaces (Linux). */
#include "config.h"

#include "common/cli.h"
#include "common/daemon.h"
#include "common/log.h"
#include "common/number.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

struct options {
	bool brief, tun;
	const char *user, *group, *name, *remove, *clone;
};

#define OPTION(member) offsetof(struct options, member)

static const struct cli_option option_rows[] = {
	{ 'h', "help", NULL, "Display this help and exit", CLI_HELP, 0, 0, 0, NULL },
	{ 'v', "version", NULL, "Display the version and exit", CLI_VERSION, 0, 0, 0, NULL },
	{ 'b', "brief", NULL, "print only the interface's name", CLI_FLAG, OPTION(brief), 0, 0, NULL },
	{ 'u', "user", "USER", "who may use it (default: the user who runs this)", CLI_STRING, OPTION(user), 0, 0, NULL },
	{ 'g', "group", "GROUP", "the group that may use it", CLI_STRING, OPTION(group), 0, 0, NULL },
	{ 'n', "tun", NULL, "a tun interface: packets without Ethernet", CLI_FLAG, OPTION(tun), 0, 0, NULL },
	{ 't', "name", "DEV", "its name (default: the system chooses); tun... makes a tun interface", CLI_STRING, OPTION(name), 0, 0, NULL },
	{ 'd', "delete", "DEV", "remove the persistent interface DEV", CLI_STRING, OPTION(remove), 0, 0, NULL },
	{ 'f', "clone", "FILE", "the clone device (default /dev/net/tun)", CLI_STRING, OPTION(clone), 0, 0, NULL },
	{ 0 }
};

static void report(struct log *log, const char *what, const char *name)
{
	log_errno(log, errno, "%s '%s'", what, name);
}

static int open_clone(struct log *log, const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		log_error(log, "Failed to open '%s' : %s", path, strerror(errno));
	return fd;
}

/*
 * Of an interface that exists: IFF_TUN or IFF_TAP as the driver tells. -1 with errno: there is none, or it is of another kind. (Not from
 * /sys/class/net: in a network namespace that is often another one's.)
 */
static int kind_of(const char *name)
{
	struct ethtool_drvinfo info = { .cmd = ETHTOOL_GDRVINFO };
	struct ifreq request = { .ifr_data = (char *)&info };
	int fd, result;

	if (strlen(name) >= IFNAMSIZ || if_nametoindex(name) == 0) {
		errno = ENODEV;
		return -1;
	}
	memcpy(request.ifr_name, name, strlen(name));
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	result = ioctl(fd, SIOCETHTOOL, &request);
	close(fd);
	if (result < 0 || strcmp(info.driver, "tun") != 0) {
		errno = ENOTSUP;
		return -1;
	}
	return strcmp(info.bus_info, "tun") == 0 ? IFF_TUN : IFF_TAP;
}

/* Returns the descriptor with the interface, its name in `request`; or -1, reported. */
static int attach_interface(struct log *log, const char *clone, const char *name, int kind, struct ifreq *request)
{
	int fd;

	memset(request, 0, sizeof(*request));
	if (strlen(name) >= sizeof(request->ifr_name)) {
		errno = ENAMETOOLONG;
		report(log, "cannot use", name);
		return -1;
	}
	memcpy(request->ifr_name, name, strlen(name));
	request->ifr_flags = (short)(kind | IFF_NO_PI);
	fd = open_clone(log, clone);
	if (fd >= 0 && ioctl(fd, TUNSETIFF, request) < 0) {
		report(log, "cannot use", name);
		close(fd);
		return -1;
	}
	return fd;
}

static int remove_interface(struct log *log, const char *clone, const char *name)
{
	int kind = kind_of(name), fd, error;
	struct ifreq request;

	if (kind < 0) {
		if (errno == ENOTSUP)
			log_error(log, "'%s' is not a tap or tun interface", name);
		else
			log_error(log, "there is no interface '%s'", name);
		return EXIT_FAILURE;
	}
	fd = attach_interface(log, clone, name, kind, &request);
	if (fd < 0)
		return EXIT_FAILURE;
	error = ioctl(fd, TUNSETPERSIST, 0);
	if (error < 0)
		report(log, "cannot remove", name);
	else
		printf("Set '%s' nonpersistent\n", request.ifr_name);
	close(fd);
	return error < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int make_interface(struct log *log, const struct options *options, uid_t user, gid_t group)
{
	const char *name = options->name ? options->name : "";
	bool tun = options->tun || strncmp(name, "tun", 3) == 0;
	struct ifreq request;
	int fd = attach_interface(log, options->clone, name, tun ? IFF_TUN : IFF_TAP, &request), error;

	if (fd < 0)
		return EXIT_FAILURE;
	error = ioctl(fd, TUNSETOWNER, (unsigned long)user);
	if (error == 0 && options->group)
		error = ioctl(fd, TUNSETGROUP, (unsigned long)group);
	if (error == 0)
		error = ioctl(fd, TUNSETPERSIST, 1);
	if (error < 0)
		report(log, "cannot keep", request.ifr_name);
	close(fd);
	if (error < 0)
		return EXIT_FAILURE;
	if (options->brief)
		printf("%s\n", request.ifr_name);
	else if (options->group)
		printf("Set '%s' persistent and owned by uid %u gid %u\n", request.ifr_name, (unsigned)user, (unsigned)group);
	else
		printf("Set '%s' persistent and owned by uid %u\n", request.ifr_name, (unsigned)user);
	/* A script that asks for the name does not go on without it. */
	if (fflush(stdout) == 0)
		return EXIT_SUCCESS;
	report(log, "cannot tell about", request.ifr_name);
	return EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	struct options options = { .clone = "/dev/net/tun" };
	struct cli cli = {
		.synopsis = "vde_tunctl [-b] [-u USER] [-g GROUP] [-n] [-t DEV] [-f FILE]\n       vde_tunctl [-f FILE] -d DEV",
		.purpose = "Makes a persistent tap interface, or removes one.", .options = option_rows,
	};
	uid_t user = geteuid();
	gid_t group = (gid_t)-1;
	struct log log;

	daemon_fill_descriptors();
	log_init(&log, argv[0]);
	cli_parse(&cli, argc, argv, &options);
	if (options.remove && (options.name || options.user || options.group || options.tun))
		cli_usage_error(&cli, "-d takes no other option than -b and -f");
	if (options.user && number_user(options.user, &user) != 0) {
		log_error(&log, "'%s' is neither a username nor a numeric uid.", options.user);
		return EXIT_FAILURE;
	}
	if (options.group && number_group(options.group, &group) != 0) {
		log_error(&log, "'%s' is neither a groupname nor a numeric group.", options.group);
		return EXIT_FAILURE;
	}
	if (options.remove)
		return remove_interface(&log, options.clone, options.remove);
	return make_interface(&log, &options, user, group);
}
