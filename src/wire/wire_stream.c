/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A wire over a byte stream in vdestream framing (libvdeplug.h). Input is read in large pieces and taken apart in place. Joined wires get
 * the frames where they lie; other owners get copies, as they may use the rooms before and behind each frame.
 *
 * Standard input and output are often shared with other processes, so their O_NONBLOCK is better left alone: sockets are used with
 * MSG_DONTWAIT; pipes and terminals are opened once more for writing, which gives flags of our own; only where that fails is the flag set,
 * and put back at the end. Reading happens only when something is there, so it needs no flag.
 */
#include "wire_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
	STREAM_CHUNK = 1 << 17,         /* bytes read at once at most */
	STREAM_BUFFER = STREAM_CHUNK + WIRE_RECORD_HEADER + FRAME_MAX_SIZE,
	STREAM_ROOM = WIRE_HEADROOM + WIRE_TAILROOM,
	STREAM_COPIES = STREAM_BUFFER + WIRE_BATCH * STREAM_ROOM,
};

struct wire_stream {
	struct wire wire;
	bool in_is_socket, out_is_socket;
	bool opened_out;                /* wire.out_fd is ours */
	int restore_fd;                 /* whose flags are to be put back; -1: none */
	int restore_flags;
	bool ending;                    /* the other direction is gone: what has arrived is still read */
	int out_error;                  /* why; EPIPE: nobody reads it any more */
	size_t start, end;              /* of what was read and not yet delivered */
	uint8_t *buffer;
	uint8_t *copies;                /* for owners that get frames with room */
};

static struct wire_stream *stream_of(struct wire *wire)
{
	return (struct wire_stream *)(void *)wire;
}

/* True when a whole record lies at the start; its frame is stored. A record of length 0 is nothing and is passed over. */
static bool next_frame(struct wire_stream *stream, struct frame *frame)
{
	while (stream->end - stream->start >= WIRE_RECORD_HEADER) {
		uint8_t *record = stream->buffer + stream->start;
		uint32_t length = read_be16(record);

		if (stream->end - stream->start - WIRE_RECORD_HEADER < length)
			return false;
		stream->start += WIRE_RECORD_HEADER + length;
		if (length >= ETHERNET_HEADER_SIZE) {
			*frame = (struct frame){.data = record + WIRE_RECORD_HEADER, .length = length};
			return true;
		}
		stream->wire.counters.dropped_size += length > 0;
	}
	return false;
}

/* Moves frames into memory where each has its rooms. */
static void give_room(struct wire_stream *stream, struct frame *frames, unsigned count)
{
	uint8_t *place = stream->copies + WIRE_HEADROOM;

	for (unsigned i = 0; i < count; i++) {
		memcpy(place, frames[i].data, frames[i].length);
		frames[i].data = place;
		place += frames[i].length + STREAM_ROOM;
	}
}

/* Delivers the whole frames of the buffer until there are none or reading was stopped. */
static void deliver_buffer(struct wire_stream *stream)
{
	struct wire *wire = &stream->wire;

	while (wire_is_reading(wire)) {
		struct frame frames[WIRE_BATCH];
		unsigned count = 0;

		while (count < WIRE_BATCH && next_frame(stream, &frames[count]))
			count++;
		if (count == 0)
			return;
		if (wire->peer == NULL)
			give_room(stream, frames, count);
		wire_deliver(wire, frames, count);
	}
	wire->pending = true;           /* for when reading goes on */
}

static bool is_readable(int fd)
{
	return poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, 0) > 0;
}

static ssize_t read_input(struct wire_stream *stream)
{
	uint8_t *free_space = stream->buffer + stream->end;
	size_t size = STREAM_BUFFER - stream->end;

	if (size > STREAM_CHUNK)
		size = STREAM_CHUNK;
	if (stream->in_is_socket)
		return recv(stream->wire.in_fd, free_space, size, MSG_DONTWAIT);
	return read(stream->wire.in_fd, free_space, size);
}

static void stream_receive(struct wire *wire)
{
	struct wire_stream *stream = stream_of(wire);
	ssize_t n;

	deliver_buffer(stream);
	if (!wire_is_reading(wire))
		return;
	if (stream->ending && !is_readable(wire->in_fd)) {
		wire_end(wire, stream->out_error);
		return;
	}
	/* A pipe would block: what was read before has been delivered, and more may not be there. */
	if (!wire->announced && !is_readable(wire->in_fd))
		return;
	memmove(stream->buffer, stream->buffer + stream->start, stream->end - stream->start);
	stream->end -= stream->start;
	stream->start = 0;
	n = read_input(stream);
	if (n > 0) {
		stream->end += (size_t)n;
		deliver_buffer(stream);
		wire->pending = wire->pending || stream->ending;
	} else if (n == 0 || errno == EIO || errno == ECONNRESET) {
		wire_end(wire, 0);      /* EIO: a terminal that was hung up */
	} else if (errno != EAGAIN && errno != EINTR) {
		wire_end(wire, errno);
	}
}

/* Nothing can be written any more; what the other side had written before is still worth reading. */
static void lose_out(struct wire *wire, int error)
{
	struct wire_stream *stream = stream_of(wire);

	if (!stream->ending)
		stream->out_error = error == ECONNRESET || error == EIO ? EPIPE : error;        /* EIO: a terminal that was hung up */
	stream->ending = true;
	wire->pending = true;
}

static void stream_out_lost(struct wire *wire)
{
	lose_out(wire, EPIPE);
}

/* Returns the bytes written, 0 when none can be now or ever. */
static size_t write_some(struct wire_stream *stream, struct iovec *iov, unsigned count)
{
	struct msghdr message = {.msg_iov = iov, .msg_iovlen = count};
	ssize_t n;

	do {
		if (stream->out_is_socket)
			n = sendmsg(stream->wire.out_fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
		else
			n = writev(stream->wire.out_fd, iov, (int)count);
	} while (n < 0 && errno == EINTR);
	if (n >= 0)
		return (size_t)n;
	if (errno != EAGAIN) {
		lose_out(&stream->wire, errno);
		stream->wire.counters.errors++;
		wire_out_gone(&stream->wire);
	}
	return 0;
}

/* Leaves what was not written of the frame that n bytes end in to the queue. Returns how many frames were begun. */
static unsigned keep_rest(struct wire_stream *stream, const struct iovec *iov, unsigned count, size_t n)
{
	unsigned frame;

	for (frame = 0; frame < count && n > 0; frame++) {
		const struct iovec *header = &iov[2 * frame], *body = header + 1;
		size_t length = header->iov_len + body->iov_len;
		size_t in_header = n < header->iov_len ? n : header->iov_len;
		size_t in_body = n < length ? n - in_header : body->iov_len;

		/* The queue was empty: one frame fits. */
		if (in_header < header->iov_len)
			wire_queue_append_bytes(&stream->wire.queue, (char *)header->iov_base + in_header,
						header->iov_len - in_header);
		if (in_body < body->iov_len)
			wire_queue_append_bytes(&stream->wire.queue, (char *)body->iov_base + in_body, body->iov_len - in_body);
		n -= in_header + in_body;
	}
	return frame;
}

static unsigned stream_transmit(struct wire *wire, const struct frame *frames, unsigned count)
{
	struct wire_stream *stream = stream_of(wire);
	uint8_t header[WIRE_BATCH][WIRE_RECORD_HEADER];
	struct iovec iov[2 * WIRE_BATCH];
	unsigned begun;

	for (unsigned i = 0; i < count; i++) {
		write_be16(header[i], (uint16_t)frames[i].length);
		iov[2 * i] = (struct iovec){header[i], WIRE_RECORD_HEADER};
		iov[2 * i + 1] = (struct iovec){frames[i].data, frames[i].length};
	}
	begun = keep_rest(stream, iov, count, write_some(stream, iov, 2 * count));
	return wire->out_gone ? count : begun;
}

static void stream_flush(struct wire *wire)
{
	struct iovec iov = {wire->queue.bytes + wire->queue.start, wire_queue_length(&wire->queue)};
	size_t n = write_some(stream_of(wire), &iov, 1);

	if (!wire->out_gone)
		wire_queue_remove(&wire->queue, n);
}

static void stream_destroy(struct wire *wire)
{
	struct wire_stream *stream = stream_of(wire);

	if (stream->opened_out)
		close(wire->out_fd);
	if (stream->restore_fd >= 0)
		fcntl(stream->restore_fd, F_SETFL, stream->restore_flags);
	free(stream->buffer);
	free(stream->copies);
	free(stream);
}

static const struct wire_kind stream_kind = {
	.receive = stream_receive,
	.transmit = stream_transmit,
	.flush = stream_flush,
	.out_lost = stream_out_lost,
	.destroy = stream_destroy,
};

/* Opens what `fd` is open on once more, for writing without blocking. -1 where that is not possible or gives something else. */
static int open_again(int fd, const struct stat *expected)
{
	char path[64];
	struct stat st;
	int again;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	again = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	if (again < 0)
		return -1;
	if (fstat(again, &st) == 0 && st.st_dev == expected->st_dev && st.st_ino == expected->st_ino)
		return again;
	close(again);
	return -1;
}

/* Returns the descriptor to write to, or -1 with errno. */
static int prepare_out(struct wire_stream *stream, int out)
{
	struct stat st;
	int flags, again;

	if (fstat(out, &st) != 0)
		return -1;
	flags = fcntl(out, F_GETFL);
	stream->out_is_socket = S_ISSOCK(st.st_mode);
	if (stream->out_is_socket || S_ISREG(st.st_mode) || (flags & O_NONBLOCK) != 0)
		return out;
	again = open_again(out, &st);
	if (again >= 0) {
		stream->opened_out = true;
		return again;
	}
	if (fcntl(out, F_SETFL, flags | O_NONBLOCK) == 0) {
		stream->restore_fd = out;
		stream->restore_flags = flags;
	}
	return out;
}

struct wire *wire_open_stream(struct loop *loop, int in, int out, const struct wire_callbacks *callbacks, void *owner)
{
	struct wire_stream *stream = calloc(1, sizeof(*stream));
	struct stat st;
	int error = 0;

	if (stream == NULL)
		return NULL;
	stream->restore_fd = -1;
	stream->buffer = malloc(STREAM_BUFFER);
	stream->copies = malloc(STREAM_COPIES);
	if (stream->buffer == NULL || stream->copies == NULL)
		error = ENOMEM;
	else if (fstat(in, &st) != 0 || (out = prepare_out(stream, out)) < 0)
		error = errno;
	if (error != 0) {
		stream_destroy(&stream->wire);
		errno = error;
		return NULL;
	}
	stream->in_is_socket = S_ISSOCK(st.st_mode);
	loop_add_signal(loop, SIGPIPE, NULL, NULL);
	error = wire_init(&stream->wire, &stream_kind, loop, in, out, callbacks, owner);
	if (error == 0)
		return &stream->wire;
	wire_close(&stream->wire);
	errno = error;
	return NULL;
}
