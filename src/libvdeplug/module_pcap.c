/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pcap://INTERFACE[/filter=EXPRESSION/nopromisc]: the network behind an Ethernet interface of this machine, through libpcap. A shared object.
 *
 * Theory of operation. A long frame of the interface becomes several (capture.h), so frames may wait here when the capture's descriptor is silent; and an interface
 * may go without a word. So the descriptor that programs wait for is an epoll descriptor over the capture's and a timer. The timer is due at once while frames wait,
 * and each second after a wake-up for nothing until a frame comes.
 */
#include "vde_pcapplug/capture.h"
#include "vde_pcapplug/pcap_socket.h"
#include "module.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum { BATCH = 64, PRESENCE_S = 1, NAME_MAX_BYTES = 64 };

struct pcap_conn {
	void *handle;                   /* first members as struct vdeconn */
	struct vdeplug_module *module;
	int timer, epoll;
	bool is_timing;
	char interface[NAME_MAX_BYTES];
	struct capture capture;
};

static struct pcap_conn *pcap_of(VDECONN *conn)
{
	return (struct pcap_conn *)(void *)conn;
}

/* ---- opening and closing ---- */

static int pcap_module_close(VDECONN *conn)
{
	struct pcap_conn *pcap = pcap_of(conn);

	capture_close(&pcap->capture);
	if (pcap->timer >= 0)
		close(pcap->timer);
	if (pcap->epoll >= 0)
		close(pcap->epoll);
	free(pcap);
	return 0;
}

static int parse(struct pcap_conn *pcap, char *text, struct capture_options *options)
{
	char filter[] = "filter", quiet[] = "nopromisc", *expression = NULL, *nopromisc = NULL;
	struct vdeparms parms[] = {{filter, &expression}, {quiet, &nopromisc}, {NULL, NULL}};
	size_t length;

	if (vde_parseparms(text, parms) != 0)
		return EINVAL;
	length = strlen(text);
	if (length == 0 || length >= sizeof(pcap->interface)) {
		fprintf(stderr, "libvdeplug: pcap:// needs the name of an interface, not: %s\n", text);
		return EINVAL;
	}
	memcpy(pcap->interface, text, length + 1);
	*options = (struct capture_options){.interface = pcap->interface, .filter = expression, .quiet = nopromisc != NULL};
	return 0;
}

static int watch(const struct pcap_conn *pcap, int fd)
{
	struct epoll_event event = {.events = EPOLLIN};

	return epoll_ctl(pcap->epoll, EPOLL_CTL_ADD, fd, &event) == 0 ? 0 : errno;
}

static int open_capture(struct pcap_conn *pcap, char *arguments)
{
	char text[CAPTURE_ERROR_SIZE];
	struct capture_options options;
	int error = parse(pcap, arguments, &options);

	if (error != 0)
		return error;
	error = capture_open(&pcap->capture, &options, text);
	if (error != 0) {
		fprintf(stderr, "libvdeplug: pcap: %s: %s\n", pcap->interface, text);
		return error;
	}
	pcap->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	pcap->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (pcap->timer < 0 || pcap->epoll < 0)
		return errno;
	error = watch(pcap, capture_descriptor(&pcap->capture));
	return error != 0 ? error : watch(pcap, pcap->timer);
}

static VDECONN *pcap_module_open(char *arguments, char *description, int interface_version, struct vde_open_args *args)
{
	struct pcap_conn *pcap = calloc(1, sizeof(*pcap));
	int error;

	(void)description, (void)interface_version, (void)args;
	if (pcap == NULL)
		return NULL;
	pcap->timer = pcap->epoll = -1;
	error = open_capture(pcap, arguments);
	if (error == 0)
		return (VDECONN *)(void *)pcap;
	pcap_module_close((VDECONN *)(void *)pcap);
	errno = error;
	return NULL;
}

/* ---- frames ---- */

/* The timer for what has just been read: due at once, in PRESENCE_S, or never. */
static void set_timer(struct pcap_conn *pcap, int count)
{
	bool waiting = capture_is_waiting(&pcap->capture);
	struct itimerspec time = {.it_value = {.tv_sec = waiting ? 0 : PRESENCE_S, .tv_nsec = waiting ? 1 : 0}};

	if (count > 0 && !waiting) {
		if (!pcap->is_timing)
			return;
		time.it_value = (struct timespec){0};
	}
	timerfd_settime(pcap->timer, 0, &time, NULL);
	pcap->is_timing = count == 0 || waiting;
}

/* As capture_read. */
static int read_frames(struct pcap_conn *pcap, struct frame *frames, uint32_t room, unsigned max)
{
	int n = capture_read(&pcap->capture, frames, room, max);

	if (n == 0 && !capture_is_present(&pcap->capture, pcap->interface)) {
		errno = ENODEV;
		return -1;
	}
	if (n >= 0)
		set_timer(pcap, n);
	return n;
}

static ssize_t pcap_module_recv(VDECONN *conn, void *frame, size_t size, int flags)
{
	struct frame one = {.data = frame};
	uint32_t room = size < FRAME_MAX_SIZE ? (uint32_t)size : FRAME_MAX_SIZE;
	int n = read_frames(pcap_of(conn), &one, room, 1);

	if (n == 0 && (flags & MSG_DONTWAIT) != 0) {
		errno = EAGAIN;
		return -1;
	}
	if (n == 0) {
		poll(&(struct pollfd){.fd = pcap_of(conn)->epoll, .events = POLLIN}, 1, -1);
		n = read_frames(pcap_of(conn), &one, room, 1);
	}
	return n < 0 ? -1 : n == 0 ? 1 : (ssize_t)one.length;
}

static int pcap_module_recv_batch(VDECONN *conn, struct vde_frame *frames, unsigned count, int flags)
{
	struct frame batch[BATCH];
	size_t room = FRAME_MAX_SIZE;
	int n;

	(void)flags;
	if (count > BATCH)
		count = BATCH;
	for (unsigned i = 0; i < count; i++) {
		batch[i] = (struct frame){.data = frames[i].data};
		room = frames[i].size < room ? frames[i].size : room;
	}
	n = read_frames(pcap_of(conn), batch, (uint32_t)room, count);
	for (int i = 0; i < n; i++)
		frames[i].length = batch[i].length;
	if (n == 0)
		errno = EAGAIN;
	return n > 0 ? n : -1;
}

/* Frames that the interface does not take now are lost, as on a cable. */
static int pcap_module_send_batch(VDECONN *conn, const struct vde_frame *frames, unsigned count, int flags)
{
	struct frame batch[BATCH];
	int n;

	(void)flags;
	if (count > BATCH)
		count = BATCH;
	for (unsigned i = 0; i < count; i++)
		batch[i] = (struct frame){.data = frames[i].data, .length = (uint32_t)frames[i].length};
	do
		n = pcap_socket_send(pcap_of(conn)->capture.pcap, batch, count);
	while (n < 0 && errno == EINTR);
	return n;
}

static ssize_t pcap_module_send(VDECONN *conn, const void *frame, size_t length, int flags)
{
	union { const void *in; void *out; } bytes = {.in = frame};     /* nothing is changed there */
	struct vde_frame one = {bytes.out, length, length};

	if (length < ETHERNET_HEADER_SIZE || length > FRAME_MAX_SIZE)
		return (ssize_t)length;
	while (pcap_module_send_batch(conn, &one, 1, flags) < 0) {
		if (errno != EAGAIN || (flags & MSG_DONTWAIT) != 0)
			return -1;
		poll(&(struct pollfd){.fd = capture_descriptor(&pcap_of(conn)->capture), .events = POLLOUT}, 1, -1);
	}
	return (ssize_t)length;
}

static int pcap_module_datafd(VDECONN *conn)
{
	return pcap_of(conn)->epoll;
}

/* The library that opens us looks for this name. */
extern __attribute__((visibility("default"))) struct builtin_module vdeplug_ops;
struct builtin_module vdeplug_ops = {
	.module = {MODULE_OURS, pcap_module_open, pcap_module_recv, pcap_module_send, pcap_module_datafd, module_no_ctlfd,
		   pcap_module_close},
	.name = "pcap",
	.recv_batch = pcap_module_recv_batch,
	.send_batch = pcap_module_send_batch,
};
