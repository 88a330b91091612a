/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A client's request for a port, taken apart and checked: the one door for what comes in on the control socket. */
#ifndef VDE_REQUEST_H
#define VDE_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/un.h>

struct plug_request {
	int port;                       /* PORT_ANY, 0 (the management port), or a number that may be out of range */
	struct sockaddr_un address;     /* the client's datagram socket */
	bool aggregates;                /* it takes several frames in one datagram */
	const char *description;        /* in the parsed bytes; not terminated */
	size_t description_length;
	const char *problem;            /* of a bad request, for the log */
};

enum request_result {
	REQUEST_WHOLE,
	REQUEST_PARTIAL,                /* so far it may be one; more bytes are needed */
	REQUEST_BAD,
};

enum request_result request_parse(struct plug_request *request, const uint8_t *bytes, size_t length);

#endif
