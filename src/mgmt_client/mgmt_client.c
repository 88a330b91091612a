/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "mgmt_client.h"

#include "common/unixsock.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { READ_SIZE = 4096 };

/* Notes what the requests wait for, then passes the event on. */
static void client_event(void *owner, const struct mgmt_event *event)
{
	struct mgmt_client *client = owner;

	if (event->kind == MGMT_EVENT_PROMPT)
		client->prompted = true;
	if (event->kind == MGMT_EVENT_CODE)
		client->code = event->code;
	if (client->handler != NULL)
		client->handler(client->owner, event);
}

static int64_t clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Waits for the descriptor until the deadline. Returns 0 or an errno value. */
static int client_wait(struct mgmt_client *client, short events, int64_t deadline_ms)
{
	struct pollfd pollfd = { .fd = client->fd, .events = events };
	int64_t left;
	int ready;

	do {
		left = deadline_ms - clock_ms();
		if (left < 0)
			left = 0;
		ready = poll(&pollfd, 1, (int)left);
	} while (ready < 0 && errno == EINTR && left > 0);
	if (ready < 0)
		return errno;
	return ready == 0 ? ETIMEDOUT : 0;
}

int mgmt_client_read(struct mgmt_client *client)
{
	char bytes[READ_SIZE];
	ssize_t count = recv(client->fd, bytes, sizeof(bytes), MSG_DONTWAIT);

	if (count > 0) {
		mgmt_parser_feed(&client->parser, bytes, (size_t)count);
		return 0;
	}
	if (count < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	client->ended = true;
	mgmt_parser_end(&client->parser);
	return EPIPE;
}

/* The time-out starts anew with whatever the server sends: a long answer is not a late one. */
static int await_prompt(struct mgmt_client *client, int timeout_ms)
{
	while (!client->prompted && !client->ended) {
		int error = client_wait(client, POLLIN, clock_ms() + timeout_ms);

		if (error != 0)
			return error;
		mgmt_client_read(client);
	}
	return client->prompted ? 0 : EPIPE;
}

int mgmt_client_open(struct mgmt_client *client, const char *path, int timeout_ms, mgmt_event_handler *handler, void *owner)
{
	int error;

	memset(client, 0, sizeof(*client));
	mgmt_parser_init(&client->parser, client_event, client);
	client->handler = handler;
	client->owner = owner;
	client->fd = unixsock_connect(path);
	if (client->fd < 0)
		return errno;
	error = await_prompt(client, timeout_ms);
	if (error != 0)
		mgmt_client_close(client);
	return error == EPIPE ? EPROTO : error;
}

void mgmt_client_close(struct mgmt_client *client)
{
	if (client->fd >= 0)
		close(client->fd);
	client->fd = -1;
}

static int send_all(struct mgmt_client *client, const char *bytes, size_t count, int64_t deadline_ms)
{
	while (count > 0) {
		ssize_t sent = send(client->fd, bytes, count, MSG_NOSIGNAL | MSG_DONTWAIT);
		int error;

		if (sent >= 0) {
			bytes += sent;
			count -= (size_t)sent;
			continue;
		}
		if (errno != EAGAIN && errno != EINTR)
			return errno;
		error = client_wait(client, POLLOUT, deadline_ms);
		if (error != 0)
			return error;
	}
	return 0;
}

/* In one piece: servers of VDE 2 take whatever one read returns for one command. */
int mgmt_client_send(struct mgmt_client *client, const char *command, int timeout_ms)
{
	char line[MGMT_CLIENT_COMMAND_MAX + 1];
	size_t length = strlen(command);

	if (length > MGMT_CLIENT_COMMAND_MAX)
		return E2BIG;
	if (strchr(command, '\n') != NULL)
		return EINVAL;
	memcpy(line, command, length);
	line[length] = '\n';
	client->prompted = false;
	client->code = 0;
	return send_all(client, line, length + 1, clock_ms() + timeout_ms);
}

int mgmt_client_request(struct mgmt_client *client, const char *command, int timeout_ms,
			mgmt_event_handler *handler, void *owner)
{
	mgmt_event_handler *usual_handler = client->handler;
	void *usual_owner = client->owner;
	int error;

	client->handler = handler;
	client->owner = owner;
	error = mgmt_client_send(client, command, timeout_ms);
	if (error == 0)
		error = await_prompt(client, timeout_ms);
	if (error == EPIPE && client->code == MGMT_CODE_END)
		error = 0;
	client->handler = usual_handler;
	client->owner = usual_owner;
	return error;
}
