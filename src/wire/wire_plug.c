/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A wire over a connection of libvdeplug, in batches. The control descriptor tells that the other side is gone; what it had
 * sent before is received first.
 */
#include "wire_internal.h"

#include "common/aggregate.h"
#include "common/offload.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	SETTLE_STEP_MS = 1,
	PLUG_SMALL_BATCH = 8,           /* asking for many costs even when few are there */
	PLUG_SINGLES = 7,               /* frames asked for one by one after one that came alone */
	PLUG_DATAGRAM_MAX = UNCUT_PREFIX_SIZE + OFFLOAD_FRAME_MAX,
	PLUG_SEND_BUFFER = 1 << 20,     /* asked of the kernel, which may give less: some uncut frames must find room at once */
	PLUG_BURST_NS = 20000,          /* frames that follow each other so fast are not alone, though each was found alone */
};

struct wire_plug {
	struct wire wire;
	VDECONN *conn;
	struct loop_io *control_io;
	bool waits_for_room;            /* writability of the descriptor means something */
	bool gone;                      /* the control descriptor has reached its end */
	unsigned batch;                 /* frames asked for at once: more while more come */
	unsigned singles;               /* frames still to be asked for one by one */
	uint64_t last_ns;               /* when frames came last */
	bool aggregates;                /* several frames in one datagram, both ways */
	struct tries tries;             /* then: datagrams */
	uint8_t *slots;
};

static struct wire_plug *plug_of(struct wire *wire)
{
	return (struct wire_plug *)(void *)wire;
}

/* Errors that a socket reports once, about a frame or a moment; any other one would come again at once. */
static bool is_passing(int error)
{
	switch (error) {
	case EAGAIN: case EINTR: case ENOBUFS: case ENOMEM: case EMSGSIZE: case ECONNREFUSED: case ECONNRESET:
	case EHOSTUNREACH: case ENETUNREACH: case ENETDOWN: case EHOSTDOWN:
		return true;
	default:
		return false;
	}
}

static void receive_failed(struct wire_plug *plug, int error)
{
	struct wire *wire = &plug->wire;

	if (!is_passing(error))
		wire_end(wire, error);
	else if (error == EAGAIN && plug->gone)
		wire_end(wire, 0);
	else if (error != EAGAIN && error != EINTR)
		wire->counters.errors++;
}

/* How many to ask for next, after so many came. */
static void choose_batch(struct wire_plug *plug, unsigned asked, unsigned came)
{
	uint64_t now = loop_now(plug->wire.loop);
	bool burst = now - plug->last_ns < PLUG_BURST_NS;

	plug->last_ns = now;
	if (plug->singles > 0 && !burst) {
		plug->singles--;
		return;
	}
	plug->batch = came >= asked && came > 1 ? WIRE_BATCH : PLUG_SMALL_BATCH;
	plug->singles = came == 1 && !burst ? PLUG_SINGLES : 0;
}

static int receive_into(struct wire_plug *plug, struct vde_frame *batch, unsigned first, unsigned asked)
{
	for (unsigned i = first; i < first + asked; i++)
		batch[i] = (struct vde_frame){wire_slot(plug->slots, i), WIRE_SLOT_SIZE, 0};
	return vde_recv_batch(plug->conn, batch + first, asked, 0);
}

/*
 * As vde_recv_batch, for up to WIRE_BATCH frames. While several come at once more of them are on their way, from a sender on another processor; waiting for them is cheaper than
 * to pass on a few at a time.
 */
static int receive_frames(struct wire_plug *plug, struct vde_frame *batch)
{
	unsigned asked = plug->singles > 0 ? 1 : plug->batch, total;
	int n = receive_into(plug, batch, 0, asked);

	if (n <= 0)
		return n;
	choose_batch(plug, asked, (unsigned)n + vde_pending(plug->conn));
	for (total = (unsigned)n; (n > 1 || vde_pending(plug->conn) > 0) && total < WIRE_BATCH; total += n > 0 ? (unsigned)n : 0) {
		asked = (unsigned)n < asked ? PLUG_SMALL_BATCH : WIRE_BATCH;
		if (asked > WIRE_BATCH - total)
			asked = WIRE_BATCH - total;
		n = receive_into(plug, batch, total, asked);
	}
	return (int)total;
}

/* What lies in the slot of `frame` begins with UNCUT_MARK. */
static unsigned take_uncut(struct wire_plug *plug, uint8_t *slot, size_t length, struct frame *frame)
{
	*frame = (struct frame){.data = slot + UNCUT_PREFIX_SIZE};
	if (length >= UNCUT_PREFIX_SIZE) {
		frame->length = (uint32_t)length - UNCUT_PREFIX_SIZE;
		if (offload_read(frame->data - OFFLOAD_HEADER_SIZE, frame) && frame->offload.segments > 0)
			return 1;
	}
	plug->wire.counters.dropped_size++;
	return 0;
}

/* A datagram of `length` bytes in the slot of frames[0] becomes frames; returns how many. */
static unsigned take_datagram(struct wire_plug *plug, unsigned first, size_t length, struct frame *frames)
{
	uint8_t *slot[AGGREGATE_FRAMES] = {wire_slot(plug->slots, first)};
	uint32_t lengths[AGGREGATE_FRAMES] = {(uint32_t)length};
	unsigned count = 1;

	if (plug->wire.uncut && length <= PLUG_DATAGRAM_MAX && uncut_is(slot[0], length))
		return take_uncut(plug, slot[0], length, frames);
	if (length <= WIRE_SLOT_SIZE && aggregate_is(slot[0], length)) {
		for (unsigned i = 1; i < AGGREGATE_FRAMES; i++)
			slot[i] = wire_slot(plug->slots, first + i);
		count = aggregate_spread(slot, length, lengths);
	} else if (length < ETHERNET_HEADER_SIZE || length > WIRE_SLOT_SIZE) {
		count = 0;
	}
	if (count == 0)
		plug->wire.counters.dropped_size++;
	for (unsigned i = 0; i < count; i++)
		frames[i] = (struct frame){.data = slot[i], .length = lengths[i]};
	return count;
}

static void aggregates_receive(struct wire *wire)
{
	struct wire_plug *plug = plug_of(wire);
	struct frame frames[WIRE_BATCH];
	unsigned count = 0, reads = 0, most = wire_reads(wire, &plug->tries);
	ssize_t n = 0;
	int error = 0;

	for (; reads < most && count + AGGREGATE_FRAMES <= WIRE_BATCH; reads++) {
		n = recv(wire->in_fd, wire_slot(plug->slots, count), PLUG_DATAGRAM_MAX, MSG_DONTWAIT | MSG_TRUNC);
		if (n < 0) {
			error = errno;
			break;
		}
		count += take_datagram(plug, count, (size_t)n, frames + count);
	}
	if (n < 0 || reads == most)
		tries_done(&plug->tries, reads, n < 0);
	wire->pending = plug->gone;
	if (count > 0)
		wire_deliver(wire, frames, count);
	else if (n < 0)
		receive_failed(plug, error);
}

/* One datagram: an uncut frame, one from the queue (a datagram already), another frame, or an aggregate. How many frames are in it; *sent as send(2). */
static unsigned send_datagram(struct wire_plug *plug, const struct frame *frames, unsigned count, ssize_t *sent)
{
	struct aggregate aggregate;
	unsigned n = 0;

	if (frames->offload.segments > 0) {
		uint8_t header[OFFLOAD_HEADER_SIZE];
		struct iovec piece[3] = {{(void *)(uintptr_t)UNCUT_MARK, AGGREGATE_MARK_SIZE}, {header, sizeof(header)}, {frames->data, frames->length}};
		struct msghdr message = {.msg_iov = piece, .msg_iovlen = 3};

		offload_write(&frames->offload, header);
		*sent = sendmsg(plug->wire.out_fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
		return 1;
	}
	if (plug->wire.uncut && uncut_is(frames->data, frames->length)) {
		*sent = send(plug->wire.out_fd, frames->data, frames->length, MSG_DONTWAIT | MSG_NOSIGNAL);
		return 1;
	}
	for (aggregate_start(&aggregate); n < count && frames[n].offload.segments == 0; n++) {
		struct iovec piece = {frames[n].data, frames[n].length};

		if (plug->wire.uncut && uncut_is(frames[n].data, frames[n].length))
			break;
		if (!aggregate_add(&aggregate, &piece, 1, frames[n].length))
			break;
	}
	*sent = aggregate_send(&aggregate, plug->wire.out_fd);
	return n;
}

static unsigned aggregates_transmit(struct wire *wire, const struct frame *frames, unsigned count)
{
	unsigned done = 0;

	while (done < count) {
		ssize_t sent;
		unsigned n = send_datagram(plug_of(wire), frames + done, count - done, &sent);

		if (sent < 0) {
			if (errno == EAGAIN)
				break;
			wire->counters.errors += n;
		}
		done += n;
	}
	return done;
}

static bool aggregates_take_uncut(struct wire *wire)
{
	static const int size = PLUG_SEND_BUFFER;

	setsockopt(wire->out_fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	return send(wire->out_fd, UNCUT_MARK, AGGREGATE_MARK_SIZE, MSG_DONTWAIT | MSG_NOSIGNAL) == AGGREGATE_MARK_SIZE;
}

static void plug_receive(struct wire *wire)
{
	struct wire_plug *plug = plug_of(wire);
	struct vde_frame batch[WIRE_BATCH];
	struct frame frames[WIRE_BATCH];
	unsigned count = 0;
	int n = receive_frames(plug, batch);

	wire->pending = plug->gone || vde_pending(plug->conn) > 0;      /* until nothing more comes */
	if (n < 0) {
		receive_failed(plug, errno);
		return;
	}
	if (n == 0) {
		wire_end(wire, 0);
		return;
	}
	for (int i = 0; i < n; i++) {
		if (batch[i].length >= ETHERNET_HEADER_SIZE)
			frames[count++] = (struct frame){.data = batch[i].data, .length = (uint32_t)batch[i].length};
		else
			wire->counters.dropped_size++;
	}
	wire_deliver(wire, frames, count);
}

static void on_control(void *owner, int fd, unsigned events)
{
	struct wire_plug *plug = owner;
	char chatter[256];
	ssize_t n = read(fd, chatter, sizeof(chatter));

	if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR) && (events & LOOP_HANGUP) == 0))
		return;
	loop_remove_io(plug->control_io);
	plug->control_io = NULL;
	plug->gone = true;
	plug->wire.pending = true;
	wire_update(&plug->wire);
}

/* Sends a batch of at most WIRE_BATCH. Returns how many are done with: sent, or refused for another reason than room. */
static unsigned send_batch(struct wire_plug *plug, const struct vde_frame *batch, unsigned count)
{
	unsigned done = 0;

	while (done < count) {
		int n = vde_send_batch(plug->conn, batch + done, count - done, 0);

		if (n > 0) {
			done += (unsigned)n;
			continue;
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN && plug->waits_for_room)
			break;
		plug->wire.counters.errors++;
		done++;
	}
	return done;
}

static unsigned plug_transmit(struct wire *wire, const struct frame *frames, unsigned count)
{
	struct vde_frame batch[WIRE_BATCH];

	for (unsigned i = 0; i < count; i++)
		batch[i] = (struct vde_frame){frames[i].data, frames[i].length, frames[i].length};
	return send_batch(plug_of(wire), batch, count);
}

/* A switch that sees the connection's end may forget frames that it has not read yet, so they are waited for. */
static void plug_settle(struct wire *wire, uint64_t deadline_ns)
{
	struct stat st;
	int waiting;

	if (fstat(wire->out_fd, &st) != 0 || !S_ISSOCK(st.st_mode))
		return;
	while (!plug_of(wire)->gone && ioctl(wire->out_fd, TIOCOUTQ, &waiting) == 0 && waiting > 0 && loop_clock() < deadline_ns) {
		struct pollfd control = {.fd = vde_ctlfd(plug_of(wire)->conn), .events = POLLIN};

		if (poll(&control, 1, SETTLE_STEP_MS) > 0 && control.revents != 0)
			return;
	}
}

static void plug_destroy(struct wire *wire)
{
	struct wire_plug *plug = plug_of(wire);

	loop_remove_io(plug->control_io);
	wire_slots_free(plug->slots);
	if (plug->conn != NULL)
		vde_close(plug->conn);
	free(plug);
}

static const struct wire_kind plug_kind = {
	.receive = plug_receive,
	.transmit = plug_transmit,
	.settle = plug_settle,
	.destroy = plug_destroy,
};

static const struct wire_kind aggregates_kind = {
	.receive = aggregates_receive,
	.transmit = aggregates_transmit,
	.take_uncut = aggregates_take_uncut,
	.settle = plug_settle,
	.destroy = plug_destroy,
};

/* libvdeplug does not change the two strings, though its interface has them without const. */
static VDECONN *open_connection(const char *name, const char *description, struct vde_open_args *args)
{
	char *name_copy = strdup(name != NULL ? name : "");
	char *description_copy = strdup(description != NULL ? description : "");
	VDECONN *conn = NULL;
	int error = ENOMEM;

	if (name_copy != NULL && description_copy != NULL) {
		conn = vde_open_aggregates(name_copy, description_copy, args);
		error = errno;
	}
	free(name_copy);
	free(description_copy);
	errno = error;
	return conn;
}

static int start(struct wire_plug *plug, struct loop *loop, const struct wire_callbacks *callbacks, void *owner)
{
	int fd = vde_datafd(plug->conn), control = vde_ctlfd(plug->conn);
	struct stat st;
	int error;

	plug->aggregates = vde_aggregates(plug->conn) == 1;
	error = wire_init(&plug->wire, plug->aggregates ? &aggregates_kind : &plug_kind, loop, fd, fd, callbacks, owner);
	if (error != 0)
		return error;
	plug->waits_for_room = fstat(fd, &st) == 0 && (S_ISSOCK(st.st_mode) || S_ISCHR(st.st_mode));
	plug->batch = PLUG_SMALL_BATCH;
	plug->slots = wire_slots_create();
	if (plug->slots == NULL)
		return ENOMEM;
	if (control < 0)
		return 0;
	plug->control_io = loop_add_io(loop, control, LOOP_READ, on_control, plug);
	return plug->control_io != NULL ? 0 : errno;
}

struct wire *wire_open_plug(struct loop *loop, const char *name, const char *description, struct vde_open_args *args,
			    const struct wire_callbacks *callbacks, void *owner)
{
	struct wire_plug *plug = calloc(1, sizeof(*plug));
	int error;

	if (plug == NULL)
		return NULL;
	plug->conn = open_connection(name, description, args);
	if (plug->conn == NULL) {
		error = errno;
		free(plug);
		errno = error;
		return NULL;
	}
	error = start(plug, loop, callbacks, owner);
	if (error == 0)
		return &plug->wire;
	wire_close(&plug->wire);
	errno = error;
	return NULL;
}
