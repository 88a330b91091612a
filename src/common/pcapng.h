/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Writing captures in the pcapng format (draft-ietf-opsawg-pcapng), which tcpdump and Wireshark read, also while it is being written.
 *
 * A port of a switch is an interface of the capture; the direction stands in each packet's flags. Nothing blocks: what the
 * descriptor does not take waits in a buffer of PCAPNG_BUFFER bytes. Above that, packets are left out, whole, and counted.
 */
#ifndef VDE_PCAPNG_H
#define VDE_PCAPNG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	PCAPNG_BUFFER = 1 << 20,
	PCAPNG_NAME_MAX = 63,           /* bytes of an interface's name */
};

enum pcapng_direction { PCAPNG_UNKNOWN = 0, PCAPNG_IN = 1, PCAPNG_OUT = 2 };

struct pcapng {
	int fd;                         /* the caller's; may be non-blocking */
	uint8_t *buffer;
	size_t start, length;           /* what waits in the buffer */
	uint32_t snaplen;               /* bytes of a packet that are kept */
	unsigned interfaces;            /* numbered from 0 */
	uint64_t bytes;                 /* of the capture so far, waiting ones included */
	uint64_t packets, dropped;
	int error;                      /* of the first write that failed; nothing is written any more */
};

/* Begins a capture. snaplen 0: packets are kept whole. application: who writes it. Returns 0 or ENOMEM. */
int pcapng_open(struct pcapng *pcapng, int fd, uint32_t snaplen, const char *application);
/* Writes what the descriptor takes and frees; the descriptor stays open. */
void pcapng_close(struct pcapng *pcapng);

/* Adds an Ethernet interface. Returns its number, or -1 when it did not fit. */
int pcapng_interface(struct pcapng *pcapng, const char *name);
/* time_ns: since 1970. False: it did not fit. */
bool pcapng_packet(struct pcapng *pcapng, unsigned interface, uint64_t time_ns, const void *data, uint32_t length,
		   enum pcapng_direction direction);
/* Returns 0 when nothing waits any more, EAGAIN when something does, else the error. */
int pcapng_flush(struct pcapng *pcapng);

#endif
