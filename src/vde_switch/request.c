/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vde_switch/request.h"

#include "libvdeplug/plug_protocol.h"
#include "vde_switch/port.h"

#include <string.h>

enum { WORD = 4 };

static uint32_t word_at(const uint8_t *bytes, size_t offset)
{
	uint32_t word;

	memcpy(&word, bytes + offset, sizeof(word));    /* host order: both ends are on one machine */
	return word;
}

static enum request_result bad(struct plug_request *request, const char *problem)
{
	request->problem = problem;
	return REQUEST_BAD;
}

/* The low byte tells what is asked, the rest, signed, the port; old clients asked for port 0 with a negative number. */
static enum request_result parse_type(struct plug_request *request, uint32_t type)
{
	int32_t port = (int32_t)type >> 8;

	switch (type & 0xff) {
	case PLUG_NEW_PORT:
		request->port = port > 0 ? port : port < 0 ? 0 : PORT_ANY;
		return REQUEST_WHOLE;
	case PLUG_NEW_PORT0:
		request->port = 0;
		return REQUEST_WHOLE;
	default:
		return bad(request, "bad request type");
	}
}

static enum request_result parse_address(struct plug_request *request, const uint8_t *bytes)
{
	static const char nothing[sizeof(request->address.sun_path)];

	memcpy(&request->address, bytes, sizeof(request->address));
	if (request->address.sun_family != AF_UNIX)
		return bad(request, "the client's socket is not a unix socket");
	if (memcmp(request->address.sun_path, nothing, sizeof(nothing)) == 0)
		return bad(request, "the client named no socket");
	request->aggregates = plug_offers_aggregates(&request->address);
	if (request->address.sun_path[0])       /* a path ends within the structure; an abstract name is all of it */
		request->address.sun_path[sizeof(request->address.sun_path) - 1] = '\0';
	return REQUEST_WHOLE;
}

/* A C string or not; raw clients leave padding behind it. */
static void parse_description(struct plug_request *request, const uint8_t *bytes, size_t length)
{
	request->description = (const char *)bytes;
	request->description_length = strnlen((const char *)bytes, length);
}

static enum request_result parse_fields(struct plug_request *request, const uint8_t *bytes, size_t length, uint32_t type,
					size_t address, size_t description)
{
	if (length < description)
		return REQUEST_PARTIAL;
	if (parse_type(request, type) != REQUEST_WHOLE || parse_address(request, bytes + address) != REQUEST_WHOLE)
		return REQUEST_BAD;
	parse_description(request, bytes + description, length - description);
	return REQUEST_WHOLE;
}

enum request_result request_parse(struct plug_request *request, const uint8_t *bytes, size_t length)
{
	memset(request, 0, sizeof(*request));
	if (length < 2 * WORD)
		return REQUEST_PARTIAL;
	if (word_at(bytes, 0) != PLUG_MAGIC)
		return bad(request, "not a request (wrong magic number)");
	uint32_t second = word_at(bytes, WORD);
	if (second == PLUG_VERSION)
		return length < 3 * WORD ? REQUEST_PARTIAL :
		       parse_fields(request, bytes, length, word_at(bytes, 2 * WORD), offsetof(struct plug_request_v3, address),
				    offsetof(struct plug_request_v3, description));
	/* Version 1 has its type where the others have their version. */
	if (second <= PLUG_NEW_PORT0)
		return parse_fields(request, bytes, length, second, offsetof(struct plug_request_v1, address),
				    offsetof(struct plug_request_v1, description));
	return bad(request, "request of an unknown version");
}
