/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vdestream: a frame on a byte stream is its length in two bytes, the higher first, and its bytes. Every length that two bytes
 * can say is accepted, so there is nothing to lose step over. A length of 0 is nothing and is skipped.
 */
#include "common/frame.h"

#include <errno.h>
#include <libvdeplug.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/uio.h>

enum { STREAM_HEADER = 2 };

struct vdestream {
	void *opaque;
	int fdout;
	ssize_t (*receive)(void *opaque, void *frame, size_t length);
	size_t kept;                    /* bytes of an unfinished frame, header included */
	unsigned char frame[STREAM_HEADER + FRAME_MAX_SIZE];
};

VDESTREAM *vdestream_open(void *opaque, int fdout, ssize_t (*receive)(void *opaque, void *frame, size_t length),
			  void (*error)(void *opaque, int type, char *format, ...))
{
	VDESTREAM *stream = malloc(sizeof(*stream));

	(void)error;                    /* no input is an error */
	if (stream == NULL)
		return NULL;
	stream->opaque = opaque;
	stream->fdout = fdout;
	stream->receive = receive;
	stream->kept = 0;
	return stream;
}

void vdestream_close(VDESTREAM *stream)
{
	free(stream);
}

/* Writes what is left of a frame that has begun; a descriptor that does not block is waited for. Returns 0 or -1. */
static int write_rest(int fd, struct iovec *iov, int count, size_t written)
{
	for (;;) {
		ssize_t n;

		for (; count > 0 && written >= iov->iov_len; iov++, count--)
			written -= iov->iov_len;
		if (count == 0)
			return 0;
		iov->iov_base = (char *)iov->iov_base + written;
		iov->iov_len -= written;
		n = writev(fd, iov, count);
		if (n < 0 && errno == EAGAIN)
			poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, -1);
		else if (n < 0 && errno != EINTR)
			return -1;
		written = n > 0 ? (size_t)n : 0;
	}
}

ssize_t vdestream_send(VDESTREAM *stream, const void *frame, size_t length)
{
	unsigned char header[STREAM_HEADER] = {(unsigned char)(length >> 8), (unsigned char)length};
	union { const void *in; void *out; } bytes = {.in = frame};     /* writev changes nothing there */
	struct iovec iov[] = {{header, STREAM_HEADER}, {bytes.out, length}};
	ssize_t n;

	if (length > FRAME_MAX_SIZE)
		return 0;
	do
		n = writev(stream->fdout, iov, length > 0 ? 2 : 1);
	while (n < 0 && errno == EINTR);
	if (n < 0 || write_rest(stream->fdout, iov, length > 0 ? 2 : 1, (size_t)n) < 0)
		return -1;
	return (ssize_t)(STREAM_HEADER + length);
}

/* Takes bytes into the frame that is kept until it has `wanted` of them. Returns how many it took. */
static size_t keep(VDESTREAM *stream, const unsigned char *bytes, size_t length, size_t wanted)
{
	size_t take = wanted - stream->kept;

	if (take > length)
		take = length;
	memcpy(stream->frame + stream->kept, bytes, take);
	stream->kept += take;
	return take;
}

/* Goes on with the frame that is kept. Returns how many bytes it took. */
static size_t complete_kept(VDESTREAM *stream, const unsigned char *bytes, size_t length)
{
	size_t took = 0, whole;

	if (stream->kept < STREAM_HEADER)
		took = keep(stream, bytes, length, STREAM_HEADER);
	if (stream->kept < STREAM_HEADER)
		return took;
	whole = STREAM_HEADER + (size_t)read_be16(stream->frame);
	took += keep(stream, bytes + took, length - took, whole);
	if (stream->kept == whole) {
		stream->kept = 0;
		if (whole > STREAM_HEADER)
			stream->receive(stream->opaque, stream->frame + STREAM_HEADER, whole - STREAM_HEADER);
	}
	return took;
}

void vdestream_recv(VDESTREAM *stream, unsigned char *bytes, size_t length)
{
	if (stream->kept > 0) {
		size_t took = complete_kept(stream, bytes, length);

		bytes += took;
		length -= took;
	}
	while (length >= STREAM_HEADER && length - STREAM_HEADER >= read_be16(bytes)) {
		size_t size = read_be16(bytes);

		if (size > 0)
			stream->receive(stream->opaque, bytes + STREAM_HEADER, size);
		bytes += STREAM_HEADER + size;
		length -= STREAM_HEADER + size;
	}
	if (length > 0)
		keep(stream, bytes, length, sizeof(stream->frame));
}
