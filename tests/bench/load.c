/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Load for switches: senders and receivers on a control directory, speaking the protocol by hand so that any switch can be measured and
 * no library's cost is in the figures. Prints one line of JSON.
 *
 * One process and one thread does it all, in batches, so that on a machine with two processors the switch has one to itself. With
 * --processes each plug is a process that sends or receives one frame per call and waits when it must, as virtual machines do. What a
 * receiver gets is counted, not looked at. The processor time of the processes under test is read from the scheduler's own account
 * (/proc/PID/schedstat, nanoseconds).
 *
 * Addresses: receiver r owns the unicast addresses r, r + RECEIVERS, r + 2 RECEIVERS... up to --addresses; all are taught to the
 * switch before the measurement. A sender sends to one fixed address when there are as many as receivers, else to random ones.
 */
#include "common/cli.h"
#include "common/frame.h"
#include "common/number.h"
#include "libvdeplug/plug_protocol.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
	BATCH = 64,                     /* frames per system call */
	PLUGS_MAX = 4096,
	PIDS_MAX = 16,
	PEEK = 64,                      /* bytes of a received frame that are copied */
	TICK_NS = 500000,               /* how often a paced sender sends */
	SAMPLES_MAX = 1000000,
};

struct options {
	const char *directory, *far_directory;
	unsigned senders, receivers, size, addresses, rate, milliseconds, idle, round_trips;
	bool broadcast, processes;
	struct cli_list pids;
};

struct plug {
	int data, control;
};

struct load {
	struct options options;
	struct plug sender[PLUGS_MAX], receiver[PLUGS_MAX];
	struct mmsghdr out[BATCH], in[BATCH];
	struct iovec out_piece[BATCH][2], in_piece[BATCH];
	uint8_t header[BATCH][ETHERNET_HEADER_SIZE];
	uint8_t scratch[BATCH][PEEK];
	uint8_t payload[FRAME_MAX_SIZE];
	uint64_t sent, delivered, random;
	unsigned names;
	struct tally *tally;            /* of --processes: senders, then receivers; shared with the children */
};

/* On a cache line of its own. */
struct tally {
	_Alignas(64) _Atomic uint64_t frames;
};

static _Noreturn void fail(const char *what)
{
	fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static uint64_t cpu_ns_of(const char *pid)
{
	char path[64];
	uint64_t running = 0;

	snprintf(path, sizeof(path), "/proc/%s/schedstat", pid);
	FILE *file = fopen(path, "re");

	if (!file || fscanf(file, "%" SCNu64, &running) != 1)
		fail(path);
	fclose(file);
	return running;
}

static uint64_t cpu_ns(const struct load *load)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < load->options.pids.count; i++)
		sum += cpu_ns_of(load->options.pids.item[i]);
	return sum;
}

/* ---- plugs ---- */

static void plug_open(struct load *load, struct plug *plug, const char *directory)
{
	struct plug_request_v3 request = {
		.magic = PLUG_MAGIC, .version = PLUG_VERSION, .type = PLUG_NEW_PORT, .description = "load",
	};
	struct sockaddr_un own = { .sun_family = AF_UNIX }, address = { .sun_family = AF_UNIX }, reply;

	plug->data = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	plug->control = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	snprintf(own.sun_path + 1, sizeof(own.sun_path) - 1, "load-%d-%u", (int)getpid(), load->names++);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s", directory, PLUG_CONTROL_NAME);
	request.address = own;
	if (bind(plug->data, (struct sockaddr *)&own, sizeof(own)) != 0)
		fail("bind");
	if (connect(plug->control, (struct sockaddr *)&address, sizeof(address)) != 0)
		fail(address.sun_path);
	if (send(plug->control, &request, PLUG_V3_MIN_SIZE + strlen(request.description), 0) < 0 ||
	    recv(plug->control, &reply, sizeof(reply), MSG_WAITALL) != PLUG_REPLY_SIZE)
		fail("the switch refused");
	if (connect(plug->data, (struct sockaddr *)&reply, sizeof(reply)) != 0)
		fail(reply.sun_path);
}

static void write_address(uint8_t *mac, uint32_t number)
{
	mac[0] = 2;
	mac[1] = 0;
	write_be32(mac + 2, number);
}

/* Frames are a header of their own and the payload that all share. */
static void prepare(struct load *load)
{
	for (unsigned i = 0; i < BATCH; i++) {
		write_be16(load->header[i] + 2 * ETHERNET_ADDRESS_SIZE, 0x88b5);
		load->out_piece[i][0] = (struct iovec){ load->header[i], ETHERNET_HEADER_SIZE };
		load->out_piece[i][1] = (struct iovec){ load->payload, load->options.size - ETHERNET_HEADER_SIZE };
		load->out[i].msg_hdr = (struct msghdr){ .msg_iov = load->out_piece[i], .msg_iovlen = 2 };
		load->in_piece[i] = (struct iovec){ load->scratch[i], PEEK };
		load->in[i].msg_hdr = (struct msghdr){ .msg_iov = &load->in_piece[i], .msg_iovlen = 1 };
	}
	load->random = 88172645463325252u;
}

static unsigned drain(struct load *load, int fd)
{
	unsigned all = 0;
	int got;

	while ((got = recvmmsg(fd, load->in, BATCH, MSG_DONTWAIT, NULL)) > 0)
		all += (unsigned)got;
	return all;
}

/* ---- addresses ---- */

enum { SENDER_ADDRESS = 0x1000000, RECEIVER_ADDRESS = 0x2000000 };

/* Waits until `count` frames have come, or none for a while (a switch may have dropped some). */
static void await(struct load *load, int fd, unsigned count)
{
	struct pollfd watch = { .fd = fd, .events = POLLIN };

	for (unsigned got = 0; got < count && poll(&watch, 1, 200) == 1;)
		got += drain(load, fd);
}

/* Every receiver address speaks to sender 0, which every switch on the way knows by then. */
static void teach(struct load *load)
{
	int first = load->sender[0].data;

	for (unsigned i = 0; i < load->options.senders; i++) {
		memset(load->header[0], 0xff, ETHERNET_ADDRESS_SIZE);
		write_address(load->header[0] + ETHERNET_ADDRESS_SIZE, SENDER_ADDRESS + i);
		sendmsg(load->sender[i].data, &load->out[0].msg_hdr, 0);
	}
	for (unsigned i = 0; i < load->options.receivers; i++)
		await(load, load->receiver[i].data, load->options.senders);
	drain(load, first);
	for (unsigned number = 0; number < load->options.addresses; number++) {
		int fd = load->receiver[number % load->options.receivers].data;

		write_address(load->header[0], SENDER_ADDRESS);
		write_address(load->header[0] + ETHERNET_ADDRESS_SIZE, RECEIVER_ADDRESS + number);
		if (sendmsg(fd, &load->out[0].msg_hdr, 0) < 0)
			fail("teaching");
		if (number % BATCH == BATCH - 1 || number + 1 == load->options.addresses)
			await(load, first, number % BATCH + 1);
	}
	for (unsigned i = 0; i < load->options.senders; i++)
		drain(load, load->sender[i].data);
	for (unsigned i = 0; i < load->options.receivers; i++)
		drain(load, load->receiver[i].data);
}

static uint32_t pick(struct load *load, unsigned sender)
{
	const struct options *options = &load->options;

	if (options->addresses <= options->receivers)
		return sender % options->receivers;
	load->random ^= load->random << 13;
	load->random ^= load->random >> 7;
	load->random ^= load->random << 17;
	return (uint32_t)(load->random % options->addresses);
}

/* ---- the measurement ---- */

static unsigned send_some(struct load *load, unsigned sender, uint64_t most)
{
	unsigned count = most < BATCH ? (unsigned)most : BATCH;

	for (unsigned i = 0; i < count; i++) {
		if (load->options.broadcast)
			memset(load->header[i], 0xff, ETHERNET_ADDRESS_SIZE);
		else
			write_address(load->header[i], RECEIVER_ADDRESS + pick(load, sender));
		write_address(load->header[i] + ETHERNET_ADDRESS_SIZE, SENDER_ADDRESS + sender);
	}
	int done = count ? sendmmsg(load->sender[sender].data, load->out, count, MSG_DONTWAIT) : 0;

	if (done < 0 && errno != EAGAIN)
		fail("send");
	return done > 0 ? (unsigned)done : 0;
}

static unsigned receive_all(struct load *load)
{
	unsigned all = 0;

	for (unsigned i = 0; i < load->options.receivers; i++)
		all += drain(load, load->receiver[i].data);
	for (unsigned i = 0; load->options.broadcast && i < load->options.senders; i++)
		drain(load, load->sender[i].data);
	load->delivered += all;
	return all;
}

/* Sleeps until a receiver has something, or a sender has room when `room`, or for `ns`. */
static void rest(struct load *load, bool room, uint64_t ns)
{
	static const uint64_t longest = 10000000;
	struct pollfd watch[2 * BATCH];
	unsigned count = 0;
	struct timespec time = { 0, (long)(ns < longest ? ns : longest) };

	for (unsigned i = 0; i < load->options.receivers && i < BATCH; i++)
		watch[count++] = (struct pollfd){ .fd = load->receiver[i].data, .events = POLLIN };
	for (unsigned i = 0; room && i < load->options.senders && i < BATCH; i++)
		watch[count++] = (struct pollfd){ .fd = load->sender[i].data, .events = POLLOUT };
	ppoll(watch, count, &time, NULL);
}

static void run_full_speed(struct load *load, uint64_t end)
{
	while (now_ns() < end) {
		unsigned moved = 0;

		for (unsigned i = 0; i < load->options.senders; i++) {
			unsigned done = send_some(load, i, BATCH);

			load->sent += done;
			moved += done;
		}
		moved += receive_all(load);
		if (!moved)
			rest(load, true, TICK_NS);
	}
}

/* All senders together send `rate` frames a second, in as many portions as there are ticks. */
static void run_paced(struct load *load, uint64_t begin, uint64_t end)
{
	for (uint64_t now = begin; now < end; now = now_ns()) {
		uint64_t due = (now - begin) * load->options.rate / 1000000000;

		for (unsigned i = 0; i < load->options.senders && load->sent < due; i++)
			load->sent += send_some(load, i, (due - load->sent + load->options.senders - 1 - i) / (load->options.senders - i));
		receive_all(load);
		uint64_t next = now + TICK_NS, after = now_ns();

		if (after < next)       /* a plain sleep: waking for every frame would make small batches */
			clock_nanosleep(CLOCK_MONOTONIC, 0, &(struct timespec){ 0, (long)(next - after) }, NULL);
	}
}

/* ---- a process for each plug ---- */

static _Noreturn void be_sender(struct load *load, unsigned sender)
{
	load->random += sender;
	for (;;) {
		if (load->options.broadcast)
			memset(load->header[0], 0xff, ETHERNET_ADDRESS_SIZE);
		else
			write_address(load->header[0], RECEIVER_ADDRESS + pick(load, sender));
		write_address(load->header[0] + ETHERNET_ADDRESS_SIZE, SENDER_ADDRESS + sender);
		if (sendmsg(load->sender[sender].data, &load->out[0].msg_hdr, 0) < 0)
			fail("send");
		load->tally[sender].frames++;
	}
}

static _Noreturn void be_receiver(struct load *load, unsigned receiver)
{
	while (recv(load->receiver[receiver].data, load->payload, sizeof(load->payload), 0) >= 0)
		load->tally[load->options.senders + receiver].frames++;
	fail("receive");
}

static uint64_t count_frames(const struct load *load, unsigned from, unsigned count)
{
	uint64_t sum = 0;

	for (unsigned i = from; i < from + count; i++)
		sum += load->tally[i].frames;
	return sum;
}

static void take_counts(struct load *load)
{
	load->sent = count_frames(load, 0, load->options.senders);
	load->delivered = count_frames(load, load->options.senders, load->options.receivers);
}

/* Runs until `end`; the children die by the signal that their parent's end, or this function, sends. */
static void run_processes(struct load *load, uint64_t end)
{
	unsigned plugs = load->options.senders + load->options.receivers;
	pid_t child[2 * PLUGS_MAX];

	load->tally = mmap(NULL, plugs * sizeof(*load->tally), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (load->tally == MAP_FAILED)
		fail("memory");
	for (unsigned i = plugs; i-- > 0;) {    /* receivers first */
		child[i] = fork();
		if (child[i] < 0)
			fail("fork");
		if (child[i] == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			if (i < load->options.senders)
				be_sender(load, i);
			be_receiver(load, i - load->options.senders);
		}
	}
	for (uint64_t now = now_ns(); now < end; now = now_ns())
		clock_nanosleep(CLOCK_MONOTONIC, 0, &(struct timespec){ 0, end - now < 100000000 ? (long)(end - now) : 100000000 }, NULL);
	take_counts(load);
	for (unsigned i = 0; i < plugs; i++) {
		kill(child[i], SIGKILL);
		waitpid(child[i], NULL, 0);
	}
}

static void receive_the_rest(struct load *load)
{
	for (uint64_t quiet = now_ns(); now_ns() - quiet < 100000000; rest(load, false, TICK_NS))
		if (receive_all(load))
			quiet = now_ns();
}

static void run_load(struct load *load)
{
	uint64_t cpu = cpu_ns(load), begin = now_ns(), end = begin + (uint64_t)load->options.milliseconds * 1000000;

	if (load->options.processes)
		run_processes(load, end);
	else if (load->options.rate)
		run_paced(load, begin, end);
	else
		run_full_speed(load, end);
	uint64_t took = now_ns() - begin, in_time = load->delivered;

	if (!load->options.processes)   /* what is under way still counts for the cost of a frame, not for the frames in time */
		receive_the_rest(load);
	cpu = cpu_ns(load) - cpu;
	printf("{\"sent\": %" PRIu64 ", \"delivered\": %" PRIu64 ", \"per_second\": %.0f, \"cpu_ns\": %" PRIu64
	       ", \"cpu_ns_per_sent\": %.1f, \"cpu_ns_per_delivered\": %.1f}\n",
	       load->sent, load->delivered, (double)in_time * 1e9 / (double)took, cpu,
	       (double)cpu / (double)(load->sent ? load->sent : 1), (double)cpu / (double)(load->delivered ? load->delivered : 1));
}

/* ---- round trips ---- */

static int compare_ns(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void cross(struct load *load, int from, int to, uint32_t source, uint32_t destination)
{
	write_address(load->header[0], destination);
	write_address(load->header[0] + ETHERNET_ADDRESS_SIZE, source);
	if (sendmsg(from, &load->out[0].msg_hdr, 0) < 0 || recv(to, load->scratch[0], PEEK, 0) < 0)
		fail("round trip");
}

static void run_round_trips(struct load *load)
{
	unsigned count = load->options.round_trips;
	uint64_t *took = calloc(count, sizeof(*took));

	if (!took)
		fail("memory");
	uint64_t cpu = cpu_ns(load);

	for (unsigned i = 0; i < count; i++) {
		uint64_t begin = now_ns();

		cross(load, load->sender[0].data, load->receiver[0].data, SENDER_ADDRESS, RECEIVER_ADDRESS);
		cross(load, load->receiver[0].data, load->sender[0].data, RECEIVER_ADDRESS, SENDER_ADDRESS);
		took[i] = now_ns() - begin;
	}
	cpu = cpu_ns(load) - cpu;
	qsort(took, count, sizeof(*took), compare_ns);
	printf("{\"round_trips\": %u, \"median_ns\": %" PRIu64 ", \"p99_ns\": %" PRIu64 ", \"cpu_ns_per_round_trip\": %.1f}\n", count,
	       took[count / 2], took[(uint64_t)count * 99 / 100], (double)cpu / count);
	free(took);
}

/* ---- command line ---- */

#define OPTION(member) offsetof(struct options, member)

static const struct cli_option table[] = {
	{ 's', "sock", "DIR", "control directory of the switch", CLI_STRING, OPTION(directory), 0, 0, NULL },
	{ 0, "to", "DIR", "the receivers' (default: the same)", CLI_STRING, OPTION(far_directory), 0, 0, NULL },
	{ 0, "senders", "N", "how many (default 1)", CLI_UINT, OPTION(senders), 1, PLUGS_MAX, NULL },
	{ 0, "receivers", "N", "how many (default 1)", CLI_UINT, OPTION(receivers), 1, PLUGS_MAX, NULL },
	{ 0, "size", "BYTES", "of a frame (default 64)", CLI_UINT, OPTION(size), ETHERNET_HEADER_SIZE + 1, FRAME_MAX_SIZE, NULL },
	{ 0, "addresses", "N", "unicast addresses behind the receivers (default: one each)", CLI_UINT, OPTION(addresses), 1, 1000000, NULL },
	{ 0, "rate", "N", "frames a second of all senders together (default: full speed)", CLI_UINT, OPTION(rate), 1, 100000000, NULL },
	{ 0, "milliseconds", "N", "how long (default 1000)", CLI_UINT, OPTION(milliseconds), 1, 600000, NULL },
	{ 0, "broadcast", NULL, "to everybody", CLI_FLAG, OPTION(broadcast), 0, 0, NULL },
	{ 0, "processes", NULL, "a process for each plug, a call for each frame", CLI_FLAG, OPTION(processes), 0, 0, NULL },
	{ 0, "idle", "N", "further plugs that do nothing", CLI_UINT, OPTION(idle), 0, PLUGS_MAX, NULL },
	{ 0, "round-trips", "N", "instead of a stream, one frame to and fro", CLI_UINT, OPTION(round_trips), 1, SAMPLES_MAX, NULL },
	{ 'p', "pid", "PID", "a process whose processor time is counted (may be repeated)", CLI_LIST, OPTION(pids), 0, 0, NULL },
	{ 'h', "help", NULL, "this help", CLI_HELP, 0, 0, 0, NULL },
	{ 0, NULL, NULL, NULL, CLI_SECTION, 0, 0, 0, NULL },
};

int main(int argc, char **argv)
{
	struct cli cli = { .synopsis = "load -s DIR [OPTIONS]", .purpose = "Loads a switch with frames and counts them.", .options = table };
	struct load *load = calloc(1, sizeof(*load));

	if (!load)
		fail("memory");
	load->options = (struct options){ .senders = 1, .receivers = 1, .size = 64, .milliseconds = 1000 };
	cli_parse(&cli, argc, argv, &load->options);
	struct options *options = &load->options;

	if (!options->directory)
		cli_usage_error(&cli, "-s DIR is needed");
	if (options->addresses < options->receivers)
		options->addresses = options->receivers;
	setrlimit(RLIMIT_NOFILE, &(struct rlimit){ 4 * PLUGS_MAX, 4 * PLUGS_MAX });
	prepare(load);
	for (unsigned i = 0; i < options->receivers; i++)
		plug_open(load, &load->receiver[i], options->far_directory ? options->far_directory : options->directory);
	for (unsigned i = 0; i < options->senders; i++)
		plug_open(load, &load->sender[i], options->directory);
	for (unsigned i = 0; i < options->idle; i++)
		plug_open(load, &(struct plug){ 0 }, options->directory);
	teach(load);
	if (options->round_trips)
		run_round_trips(load);
	else
		run_load(load);
	return 0;
}
