/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vde_pcap: what a network carries, in pcapng, to a file or live into a pipe.
 *
 * It is a client like any other: a plug that only listens. With -i it asks the switch, over its management socket, to mirror a port to its
 * plug, and to stop that at the end. (Should it be killed, the switch stops by itself when the plug goes.)
 */
#include "mirror_client.h"

#include "common/cli.h"
#include "common/daemon.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/pcapng.h"
#include "wire/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <pcap/pcap.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
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
	struct wire *plug;
	int out;
	int out_flags;                  /* of stdout, which others may share: put back at the end; -1: it is ours */
	struct pcapng pcapng;
	bool told;                      /* why the output cannot be written */
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
		capture->told = true;
		loop_stop(capture->loop, 1);
	}
}

static void flush_again(void *owner)
{
	flush(owner);
}

static void receive(void *owner, struct frame *frames, unsigned count)
{
	struct vde_pcap *capture = owner;
	uint64_t now = time_of_day(), wanted = capture->options.count ? capture->options.count : UINT64_MAX;

	for (unsigned i = 0; i < count && capture->seen < wanted; i++) {
		if (!passes(capture, frames[i].data, frames[i].length))
			continue;
		pcapng_packet(&capture->pcapng, 0, now, frames[i].data, frames[i].length, PCAPNG_UNKNOWN);
		if (++capture->seen == wanted)
			loop_stop(capture->loop, 0);
	}
	flush(capture);
}

static void network_gone(void *owner, int error)
{
	struct vde_pcap *capture = owner;

	complain(capture, "the network", error != 0 ? strerror(error) : "closed the connection");
	capture->mirrored = false;
	loop_stop(capture->loop, 1);
}

static const struct wire_callbacks plug_callbacks = { .receive = receive, .lost = network_gone };

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
		capture->out_flags = fcntl(STDOUT_FILENO, F_GETFL);
	} else {
		capture->out = open(capture->options.file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	}
	if (capture->out < 0)
		complain(capture, capture->options.file, strerror(errno));
	else
		fcntl(capture->out, F_SETFL, fcntl(capture->out, F_GETFL) | O_NONBLOCK);
	return capture->out >= 0;
}

static bool open_plug(struct vde_pcap *capture, const char *name)
{
	unsigned token = 0;

	if (getrandom(&token, sizeof(token), GRND_NONBLOCK) != sizeof(token))
		token = (unsigned)time_of_day();
	snprintf(capture->description, sizeof(capture->description), "vde_pcap-%08x", token);
	capture->plug = wire_open_plug(capture->loop, name, capture->description, NULL, &plug_callbacks, capture);
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

	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		if (loop_add_signal(capture->loop, signals[i], got_signal, capture) != 0)
			return false;
	capture->retry = loop_add_timer(capture->loop, flush_again, capture);
	return capture->retry != NULL && watch_output(capture);
}

/* What a slow reader has not taken yet is offered for up to two seconds more. False after a message: not all could be written. */
static bool write_rest(struct vde_pcap *capture)
{
	struct timespec pause = { .tv_nsec = RETRY_NS };
	int error = pcapng_flush(&capture->pcapng);

	for (int i = 0; i < END_TRIES && error == EAGAIN; i++) {
		nanosleep(&pause, NULL);
		error = pcapng_flush(&capture->pcapng);
	}
	if (error == 0 || error == EPIPE)
		return true;
	if (!capture->told)
		complain(capture, out_name(capture), error == EAGAIN ? "the reader does not take the rest" : strerror(error));
	return false;
}

static bool finish(struct vde_pcap *capture)
{
	char problem[MIRROR_PROBLEM_SIZE];
	bool written;

	if (capture->mirrored &&
	    mirror_end(capture->options.mgmt, capture->options.port, capture->own_port, problem) != 0)
		complain(capture, capture->options.mgmt, problem);
	written = write_rest(capture);
	if (capture->pcapng.buffer != NULL && !capture->options.quiet)
		fprintf(stderr, "%s: %llu packets captured, %llu dropped because the output was too slow\n", capture->cli.program,
			(unsigned long long)capture->pcapng.packets, (unsigned long long)capture->pcapng.dropped);
	pcapng_close(&capture->pcapng);
	if (capture->out_flags >= 0)
		fcntl(capture->out, F_SETFL, capture->out_flags);
	wire_close(capture->plug);
	loop_destroy(capture->loop);
	if (capture->filtered)
		pcap_freecode(&capture->filter);
	return written;
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
	loop_timer_after(capture->retry, 0);    /* in the loop, which is not stopped by what happens before it */
	return loop_run(capture->loop);
}

int main(int argc, char **argv)
{
	struct vde_pcap capture = {
		.options = { .port = UINT32_MAX }, .out_flags = -1,
		.cli = { .synopsis = "vde_pcap [OPTIONS] SWITCH|LOCATOR [FILTER...]", .options = option_table, .max_words = -1,
			 .stop_at_word = false,
			 .purpose = "Writes what a network carries in pcapng, to a file or live: vde_pcap SWITCH | tcpdump -r -" },
	};
	int word, status = 1;

	daemon_fill_descriptors();
	word = cli_parse(&capture.cli, argc, argv, &capture.options);
	if (word == argc)
		cli_usage_error(&capture.cli, "the switch is missing");
	if ((capture.options.port != UINT32_MAX) != (capture.options.mgmt != NULL))
		cli_usage_error(&capture.cli, "-i and -M go together");
	if (word + 1 < argc && !compile_filter(&capture, argv + word + 1, argc - word - 1))
		return 2;
	signal(SIGPIPE, SIG_IGN);
	capture.loop = loop_create();
	if (capture.loop == NULL)
		complain(&capture, "start", strerror(errno));
	else if (open_plug(&capture, argv[word]) && begin_mirror(&capture) && open_output(&capture))
		status = run(&capture, argv[word]);
	return finish(&capture) && status == 0 ? 0 : 1;
}
