/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pdump: packets to a file, in pcapng, whole, with port and direction; a filter; rotation by size.
 *
 * Each port is an interface of the capture ("port 3"), described when its first packet comes; the direction is in the packet's flags. Writing
 * never waits: into a pipe that is not read fast enough packets are left out, whole, and counted.
 *
 * A plugin is loaded once per process and its functions are given no owner: its state is static.
 */
#include "common/number.h"
#include "common/pcapng.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pcap/pcap.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <vdeplugin.h>

enum { PORTS = 65536, FILTER_MAX = 1024, KEEP_DEFAULT = 4, KEEP_MAX = 1000, SNAPLEN = 65536, FLUSH_S = 1, BUFFERED_BYTES = 65536 };

struct plugin vde_plugin_data = { .name = "pdump", .help = "dump packets to file, in pcapng format" };

static struct {
	bool active, buffered, filtered;
	char name[PATH_MAX];            /* of the file */
	char filter_text[FILTER_MAX];
	struct bpf_program filter;
	struct pcapng pcapng;
	int fd;
	uint64_t rotate;                /* bytes; 0: never */
	unsigned keep;                  /* old files: NAME.1 is the youngest */
	unsigned flush_timer;
	int *interface_of;              /* port to interface + 1 */
} dump = { .name = "vde_dump.cap", .fd = -1, .keep = KEEP_DEFAULT };

static uint64_t time_of_day(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* ---- the file ---- */

static void close_file(void)
{
	if (dump.fd < 0)
		return;
	pcapng_close(&dump.pcapng);
	close(dump.fd);
	dump.fd = -1;
	free(dump.interface_of);
	dump.interface_of = NULL;
}

static int open_file(void)
{
	int error;

	/* Not blocking: a pipe without a reader is an error here and not a stop of the switch. */
	dump.fd = open(dump.name, O_WRONLY | O_CREAT | O_TRUNC | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (dump.fd < 0)
		return errno;
	dump.interface_of = calloc(PORTS, sizeof(int));
	error = dump.interface_of ? pcapng_open(&dump.pcapng, dump.fd, 0, "vde_switch pdump") : ENOMEM;
	if (!error) {
		error = pcapng_flush(&dump.pcapng);
		return error == EAGAIN ? 0 : error;
	}
	close(dump.fd);
	dump.fd = -1;
	free(dump.interface_of);
	return error;
}

/* NAME becomes NAME.1, NAME.1 becomes NAME.2, ... */
static void rotate_file(void)
{
	char from[PATH_MAX + 16], to[PATH_MAX + 16];
	int error;

	close_file();
	for (unsigned i = dump.keep; i > 0; i--) {
		snprintf(to, sizeof(to), "%s.%u", dump.name, i);
		if (i > 1)
			snprintf(from, sizeof(from), "%s.%u", dump.name, i - 1);
		else
			snprintf(from, sizeof(from), "%s", dump.name);
		if (rename(from, to) != 0 && errno != ENOENT)
			printlog(LOG_WARNING, "pdump: %s: %s", to, strerror(errno));
	}
	error = open_file();
	if (error)
		printlog(LOG_ERR, "pdump: %s: %s", dump.name, strerror(error));
}

static void flush(void)
{
	int error = pcapng_flush(&dump.pcapng);

	if (error == 0 || error == EAGAIN)
		return;
	printlog(LOG_ERR, "pdump: %s: %s: no more packets are written", dump.name, strerror(error));
	close_file();
}

static void flush_now_and_then(void *arg)
{
	(void)arg;
	if (dump.fd >= 0)
		flush();
}

/* ---- packets ---- */

static int interface_number(int port)
{
	char name[32];

	if (port < 0 || port >= PORTS)
		return -1;
	if (dump.interface_of[port] == 0) {
		snprintf(name, sizeof(name), "port %d", port);
		dump.interface_of[port] = pcapng_interface(&dump.pcapng, name) + 1;
	}
	return dump.interface_of[port] - 1;
}

static int packet(struct dbgcl *event, void *arg, va_list values)
{
	int port = va_arg(values, int);
	const unsigned char *data = va_arg(values, const unsigned char *);
	uint32_t length = (uint32_t)va_arg(values, int);
	int interface;

	(void)arg;
	if (dump.filtered && bpf_filter(dump.filter.bf_insns, data, length, length) == 0)
		return 0;
	if (dump.rotate && dump.fd >= 0 && dump.pcapng.bytes + length > dump.rotate && dump.pcapng.packets > 0)
		rotate_file();
	if (dump.fd < 0)
		return 0;
	interface = interface_number(port);
	if (interface >= 0)
		pcapng_packet(&dump.pcapng, (unsigned)interface, time_of_day(), data, length,
			      event->tag == (D_PACKET | D_IN) ? PCAPNG_IN : PCAPNG_OUT);
	if (!dump.buffered || dump.pcapng.length > BUFFERED_BYTES)
		flush();
	return 0;
}

/* ---- commands ---- */

static int stop(void)
{
	if (dump.active)
		eventdel(packet, "packet", NULL);
	if (dump.flush_timer)
		qtimer_del(dump.flush_timer);
	dump.flush_timer = 0;
	dump.active = false;
	close_file();
	return 0;
}

static int set_active(char *text)
{
	int error;

	if (strcmp(text, "0") == 0)
		return stop();
	if (strcmp(text, "1") != 0)
		return EINVAL;
	if (dump.active && dump.fd >= 0)
		return 0;
	stop();
	error = open_file();
	if (!error)
		error = eventadd(packet, "packet", NULL);
	if (error) {
		close_file();
		return error;
	}
	dump.flush_timer = qtimer_add(FLUSH_S, 0, flush_now_and_then, NULL);
	dump.active = true;
	return 0;
}

static int set_filename(FILE *out, char *text)
{
	bool was_active = dump.active;

	if (*text != '\0') {
		if (strlen(text) >= sizeof(dump.name))
			return ENAMETOOLONG;
		stop();
		strcpy(dump.name, text);
	}
	printoutc(out, "dumpfile=%s", dump.name);
	return was_active && !dump.active ? set_active("1") : 0;
}

static int set_buffered(char *text)
{
	if (strcmp(text, "0") != 0 && strcmp(text, "1") != 0)
		return EINVAL;
	dump.buffered = *text == '1';
	return 0;
}

static void drop_filter(void)
{
	if (dump.filtered)
		pcap_freecode(&dump.filter);
	dump.filtered = false;
	dump.filter_text[0] = '\0';
}

static int set_filter(FILE *out, char *text)
{
	struct bpf_program program;
	pcap_t *pcap;
	int error = 0;

	if (*text == '\0' || strcmp(text, "none") == 0) {
		drop_filter();
		return 0;
	}
	if (strlen(text) >= sizeof(dump.filter_text))
		return E2BIG;
	pcap = pcap_open_dead(DLT_EN10MB, SNAPLEN);
	if (!pcap)
		return ENOMEM;
	if (pcap_compile(pcap, &program, text, 1, PCAP_NETMASK_UNKNOWN) != 0) {
		printoutc(out, "%s", pcap_geterr(pcap));
		error = EINVAL;
	} else {
		drop_filter();
		dump.filter = program;
		dump.filtered = true;
		strcpy(dump.filter_text, text);
	}
	pcap_close(pcap);
	return error;
}

static int set_rotate(char *text)
{
	char *files = strchr(text, ' ');
	uint64_t bytes;
	unsigned keep = KEEP_DEFAULT;

	if (files)
		*files++ = '\0';
	if (number_size(text, 0, UINT64_MAX, &bytes) != 0 || (files && number_uint(files, 1, KEEP_MAX, &keep) != 0))
		return EINVAL;
	dump.rotate = bytes;
	dump.keep = keep;
	return 0;
}

static int showinfo(FILE *out)
{
	printoutc(out, "active=%d", dump.active && dump.fd >= 0);
	printoutc(out, "dumpfile=%s", dump.name);
	printoutc(out, "buffered=%d", dump.buffered);
	printoutc(out, "filter=%s", dump.filter_text);
	printoutc(out, "rotate=%llu files=%u", (unsigned long long)dump.rotate, dump.keep);
	if (dump.fd >= 0)
		printoutc(out, "packets=%llu bytes=%llu dropped=%llu", (unsigned long long)dump.pcapng.packets,
			  (unsigned long long)dump.pcapng.bytes, (unsigned long long)dump.pcapng.dropped);
	return 0;
}

static struct comlist commands[] = {
	{ "pdump", "============", "DUMP Packets to file", NULL, NOARG, NULL },
	{ "pdump/showinfo", "", "show what is dumped where", showinfo, NOARG | WITHFILE, NULL },
	{ "pdump/active", "0/1", "start dumping data", set_active, STRARG, NULL },
	{ "pdump/filename", "[file]", "set (and show) the file", set_filename, STRARG | WITHFILE, NULL },
	{ "pdump/buffered", "0/1", "write each packet at once (0) or once a second (1)", set_buffered, STRARG, NULL },
	{ "pdump/filter", "[expr]", "dump only what pcap-filter(7) expr selects; none: all", set_filter,
	  STRARG | WITHFILE, NULL },
	{ "pdump/rotate", "BYTES [FILES]", "begin a new file after BYTES (k, m, g; 0: never), keep FILES old ones",
	  set_rotate, STRARG, NULL },
};

static void __attribute__((constructor)) begin(void)
{
	ADDCL(commands);
}

static void __attribute__((destructor)) end(void)
{
	stop();
	drop_filter();
	DELCL(commands);
}
