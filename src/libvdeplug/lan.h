/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * switch://, hub://, multi:// and bonding://: a network in a directory, which other programs join by the directory's name.
 *
 * Theory of operation. Whoever opens such a locator first creates the network, others join it. The network is a process of its own, vdeplug_lan, which has the engine
 * of vde_switch in it, so that its nodes are served whether or not the program reads, a program may fork, and its threads, signals and children stay its own.
 * Two sockets connect the program with it: `life`, a stream, carries one struct lan_request, then one struct lan_reply, and is silent until either side ends, however it
 * ends; `data` carries frames, one per datagram, like that of any plug. vdeplug_lan has them as descriptors 0 and 1, and its messages go to the program's
 * stderr until it has replied, to syslog after. When the program closes the connection, or dies, the network ends and its directory is removed.
 */
#ifndef VDE_LAN_H
#define VDE_LAN_H

#include <libvdeplug.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define LAN_PROGRAM "vdeplug_lan"
#define LAN_MAGIC 0x766c616eU

enum lan_kind { LAN_SWITCH, LAN_HUB, LAN_MULTI, LAN_BONDING, LAN_KINDS };

enum {
	LAN_PATH_MAX = 1024,            /* bytes of a name with its NUL; sockets' names are shorter still */
	LAN_TAPS_MAX = 256,
	LAN_DEFAULT_PORTS = 1024,
	LAN_DEFAULT_BUCKETS = 256,
	LAN_DEFAULT_EXPIRE = 120,
	LAN_DEFAULT_PRIORITY = 0x8000,
	LAN_PORTS_MAX = 65535,
	LAN_BUCKETS_MAX = 1 << 20,
};

/* Both ends are of the same build. Texts are empty where nothing was given. */
struct lan_request {
	uint32_t magic, size;
	uint32_t kind;                  /* enum lan_kind */
	uint32_t mode, directory_mode, management_mode;
	uint32_t group, management_group;               /* (gid_t)-1: left as it is */
	uint32_t numports, buckets, priority;
	uint32_t expire;                /* seconds; not 0 */
	uint32_t port;                  /* of the program that creates; 0: any */
	uint32_t fstp, trunk, flow;     /* 0 or 1 */
	uint32_t aggregates;            /* 1: the program takes several frames in one datagram, and may send so */
	uint32_t has_mac;
	uint8_t mac[6];
	char directory[LAN_PATH_MAX];
	char management[LAN_PATH_MAX];
	char script[LAN_PATH_MAX];
	char taps[LAN_TAPS_MAX];        /* names separated by commas */
};

struct lan_reply {
	int32_t error;                  /* 0 or an errno value */
};

static inline const char *lan_kind_name(enum lan_kind kind)
{
	static const char *const names[LAN_KINDS] = {"switch", "hub", "multi", "bonding"};

	return names[kind];
}

/*
 * Takes a locator's arguments apart, DIR[key=value/...], which it changes. args, which may be NULL, counts where the locator says nothing. *request is
 * complete but for the default directory: then request->directory is empty. Returns 0 or an errno value, after a line on stderr: EINVAL, ENAMETOOLONG.
 */
int lan_parse(struct lan_request *request, enum lan_kind kind, char *arguments, const struct vde_open_args *args);

/* The open function of the four modules. */
VDECONN *lan_open(enum lan_kind kind, char *arguments, char *description, int interface_version, const struct vde_open_args *args);
int lan_close(VDECONN *conn);

#endif
