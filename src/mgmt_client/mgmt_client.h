/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A connection to a management server, for programs that ask and wait. Every wait has a time-out. One that has its own loop
 * uses `fd`, mgmt_client_read and mgmt_client_send instead of the requests.
 */
#ifndef VDE_MGMT_CLIENT_H
#define VDE_MGMT_CLIENT_H

#include "mgmt_parser.h"

enum {
	MGMT_CLIENT_COMMAND_MAX = 1022, /* bytes of a command without its newline: what every server of the suite takes */
};

struct mgmt_client {
	int fd;
	struct mgmt_parser parser;
	mgmt_event_handler *handler;    /* who gets the events now */
	void *owner;
	bool prompted;                  /* a prompt came since the last command was sent */
	unsigned code;                  /* the last code since then; 0: none */
	bool ended;                     /* the server closed the connection */
};

/*
 * Connects to the socket at path and waits for the first prompt; what the server says before it goes to the handler (NULL: nobody).
 * Returns 0 or an errno value: ETIMEDOUT when no prompt came, EPROTO when the server closed before one.
 */
int mgmt_client_open(struct mgmt_client *client, const char *path, int timeout_ms, mgmt_event_handler *handler, void *owner);
void mgmt_client_close(struct mgmt_client *client);

/*
 * Sends a command (a newline is added) and hands all that is answered to the handler, until the next prompt or the server's end. Returns
 * 0 when the answer is complete: its code is in client->code. Else an errno value: EINVAL (the command holds a newline), E2BIG,
 * ETIMEDOUT (nothing for timeout_ms), EPIPE (the connection ended before an answer), or the system's.
 */
int mgmt_client_request(struct mgmt_client *client, const char *command, int timeout_ms,
			mgmt_event_handler *handler, void *owner);

/* Sends a command and does not wait for the answer. Returns 0 or an errno value, as above. */
int mgmt_client_send(struct mgmt_client *client, const char *command, int timeout_ms);
/* Reads what there is, without waiting, for the handler given to mgmt_client_open. Returns 0, or EPIPE at the connection's end. */
int mgmt_client_read(struct mgmt_client *client);

#endif
