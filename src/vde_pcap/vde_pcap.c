/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vde_pcap: what a network carries, in pcapng, to a file or live into a pipe.
 *
 * It is a client like any other: a plug that only listens. With -i it asks the switch, over its management socket, to mirror a port to its
 * plug, and to stop that at the end. (Should it be killed, the switch stops by itself when the plug goes.)
 */
#include "mirror_client.h"

#include "common/cli.h"
#include "common/frame.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/pcapng.h"

#include <errno.h>
#include <fcntl.h>
#include <libvdeplug.h>
#include <pcap/pcap.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
	BATCH = 64,
	RETRY_NS = 20 * 1000 * 1000,    /* a reader that is behind is offered the rest after this time */
	END_TRIES = 100,                /* and at the end of the program so often */
	DESCRIPTION_SIZE = 64,
	FILTER_SNAPLEN = FRAME_MAX_SIZE + 1,
};

struct options {
	const char *file;
	const char *mgmt;
	unsigned port;
	unsigned count;
	unsigned snaplen;
	bool quiet;
};

struct vde_pcap {
	struct options options;
	struct cli cli;
	struct loop *loop;
	struct loop_timer *retry;
	VDECONN *plug;
	int out;
	struct pcapng pcapng;
	struct bpf_program filter;
	bool filtered;
	bool mirrored;
	unsigned own_port;
	uint64_t seen;
	char description[DESCRIPTION_SIZE];
};

static const struct cli_option option_table[] = {
	{ 'w', "write", "FILE", "where to; - is stdout (default)", CLI_STRING, offsetof(struct options, file), 0, 0, NULL },
	{ 'i', "interface port", "PORT", "what this port of the switch sends and receives; needs -M", CLI_UINT,
	  offsetof(struct options, port), 0, 65535, NULL },
	{ 'M', "mgmt", "SOCK", "the switch's management socket", CLI_STRING, offsetof(struct options, mgmt), 0, 0, NULL },
	{ 'c', "count", "N", "end after N packets", CLI_UINT, offsetof(struct options, count), 1, 4294967295.0, NULL },
	{ 's', "snaplen", "BYTES", "keep so much of each packet (default: all)", CLI_UINT,
	  offsetof(struct options, snaplen), 14, 65535, NULL },
	{ 'q', "quiet", NULL, "no summary at the end", CLI_FLAG, offsetof(struct options, quiet), 0, 0, NULL },
	{ 'h', "help", NULL, "this text", CLI_HELP, 0, 0, 0, NULL },
	{ 'v', "version", NULL, "the version", CLI_VERSION, 0, 0, 0, NULL },
	{ 0 },
};

static void complain(const struct vde_pcap *capture, const char *about, const char *text)
{
	fprintf(stderr, "%s: %s: %s\n", capture->cli.program, about, text);
}

static const char *out_name(const struct vde_pcap *capture)
{
	return capture->options.file == NULL || strcmp(capture->options.file, "-") == 0 ? "stdout" : capture->options.file;
}

static uint64_t time_of_day(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * LOOP_SECOND + (uint64_t)now.tv_nsec;
}

static bool passes(const struct vde_pcap *capture, const uint8_t *data, uint32_t length)
{
	return !capture->filtered || bpf_filter(capture->filter.bf_insns, data, length, length) != 0;
}

/* A reader that went away (tcpdump -c) is a normal end. */
static void flush(struct vde_pcap *capture)
{
	int error = pcapng_flush(&capture->pcapng);

	if (error == EAGAIN) {
		loop_timer_after(capture->retry, RETRY_NS);
	} else if (error == EPIPE) {
		loop_stop(capture->loop, 0);
	} else if (error != 0) {
		complain(capture, out_name(capture), strerror(error));
		loop_stop(capture->loop, 1);
	}
}

static void flush_again(void *owner)
{
	flush(owner);
}

static void plug_ready(void *owner, int fd, unsigned events)
{
	struct vde_pcap *capture = owner;
	uint8_t data[FRAME_MAX_SIZE + 1];
	uint64_t now = time_of_day();

	(void)fd;
	(void)events;
	for (int i = 0; i < BATCH; i++) {
		ssize_t length = vde_recv(capture->plug, data, sizeof(data), MSG_DONTWAIT);

		if (length <= 0)
			break;
		if (length < ETHERNET_HEADER_SIZE || length > FRAME_MAX_SIZE || !passes(capture, data, (uint32_t)length))
			continue;
		pcapng_packet(&capture->pcapng, 0, now, data, (uint32_t)length, PCAPNG_UNKNOWN);
		if (++capture->seen == capture->options.count) {
			loop_stop(capture->loop, 0);
			break;
		}
	}
	flush(capture);
}

static void switch_gone(void *owner, int fd, unsigned events)
{
	struct vde_pcap *capture = owner;
	char byte;

	(void)events;
	if (recv(fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK) > 0 || errno == EAGAIN)
		return;
	complain(capture, "the switch", "closed the connection");
	capture->mirrored = false;
	loop_stop(capture->loop, 1);
}

/* The reader of a pipe went: there need not come another packet to find that out. */
static void output_event(void *owner, int fd, unsigned events)
{
	struct vde_pcap *capture = owner;

	(void)fd;
	if (events & LOOP_HANGUP)
		loop_stop(capture->loop, 0);
}

static bool watch_output(struct vde_pcap *capture)
{
	struct stat status;

	if (fstat(capture->out, &status) != 0 || !S_ISFIFO(status.st_mode))
		return true;
	return loop_add_io(capture->loop, capture->out, 0, output_event, capture) != NULL;
}

static void got_signal(void *owner, int signal_number)
{
	struct vde_pcap *capture = owner;

	(void)signal_number;
	loop_stop(capture->loop, 0);
}

static bool compile_filter(struct vde_pcap *capture, char **word, int count)
{
	char text[4096] = "";
	size_t used = 0;
	pcap_t *pcap;

	for (int i = 0; i < count && used < sizeof(text); i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s", i > 0 ? " " : "", word[i]);
	if (used >= sizeof(text)) {
		complain(capture, "filter", "too long");
		return false;
	}
	pcap = pcap_open_dead(DLT_EN10MB, FILTER_SNAPLEN);
	capture->filtered = pcap != NULL && pcap_compile(pcap, &capture->filter, text, 1, PCAP_NETMASK_UNKNOWN) == 0;
	if (!capture->filtered)
		complain(capture, text, pcap != NULL ? pcap_geterr(pcap) : "no memory");
	if (pcap != NULL)
		pcap_close(pcap);
	return capture->filtered;
}

static bool open_output(struct vde_pcap *capture)
{
	if (strcmp(out_name(capture), "stdout") == 0) {
		capture->out = STDOUT_FILENO;
		if (isatty(STDOUT_FILENO))
			cli_usage_error(&capture->cli, "a capture is nothing for a terminal: use -w FILE, or a pipe");
		fcntl(STDOUT_FILENO, F_SETFL, fcntl(STDOUT_FILENO, F_GETFL) | O_NONBLOCK);
	} else {
		capture->out = open(capture->options.file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	}
	if (capture->out < 0)
		complain(capture, capture->options.file, strerror(errno));
	return capture->out >= 0;
}

static bool open_plug(struct vde_pcap *capture, const char *name)
{
	unsigned token = 0;

	if (getrandom(&token, sizeof(token), GRND_NONBLOCK) != sizeof(token))
		token = (unsigned)time_of_day();
	snprintf(capture->description, sizeof(capture->description), "vde_pcap-%08x", token);
	capture->plug = vde_open((char *)(uintptr_t)name, capture->description, NULL);
	if (capture->plug == NULL)
		complain(capture, name, strerror(errno));
	return capture->plug != NULL;
}

static bool begin_mirror(struct vde_pcap *capture)
{
	char problem[MIRROR_PROBLEM_SIZE];

	if (capture->options.mgmt == NULL || capture->options.port == UINT32_MAX)
		return true;
	capture->mirrored = mirror_begin(capture->options.mgmt, capture->options.port, capture->description,
					 &capture->own_port, problem) == 0;
	if (!capture->mirrored)
		complain(capture, capture->options.mgmt, problem);
	return capture->mirrored;
}

static bool watch(struct vde_pcap *capture)
{
	static const int signals[] = { SIGTERM, SIGHUP, SIGINT };
	int control = vde_ctlfd(capture->plug);

	capture->loop = loop_create();
	if (capture->loop == NULL || loop_add_signal(capture->loop, SIGPIPE, NULL, NULL) != 0)
		return false;
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		if (loop_add_signal(capture->loop, signals[i], got_signal, capture) != 0)
			return false;
	capture->retry = loop_add_timer(capture->loop, flush_again, capture);
	if (capture->retry == NULL ||
	    loop_add_io(capture->loop, vde_datafd(capture->plug), LOOP_READ, plug_ready, capture) == NULL)
		return false;
	if (!watch_output(capture))
		return false;
	return control < 0 || loop_add_io(capture->loop, control, LOOP_READ, switch_gone, capture) != NULL;
}

/* What a slow reader has not taken yet is offered for up to two seconds more. */
static void finish(struct vde_pcap *capture)
{
	char problem[MIRROR_PROBLEM_SIZE];
	struct timespec pause = { .tv_nsec = RETRY_NS };

	if (capture->mirrored &&
	    mirror_end(capture->options.mgmt, capture->options.port, capture->own_port, problem) != 0)
		complain(capture, capture->options.mgmt, problem);
	for (int i = 0; i < END_TRIES && pcapng_flush(&capture->pcapng) == EAGAIN; i++)
		nanosleep(&pause, NULL);
	if (capture->pcapng.buffer != NULL && !capture->options.quiet)
		fprintf(stderr, "%s: %llu packets captured, %llu dropped because the output was too slow\n", capture->cli.program,
			(unsigned long long)capture->pcapng.packets, (unsigned long long)capture->pcapng.dropped);
	pcapng_close(&capture->pcapng);
	loop_destroy(capture->loop);
	if (capture->plug != NULL)
		vde_close(capture->plug);
	if (capture->filtered)
		pcap_freecode(&capture->filter);
}

static int run(struct vde_pcap *capture, const char *where)
{
	char name[PCAPNG_NAME_MAX + 1];

	if (capture->mirrored)
		snprintf(name, sizeof(name), "port %u", capture->options.port);
	else
		snprintf(name, sizeof(name), "%s", where);
	if (pcapng_open(&capture->pcapng, capture->out, capture->options.snaplen, "vde_pcap") != 0 ||
	    pcapng_interface(&capture->pcapng, name) != 0 || !watch(capture)) {
		complain(capture, "start", strerror(errno));
		return 1;
	}
	flush(capture);
	return loop_run(capture->loop);
}

int main(int argc, char **argv)
{
	struct vde_pcap capture = {
		.options = { .port = UINT32_MAX },
		.cli = { .synopsis = "vde_pcap [OPTIONS] SWITCH|LOCATOR [FILTER...]", .options = option_table, .max_words = -1,
			 .stop_at_word = false,
			 .purpose = "Writes what a network carries in pcapng, to a file or live: vde_pcap SWITCH | tcpdump -r -" },
	};
	int word = cli_parse(&capture.cli, argc, argv, &capture.options), status = 1;

	if (word == argc)
		cli_usage_error(&capture.cli, "the switch is missing");
	if ((capture.options.port != UINT32_MAX) != (capture.options.mgmt != NULL))
		cli_usage_error(&capture.cli, "-i and -M go together");
	if (word + 1 < argc && !compile_filter(&capture, argv + word + 1, argc - word - 1))
		return 2;
	signal(SIGPIPE, SIG_IGN);
	if (open_plug(&capture, argv[word]) && open_output(&capture) && begin_mirror(&capture))
		status = run(&capture, argv[word]);
	finish(&capture);
	return status == 0 ? 0 : 1;
}
