/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/aggregate.h"

#include "common/frame.h"

#include <assert.h>
#include <string.h>
#include <sys/socket.h>

static_assert(sizeof(AGGREGATE_MARK) - 1 == AGGREGATE_MARK_SIZE && sizeof(UNCUT_MARK) - 1 == AGGREGATE_MARK_SIZE, "marks are as long as they say");

/* ---- out ---- */

static void add_piece(struct aggregate *aggregate, const void *bytes, size_t length)
{
	aggregate->piece[aggregate->pieces++] = (struct iovec){ (void *)(uintptr_t)bytes, length };
}

void aggregate_start_as(struct aggregate *aggregate, const void *mark, size_t size)
{
	aggregate->frames = 0;
	aggregate->pieces = 0;
	aggregate->bytes = size;
	add_piece(aggregate, mark, size);
}

void aggregate_start(struct aggregate *aggregate)
{
	aggregate_start_as(aggregate, AGGREGATE_MARK, AGGREGATE_MARK_SIZE);
}

bool aggregate_add(struct aggregate *aggregate, const struct iovec *piece, unsigned pieces, uint32_t length)
{
	uint8_t *field;

	if (aggregate->frames > 0 && (aggregate->frames == AGGREGATE_FRAMES ||
				      aggregate->bytes + AGGREGATE_LENGTH_SIZE + length > AGGREGATE_BYTES))
		return false;
	field = aggregate->length[aggregate->frames++];
	write_be16(field, (uint16_t)length);
	aggregate->bytes += AGGREGATE_LENGTH_SIZE + length;
	add_piece(aggregate, field, AGGREGATE_LENGTH_SIZE);
	for (unsigned i = 0; i < pieces; i++)
		add_piece(aggregate, piece[i].iov_base, piece[i].iov_len);
	return true;
}

/* A lone frame that would be taken for something else. */
static bool is_ambiguous(const struct iovec *first)
{
	return aggregate_is(first->iov_base, first->iov_len) || uncut_is(first->iov_base, first->iov_len);
}

ssize_t aggregate_send(const struct aggregate *aggregate, int fd)
{
	/* without the mark and the length */
	const struct iovec *first = &aggregate->piece[2];
	struct msghdr message = { .msg_iov = (struct iovec *)(uintptr_t)aggregate->piece, .msg_iovlen = aggregate->pieces };

	if (aggregate->frames == 1 && !is_ambiguous(first)) {
		if (aggregate->pieces == 3)
			return send(fd, first->iov_base, first->iov_len, MSG_DONTWAIT | MSG_NOSIGNAL);
		message.msg_iov += 2;
		message.msg_iovlen -= 2;
	}
	return sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* ---- in ---- */

bool aggregate_is(const uint8_t *datagram, size_t length)
{
	return length >= AGGREGATE_MARK_SIZE && memcmp(datagram, AGGREGATE_MARK, AGGREGATE_MARK_SIZE) == 0;
}

bool uncut_is(const uint8_t *datagram, size_t length)
{
	return length >= AGGREGATE_MARK_SIZE && memcmp(datagram, UNCUT_MARK, AGGREGATE_MARK_SIZE) == 0;
}

unsigned aggregate_locate(const uint8_t *datagram, size_t length, size_t mark_size, size_t at[AGGREGATE_FRAMES], uint32_t lengths[AGGREGATE_FRAMES])
{
	size_t offset = mark_size;
	unsigned count;

	for (count = 0; offset < length; count++) {
		if (count == AGGREGATE_FRAMES || length - offset < AGGREGATE_LENGTH_SIZE)
			return 0;
		lengths[count] = read_be16(datagram + offset);
		at[count] = offset + AGGREGATE_LENGTH_SIZE;
		if (lengths[count] < ETHERNET_HEADER_SIZE || length - at[count] < lengths[count])
			return 0;
		offset = at[count] + lengths[count];
	}
	return count;
}

unsigned aggregate_spread(uint8_t *const slot[AGGREGATE_FRAMES], size_t length, uint32_t lengths[AGGREGATE_FRAMES])
{
	size_t at[AGGREGATE_FRAMES];
	unsigned count = aggregate_locate(slot[0], length, AGGREGATE_MARK_SIZE, at, lengths);

	for (unsigned i = 1; i < count; i++)
		memcpy(slot[i], slot[0] + at[i], lengths[i]);
	if (count > 0)
		memmove(slot[0], slot[0] + at[0], lengths[0]);
	return count;
}
