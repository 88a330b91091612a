/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What vxlan and vxvde share: options, addresses, the header, who is where. */
#ifndef VDE_VX_H
#define VDE_VX_H

#include "module.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

enum { VX_HEADER = 8, VX_PEERS_MAX = 256, VX_VNI_MAX = 0xffffff };

union vx_address {
	struct sockaddr any;
	struct sockaddr_in ip4;
	struct sockaddr_in6 ip6;
};

struct vx_options {
	union vx_address group;         /* with the port; not joined when there are peers */
	union vx_address bind;          /* of the unicast socket; family 0: any */
	union vx_address peers[VX_PEERS_MAX];
	unsigned peer_count;
	uint16_t port;
	uint32_t vni;
	unsigned ttl;
	uint64_t rcvbuf;                /* bytes, 0: the system's */
	unsigned hash_size, expire_s;
	unsigned interface;             /* its index, 0: the system chooses */
};

/* `kind` is "vxlan" or "vxvde", which differ in port and in some options. Returns 0 or an errno value, after a line on stderr. */
int vx_parse(struct vx_options *options, const char *kind, char *arguments);

socklen_t vx_address_size(const union vx_address *address);
/* Family, address and port as they were received, everything else zero, so that equal ones have equal bytes. */
void vx_normalize(union vx_address *address);

/* A UDP socket bound to address (its family alone: wildcard) and port. -1 with errno. */
int vx_socket(const union vx_address *address, uint16_t port, bool shared);
/* What a sender to, and a receiver of, the group needs. Each returns 0 or an errno value. */
int vx_prepare_sender(int fd, const struct vx_options *options, bool loop);
int vx_join(int fd, const struct vx_options *options);

/* 08 00 00 00 VNI 00 (RFC 7348, 5) */
void vx_write_header(uint8_t header[VX_HEADER], uint32_t vni);

/* One datagram: header and frame. Bytes of the frame sent, -1 with errno. */
ssize_t vx_send(int fd, const uint8_t header[VX_HEADER], const void *frame, size_t length, const union vx_address *to, int flags);
/* Receives one: the header, up to size bytes of the frame, the sender. Returns the whole datagram's length, -1 with errno. */
ssize_t vx_receive(int fd, uint8_t header[VX_HEADER], void *frame, size_t size, union vx_address *from, int flags);

#endif
