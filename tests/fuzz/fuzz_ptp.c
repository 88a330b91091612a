/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ptp:// receives datagrams from whoever may write to its socket. The input says how to receive, and what comes: plain, or behind the mark of an aggregate. What must
 * come out is computed here once more, from the bytes alone.
 */
#include "libvdeplug/ptp.h"

#include "fuzz.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BUFFERS = 64, ROOM = 65535, LITTLE = 700, DATAGRAM_MAX = 4000, AT_ONCE = 8, EXPECTED_MAX = AT_ONCE * 32 };

struct expected {
	uint8_t bytes[AT_ONCE][DATAGRAM_MAX];
	const uint8_t *frame[EXPECTED_MAX];
	size_t length[EXPECTED_MAX];
	unsigned count;
};

static void expect_frame(struct expected *expected, const uint8_t *frame, size_t length)
{
	expected->frame[expected->count] = frame;
	expected->length[expected->count++] = length;
}

/* All frames of an aggregate, or none. */
static void expect_aggregate(struct expected *expected, const uint8_t *bytes, size_t size)
{
	unsigned before = expected->count;

	for (size_t at = 0; at < size; ) {
		size_t length = size - at >= 2 ? (size_t)bytes[at] << 8 | bytes[at + 1] : 0;

		if (length < 14 || length > size - at - 2 || expected->count - before == 32) {
			expected->count = before;
			return;
		}
		expect_frame(expected, bytes + at + 2, length);
		at += 2 + length;
	}
}

/* The next datagram of the input; returns how much of it is used. */
static size_t send_one(const struct ptp_conn *ptp, int fd, struct expected *expected, unsigned number, const uint8_t *data, size_t size)
{
	uint8_t *datagram = expected->bytes[number];
	size_t wanted = 1 + ((size_t)data[1] << 8 | data[2]) % (DATAGRAM_MAX - PTP_MARK_SIZE), length = 0;

	if ((data[0] & 1) != 0) {
		memcpy(datagram, ptp->own_mark.bytes, PTP_MARK_SIZE);
		length = PTP_MARK_SIZE;
	}
	if (wanted > size - 3)
		wanted = size - 3;
	memcpy(datagram + length, data + 3, wanted);
	length += wanted;
	assert(send(fd, datagram, length, 0) == (ssize_t)length);
	if (ptp->own_mark.takes && length >= PTP_MARK_SIZE && memcmp(datagram, ptp->own_mark.bytes, PTP_MARK_SIZE) == 0)
		expect_aggregate(expected, datagram + PTP_MARK_SIZE, length - PTP_MARK_SIZE);
	else
		expect_frame(expected, datagram, length);
	return 3 + wanted;
}

static void receive_all(struct ptp_conn *ptp, const struct expected *expected, size_t room, unsigned asked)
{
	static uint8_t buffer[BUFFERS][ROOM];
	unsigned got = 0;

	for (unsigned calls = 0, in_vain = 0; in_vain <= AT_ONCE; calls++) {
		struct vde_frame frames[BUFFERS];
		int n;

		for (unsigned i = 0; i < BUFFERS; i++)
			frames[i] = (struct vde_frame){buffer[i], room, 0};
		n = ptp_recv_batch((VDECONN *)(void *)ptp, frames, calls % 3 != 0 ? asked : BUFFERS, 0);
		in_vain += n < 0;
		for (int i = 0; i < n; i++, got++) {
			assert(got < expected->count);
			if (expected->length[got] > room)
				assert(frames[i].length == 0);
			else
				assert(frames[i].length == expected->length[got] && memcmp(frames[i].data, expected->frame[got], frames[i].length) == 0);
		}
	}
	assert(got == expected->count && ptp_pending((VDECONN *)(void *)ptp) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct expected expected;
	struct ptp_conn *ptp = calloc(1, sizeof(*ptp));
	size_t room, at = 2;
	int fd[2];

	assert(ptp != NULL && socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, fd) == 0);
	ptp->socket.data_fd = fd[0];
	ptp->socket.control_fd = -1;
	ptp->datagrams = ptp->connected = true;
	ptp->messages = SOCKET_IO_BATCH;
	memcpy(ptp->own_mark.bytes, AGGREGATE_MARK "12345678", PTP_MARK_SIZE);
	ptp->own_mark.takes = size > 0 && (data[0] & 1) == 0;
	room = size > 0 && (data[0] & 2) != 0 ? LITTLE : ROOM;
	while (size > 3 && at < size - 3) {
		expected.count = 0;
		for (unsigned number = 0; number < AT_ONCE && at < size - 3; number++)
			at += send_one(ptp, fd[1], &expected, number, data + at, size - at);
		receive_all(ptp, &expected, room, 1 + data[1] % BUFFERS);
	}
	close(fd[1]);
	module_ptp.module.vde_close((VDECONN *)(void *)ptp);
	return 0;
}
