/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A wire over a capture of libpcap: what an Ethernet interface receives, and sending from it. */
#ifndef VDE_WIRE_PCAP_H
#define VDE_WIRE_PCAP_H

#include "wire/wire.h"

#include <pcap/pcap.h>

/*
 * `pcap` is active on `interface` (which must outlive the wire), of Ethernet, and closed by wire_close. Frames whose IP packet is longer than mtu and TCP are cut as the interface would do it, and
 * unfinished checksums are completed (segment.h). Why the capture ended goes to `log`. NULL with errno; then the capture stays with the caller.
 */
struct wire *wire_open_pcap(struct loop *loop, struct log *log, pcap_t *pcap, const char *interface, unsigned mtu,
			    const struct wire_callbacks *callbacks, void *owner);

#endif
