/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation. A captured frame lies in a ring that is taken back as soon as libpcap's callback returns; so frames are copied, one call of libpcap for
 * each (which is no system call as long as the ring has some). A long frame becomes several; those that find no room wait with it here.
 */
#include "vde_pcapplug/capture.h"

#include "vde_pcapplug/pcap_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	RING_BYTES = 16 << 20,          /* what the kernel keeps of frames that are not read yet */
	MTU_UNKNOWN = FRAME_MAX_SIZE,   /* nothing is cut */
};

/* ---- opening ---- */

static int set_filter(pcap_t *pcap, const char *expression)
{
	struct bpf_program filter;
	int error = pcap_compile(pcap, &filter, expression, 1, PCAP_NETMASK_UNKNOWN);

	if (error != 0)
		return error;
	error = pcap_setfilter(pcap, &filter);
	pcap_freecode(&filter);
	return error;
}

int capture_check_filter(const char *filter, char text[CAPTURE_ERROR_SIZE])
{
	pcap_t *pcap = pcap_open_dead(DLT_EN10MB, FRAME_MAX_SIZE);
	struct bpf_program program;
	int error;

	if (pcap == NULL)
		return ENOMEM;
	error = pcap_compile(pcap, &program, filter, 1, PCAP_NETMASK_UNKNOWN) != 0 ? EINVAL : 0;
	if (error != 0)
		snprintf(text, CAPTURE_ERROR_SIZE, "%s", pcap_geterr(pcap));
	else
		pcap_freecode(&program);
	pcap_close(pcap);
	return error;
}

/* The state of an interface that is not active yet. Returns 0, or a code of libpcap below 0. */
static int activate(pcap_t *pcap, const struct capture_options *options)
{
	int error = pcap_set_snaplen(pcap, FRAME_MAX_SIZE);

	if (error == 0)
		error = pcap_set_promisc(pcap, !options->quiet);
	if (error == 0)
		error = pcap_set_immediate_mode(pcap, 1);
	if (error == 0)
		error = pcap_set_buffer_size(pcap, RING_BYTES);
	if (error == 0)
		error = pcap_activate(pcap);
	return error > 0 ? 0 : error;
}

static int configure(pcap_t *pcap, const struct capture_options *options)
{
	char text[PCAP_ERRBUF_SIZE];

	if (options->filter != NULL && set_filter(pcap, options->filter) != 0)
		return PCAP_ERROR;
	pcap_socket_ignore_own(pcap);
	if (pcap_setdirection(pcap, PCAP_D_IN) != 0)
		return PCAP_ERROR;
	return pcap_setnonblock(pcap, 1, text);
}

static unsigned interface_mtu(const char *interface)
{
	struct ifreq request = {.ifr_ifindex = 0};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool known;

	if (fd < 0)
		return MTU_UNKNOWN;
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", interface);
	known = ioctl(fd, SIOCGIFMTU, &request) == 0;
	close(fd);
	return known ? (unsigned)request.ifr_mtu : MTU_UNKNOWN;
}

static int errno_of(int code)
{
	switch (code) {
	case PCAP_ERROR_NO_SUCH_DEVICE: return ENODEV;
	case PCAP_ERROR_PERM_DENIED: return EPERM;
	case PCAP_ERROR_IFACE_NOT_UP: return ENETDOWN;
	default: return EIO;
	}
}

int capture_open(struct capture *capture, const struct capture_options *options, char text[CAPTURE_ERROR_SIZE])
{
	int code;

	text[0] = '\0';
	capture->next = capture->parts = 0;
	capture->dropped = 0;
	capture->pcap = pcap_create(options->interface, text);
	if (capture->pcap == NULL)
		return EIO;
	code = activate(capture->pcap, options);
	if (code == 0 && pcap_datalink(capture->pcap) != DLT_EN10MB) {
		snprintf(text, CAPTURE_ERROR_SIZE, "not an Ethernet interface");
		return EINVAL;
	}
	if (code == 0)
		code = configure(capture->pcap, options);
	if (code == 0) {
		capture->mtu = interface_mtu(options->interface);
		capture->index = if_nametoindex(options->interface);
		fcntl(capture_descriptor(capture), F_SETFD, FD_CLOEXEC);
		return 0;
	}
	snprintf(text, CAPTURE_ERROR_SIZE, "%s",
		 code == PCAP_ERROR || *pcap_geterr(capture->pcap) ? pcap_geterr(capture->pcap) : pcap_statustostr(code));
	return errno_of(code);
}

void capture_close(struct capture *capture)
{
	if (capture->pcap != NULL)
		pcap_close(capture->pcap);
	capture->pcap = NULL;
}

int capture_descriptor(const struct capture *capture)
{
	return pcap_get_selectable_fd(capture->pcap);
}

/* ---- reading ---- */

/* Parts of the long frame, as many as there is room for. */
static void give_parts(struct capture *capture, const uint8_t *whole)
{
	for (; capture->next < capture->parts && capture->count < capture->max; capture->next++) {
		struct frame *frame = &capture->frames[capture->count++];

		frame->length = segment_write(&capture->plan, whole, capture->next, frame->data);
	}
}

static void captured(u_char *owner, const struct pcap_pkthdr *header, const u_char *data)
{
	struct capture *capture = (struct capture *)(void *)owner;
	struct frame *frame = &capture->frames[capture->count];

	if (header->caplen != header->len || header->len < ETHERNET_HEADER_SIZE || header->len > FRAME_MAX_SIZE) {
		capture->dropped++;
	} else if (segment_plan(&capture->plan, data, header->caplen, capture->mtu)) {
		if (capture->plan.header + capture->plan.size > capture->room) {
			capture->dropped++;
			return;
		}
		capture->next = 0;
		capture->parts = segment_count(&capture->plan);
		give_parts(capture, data);
		if (capture_is_waiting(capture))
			memcpy(capture->whole, data, header->caplen);
	} else if (header->caplen > capture->room) {
		capture->dropped++;
	} else {
		memcpy(frame->data, data, header->caplen);
		segment_complete_checksum(frame->data, header->caplen);
		frame->length = header->caplen;
		capture->count++;
	}
}

int capture_read(struct capture *capture, struct frame *frames, uint32_t room, unsigned max)
{
	int n = 1;

	capture->frames = frames;
	capture->room = room;
	capture->count = 0;
	capture->max = max;
	if (capture_is_waiting(capture) && capture->plan.header + capture->plan.size <= room)
		give_parts(capture, capture->whole);
	else
		capture->next = capture->parts;
	for (unsigned i = 0; n > 0 && i < max && capture->count < max; i++)
		n = pcap_dispatch(capture->pcap, 1, captured, (u_char *)capture);
	if (capture->count > 0 || n >= 0)
		return (int)capture->count;
	errno = ENODEV;
	return -1;
}

const char *capture_reason(const struct capture *capture)
{
	return pcap_geterr(capture->pcap);
}

bool capture_is_present(const struct capture *capture, const char *interface)
{
	return if_nametoindex(interface) == capture->index;
}
