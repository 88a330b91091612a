/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Little endian integers in datagrams. */
#ifndef VDE_CRYPTCAB_BYTES_H
#define VDE_CRYPTCAB_BYTES_H

#include <stdint.h>

static inline uint32_t read_le32(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static inline uint64_t read_le64(const uint8_t *p)
{
	return read_le32(p) | (uint64_t)read_le32(p + 4) << 32;
}

static inline void write_le32(uint8_t *p, uint32_t value)
{
	for (unsigned i = 0; i < 4; i++)
		p[i] = (uint8_t)(value >> (8 * i));
}

static inline void write_le64(uint8_t *p, uint64_t value)
{
	write_le32(p, (uint32_t)value);
	write_le32(p + 4, (uint32_t)(value >> 32));
}

#endif
