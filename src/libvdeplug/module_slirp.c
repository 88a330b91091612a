/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * slirp://[/OPTION...]: a network with a way out, by the engine of slirpvde. A shared object.
 *
 * Theory of operation. There is no thread and no process: the descriptor that programs wait for stands for the engine's sockets and timers (engine_epoll.h) and
 * for frames that wait; whoever receives lets the engine work. What the engine sends waits in a ring of bytes until it is received. As long as more than a little
 * waits there, the engine's sockets are not served: what the world sends waits in the kernel, and TCP slows its senders down. One thread may send
 * while another one receives; a lock keeps the engine to one at a time.
 */
#include "module.h"
#include "slirp_options.h"
#include "slirpvde/engine_epoll.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

enum {
	RING_BYTES = 1 << 20,           /* of waiting frames, lengths included; a power of two. A frame that does not fit is dropped */
	RING_LOW = 1 << 16,             /* so many may wait while sockets are served */
	INPUT_BYTES = 2 * FRAME_MAX_SIZE,
	LENGTH_SIZE = 4,
};

struct slirp_conn {
	void *handle;                   /* first members as struct vdeconn */
	struct vdeplug_module *module;
	struct slirp_options options;
	struct slirp_engine *engine;
	struct engine_epoll *driver;
	bool guards_pipe;               /* SIGPIPE would end the process: libslirp's sends are kept from raising it */
	pthread_mutex_t lock;           /* of all below, and of the engine */
	uint32_t head, tail;            /* of the ring; they count up for ever */
	uint8_t ring[RING_BYTES];
	uint8_t input[INPUT_BYTES];     /* frames on their way to the engine, which changes them */
};

static struct slirp_conn *slirp_of(VDECONN *conn)
{
	return (struct slirp_conn *)(void *)conn;
}

/* ---- the ring ---- */

static void ring_write(struct slirp_conn *slirp, const void *bytes, uint32_t length)
{
	uint32_t at = slirp->tail % RING_BYTES, first = RING_BYTES - at < length ? RING_BYTES - at : length;

	memcpy(slirp->ring + at, bytes, first);
	memcpy(slirp->ring, (const uint8_t *)bytes + first, length - first);
	slirp->tail += length;
}

static void ring_read(struct slirp_conn *slirp, void *bytes, uint32_t length)
{
	uint32_t at = slirp->head % RING_BYTES, first = RING_BYTES - at < length ? RING_BYTES - at : length;

	memcpy(bytes, slirp->ring + at, first);
	memcpy((uint8_t *)bytes + first, slirp->ring, length - first);
	slirp->head += length;
}

static uint32_t ring_used(const struct slirp_conn *slirp)
{
	return slirp->tail - slirp->head;
}

/* The next frame; its length, or 0 when it is longer than `size` and dropped. */
static size_t ring_take(struct slirp_conn *slirp, void *frame, size_t size)
{
	uint32_t length;

	ring_read(slirp, &length, LENGTH_SIZE);
	if (length > size) {
		slirp->head += length;
		return 0;
	}
	ring_read(slirp, frame, length);
	return length;
}

/* ---- what the engine calls ---- */

static void on_transmit(void *owner, const struct frame *frames, unsigned count)
{
	struct slirp_conn *slirp = owner;

	for (unsigned i = 0; i < count; i++) {
		if (RING_BYTES - ring_used(slirp) < LENGTH_SIZE + frames[i].length)
			continue;
		ring_write(slirp, &frames[i].length, LENGTH_SIZE);
		ring_write(slirp, frames[i].data, frames[i].length);
	}
}

static void on_forget(void *owner, int fd)
{
	engine_epoll_forget(((struct slirp_conn *)owner)->driver, fd);
}

static const struct engine_callbacks callbacks = {.transmit = on_transmit, .forget = on_forget};

/* ---- keeping the engine to one thread, and SIGPIPE from the host ---- */

struct guard {
	sigset_t mask;
	bool was_pending;
};

static bool pipe_is_pending(void)
{
	sigset_t pending;

	return sigpending(&pending) == 0 && sigismember(&pending, SIGPIPE) == 1;
}

static void begin(struct slirp_conn *slirp, struct guard *guard)
{
	sigset_t pipe;

	pthread_mutex_lock(&slirp->lock);
	if (!slirp->guards_pipe)
		return;
	guard->was_pending = pipe_is_pending();
	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &pipe, &guard->mask);
}

static void end(struct slirp_conn *slirp, const struct guard *guard)
{
	sigset_t pipe;

	if (slirp->guards_pipe) {
		sigemptyset(&pipe);
		sigaddset(&pipe, SIGPIPE);
		if (!guard->was_pending && pipe_is_pending())
			sigtimedwait(&pipe, NULL, &(struct timespec){0});
		pthread_sigmask(SIG_SETMASK, &guard->mask, NULL);
	}
	pthread_mutex_unlock(&slirp->lock);
}

/* ---- opening and closing ---- */

static int add_forwards(struct slirp_conn *slirp, enum forward_kind kind, char *list, struct engine_error *error)
{
	char *item;

	while ((item = slirp_options_next(kind, &list)) != NULL) {
		struct forward forward;
		int failed = forward_parse(kind, item, &forward, error);

		if (failed == 0)
			failed = forward_add(engine_forwards(slirp->engine), &forward, error);
		if (failed != 0)
			return failed;
	}
	return 0;
}

static int open_engine(struct slirp_conn *slirp, const char *arguments, struct engine_error *error)
{
	int failed = slirp_options_parse(&slirp->options, arguments, error);

	if (failed != 0)
		return failed;
	slirp->engine = engine_create(&slirp->options.config, &callbacks, slirp, error);
	if (slirp->engine == NULL)
		return errno;
	for (enum forward_kind kind = 0; kind < FORWARD_KINDS && failed == 0; kind++)
		failed = add_forwards(slirp, kind, slirp->options.forwards[kind], error);
	if (failed == 0 && (slirp->driver = engine_epoll_create(slirp->engine)) == NULL) {
		failed = errno;
		engine_fail(error, "%s", strerror(failed));
	}
	return failed;
}

static void print_address(const char *label, const struct address *address)
{
	char text[ADDRESS_TEXT_SIZE];

	if (address->family != AF_UNSPEC)
		fprintf(stderr, "  %-12s %s\n", label, address_text(address, text));
}

static void print_host(const char *label, const struct network *host)
{
	char text[ADDRESS_TEXT_SIZE];

	if (host->address.family != AF_UNSPEC)
		fprintf(stderr, "  %-12s %s/%u\n", label, address_text(&host->address, text), host->length);
}

static void print_configuration(struct slirp_conn *slirp)
{
	const struct engine_config *config = engine_config(slirp->engine);
	const struct forward_table *forwards = engine_forwards(slirp->engine);

	fprintf(stderr, "slirp:\n");
	print_host("host", &config->host4);
	print_host("host6", &config->host6);
	print_address("vnameserver", &config->dns4);
	print_address("vnameserver6", &config->dns6);
	print_address("dhcp", &config->dhcp_start);
	if (config->tftp_directory != NULL)
		fprintf(stderr, "  %-12s %s\n", "tftp_path", config->tftp_directory);
	for (unsigned i = 0; i < forwards->count; i++) {
		char text[FORWARD_TEXT_SIZE];

		fprintf(stderr, "  %-3sfwd       %s\n", forward_kind_name(forwards->row[i].kind), forward_text(&forwards->row[i], text));
	}
}

static int slirp_close(VDECONN *conn)
{
	struct slirp_conn *slirp = slirp_of(conn);
	struct guard guard;

	begin(slirp, &guard);
	engine_destroy(slirp->engine);
	engine_epoll_destroy(slirp->driver);
	end(slirp, &guard);
	slirp_options_free(&slirp->options);
	pthread_mutex_destroy(&slirp->lock);
	free(slirp);
	return 0;
}

static VDECONN *slirp_open(char *arguments, char *description, int interface_version, struct vde_open_args *args)
{
	struct slirp_conn *slirp = calloc(1, sizeof(*slirp));
	struct sigaction action;
	struct engine_error error;
	int failed;

	(void)description, (void)interface_version, (void)args;
	if (slirp == NULL)
		return NULL;
	pthread_mutex_init(&slirp->lock, NULL);
	slirp->guards_pipe = sigaction(SIGPIPE, NULL, &action) != 0 || action.sa_handler == SIG_DFL;
	failed = open_engine(slirp, arguments, &error);
	if (failed != 0) {
		fprintf(stderr, "libvdeplug: slirp: %s\n", error.text);
		slirp_close((VDECONN *)(void *)slirp);
		errno = failed;
		return NULL;
	}
	if (slirp->options.verbose)
		print_configuration(slirp);
	return (VDECONN *)(void *)slirp;
}

/* ---- frames ---- */

/* Copies frames for the engine, as many as fit. Returns how many were dealt with. */
static unsigned input(struct slirp_conn *slirp, const struct vde_frame *frames, unsigned count)
{
	struct frame batch[ENGINE_BATCH];
	unsigned staged = 0, seen = 0;
	uint32_t used = 0;

	for (; seen < count && staged < ENGINE_BATCH; seen++) {
		uint32_t length = (uint32_t)frames[seen].length;

		if (frames[seen].length < ETHERNET_HEADER_SIZE || frames[seen].length > FRAME_MAX_SIZE)
			continue;
		if (used + length > INPUT_BYTES)
			break;
		batch[staged++] = (struct frame){.data = slirp->input + used, .length = length};
		memcpy(slirp->input + used, frames[seen].data, length);
		used += (length + 15) & ~15U;
	}
	engine_input(slirp->engine, batch, staged);
	/* What it waits for has changed, or there are answers: the reader sees to it. */
	if (staged > 0)
		engine_epoll_call(slirp->driver, true);
	return seen;
}

static int slirp_send_batch(VDECONN *conn, const struct vde_frame *frames, unsigned count, int flags)
{
	struct slirp_conn *slirp = slirp_of(conn);
	struct guard guard;
	unsigned done;

	(void)flags;
	begin(slirp, &guard);
	done = input(slirp, frames, count);
	end(slirp, &guard);
	return (int)done;
}

static ssize_t slirp_send(VDECONN *conn, const void *frame, size_t length, int flags)
{
	union { const void *in; void *out; } bytes = {.in = frame};     /* it is copied */
	struct vde_frame one = {bytes.out, length, length};

	slirp_send_batch(conn, &one, 1, flags);
	return (ssize_t)length;
}

static int slirp_recv_batch(VDECONN *conn, struct vde_frame *frames, unsigned count, int flags)
{
	struct slirp_conn *slirp = slirp_of(conn);
	struct guard guard;
	unsigned filled = 0;

	(void)flags;
	begin(slirp, &guard);
	if (ring_used(slirp) <= RING_LOW)
		engine_epoll_run(slirp->driver);
	while (filled < count && ring_used(slirp) > 0) {
		frames[filled].length = ring_take(slirp, frames[filled].data, frames[filled].size);
		filled++;
	}
	engine_epoll_call(slirp->driver, ring_used(slirp) > 0);
	end(slirp, &guard);
	if (filled > 0)
		return (int)filled;
	errno = EAGAIN;
	return -1;
}

/* 1: something happened, but no frame came of it. */
static ssize_t slirp_recv(VDECONN *conn, void *frame, size_t size, int flags)
{
	struct vde_frame one = {frame, size, 0};
	int n = slirp_recv_batch(conn, &one, 1, flags);

	if (n < 0 && (flags & MSG_DONTWAIT) == 0) {
		poll(&(struct pollfd){.fd = engine_epoll_descriptor(slirp_of(conn)->driver), .events = POLLIN}, 1, -1);
		n = slirp_recv_batch(conn, &one, 1, flags);
		if (n < 0)
			return 1;
	}
	return n < 0 ? -1 : one.length > 0 ? (ssize_t)one.length : 1;
}

static int slirp_datafd(VDECONN *conn)
{
	return engine_epoll_descriptor(slirp_of(conn)->driver);
}

/* The library that opens us looks for this name. */
extern __attribute__((visibility("default"))) struct builtin_module vdeplug_ops;
struct builtin_module vdeplug_ops = {
	.module = {MODULE_OURS, slirp_open, slirp_recv, slirp_send, slirp_datafd, module_no_ctlfd, slirp_close},
	.name = "slirp",
	.recv_batch = slirp_recv_batch,
	.send_batch = slirp_send_batch,
};
