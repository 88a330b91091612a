/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation. Requests wait in a ring (bound: REQUESTS_MAX; above it they are dropped, and asked again by their owner's next check) and are sent one at a
 * time, each when the prompt after the last answer came. Asynchronous lines may come between any two lines.
 */
#include "vde_autolink/monitor.h"

#include "common/number.h"
#include "common/unixsock.h"
#include "mgmt_client/mgmt_parser.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	REQUESTS_MAX = 1024,
	READ_SIZE = 4096,
	PATIENCE = 10,                  /* seconds without an answer, then the connection is given up */
	RETRY_LAST = 10,                /* seconds */
	CODE_EXISTS = 1017,
	NO_LINK = 0xffffffff,
};

enum request_kind { REQUEST_PLAIN, REQUEST_RESERVE, REQUEST_STATUS };

struct request {
	enum request_kind kind;
	unsigned link, port;
	char text[48];
};

struct monitor {
	struct loop *loop;
	struct log *log;
	const char *path;
	const struct monitor_callbacks *callbacks;
	void *owner;
	int fd;
	struct loop_io *io;
	struct loop_timer *timer;       /* of the next try; or of the answer that does not come */
	uint64_t delay_ns;
	bool told;                      /* that the switch does not answer */
	bool greeted, waiting;          /* the first prompt came; a request is out */
	struct mgmt_parser parser;
	struct request request[REQUESTS_MAX];
	unsigned first, count;
	struct monitor_status status;   /* as collected from the answer to the request that is out */
	unsigned answered_port, code;
};

static void disconnect(struct monitor *monitor, const char *why)
{
	if (!monitor->told)
		log_warn(monitor->log, "%s: %s; trying again", monitor->path, why);
	monitor->told = true;
	loop_remove_io(monitor->io);
	if (monitor->fd >= 0)
		close(monitor->fd);
	monitor->io = NULL;
	monitor->fd = -1;
	monitor->greeted = monitor->waiting = false;
	monitor->count = 0;
	monitor->delay_ns = monitor->delay_ns ? monitor->delay_ns * 2 : LOOP_SECOND / 5;
	if (monitor->delay_ns > (uint64_t)RETRY_LAST * LOOP_SECOND)
		monitor->delay_ns = (uint64_t)RETRY_LAST * LOOP_SECOND;
	loop_timer_after(monitor->timer, monitor->delay_ns);
}

static void send_next(struct monitor *monitor)
{
	const struct request *request = &monitor->request[monitor->first];
	size_t length;

	if (!monitor->greeted || monitor->waiting || monitor->count == 0)
		return;
	monitor->status = (struct monitor_status){ .present = false };
	monitor->answered_port = monitor->code = 0;
	monitor->waiting = true;
	loop_timer_after(monitor->timer, (uint64_t)PATIENCE * LOOP_SECOND);
	/* One short line at a time: a socket that cannot take it is no partner. */
	length = strlen(request->text);
	if (send(monitor->fd, request->text, length, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)length)
		disconnect(monitor, "takes no command");
}

static void ask(struct monitor *monitor, const struct request *request)
{
	if (monitor->fd < 0 || monitor->count == REQUESTS_MAX)
		return;
	monitor->request[(monitor->first + monitor->count++) % REQUESTS_MAX] = *request;
	send_next(monitor);
}

static void ask_plain(struct monitor *monitor, const char *text)
{
	struct request request = { .kind = REQUEST_PLAIN, .link = NO_LINK };

	snprintf(request.text, sizeof(request.text), "%s\n", text);
	ask(monitor, &request);
}

/* The number behind `word` in the text, wherever it stands; 0: none. */
static unsigned number_after(const char *text, const char *word)
{
	const char *at = strstr(text, word);
	char digits[12];
	unsigned value = 0;

	if (!at)
		return 0;
	at += strlen(word);
	at += strspn(at, " 0");
	snprintf(digits, sizeof(digits), "%.*s", strspn(at, "0123456789") < 11 ? (int)strspn(at, "0123456789") : 11, at);
	number_uint(digits, 0, 65535, &value);
	return value;
}

static void async_line(struct monitor *monitor, const char *text)
{
	static const struct { const char *path; enum monitor_event event; } rows[] = {
		{ "port/ep/+ ", MONITOR_PLUGGED }, { "port/ep/- ", MONITOR_UNPLUGGED }, { "fstp/root ", MONITOR_ROOT },
		{ "fstp/", MONITOR_TREE },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (strncmp(text, rows[i].path, strlen(rows[i].path)) != 0)
			continue;
		monitor->callbacks->event(monitor->owner, number_after(text, "Port "), rows[i].event);
		return;
	}
}

static void data_line(struct monitor *monitor, const char *text)
{
	uint64_t frames;
	char digits[24];

	if (strncmp(text, "Port ", 5) == 0) {
		monitor->answered_port = number_after(text, "Port ");
		monitor->status.present = true;
	} else if (strncmp(text, "  -- endpoint ", 14) == 0) {
		monitor->status.endpoints++;
	} else if (strncmp(text, " IN:  pkts ", 11) == 0) {
		text += 11 + strspn(text + 11, " ");
		snprintf(digits, sizeof(digits), "%.*s", (int)strcspn(text, " "), text);
		monitor->status.counted = number_u64(digits, 0, UINT64_MAX, &frames) == 0;
		monitor->status.frames_in = monitor->status.counted ? frames : 0;
	}
}

static void request_done(struct monitor *monitor)
{
	struct request request = monitor->request[monitor->first];

	monitor->first = (monitor->first + 1) % REQUESTS_MAX;
	monitor->count--;
	monitor->waiting = false;
	loop_timer_stop(monitor->timer);
	if (request.kind == REQUEST_STATUS) {
		monitor->callbacks->status(monitor->owner, request.link, &monitor->status);
	} else if (request.kind == REQUEST_RESERVE) {
		if (request.port && (monitor->code == MGMT_CODE_SUCCESS || monitor->code == CODE_EXISTS))
			monitor->answered_port = request.port;
		else if (monitor->code != MGMT_CODE_SUCCESS)
			monitor->answered_port = 0;
		monitor->callbacks->reserved(monitor->owner, request.link, monitor->answered_port);
	}
}

static void prompt(struct monitor *monitor)
{
	if (!monitor->greeted) {
		monitor->greeted = true;
		monitor->delay_ns = 0;
		loop_timer_stop(monitor->timer);
		if (monitor->told)
			log_info(monitor->log, "%s: answers again", monitor->path);
		monitor->told = false;
		/* switches without debug categories refuse them: then the checks are all there is */
		ask_plain(monitor, "debug/add port/ep");
		ask_plain(monitor, "debug/add fstp");
		monitor->callbacks->connected(monitor->owner);
	} else if (monitor->waiting) {
		request_done(monitor);
	}
	send_next(monitor);
}

static void heard(void *owner, const struct mgmt_event *event)
{
	struct monitor *monitor = owner;

	if (monitor->fd < 0)
		return;
	switch (event->kind) {
	case MGMT_EVENT_ASYNC:
		async_line(monitor, event->text);
		break;
	case MGMT_EVENT_DATA:
		data_line(monitor, event->text);
		break;
	case MGMT_EVENT_CODE:
		monitor->code = event->code;
		break;
	case MGMT_EVENT_PROMPT:
		prompt(monitor);
		break;
	default:
		break;
	}
}

static void readable(void *owner, int fd, unsigned events)
{
	struct monitor *monitor = owner;
	char bytes[READ_SIZE];
	ssize_t n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);

	(void)events;
	if (n > 0)
		mgmt_parser_feed(&monitor->parser, bytes, (size_t)n);
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		disconnect(monitor, "the switch is gone");
}

static void connect_to_switch(struct monitor *monitor)
{
	monitor->fd = unixsock_connect(monitor->path);
	if (monitor->fd < 0) {
		disconnect(monitor, strerror(errno));
		return;
	}
	mgmt_parser_init(&monitor->parser, heard, monitor);
	monitor->io = loop_add_io(monitor->loop, monitor->fd, LOOP_READ, readable, monitor);
	if (!monitor->io)
		disconnect(monitor, strerror(errno));
	else
		loop_timer_after(monitor->timer, (uint64_t)PATIENCE * LOOP_SECOND);
}

static void timer(void *owner)
{
	struct monitor *monitor = owner;

	if (monitor->fd >= 0)
		disconnect(monitor, "does not answer");
	else
		connect_to_switch(monitor);
}

struct monitor *monitor_create(struct loop *loop, struct log *log, const char *path, const struct monitor_callbacks *callbacks, void *owner)
{
	struct monitor *monitor = calloc(1, sizeof(*monitor));

	if (!monitor)
		return NULL;
	monitor->loop = loop;
	monitor->log = log;
	monitor->path = path;
	monitor->callbacks = callbacks;
	monitor->owner = owner;
	monitor->fd = -1;
	monitor->timer = loop_add_timer(loop, timer, monitor);
	if (!monitor->timer) {
		free(monitor);
		return NULL;
	}
	connect_to_switch(monitor);
	return monitor;
}

void monitor_destroy(struct monitor *monitor)
{
	if (!monitor)
		return;
	/* what is still to be said, blindly: the switch reads on after our end */
	for (unsigned i = monitor->waiting ? 1 : 0; monitor->greeted && i < monitor->count; i++) {
		const struct request *request = &monitor->request[(monitor->first + i) % REQUESTS_MAX];

		if (request->kind == REQUEST_PLAIN)
			send(monitor->fd, request->text, strlen(request->text), MSG_NOSIGNAL | MSG_DONTWAIT);
	}
	loop_remove_io(monitor->io);
	loop_remove_timer(monitor->timer);
	if (monitor->fd >= 0)
		close(monitor->fd);
	free(monitor);
}

bool monitor_is_connected(const struct monitor *monitor)
{
	return monitor->greeted;
}

void monitor_reserve(struct monitor *monitor, unsigned link, unsigned port)
{
	struct request request = { .kind = REQUEST_RESERVE, .link = link, .port = port };

	if (port)
		snprintf(request.text, sizeof(request.text), "port/create %u\n", port);
	else
		snprintf(request.text, sizeof(request.text), "port/createauto\n");
	ask(monitor, &request);
}

void monitor_ask_status(struct monitor *monitor, unsigned link, unsigned port)
{
	struct request request = { .kind = REQUEST_STATUS, .link = link, .port = port };

	snprintf(request.text, sizeof(request.text), "port/print %u\n", port);
	ask(monitor, &request);
}

void monitor_release(struct monitor *monitor, unsigned port)
{
	char text[40];

	/* when it is still in use and cannot be removed, it is at least for everybody again */
	snprintf(text, sizeof(text), "port/allocatable %u 1", port);
	ask_plain(monitor, text);
	snprintf(text, sizeof(text), "port/remove %u", port);
	ask_plain(monitor, text);
}
