/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * A file is a Section Header Block, then Interface Description Blocks and Enhanced Packet Blocks in the order in which things happen. Each
 * block is: type, total length, body, total length again; everything is in this machine's byte order, which the header's magic tells, and padded to
 * 32 bits. Options are: code, length, value, padded likewise. Numbers of blocks and options are those of the draft's sections 4.1 to 4.3.
 */
#include "pcapng.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	BLOCK_SECTION = 0x0a0d0d0a,
	BLOCK_INTERFACE = 1,
	BLOCK_PACKET = 6,
	BYTE_ORDER_MAGIC = 0x1a2b3c4d,
	LINKTYPE_ETHERNET = 1,
	OPTION_END = 0,
	OPTION_SHB_APPLICATION = 4,
	OPTION_IF_NAME = 2,
	OPTION_IF_TSRESOL = 9,
	OPTION_EPB_FLAGS = 2,
	NANOSECONDS = 9,                /* time stamps count 10^-9 s */
	BLOCK_OVERHEAD = 12,
	PACKET_OVERHEAD = BLOCK_OVERHEAD + 20 + 12,
};

static void put(struct pcapng *pcapng, const void *bytes, size_t count)
{
	static const uint8_t zeros[4];
	size_t padding = (4 - count % 4) % 4;
	uint8_t *at = pcapng->buffer + pcapng->start + pcapng->length;

	memcpy(at, bytes, count);
	memcpy(at + count, zeros, padding);
	pcapng->length += count + padding;
	pcapng->bytes += count + padding;
}

static void put_u32(struct pcapng *pcapng, uint32_t value)
{
	put(pcapng, &value, sizeof(value));
}

static void put_two_u16(struct pcapng *pcapng, uint16_t first, uint16_t second)
{
	uint16_t value[2] = { first, second };

	put(pcapng, value, sizeof(value));
}

static void put_option(struct pcapng *pcapng, uint16_t code, const void *value, size_t length)
{
	put_two_u16(pcapng, code, (uint16_t)length);
	if (length > 0)
		put(pcapng, value, length);
}

static size_t padded(size_t length)
{
	return (length + 3) & ~(size_t)3;
}

/* Makes room for `count` more bytes at the buffer's end. */
static bool reserve(struct pcapng *pcapng, size_t count)
{
	if (pcapng->length + count > PCAPNG_BUFFER)
		pcapng_flush(pcapng);
	if (pcapng->error != 0 || pcapng->length + count > PCAPNG_BUFFER)
		return false;
	if (pcapng->start + pcapng->length + count > PCAPNG_BUFFER) {
		memmove(pcapng->buffer, pcapng->buffer + pcapng->start, pcapng->length);
		pcapng->start = 0;
	}
	return true;
}

int pcapng_open(struct pcapng *pcapng, int fd, uint32_t snaplen, const char *application)
{
	size_t name = strnlen(application, PCAPNG_NAME_MAX);
	uint32_t total = (uint32_t)(BLOCK_OVERHEAD + 16 + 4 + padded(name) + 4);
	static const uint64_t unknown_length = UINT64_MAX;

	*pcapng = (struct pcapng){ .fd = fd, .snaplen = snaplen };
	pcapng->buffer = malloc(PCAPNG_BUFFER);
	if (pcapng->buffer == NULL)
		return ENOMEM;
	put_u32(pcapng, BLOCK_SECTION);
	put_u32(pcapng, total);
	put_u32(pcapng, BYTE_ORDER_MAGIC);
	put_two_u16(pcapng, 1, 0);
	put(pcapng, &unknown_length, sizeof(unknown_length));
	put_option(pcapng, OPTION_SHB_APPLICATION, application, name);
	put_option(pcapng, OPTION_END, NULL, 0);
	put_u32(pcapng, total);
	return 0;
}

void pcapng_close(struct pcapng *pcapng)
{
	if (pcapng->buffer != NULL)
		pcapng_flush(pcapng);
	free(pcapng->buffer);
	pcapng->buffer = NULL;
}

int pcapng_interface(struct pcapng *pcapng, const char *name)
{
	size_t length = strnlen(name, PCAPNG_NAME_MAX);
	uint32_t total = (uint32_t)(BLOCK_OVERHEAD + 8 + 4 + padded(length) + 4 + 4 + 4);
	uint8_t resolution = NANOSECONDS;

	if (!reserve(pcapng, total))
		return -1;
	put_u32(pcapng, BLOCK_INTERFACE);
	put_u32(pcapng, total);
	put_two_u16(pcapng, LINKTYPE_ETHERNET, 0);
	put_u32(pcapng, pcapng->snaplen);
	put_option(pcapng, OPTION_IF_NAME, name, length);
	put_option(pcapng, OPTION_IF_TSRESOL, &resolution, sizeof(resolution));
	put_option(pcapng, OPTION_END, NULL, 0);
	put_u32(pcapng, total);
	return (int)pcapng->interfaces++;
}

bool pcapng_packet(struct pcapng *pcapng, unsigned interface, uint64_t time_ns, const void *data, uint32_t length,
		   enum pcapng_direction direction)
{
	uint32_t kept = pcapng->snaplen != 0 && length > pcapng->snaplen ? pcapng->snaplen : length;
	uint32_t total = (uint32_t)(PACKET_OVERHEAD + padded(kept));
	uint32_t flags = direction;

	if (!reserve(pcapng, total)) {
		pcapng->dropped++;
		return false;
	}
	put_u32(pcapng, BLOCK_PACKET);
	put_u32(pcapng, total);
	put_u32(pcapng, interface);
	put_u32(pcapng, (uint32_t)(time_ns >> 32));
	put_u32(pcapng, (uint32_t)time_ns);
	put_u32(pcapng, kept);
	put_u32(pcapng, length);
	put(pcapng, data, kept);
	put_option(pcapng, OPTION_EPB_FLAGS, &flags, sizeof(flags));
	put_option(pcapng, OPTION_END, NULL, 0);
	put_u32(pcapng, total);
	pcapng->packets++;
	return true;
}

int pcapng_flush(struct pcapng *pcapng)
{
	while (pcapng->length > 0 && pcapng->error == 0) {
		ssize_t written = write(pcapng->fd, pcapng->buffer + pcapng->start, pcapng->length);

		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0 && errno == EAGAIN)
			return EAGAIN;
		if (written < 0) {
			pcapng->error = errno;
			break;
		}
		pcapng->start += (size_t)written;
		pcapng->length -= (size_t)written;
	}
	if (pcapng->length == 0)
		pcapng->start = 0;
	return pcapng->error;
}
