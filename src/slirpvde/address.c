/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "slirpvde/address.h"

#include "common/number.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

int address_parse(const char *text, struct address *address)
{
	char plain[INET6_ADDRSTRLEN];
	struct address result = { 0 };
	size_t length = strlen(text);
	bool bracketed = length >= 2 && text[0] == '[' && text[length - 1] == ']';

	if (bracketed) {
		text++;
		length -= 2;
	}
	if (length >= sizeof(plain))
		return EINVAL;
	memcpy(plain, text, length);
	plain[length] = 0;
	if (!bracketed && inet_pton(AF_INET, plain, &result.v4) == 1)
		result.family = AF_INET;
	else if (inet_pton(AF_INET6, plain, &result.v6) == 1)
		result.family = AF_INET6;
	else
		return EINVAL;
	*address = result;
	return 0;
}

int address_parse_network(const char *text, unsigned length4, unsigned length6, struct network *network)
{
	char part[ADDRESS_TEXT_SIZE];
	const char *slash = strchr(text, '/');
	size_t size = slash ? (size_t)(slash - text) : strlen(text);
	struct network result = { .has_length = slash != NULL };
	unsigned max;
	int error;

	if (size >= sizeof(part))
		return EINVAL;
	memcpy(part, text, size);
	part[size] = 0;
	error = address_parse(part, &result.address);
	if (error)
		return error;
	max = result.address.family == AF_INET ? 32 : 128;
	result.length = result.address.family == AF_INET ? length4 : length6;
	if (slash)
		error = number_uint(slash + 1, 0, max, &result.length);
	if (error)
		return error;
	*network = result;
	return 0;
}

const char *address_text(const struct address *address, char out[ADDRESS_TEXT_SIZE])
{
	if (address->family == AF_UNSPEC || !inet_ntop(address->family, &address->v4, out, ADDRESS_TEXT_SIZE))
		snprintf(out, ADDRESS_TEXT_SIZE, "-");
	return out;
}

bool address_equal(const struct address *a, const struct address *b)
{
	if (a->family != b->family)
		return false;
	if (a->family == AF_INET)
		return a->v4.s_addr == b->v4.s_addr;
	return a->family != AF_INET6 || memcmp(&a->v6, &b->v6, sizeof(a->v6)) == 0;
}

struct in_addr address_mask4(unsigned length)
{
	/* A shift by the whole width is undefined in C, hence 64 bits. */
	return (struct in_addr){ htonl((uint32_t)(~0ULL << (32 - length))) };
}

/* The mask of byte `index` of a prefix of `length` bits. */
static uint8_t mask_byte(unsigned length, unsigned index)
{
	if (length >= 8 * (index + 1))
		return 0xff;
	if (length <= 8 * index)
		return 0;
	return (uint8_t)(0xff << (8 * (index + 1) - length));
}

static unsigned address_size(const struct address *address)
{
	return address->family == AF_INET ? 4 : 16;
}

static const uint8_t *address_bytes(const struct address *address)
{
	return address->family == AF_INET ? (const uint8_t *)&address->v4 : address->v6.s6_addr;
}

bool address_in_network(const struct address *address, const struct network *network)
{
	const uint8_t *a = address_bytes(address), *b = address_bytes(&network->address);

	if (address->family != network->address.family)
		return false;
	for (unsigned i = 0; i < address_size(address); i++)
		if ((a[i] ^ b[i]) & mask_byte(network->length, i))
			return false;
	return true;
}

struct address address_in_prefix(const struct network *network, uint32_t host)
{
	struct address result = network->address;
	unsigned size = address_size(&result);
	uint8_t *bytes = result.family == AF_INET ? (uint8_t *)&result.v4 : result.v6.s6_addr;

	for (unsigned i = 0; i < size; i++) {
		unsigned shift = 8 * (size - 1 - i);
		uint8_t bits = shift < 32 ? (uint8_t)(host >> shift) : 0;
		uint8_t mask = mask_byte(network->length, i);

		bytes[i] = (uint8_t)((bytes[i] & mask) | (bits & ~mask));
	}
	return result;
}

bool address_is_reserved(const struct address *address, const struct network *network)
{
	struct network own = { .address = *address, .length = network->length };
	struct address zeros = address_in_prefix(&own, 0), ones = address_in_prefix(&own, UINT32_MAX);

	return address_equal(address, &zeros) || (address->family == AF_INET && address_equal(address, &ones));
}

socklen_t address_to_sockaddr(const struct address *address, unsigned port, struct sockaddr_storage *out)
{
	memset(out, 0, sizeof(*out));
	if (address->family == AF_INET6) {
		struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;

		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons((uint16_t)port);
		in6->sin6_addr = address->v6;
		return sizeof(*in6);
	} else {
		struct sockaddr_in *in = (struct sockaddr_in *)out;

		in->sin_family = AF_INET;
		in->sin_port = htons((uint16_t)port);
		in->sin_addr = address->v4;
		return sizeof(*in);
	}
}
