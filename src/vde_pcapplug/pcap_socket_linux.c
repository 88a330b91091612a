/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A capture's descriptor is a packet socket (packet(7)): pcap_inject is one send on it, sendmmsg is many in one call. */
#include "vde_pcapplug/pcap_socket.h"

#include <linux/if_packet.h>
#include <sys/socket.h>

#ifndef PACKET_IGNORE_OUTGOING
#define PACKET_IGNORE_OUTGOING 23       /* Linux 4.20; refused by older ones */
#endif

void pcap_socket_ignore_own(pcap_t *pcap)
{
	int on = 1;

	setsockopt(pcap_fileno(pcap), SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on));
}

enum { SEND_BATCH = 64 };               /* frames in one call */

int pcap_socket_send(pcap_t *pcap, const struct frame *frames, unsigned count)
{
	struct mmsghdr messages[SEND_BATCH];
	struct iovec pieces[SEND_BATCH];

	if (count > SEND_BATCH)
		count = SEND_BATCH;
	for (unsigned i = 0; i < count; i++) {
		pieces[i] = (struct iovec){ frames[i].data, frames[i].length };
		messages[i] = (struct mmsghdr){ .msg_hdr = { .msg_iov = &pieces[i], .msg_iovlen = 1 } };
	}
	return sendmmsg(pcap_fileno(pcap), messages, count, MSG_DONTWAIT);
}
