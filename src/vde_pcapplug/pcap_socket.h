/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the system allows on a capture's descriptor beyond libpcap: one file per system. */
#ifndef VDE_PCAP_SOCKET_H
#define VDE_PCAP_SOCKET_H

#include "common/frame.h"

#include <pcap/pcap.h>

/* What is sent by this machine is not even copied for the capture, where that can be had; else libpcap leaves it out. */
void pcap_socket_ignore_own(pcap_t *pcap);

/* Sends up to `count` frames. Returns how many were sent, or -1 with errno when the first was not. */
int pcap_socket_send(pcap_t *pcap, const struct frame *frames, unsigned count);

#endif
