/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vdesl://DEVICE[speed=N]: a vdestream on a serial line.
 *
 * Theory of operation. A line may lose bytes, and nothing in the stream tells where a frame begins. So after an unfinished frame the line is watched for a
 * gap of GAP_MS, behind which a frame begins; the same after a length that no frame has. Senders write a frame without a gap.
 *
 * The line is slow, so a frame that is being sent waits here, and one that comes meanwhile is refused: better dropped than late. The
 * descriptor that programs wait for is an epoll descriptor over the line and the timer of the gap. The writer asks it for the line's room, and whoever
 * receives goes on with the frame; hence the lock.
 */
#include "module.h"
#include "serial.h"
#include "stream_in.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum {
	GAP_MS = 100,
	NOISE_READS = 16,               /* reads of noise in one turn */
};

struct vdesl_conn {
	void *handle;                   /* first members as struct vdeconn */
	struct vdeplug_module *module;
	int line, timer, epoll;
	struct stream_in in;
	bool timing;                    /* the timer runs */
	bool lost;                      /* out of step: everything up to the next gap is noise */
	pthread_mutex_t lock;           /* of all below */
	bool wants_room;                /* the epoll descriptor reports the line's room */
	size_t rest, rest_at;           /* bytes of `out` still to be written, and where */
	uint8_t out[STREAM_HEADER + VDE_ETHBUFSIZE];
};

static struct vdesl_conn *vdesl_of(VDECONN *conn)
{
	return (struct vdesl_conn *)(void *)conn;
}

/* ---- opening and closing ---- */

static int vdesl_close(VDECONN *conn)
{
	struct vdesl_conn *sl = vdesl_of(conn);
	const int fds[] = {sl->line, sl->timer, sl->epoll};

	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	pthread_mutex_destroy(&sl->lock);
	free(sl);
	return 0;
}

static int watch(const struct vdesl_conn *sl, int operation, int fd, uint32_t events)
{
	struct epoll_event event = {.events = events};

	return epoll_ctl(sl->epoll, operation, fd, &event) == 0 ? 0 : errno;
}

static int open_line(struct vdesl_conn *sl, char *arguments)
{
	const char *device;
	unsigned speed;
	int error = serial_parse(arguments, &device, &speed);

	if (error != 0)
		return error;
	sl->line = serial_open(device, speed);
	if (sl->line < 0)
		return errno;
	sl->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	sl->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (sl->timer < 0 || sl->epoll < 0)
		return errno;
	error = watch(sl, EPOLL_CTL_ADD, sl->line, EPOLLIN);
	return error != 0 ? error : watch(sl, EPOLL_CTL_ADD, sl->timer, EPOLLIN);
}

static VDECONN *vdesl_open(char *arguments, char *description, int interface_version, struct vde_open_args *args)
{
	struct vdesl_conn *sl = calloc(1, sizeof(*sl));
	int error;

	(void)description, (void)interface_version, (void)args;
	if (sl == NULL)
		return NULL;
	sl->line = sl->timer = sl->epoll = -1;
	pthread_mutex_init(&sl->lock, NULL);
	error = open_line(sl, arguments);
	if (error == 0)
		return (VDECONN *)(void *)sl;
	vdesl_close((VDECONN *)(void *)sl);
	errno = error;
	return NULL;
}

/* ---- sending ---- */

/* Writes what the line takes; asks for its room as long as something is left. Returns 0, or -1 with errno when the line is gone. */
static int write_rest(struct vdesl_conn *sl)
{
	ssize_t n = 0;
	bool wants_room;

	while (sl->rest > 0) {
		n = write(sl->line, sl->out + sl->rest_at, sl->rest);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		sl->rest_at += (size_t)n;
		sl->rest -= (size_t)n;
	}
	if (n < 0 && errno != EAGAIN) {
		sl->rest = 0;
		return -1;
	}
	wants_room = sl->rest > 0;
	if (wants_room != sl->wants_room && watch(sl, EPOLL_CTL_MOD, sl->line, EPOLLIN | (wants_room ? EPOLLOUT : 0)) == 0)
		sl->wants_room = wants_room;
	return 0;
}

/* Takes the frame if there is none on its way. */
static int put_frame(struct vdesl_conn *sl, const void *frame, size_t length)
{
	if (write_rest(sl) != 0)
		return -1;
	if (sl->rest > 0) {
		errno = EAGAIN;
		return -1;
	}
	write_be16(sl->out, (uint16_t)length);
	memcpy(sl->out + STREAM_HEADER, frame, length);
	sl->rest = STREAM_HEADER + length;
	sl->rest_at = 0;
	return write_rest(sl);
}

static void wait_for(int fd, short events)
{
	poll(&(struct pollfd){.fd = fd, .events = events}, 1, -1);
}

static ssize_t vdesl_send(VDECONN *conn, const void *frame, size_t length, int flags)
{
	struct vdesl_conn *sl = vdesl_of(conn);
	int result;

	if (length < ETHERNET_HEADER_SIZE || length > VDE_ETHBUFSIZE)
		return (ssize_t)length;         /* dropped, never cut */
	for (;;) {
		pthread_mutex_lock(&sl->lock);
		result = put_frame(sl, frame, length);
		pthread_mutex_unlock(&sl->lock);
		if (result == 0 || errno != EAGAIN || (flags & MSG_DONTWAIT) != 0)
			return result == 0 ? (ssize_t)length : -1;
		wait_for(sl->line, POLLOUT);
	}
}

static int vdesl_send_batch(VDECONN *conn, const struct vde_frame *frames, unsigned count, int flags)
{
	unsigned sent = 0;

	while (sent < count && vdesl_send(conn, frames[sent].data, frames[sent].length, flags | MSG_DONTWAIT) >= 0)
		sent++;
	return sent > 0 ? (int)sent : -1;
}

/* ---- receiving ---- */

static void set_timer(struct vdesl_conn *sl, bool on)
{
	struct itimerspec time = {.it_value.tv_nsec = on ? GAP_MS * 1000000L : 0};

	if (on || sl->timing)
		timerfd_settime(sl->timer, 0, &time, NULL);
	sl->timing = on;
}

/* Nothing came for GAP_MS: what comes next begins a frame. */
static void look_for_gap(struct vdesl_conn *sl)
{
	uint64_t times;

	if (!sl->timing || read(sl->timer, &times, sizeof(times)) != sizeof(times))
		return;
	sl->timing = false;
	sl->lost = false;
	sl->in.have = 0;
}

/* Out of step: what is there is read and forgotten, so that the line can fall silent. */
static ssize_t skip(struct vdesl_conn *sl)
{
	sl->in.have = 0;
	return read(sl->line, sl->in.bytes, sizeof(sl->in.bytes));
}

/* One read. Returns as read(2). */
static ssize_t read_some(struct vdesl_conn *sl)
{
	struct stream_in *in = &sl->in;
	ssize_t n = sl->lost ? skip(sl) : read(sl->line, in->bytes + in->have, stream_in_room(in));

	if (n <= 0 || sl->lost)
		return n;
	in->have += (size_t)n;
	sl->lost = in->have >= STREAM_HEADER && stream_in_wanted(in) > STREAM_HEADER + VDE_ETHBUFSIZE;
	return n;
}

/* Reads until a frame is complete: 1. Otherwise 0: the line has hung up; -1 with errno, EAGAIN: not yet. */
static int read_frame(struct vdesl_conn *sl)
{
	bool came = false;
	unsigned noise = 0;

	while (sl->lost || !stream_in_complete(&sl->in)) {
		ssize_t n;

		errno = EAGAIN;
		n = noise < NOISE_READS ? read_some(sl) : -1;
		noise += sl->lost;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN && !came)
			look_for_gap(sl);
		if (n < 0 && errno == EAGAIN && came)
			set_timer(sl, sl->lost || sl->in.have > 0);
		if (n <= 0) {
			errno = n < 0 ? errno : 0;
			return n < 0 && errno == EAGAIN ? -1 : 0;
		}
		came = true;
	}
	return 1;
}

/* As read_frame; stores the frame's length, 0 for one that is none or too long for the caller. */
static int receive(struct vdesl_conn *sl, void *frame, size_t size, size_t *length)
{
	int result;

	pthread_mutex_lock(&sl->lock);
	if (sl->rest > 0)
		write_rest(sl);
	pthread_mutex_unlock(&sl->lock);
	result = read_frame(sl);
	if (result != 1)
		return result;
	*length = stream_in_take(&sl->in, frame, size);
	if (*length < ETHERNET_HEADER_SIZE)
		*length = 0;
	if (sl->in.have >= STREAM_HEADER && stream_in_wanted(&sl->in) > STREAM_HEADER + VDE_ETHBUFSIZE)
		sl->lost = true;
	set_timer(sl, sl->lost || sl->in.have > 0);
	return 1;
}

static ssize_t vdesl_recv(VDECONN *conn, void *frame, size_t size, int flags)
{
	struct vdesl_conn *sl = vdesl_of(conn);
	size_t length = 0;
	int result = receive(sl, frame, size, &length);

	if (result < 0 && errno == EAGAIN && (flags & MSG_DONTWAIT) == 0) {
		wait_for(sl->epoll, POLLIN);
		result = receive(sl, frame, size, &length);
		if (result < 0 && errno == EAGAIN)
			return 1;
	}
	if (result <= 0)
		return result;
	return length > 0 ? (ssize_t)length : 1;
}

static int vdesl_recv_batch(VDECONN *conn, struct vde_frame *frames, unsigned count, int flags)
{
	unsigned filled = 0;

	(void)flags;
	while (filled < count) {
		int result = receive(vdesl_of(conn), frames[filled].data, frames[filled].size, &frames[filled].length);

		if (result <= 0)
			return filled > 0 ? (int)filled : result;
		filled += frames[filled].length > 0;
	}
	return (int)filled;
}

static int vdesl_datafd(VDECONN *conn)
{
	return vdesl_of(conn)->epoll;
}

struct builtin_module module_vdesl = {
	.module = {0, vdesl_open, vdesl_recv, vdesl_send, vdesl_datafd, module_no_ctlfd, vdesl_close},
	.name = "vdesl",
	.recv_batch = vdesl_recv_batch,
	.send_batch = vdesl_send_batch,
};
