/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vde_pcapplug/pcap_socket.h"

#include <errno.h>

void pcap_socket_ignore_own(pcap_t *pcap)
{
	(void)pcap;
}

int pcap_socket_send(pcap_t *pcap, const struct frame *frames, unsigned count)
{
	unsigned sent = 0;

	errno = EIO;
	while (sent < count && pcap_inject(pcap, frames[sent].data, frames[sent].length) >= 0)
		sent++;
	return sent > 0 || count == 0 ? (int)sent : -1;
}
