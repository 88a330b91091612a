/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The frames of ptp://, one to a datagram or many: see module_ptp.c. */
#include "ptp.h"

#include "common/frame.h"
#include "dgram.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static_assert((int)SOCKET_IO_BATCH == (int)PIECES_MAX, "a buffer for each piece");

static bool peer_is_gone(const struct ptp_conn *ptp, int error)
{
	return ptp->datagrams && (error == ECONNREFUSED || error == ENOTCONN || error == ECONNRESET);
}

static bool begins_with(const struct ptp_mark *mark, const void *datagram, size_t length)
{
	return mark->takes && length >= PTP_MARK_SIZE && memcmp(datagram, mark->bytes, PTP_MARK_SIZE) == 0;
}

/* ---- out ---- */

/* Without a peer a frame goes nowhere, as on a cable that ends in the air. So does one that only somebody can have made who guessed the mark. */
ssize_t ptp_send(VDECONN *conn, const void *frame, size_t length, int flags)
{
	struct ptp_conn *ptp = ptp_of(conn);
	ssize_t n;

	if (length == 0 || !ptp_find_peer(ptp) || begins_with(&ptp->peer_mark, frame, length))
		return (ssize_t)length;
	n = socket_io_send(conn, frame, length, flags);
	if (n < 0 && peer_is_gone(ptp, errno)) {
		ptp_forget_peer(ptp);
		return (ssize_t)length;
	}
	return n;
}

/* As many frames as go into one datagram. 0: the first is of no length that an aggregate may have. */
static unsigned fill(struct aggregate *aggregate, const struct ptp_mark *mark, const struct vde_frame *frames, unsigned count)
{
	unsigned n;

	aggregate_start_as(aggregate, mark->bytes, PTP_MARK_SIZE);
	for (n = 0; n < count && frames[n].length >= ETHERNET_HEADER_SIZE && frames[n].length <= FRAME_MAX_SIZE; n++) {
		struct iovec piece = {frames[n].data, frames[n].length};

		if (!aggregate_add(aggregate, &piece, 1, (uint32_t)frames[n].length))
			break;
	}
	return n;
}

static int send_aggregates(struct ptp_conn *ptp, const struct vde_frame *frames, unsigned count)
{
	unsigned done = 0;

	while (done < count) {
		struct aggregate aggregate;
		unsigned n = fill(&aggregate, &ptp->peer_mark, frames + done, count - done);
		ssize_t sent = n > 0 ? aggregate_send(&aggregate, ptp->socket.data_fd) :
			send(ptp->socket.data_fd, frames[done].data, frames[done].length, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (sent < 0 && errno == EMSGSIZE && n > 1)
			ptp->peer_mark.takes = false;   /* the system's buffers are small: one by one then */
		if (sent < 0)
			return done > 0 ? (int)done : -1;
		done += n > 0 ? n : 1;
	}
	return (int)done;
}

int ptp_send_batch(VDECONN *conn, const struct vde_frame *frames, unsigned count, int flags)
{
	struct ptp_conn *ptp = ptp_of(conn);
	unsigned run = 0;
	int n;

	while (run < count && frames[run].length > 0)
		run++;
	if (run == 0)
		return 1;               /* it would be a goodbye */
	if (!ptp_find_peer(ptp))
		return (int)count;
	n = ptp->peer_mark.takes ? send_aggregates(ptp, frames, run) : -1;
	if (n < 0 && !ptp->peer_mark.takes)
		n = socket_io_send_batch(conn, frames, run, flags);
	if (n < 0 && peer_is_gone(ptp, errno)) {
		ptp_forget_peer(ptp);
		return (int)count;
	}
	return n;
}

/* ---- in, without aggregates ---- */

static ssize_t recv_plain(struct ptp_conn *ptp, void *frame, size_t size, int flags)
{
	ssize_t n = socket_io_recv((VDECONN *)(void *)ptp, frame, size, flags);

	if (!ptp->datagrams || (n != 0 && !(n < 0 && peer_is_gone(ptp, errno))))
		return n;
	ptp_forget_peer(ptp);
	return 1;
}

static int recv_plain_batch(struct ptp_conn *ptp, struct vde_frame *frames, unsigned count, int flags)
{
	int n = socket_io_recv_batch((VDECONN *)(void *)ptp, frames, count, flags);

	if (n < 0 && peer_is_gone(ptp, errno)) {
		ptp_forget_peer(ptp);
		errno = EAGAIN;
	}
	for (int i = 0; i < n; i++) {
		if (frames[i].length > 0)
			continue;
		if (!ptp->datagrams)
			return i;       /* the end; frames before it first */
		ptp_forget_peer(ptp);
	}
	return n;
}

/* ---- in, with aggregates ---- */

/* Returns how many frames lie in this buffer. */
static unsigned divide(const struct ptp_conn *ptp, struct pieces *pieces, const struct vde_frame *frame, unsigned buffer)
{
	const uint8_t *datagram = frame->data;
	size_t at[AGGREGATE_FRAMES];
	uint32_t lengths[AGGREGATE_FRAMES];
	unsigned count;

	if (!begins_with(&ptp->own_mark, datagram, frame->length)) {
		pieces_add(pieces, datagram, frame->length, buffer);
		return 1;
	}
	count = aggregate_locate(datagram, frame->length, PTP_MARK_SIZE, at, lengths);
	for (unsigned i = 0; i < count; i++)
		pieces_add(pieces, datagram + at[i], lengths[i], buffer);
	return count;
}

/*
 * How many datagrams to ask for next. A peer that sends aggregates fills the caller's buffers with few of them, and what comes beyond must be copied once more. Of one
 * that does not, as many as there are buffers.
 */
static void choose_messages(struct ptp_conn *ptp, unsigned longest, bool all_came)
{
	if (longest > 1)
		ptp->messages = SOCKET_IO_BATCH / longest;
	else if (all_came)
		ptp->messages = ptp->messages < SOCKET_IO_BATCH / 2 ? 2 * ptp->messages : SOCKET_IO_BATCH;
}

/* One call, into buffers for datagrams of any length. Returns 0, or an errno value. */
static int receive(struct ptp_conn *ptp, struct pieces *pieces, struct vde_frame *buffers, unsigned messages, int flags)
{
	int n = socket_io_recv_batch((VDECONN *)(void *)ptp, buffers, messages, flags);
	unsigned longest = 0;

	if (n < 0 && peer_is_gone(ptp, errno)) {
		ptp_forget_peer(ptp);
		return ENOMSG;
	}
	if (n < 0)
		return errno;
	for (unsigned i = 0; i < (unsigned)n; i++) {
		unsigned frames = 0;

		if (buffers[i].length > 0)
			frames = divide(ptp, pieces, &buffers[i], i);
		else
			ptp_forget_peer(ptp);
		longest = frames > longest ? frames : longest;
	}
	choose_messages(ptp, longest, (unsigned)n == messages);
	return 0;
}

/* How many of the caller's buffers are to receive a datagram; 0: they are too short for some. */
static unsigned messages_for(const struct ptp_conn *ptp, const struct vde_frame *frames, unsigned count)
{
	unsigned messages = ptp->messages * count / SOCKET_IO_BATCH, fit = 0;

	if (messages == 0)
		messages = 1;
	while (fit < messages && frames[fit].size >= FRAME_MAX_SIZE)
		fit++;
	return fit;
}

/* A datagram into memory of ours, and from there into the stash. */
static int receive_aside(struct ptp_conn *ptp, struct pieces *pieces, int flags)
{
	struct vde_frame buffer = {.size = FRAME_MAX_SIZE};

	if (ptp->room == NULL)
		ptp->room = malloc(FRAME_MAX_SIZE);
	if (ptp->room == NULL)
		return ENOMEM;
	buffer.data = ptp->room;
	pieces->room = 0;
	return receive(ptp, pieces, &buffer, 1, flags);
}

/* As dgram_recv. */
static int recv_aggregates(VDECONN *conn, struct vde_frame *frames, unsigned count, int flags)
{
	struct ptp_conn *ptp = ptp_of(conn);
	unsigned done = stash_take(&ptp->stash, frames, count), messages;
	struct pieces pieces;
	int error;

	if (done > 0)
		return (int)done;
	pieces_start(&pieces, frames, count, &ptp->stash);
	messages = messages_for(ptp, frames, pieces.room);
	error = messages > 0 ? receive(ptp, &pieces, frames, messages, flags) : receive_aside(ptp, &pieces, flags);
	done = pieces_place(&pieces);
	if (done == 0)
		done = stash_take(&ptp->stash, frames, count);
	errno = error != 0 ? error : ENOMSG;
	return done > 0 ? (int)done : -1;
}

unsigned ptp_pending(VDECONN *conn)
{
	return ptp_of(conn)->stash.frames;
}

/* ---- in ---- */

ssize_t ptp_recv(VDECONN *conn, void *frame, size_t size, int flags)
{
	struct ptp_conn *ptp = ptp_of(conn);

	if (ptp->own_mark.takes)
		return dgram_recv_one(conn, recv_aggregates, ptp->socket.data_fd, frame, size, flags);
	return recv_plain(ptp, frame, size, flags);
}

int ptp_recv_batch(VDECONN *conn, struct vde_frame *frames, unsigned count, int flags)
{
	struct ptp_conn *ptp = ptp_of(conn);

	if (ptp->own_mark.takes)
		return dgram_batch_result(recv_aggregates(conn, frames, count, flags));
	return recv_plain_batch(ptp, frames, count, flags);
}
