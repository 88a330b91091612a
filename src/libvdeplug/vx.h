/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What vxlan and vxvde share: options, addresses, the header, who is where. */
#ifndef VDE_VX_H
#define VDE_VX_H

#include "dgram.h"
#include "module.h"

#include <time.h>

enum { VX_HEADER = 8, VX_PEERS_MAX = 256, VX_VNI_MAX = 0xffffff, VX_HOSTS_MAX = 64 };

struct vx_options {
	union dgram_address group;         /* with the port; not joined when there are peers */
	union dgram_address bind;          /* of the unicast socket; family 0: any */
	union dgram_address peers[VX_PEERS_MAX];
	unsigned peer_count;
	bool has_list;                  /* peers were named, even if none is left */
	uint16_t port;
	uint32_t vni;
	unsigned ttl;
	uint64_t rcvbuf;                /* bytes, 0: the system's */
	unsigned hash_size, expire_s;
	unsigned interface;             /* its index, 0: the system chooses */
	bool fragment;                  /* what does not fit the path is fragmented (against RFC 7348, 4.3) */
};

/* The addresses of this machine, as they were a second ago at most. Of more than the bound, those that were asked for. */
struct vx_hosts {
	union dgram_address address[VX_HOSTS_MAX];
	unsigned count;
	time_t asked_s;
};

/* `kind` is "vxlan" or "vxvde", which differ in port and in some options. Returns 0 or an errno value, after a line on stderr. */
int vx_parse(struct vx_options *options, const char *kind, char *arguments);

/* A host's own address in the list of peers is taken out, so that all hosts can have the same list. */
void vx_remove_own_peers(struct vx_options *options);

/* A UDP socket bound to address (its family alone: wildcard) and port. -1 with errno. */
int vx_socket(const union dgram_address *address, uint16_t port, bool shared);
/* What a sender to, and a receiver of, the group needs. Each returns 0 or an errno value. */
int vx_prepare_sender(int fd, const struct vx_options *options, bool loop);
int vx_join(int fd, const struct vx_options *options);

/* 08 00 00 00 VNI 00 (RFC 7348, 5) */
void vx_write_header(uint8_t header[VX_HEADER], uint32_t vni);

/* Is it one of this machine's? The port is not looked at. */
bool vx_is_own_host(struct vx_hosts *hosts, const union dgram_address *address, time_t now_s);

#endif
