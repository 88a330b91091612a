/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A wire over a capture of libpcap: what an Ethernet interface receives, and sending from it. */
#ifndef VDE_WIRE_PCAP_H
#define VDE_WIRE_PCAP_H

#include "vde_pcapplug/capture.h"
#include "wire/wire.h"

/*
 * The wire takes over `capture`, which is open on `interface` (a name that must outlive it), closes and frees it in the end. Why the capture ended goes to `log`. NULL
 * with errno; then the capture stays with the caller.
 */
struct wire *wire_open_pcap(struct loop *loop, struct log *log, struct capture *capture, const char *interface,
			    const struct wire_callbacks *callbacks, void *owner);

#endif
