/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "nest.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

/*
 * Not in the library of VDE 4, into which a module that is a shared object may be loaded as well. There nobody calls the batches, which alone
 * need these two.
 */
#pragma weak vde_recv_batch
#pragma weak vde_send_batch

static struct nest_conn *nest_of(VDECONN *conn)
{
	return (struct nest_conn *)(void *)conn;
}

/* ---- opening and closing ---- */

/* The description as the program gave it: the library has put the user and the process behind it (alone when there was none), and will again. */
static void original_description(char out[MAXDESCR], const char *description)
{
	static const char added[] = "user=";
	const char *end;

	if (description == NULL || strncmp(description, added, strlen(added)) == 0)
		description = "";
	snprintf(out, MAXDESCR, "%s", description);
	end = strstr(out, " user=");
	if (end != NULL)
		out[end - out] = '\0';
}

struct nest_conn *nest_open(const struct nest_kind *kind, size_t size, char *nested, const char *description,
			    int interface_version, struct vde_open_args *args)
{
	struct nest_conn *nest = calloc(1, size);
	char text[MAXDESCR];
	int error = ENOMEM;

	if (nest == NULL)
		return NULL;
	nest->kind = kind;
	nest->in = malloc(NEST_IN_BYTES);
	nest->out = malloc(NEST_OUT_BYTES);
	if (nest->in != NULL && nest->out != NULL) {
		original_description(text, description);
		/* Whatever the program can do with the descriptor, frames come one by one here. */
		if (interface_version == VDE_INTERFACE_AGGREGATES)
			interface_version = LIBVDEPLUG_INTERFACE_VERSION;
		nest->inner = vde_open_real(nested, text, interface_version, args);
		error = errno;
	}
	if (nest->inner != NULL)
		return nest;
	free(nest->in);
	free(nest->out);
	free(nest);
	errno = error;
	return NULL;
}

int nest_close(VDECONN *conn)
{
	struct nest_conn *nest = nest_of(conn);

	vde_close(nest->inner);
	if (nest->kind->destroy != NULL)
		nest->kind->destroy(nest);
	free(nest->in);
	free(nest->out);
	free(nest);
	return 0;
}

int nest_datafd(VDECONN *conn)
{
	return vde_datafd(nest_of(conn)->inner);
}

int nest_ctlfd(VDECONN *conn)
{
	return vde_ctlfd(nest_of(conn)->inner);
}

/* ---- inward ---- */

/* Through a buffer of our own: what comes may be longer than the frame that it becomes. 1: there was something, but no frame. */
ssize_t nest_recv(VDECONN *conn, void *frame, size_t size, int flags)
{
	struct nest_conn *nest = nest_of(conn);
	ssize_t n = vde_recv(nest->inner, nest->in, NEST_IN_BYTES, flags);
	size_t length;

	if (n <= 1)
		return n;
	length = (size_t)n <= NEST_IN_BYTES ? nest->kind->inward(nest, nest->in, (size_t)n, NEST_IN_BYTES) : 0;
	if (length == 0 || length > size)
		return 1;
	memcpy(frame, nest->in, length);
	return (ssize_t)length;
}

static bool is_readable(int fd)
{
	return poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, 0) > 0;
}

/* For buffers that may be too small for what comes. */
static int recv_singly(VDECONN *conn, struct vde_frame *frames, unsigned count, int flags)
{
	unsigned filled = 0;

	for (unsigned i = 0; i < count && is_readable(nest_datafd(conn)); i++) {
		ssize_t n = nest_recv(conn, frames[filled].data, frames[filled].size, flags | MSG_DONTWAIT);

		if (n == 1)
			continue;
		if (n <= 0 && filled == 0)
			return (int)n;
		if (n <= 0)
			break;
		frames[filled++].length = (size_t)n;
	}
	if (filled == 0)
		errno = EAGAIN;
	return filled > 0 ? (int)filled : -1;
}

static bool have_room(const struct vde_frame *frames, unsigned count)
{
	while (count > 0 && frames[count - 1].size >= FRAME_MAX_SIZE)
		count--;
	return count == 0;
}

/* A frame that is dropped keeps its place, with no length. */
int nest_recv_batch(VDECONN *conn, struct vde_frame *frames, unsigned count, int flags)
{
	struct nest_conn *nest = nest_of(conn);
	int n;

	if (!have_room(frames, count))
		return recv_singly(conn, frames, count, flags);
	n = vde_recv_batch(nest->inner, frames, count, flags);
	for (int i = 0; i < n; i++)
		if (frames[i].length > 0)
			frames[i].length = nest->kind->inward(nest, frames[i].data, frames[i].length, frames[i].size);
	return n;
}

unsigned nest_pending(VDECONN *conn)
{
	return vde_pending(nest_of(conn)->inner);
}

/* ---- outward ---- */

/* A frame as it goes out, at `out`; 0: it is dropped. */
static size_t convert(struct nest_conn *nest, const void *frame, size_t length, uint8_t *out)
{
	size_t changed;

	if (length < ETHERNET_HEADER_SIZE || length > FRAME_MAX_SIZE)
		return 0;
	changed = nest->kind->outward(nest, frame, length, out);
	return changed <= FRAME_MAX_SIZE ? changed : 0;
}

ssize_t nest_send(VDECONN *conn, const void *frame, size_t length, int flags)
{
	struct nest_conn *nest = nest_of(conn);
	size_t changed = convert(nest, frame, length, nest->out);

	if (changed > 0 && vde_send(nest->inner, nest->out, changed, flags) < 0)
		return -1;
	return (ssize_t)length;
}

/* Those that the nested network does not take are converted again when they come again. */
int nest_send_batch(VDECONN *conn, const struct vde_frame *frames, unsigned count, int flags)
{
	struct nest_conn *nest = nest_of(conn);
	struct vde_frame batch[NEST_BATCH];
	unsigned origin[NEST_BATCH];    /* which of `frames` each of the batch was */
	unsigned staged = 0, seen = 0;
	size_t used = 0;
	int n;

	for (; seen < count && staged < NEST_BATCH && NEST_OUT_BYTES - used >= frames[seen].length + NEST_GROWTH; seen++) {
		size_t length = convert(nest, frames[seen].data, frames[seen].length, nest->out + used);

		if (length == 0)
			continue;
		origin[staged] = seen;
		batch[staged++] = (struct vde_frame){nest->out + used, length, length};
		used += (length + NEST_ALIGNMENT - 1) / NEST_ALIGNMENT * NEST_ALIGNMENT;
	}
	if (staged == 0)
		return seen > 0 ? (int)seen : 1;        /* 1: a frame longer than any can be */
	n = vde_send_batch(nest->inner, batch, staged, flags);
	if (n >= (int)staged)
		return (int)seen;
	return n > 0 ? (int)origin[n] : origin[0] > 0 ? (int)origin[0] : n;
}
