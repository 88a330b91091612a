/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The way of a frame through a switch whose endpoints are fakes that remember what they were given. */
#include "common/inet.h"
#include "vde_switch/endpoint.h"
#include "vde_switch/forward.h"
#include "vde_switch/mirror.h"
#include "vde_switch/plugin_internal.h"
#include "vde_switch/port.h"
#include "vde_switch/switch.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
/* cmocka needs the first three */
#include <cmocka.h>

enum { HELD = 4096, HELD_BYTES = 2048 };

/* An endpoint that takes `accepts` frames and then none, until told otherwise. */
struct fake {
	struct endpoint endpoint;
	unsigned accepts;
	unsigned calls;                 /* of transmit */
	unsigned count;
	struct { uint32_t length; struct offload offload; uint8_t data[HELD_BYTES]; } held[HELD];
	const struct frame *give;       /* what receive gives, `gives` of it */
	unsigned gives;
};

struct lab {
	struct loop *loop;
	struct log log;
	struct vde_switch *sw;
	struct fake *fake[16];
	unsigned fakes;
	int pipe[2];
	uint8_t buffer[ENDPOINT_BATCH][HELD_BYTES + 128];
};

static unsigned fake_receive(struct endpoint *endpoint, struct frame *frames, unsigned max)
{
	struct fake *fake = (struct fake *)endpoint;

	assert_true(fake->gives <= max);
	for (unsigned i = 0; i < fake->gives; i++) {
		assert_false(offload_is_set(&frames[i].offload));
		memcpy(frames[i].data, fake->give[i].data, fake->give[i].length);
		frames[i].length = fake->give[i].length;
		frames[i].offload = fake->give[i].offload;
	}
	return fake->gives;
}

static unsigned fake_transmit(struct endpoint *endpoint, const struct egress *frames, unsigned count)
{
	struct fake *fake = (struct fake *)endpoint;
	unsigned taken = count < fake->accepts ? count : fake->accepts;

	fake->calls++;
	for (unsigned i = 0; i < taken; i++) {
		assert_true(fake->count < HELD && frames[i].length <= HELD_BYTES);
		assert_true(fake->endpoint.offload || !offload_is_set(frames[i].offload));
		uint8_t *end = fake->held[fake->count].data;

		for (unsigned p = 0; p < frames[i].pieces; p++) {
			memcpy(end, frames[i].piece[p].iov_base, frames[i].piece[p].iov_len);
			end += frames[i].piece[p].iov_len;
		}
		assert_int_equal(end - fake->held[fake->count].data, frames[i].length);
		fake->held[fake->count].offload = *frames[i].offload;
		fake->held[fake->count++].length = frames[i].length;
	}
	fake->accepts -= taken;
	return taken;
}

static void fake_close(struct endpoint *endpoint)
{
	close(endpoint->fd);
	free(endpoint);
}

static const struct endpoint_ops fake_ops = {
	.kind = "fake", .receive = fake_receive, .transmit = fake_transmit, .close = fake_close,
};

static struct fake *plug(struct lab *lab, int port_number)
{
	struct fake *fake = calloc(1, sizeof(*fake));
	struct port_user root = { .uid = 0 };
	struct port *port;

	fake->accepts = 1000000;
	assert_int_equal(endpoint_init(&fake->endpoint, &fake_ops, lab->sw, dup(lab->pipe[0]), 0, "fake", 4), 0);
	fake->endpoint.user = 0;
	assert_int_equal(port_acquire(lab->sw, port_number, &root, &port), 0);
	assert_int_equal(port_attach(lab->sw, port, &fake->endpoint), 0);
	lab->fake[lab->fakes++] = fake;
	return fake;
}

static int setup(void **state)
{
	struct lab *lab = calloc(1, sizeof(*lab));
	struct switch_config config = { .numports = 8, .hash_size = 128 };

	log_init(&lab->log, "test");
	lab->loop = loop_create();
	lab->sw = switch_create(lab->loop, &lab->log, &config);
	*state = lab;
	return lab->sw && pipe(lab->pipe) == 0 ? 0 : -1;
}

static int teardown(void **state)
{
	struct lab *lab = *state;

	switch_destroy(lab->sw);
	loop_destroy(lab->loop);
	close(lab->pipe[0]);
	close(lab->pipe[1]);
	free(lab);
	return 0;
}

/* A frame of `length` bytes between the addresses 02::to and 02::from (0xff: broadcast), with tag `vid` unless it is negative. */
static struct frame make(struct lab *lab, unsigned slot, uint8_t to, uint8_t from, int vid, uint32_t length)
{
	uint8_t *data = lab->buffer[slot] + 64;

	memset(data, 0xee, HELD_BYTES);
	memset(data, to == 0xff ? 0xff : 0, 6);
	memset(data + 6, 0, 6);
	if (to != 0xff)
		data[0] = 2;
	data[5] = to;
	data[6] = 2;
	data[11] = from;
	write_be16(data + 12, 0x0800);
	if (vid >= 0) {
		write_be16(data + 12, ETHERTYPE_VLAN);
		write_be16(data + 14, (uint16_t)vid);
		write_be16(data + 16, 0x0800);
	}
	return (struct frame){ .data = data, .length = length };
}

static void send_from(struct lab *lab, struct fake *from, uint8_t to, uint8_t source, int vid, uint32_t length)
{
	struct frame frame = make(lab, 0, to, source, vid, length);

	forward_batch(lab->sw, from->endpoint.port, &frame, 1);
}

static unsigned take(struct fake *fake)
{
	unsigned count = fake->count;

	fake->count = 0;
	return count;
}

static void unknown_floods_known_does_not(void **state)
{
	struct lab *lab = *state;
	struct fake *a = plug(lab, PORT_ANY), *b = plug(lab, PORT_ANY), *c = plug(lab, PORT_ANY);

	send_from(lab, a, 0x0b, 0x0a, -1, 100);
	assert_int_equal(take(b), 1);
	assert_int_equal(take(c), 1);
	assert_int_equal(take(a), 0);
	send_from(lab, b, 0x0a, 0x0b, -1, 100);
	assert_int_equal(take(a), 1);
	assert_int_equal(take(c), 0);
	send_from(lab, a, 0x0b, 0x0a, -1, 100);
	assert_int_equal(take(b), 1);
	assert_int_equal(take(c), 0);
	send_from(lab, a, 0xff, 0x0a, -1, 100);
	assert_int_equal(take(b) + take(c), 2);
}

static void addressed_to_its_own_port_goes_nowhere(void **state)
{
	struct lab *lab = *state;
	struct fake *a = plug(lab, PORT_ANY), *b = plug(lab, PORT_ANY);

	send_from(lab, a, 0x0b, 0x0a, -1, 100);
	take(b);
	send_from(lab, a, 0x0a, 0x0c, -1, 100);
	assert_int_equal(take(a) + take(b), 0);
}

static void lengths(void **state)
{
	static const struct { uint32_t in, out; } table[] = {
		{ 0, 0 }, { 1, 0 }, { 13, 0 }, { 14, 60 }, { 59, 60 }, { 60, 60 }, { 61, 61 }, { 1514, 1514 }, { 2000, 2000 },
	};
	struct lab *lab = *state;
	struct fake *a = plug(lab, PORT_ANY), *b = plug(lab, PORT_ANY);

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		send_from(lab, a, 0xff, 0x0a, -1, table[i].in);
		assert_int_equal(take(b), table[i].out ? 1 : 0);
		if (!table[i].out)
			continue;
		assert_int_equal(b->held[0].length, table[i].out);
		for (uint32_t at = table[i].in; at < table[i].out; at++)
			assert_int_equal(b->held[0].data[at], 0);       /* padding never carries old bytes */
	}
	assert_int_equal(a->endpoint.port->counters.dropped[DROP_RUNT], 3);
}

static void short_tagged_frame_is_padded_after_its_tag_is_popped(void **state)
{
	struct lab *lab = *state;
	struct fake *a = plug(lab, PORT_ANY), *b = plug(lab, PORT_ANY);

	for (uint32_t length = 18; length <= 64; length++) {
		send_from(lab, a, 0xff, 0x0a, 0, length);
		assert_int_equal(take(b), 1);
		assert_int_equal(b->held[0].length, 60);
		assert_int_equal(read_be16(b->held[0].data + 12), 0x0800);
		for (uint32_t at = length - 4; at < 60; at++)
			assert_int_equal(b->held[0].data[at], 0);
	}
}

/*
 * Four ports: 1 untagged in 5; 2 tagged in 5 and 6, untagged in 0; 3 untagged in 0; 4 untagged nowhere, tagged in 6. A row: who sends with which tag, and
 * for each port the length of what it gets: 0 nothing, 100 without and 104 with a tag (a frame is sent with 100 payload-and-header bytes, and 4 more when tagged).
 */
static void vlan_membership_decides(void **state)
{
	static const struct { unsigned from; int vid; uint32_t out[4]; } table[] = {
		{ 1, -1, { 0, 104, 0, 0 } },
		{ 1, 5, { 0, 104, 0, 0 } },
		{ 1, 0, { 0, 104, 0, 0 } },             /* priority tag: the port's own VLAN, which it names then */
		{ 1, 6, { 0, 0, 0, 0 } },
		{ 2, -1, { 0, 0, 100, 0 } },
		{ 2, 5, { 100, 0, 0, 0 } },
		{ 2, 6, { 0, 0, 0, 104 } },
		{ 2, 7, { 0, 0, 0, 0 } },
		{ 2, 4095, { 0, 0, 0, 0 } },
		{ 3, -1, { 0, 100, 0, 0 } },
		{ 3, 5, { 0, 0, 0, 0 } },
		{ 4, -1, { 0, 0, 0, 0 } },
		{ 4, 6, { 0, 104, 0, 0 } },
	};
	struct lab *lab = *state;
	struct fake *port[4];

	for (int i = 0; i < 4; i++)
		port[i] = plug(lab, i + 1);
	assert_int_equal(vlan_create(lab->sw, 5), 0);
	assert_int_equal(vlan_create(lab->sw, 6), 0);
	assert_int_equal(vlan_set_untagged(lab->sw, 1, 5), 0);
	assert_int_equal(vlan_add_port(lab->sw, 5, 2), 0);
	assert_int_equal(vlan_add_port(lab->sw, 6, 2), 0);
	assert_int_equal(vlan_set_untagged(lab->sw, 4, VLAN_NONE), 0);
	assert_int_equal(vlan_add_port(lab->sw, 6, 4), 0);
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		send_from(lab, port[table[i].from - 1], 0xff, 0x0a, table[i].vid, table[i].vid < 0 ? 100 : 104);
		for (int p = 0; p < 4; p++) {
			unsigned got = take(port[p]);

			assert_int_equal(got, table[i].out[p] ? 1 : 0);
			if (got)
				assert_int_equal(port[p]->held[0].length, table[i].out[p]);
			if (got && table[i].out[p] == 104)
				assert_int_equal(read_be16(port[p]->held[0].data + 14),
						 table[i].vid > 0 ? table[i].vid : 5);
			if (got && table[i].out[p] == 100)
				assert_int_equal(read_be16(port[p]->held[0].data + 12), 0x0800);
		}
	}
}

static void hub_passes_all_unchanged_to_all(void **state)
{
	struct lab *lab = *state;
	struct fake *a = plug(lab, PORT_ANY), *b = plug(lab, PORT_ANY), *zero = plug(lab, 0);

	switch_set_hub(lab->sw, true);
	send_from(lab, a, 0x0b, 0x0a, 777, 104);
	assert_int_equal(take(b), 1);
	assert_int_equal(b->held[0].length, 104);
	assert_int_equal(take(zero), 1);
	send_from(lab, zero, 0x0a, 0x0b, -1, 100);
	assert_int_equal(take(a) + take(b), 2);
}

static void endpoints_of_a_port_do_not_hear_each_other(void **state)
{
	struct lab *lab = *state;
	struct fake *a = plug(lab, 1), *b = plug(lab, 1), *c = plug(lab, 2);

	send_from(lab, c, 0xff, 0x0c, -1, 100);
	assert_int_equal(take(a) + take(b), 2);
	send_from(lab, a, 0xff, 0x0a, -1, 100);
	assert_int_equal(take(b), 0);
	assert_int_equal(take(c), 1);
}

static void discarding_drops_learning_learns(void **state)
{
	struct lab *lab = *state;
	struct fake *a = plug(lab, 1), *b = plug(lab, 2);

	vlan_set_state(lab->sw, 0, a->endpoint.port, VLAN_DISCARDING);
	send_from(lab, a, 0xff, 0x0a, -1, 100);
	send_from(lab, b, 0xff, 0x0b, -1, 100);
	assert_int_equal(take(a) + take(b), 0);
	assert_int_equal(fdb_lookup(lab->sw->fdb, 0, (const uint8_t *)"\x02\0\0\0\0\x0a", switch_seconds(lab->sw)), FDB_NO_PORT);
	vlan_set_state(lab->sw, 0, a->endpoint.port, VLAN_LEARNING);
	send_from(lab, a, 0xff, 0x0a, -1, 100);
	assert_int_equal(take(b), 0);
	assert_int_equal(fdb_lookup(lab->sw->fdb, 0, (const uint8_t *)"\x02\0\0\0\0\x0a", switch_seconds(lab->sw)), 1);
	vlan_set_state(lab->sw, 0, a->endpoint.port, VLAN_FORWARDING);
	send_from(lab, b, 0x0a, 0x0b, -1, 100);
	assert_int_equal(take(a), 1);
}

static void a_batch_is_sent_with_one_call(void **state)
{
	struct lab *lab = *state;
	struct fake *a = plug(lab, 1), *b = plug(lab, 2), *c = plug(lab, 3);
	struct frame frames[ENDPOINT_BATCH];

	for (unsigned i = 0; i < ENDPOINT_BATCH; i++)
		frames[i] = make(lab, i, 0xff, 0x0a, -1, 100 + i);
	forward_batch(lab->sw, a->endpoint.port, frames, ENDPOINT_BATCH);
	assert_int_equal(b->calls, 1);
	assert_int_equal(c->calls, 1);
	assert_int_equal(take(b), ENDPOINT_BATCH);
	for (unsigned i = 0; i < ENDPOINT_BATCH; i++)
		assert_int_equal(b->held[i].length, 100 + i);
}

/* What is not taken waits, in order, up to the bound; the newest beyond it are dropped and counted; others lose nothing. */
static void a_full_endpoint_queues_then_drops(void **state)
{
	struct lab *lab = *state;
	struct fake *a = plug(lab, 1), *slow = plug(lab, 2), *quick = plug(lab, 3);

	slow->accepts = 3;
	for (unsigned i = 0; i < 200; i++)
		send_from(lab, a, 0xff, 0x0a, -1, 100 + i);
	assert_int_equal(take(quick), 200);
	assert_int_equal(slow->count, 3);
	assert_int_equal(slow->endpoint.queue.count, 128);
	assert_int_equal(slow->endpoint.dropped_full, 200 - 3 - 128);
	assert_int_equal(slow->endpoint.port->counters.dropped[DROP_QUEUE], 200 - 3 - 128);
	slow->accepts = 1000;
	while (slow->endpoint.queue.count) {
		struct packet *packets[10];
		unsigned count = txqueue_peek(&slow->endpoint.queue, packets, 10);

		for (unsigned i = 0; i < count; i++)
			slow->held[slow->count++].length = packets[i]->length;
		txqueue_pop(&slow->endpoint.queue, count);
	}
	for (unsigned i = 0; i < 131; i++)
		assert_int_equal(slow->held[i].length, 100 + i);
	assert_int_equal(lab->sw->txbudget.used, 0);
}

static void a_flooded_frame_waits_once_for_all(void **state)
{
	struct lab *lab = *state;
	struct fake *a = plug(lab, 1);

	for (int i = 2; i <= 8; i++)
		plug(lab, i)->accepts = 0;
	send_from(lab, a, 0xff, 0x0a, -1, 1500);
	assert_true(lab->sw->txbudget.used >= 1500);
	assert_true(lab->sw->txbudget.used < 2000);
}

static void all_queues_together_are_bounded(void **state)
{
	struct lab *lab = *state;
	struct fake *a = plug(lab, 1), *b = plug(lab, 2);

	lab->sw->txbudget.max = 10000;
	b->accepts = 0;
	for (int i = 0; i < 50; i++)
		send_from(lab, a, 0xff, 0x0a, -1, 1500);
	assert_true(lab->sw->txbudget.used <= 10000);
	assert_int_equal(b->endpoint.queue.count + b->endpoint.dropped_full, 50);
}

/* ---- frames with offload ---- */

enum { IP = ETHERNET_HEADER_SIZE, TCP = IP + IPV4_MIN_SIZE, PAYLOAD = TCP + TCP_MIN_SIZE };

/* TCP with `payload` bytes, to be cut into segments of `size` (0: only its checksum is to be done), as a tap gives it. */
static struct frame make_tcp(struct lab *lab, unsigned slot, uint8_t to, int vid, uint32_t payload, uint16_t size)
{
	struct frame frame = make(lab, slot, to, 0x0a, vid, PAYLOAD + payload + (vid >= 0 ? 4 : 0));
	uint8_t *ip = frame.data + (vid >= 0 ? IP + 4 : IP), *tcp = ip + IPV4_MIN_SIZE;
	uint16_t header[OFFLOAD_HEADER_SIZE / 2] = { 0, 0, size, (uint16_t)(tcp - frame.data), TCP_SUM };
	uint8_t types[2] = { 1, size ? OFFLOAD_TCP_IPV4 : 0 };
	struct inet_packet packet;
	uint16_t sum;

	memset(ip, 0, IPV4_MIN_SIZE + TCP_MIN_SIZE);
	ip[0] = 0x45;
	write_be16(ip + 2, (uint16_t)(IPV4_MIN_SIZE + TCP_MIN_SIZE + payload));
	ip[9] = INET_TCP;
	sum = (uint16_t)~inet_fold(inet_sum(ip, IPV4_MIN_SIZE, 0));
	memcpy(ip + 10, &sum, 2);
	tcp[12] = TCP_MIN_SIZE / 4 << 4;
	tcp[13] = TCP_FLAG_ACK;
	for (uint32_t i = 0; i < payload; i++)
		tcp[TCP_MIN_SIZE + i] = (uint8_t)(i * 5 + i / 251);
	assert_true(inet_locate(frame.data, frame.length, &packet));
	sum = inet_fold(inet_pseudo_sum(frame.data, &packet));
	memcpy(tcp + TCP_SUM, &sum, 2);
	memcpy(header, types, 2);
	assert_true(offload_read((uint8_t *)header, &frame));
	return frame;
}

/* What the fake holds is finished, in order, `payload` bytes of TCP in segments of `size`; each time it was sent. */
static void check_finished(const struct fake *fake, int vid, uint32_t payload, uint32_t size)
{
	uint32_t done = 0, header = PAYLOAD + (vid >= 0 ? 4 : 0);

	for (unsigned i = 0; i < fake->count; i++) {
		const uint8_t *data = fake->held[i].data;
		uint32_t part = payload - done < size ? payload - done : size, length = header + part;
		struct inet_packet packet;

		assert_int_equal(fake->held[i].length, length < 60 ? 60 : length);
		assert_false(offload_is_set(&fake->held[i].offload));
		assert_int_equal(read_be16(data + 12), vid >= 0 ? ETHERTYPE_VLAN : 0x0800);
		if (vid >= 0)
			assert_int_equal(read_be16(data + 14), vid);
		assert_true(inet_locate(data, fake->held[i].length, &packet));
		assert_int_equal(packet.end, length);
		assert_int_equal(inet_fold(inet_sum(data + packet.network, 20, 0)), 0xffff);
		assert_int_equal(inet_fold(inet_sum(data + packet.transport, packet.end - packet.transport, inet_pseudo_sum(data, &packet))), 0xffff);
		assert_int_equal(read_be32(data + packet.transport + 4), done);
		for (uint32_t at = 0; at < part; at++)
			assert_int_equal(data[header + at], (uint8_t)((done + at) * 5 + (done + at) / 251));
		done = (done + part) % payload;
	}
	assert_int_equal(done, 0);
}

static struct fake *plug_tap(struct lab *lab)
{
	struct fake *fake = plug(lab, PORT_ANY);

	fake->endpoint.offload = true;
	return fake;
}

static void receive_from(struct lab *lab, struct fake *from, const struct frame *frames, unsigned count)
{
	from->give = frames;
	from->gives = count;
	forward_receive(lab->sw, &from->endpoint);
}

static void whole_to_taps_finished_to_others(void **state)
{
	static const struct { uint32_t payload; uint16_t size; unsigned frames; } table[] = {
		{ 1000, 100, 10 }, { 1001, 100, 11 }, { 999, 1, 999 }, { 1400, 1399, 2 }, { 1000, 0, 1 }, { 1, 0, 1 }, { 0, 0, 1 },
	};
	struct lab *lab = *state;
	struct fake *a = plug_tap(lab), *b = plug_tap(lab), *c = plug(lab, PORT_ANY), *d = plug(lab, PORT_ANY);

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct frame frame = make_tcp(lab, 0, 0xff, -1, table[i].payload, table[i].size);
		uint64_t in = a->endpoint.port->counters.in_frames, out = b->endpoint.port->counters.out_frames;
		uint64_t bytes = c->endpoint.port->counters.out_bytes, held = 0;

		receive_from(lab, a, &frame, 1);
		assert_int_equal(b->count, 1);
		assert_true(b->held[0].length >= frame.length);
		assert_int_equal(b->held[0].offload.segments, frame.offload.segments);
		assert_int_equal(b->held[0].offload.segment_size, table[i].size);
		if (table[i].size)
			assert_memory_equal(b->held[0].data, frame.data, frame.length);
		assert_int_equal(c->count, table[i].frames);
		for (unsigned k = 0; k < c->count; k++)
			held += c->held[k].length;
		if (table[i].payload > 0) {
			check_finished(c, -1, table[i].payload, table[i].size ? table[i].size : table[i].payload);
			check_finished(d, -1, table[i].payload, table[i].size ? table[i].size : table[i].payload);
		}
		assert_int_equal(a->endpoint.port->counters.in_frames - in, table[i].frames);
		assert_int_equal(b->endpoint.port->counters.out_frames - out, table[i].frames);
		if (table[i].size > 20 && table[i].payload % table[i].size != 1)        /* the padding of a last one is not counted */
			assert_int_equal(c->endpoint.port->counters.out_bytes - bytes, held);
		take(b), take(c), take(d);
	}
}

/* Tags are pushed and popped before and after cutting alike, and the tap is told the right offsets. */
static void offload_and_tags(void **state)
{
	struct lab *lab = *state;
	struct fake *a = plug_tap(lab), *b = plug_tap(lab), *c = plug(lab, PORT_ANY), *d = plug_tap(lab), *e = plug(lab, PORT_ANY);

	assert_int_equal(vlan_create(lab->sw, 5), 0);
	for (unsigned port = 1; port <= 3; port++)
		assert_int_equal(vlan_add_port(lab->sw, 5, port), 0);
	assert_int_equal(vlan_set_untagged(lab->sw, 4, 5), 0);
	assert_int_equal(vlan_set_untagged(lab->sw, 5, 5), 0);
	for (int pass = 0; pass < 4; pass++) {
		bool from_tagged = pass % 2 == 0, cut = pass < 2;
		struct frame frame = make_tcp(lab, 0, 0xff, from_tagged ? 5 : -1, 1000, cut ? 300 : 0);
		struct fake *tagged = from_tagged ? b : a, *untagged = d;

		receive_from(lab, from_tagged ? a : d, &frame, 1);
		if (!from_tagged)
			untagged = NULL;
		assert_int_equal(tagged->count, 1);
		check_finished(c, 5, 1000, cut ? 300 : 1000);
		check_finished(e, -1, 1000, cut ? 300 : 1000);
		if (cut) {
			struct frame seen = { .data = tagged->held[0].data, .length = tagged->held[0].length };
			uint8_t header[OFFLOAD_HEADER_SIZE];

			offload_write(&tagged->held[0].offload, header);
			assert_true(offload_read(header, &seen));
			assert_memory_equal(&seen.offload, &tagged->held[0].offload, sizeof(seen.offload));
			assert_int_equal(seen.offload.header_size, PAYLOAD + 4);
			if (untagged)
				assert_int_equal(untagged->held[0].offload.checksum_start, TCP);
		}
		take(a), take(b), take(c), take(d), take(e);
	}
}

/* What waits, waits as it was staged: whole for a tap, in parts for others, and is not mixed up. */
static void offload_in_queues(void **state)
{
	struct lab *lab = *state;
	struct fake *a = plug_tap(lab), *b = plug_tap(lab), *c = plug(lab, PORT_ANY);

	struct packet *first;

	b->accepts = c->accepts = 0;
	for (int i = 0; i < 3; i++) {
		struct frame frame = make_tcp(lab, 0, 0xff, -1, 1000, i == 1 ? 0 : 100);

		receive_from(lab, a, &frame, 1);
	}
	assert_int_equal(b->endpoint.queue.count, 3);
	assert_int_equal(c->endpoint.queue.count, 21);
	txqueue_peek(&b->endpoint.queue, &first, 1);
	assert_int_equal(first->offload.segments, 10);
	txqueue_peek(&c->endpoint.queue, &first, 1);
	assert_false(offload_is_set(&first->offload));
	txqueue_clear(&b->endpoint.queue);
	txqueue_clear(&c->endpoint.queue);
	assert_int_equal(lab->sw->txbudget.used, 0);
}

/* More parts in a batch than there is room for: those before are sent first. */
static void many_parts(void **state)
{
	struct lab *lab = *state;
	struct fake *a = plug_tap(lab), *b = plug(lab, PORT_ANY), *c = plug_tap(lab);
	struct frame frames[4];

	for (unsigned i = 0; i < 4; i++)
		frames[i] = make_tcp(lab, i, 0xff, -1, 950, 1);
	receive_from(lab, a, frames, 4);
	assert_int_equal(b->count, 4 * 950);
	check_finished(b, -1, 950, 1);
	assert_int_equal(take(c), 4);
}

struct listener {
	struct event_sink sink;
	unsigned in, out;
};

static void listen_to(void *owner, const struct event *event)
{
	struct listener *listener = owner;

	assert_false(offload_is_set(&event->frame->offload));
	assert_true(event->frame->length <= PAYLOAD + 100);
	*(event->kind == EVENT_PACKET_IN ? &listener->in : &listener->out) += 1;
}

static void listeners_see_finished_frames(void **state)
{
	struct lab *lab = *state;
	struct fake *a = plug_tap(lab), *b = plug_tap(lab), *c = plug(lab, PORT_ANY);
	struct frame frames[3] = { make_tcp(lab, 0, 0xff, -1, 1000, 10), make_tcp(lab, 1, 0xff, -1, 90, 0), make_tcp(lab, 2, 0xff, -1, 1000, 10) };

	for (unsigned kinds = 1; kinds <= 3; kinds++) {
		struct listener listener = { .sink = { .deliver = listen_to, .owner = &listener } };

		listener.sink.kinds = (kinds & 1 ? 1u << EVENT_PACKET_IN : 0) | (kinds & 2 ? 1u << EVENT_PACKET_OUT : 0);
		event_add_sink(&lab->sw->events, &listener.sink);
		receive_from(lab, a, frames, 3);
		event_remove_sink(&lab->sw->events, &listener.sink);
		assert_int_equal(listener.in, kinds & 1 ? 201 : 0);
		assert_int_equal(listener.out, kinds & 2 ? 402 : 0);
		assert_int_equal(take(b), 201);
		assert_int_equal(take(c), 201);
	}
	receive_from(lab, a, frames, 3);
	assert_int_equal(take(b), 3);
}

static void mirrors_get_finished_frames(void **state)
{
	struct lab *lab = *state;
	struct fake *a = plug_tap(lab), *b = plug_tap(lab), *copy = plug(lab, PORT_ANY);
	struct frame frame = make_tcp(lab, 0, 0xff, -1, 1000, 100);

	assert_int_equal(mirror_add(lab->sw, 1, 3), 0);
	assert_int_equal(mirror_add(lab->sw, 2, 3), 0);
	receive_from(lab, a, &frame, 1);
	assert_int_equal(take(b), 1);
	check_finished(copy, -1, 1000, 100);
	assert_int_equal(take(copy), 20);
}

static void a_hub_finishes_too(void **state)
{
	struct lab *lab = *state;
	struct fake *a = plug_tap(lab), *b = plug_tap(lab), *c = plug(lab, PORT_ANY);
	struct frame frame = make_tcp(lab, 0, 0x0b, 7, 1000, 100);

	switch_set_hub(lab->sw, true);
	receive_from(lab, a, &frame, 1);
	assert_int_equal(take(b), 1);
	check_finished(c, 7, 1000, 100);
	assert_int_equal(take(c), 10);
}

/* ---- a hub with an uplink ---- */

static struct fake *uplink(struct lab *lab, enum uplink_mode mode)
{
	struct fake *host = plug(lab, PORT_ANY);

	lab->sw->hub = true;
	lab->sw->uplink = (struct uplink){ .mode = mode, .port = host->endpoint.port->number };
	return host;
}

static void others_reach_the_uplink_alone(void **state)
{
	static const enum uplink_mode modes[] = { UPLINK_MULTI, UPLINK_ROUND_ROBIN, UPLINK_FLOW };
	struct lab *lab = *state;
	struct fake *host = uplink(lab, UPLINK_MULTI), *a = plug(lab, PORT_ANY), *b = plug(lab, PORT_ANY);

	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		lab->sw->uplink.mode = modes[i];
		send_from(lab, a, 0xff, 0x0a, -1, 100);
		send_from(lab, b, 0x0a, 0x0b, 7, 100);
		assert_int_equal(take(host), 2);
		assert_int_equal(take(a) + take(b), 0);
	}
	endpoint_close(&host->endpoint);
	send_from(lab, a, 0xff, 0x0a, -1, 100);
	assert_int_equal(take(b), 0);
	assert_int_equal(port_remove(lab->sw, lab->sw->uplink.port), 0);
	send_from(lab, a, 0xff, 0x0a, -1, 100);
	assert_int_equal(take(b), 0);
}

static void multi_reaches_all(void **state)
{
	struct lab *lab = *state;
	struct fake *host = uplink(lab, UPLINK_MULTI), *a = plug(lab, PORT_ANY), *b = plug(lab, PORT_ANY);

	send_from(lab, host, 0x0a, 0x01, -1, 100);
	assert_int_equal(take(a), 1);
	assert_int_equal(take(b), 1);
	assert_int_equal(take(host), 0);
}

static void bonding_takes_turns(void **state)
{
	struct lab *lab = *state;
	struct fake *host = uplink(lab, UPLINK_ROUND_ROBIN), *node[3];

	send_from(lab, host, 0xff, 0x01, -1, 100);      /* nobody is there */
	for (int i = 0; i < 3; i++)
		node[i] = plug(lab, PORT_ANY);
	for (int i = 0; i < 30; i++)
		send_from(lab, host, 0xff, 0x01, -1, 100);
	for (int i = 0; i < 3; i++)
		assert_int_equal(take(node[i]), 10);
	node[1]->accepts = 0;           /* does not keep up: gets one frame, which waits */
	for (int i = 0; i < 30; i++)
		send_from(lab, host, 0xff, 0x01, -1, 100);
	assert_int_equal(node[1]->endpoint.queue.count, 1);
	assert_int_equal(take(node[0]) + take(node[2]), 29);
	endpoint_close(&node[0]->endpoint);
	for (int i = 0; i < 10; i++)
		send_from(lab, host, 0xff, 0x01, -1, 100);
	assert_int_equal(take(node[2]), 10);
	node[2]->accepts = 0;           /* nobody keeps up: all the same, they get what their queues hold */
	for (int i = 0; i < 10; i++)
		send_from(lab, host, 0xff, 0x01, -1, 100);
	assert_int_equal(node[1]->endpoint.queue.count + node[2]->endpoint.queue.count, 11);
}

/* An IPv4 or IPv6 frame, with or without a tag, of a conversation between ports. */
static struct frame conversation(struct lab *lab, bool six, bool tagged, uint16_t port, uint16_t fragment)
{
	struct frame frame = make(lab, 0, 0x0a, 0x01, tagged ? 5 : -1, 120);
	uint8_t *ip = frame.data + (tagged ? 18 : 14);

	write_be16(ip - 2, six ? 0x86dd : 0x0800);
	memset(ip, 0, 60);
	ip[0] = six ? 0x60 : 0x45;
	ip[six ? 6 : 9] = 17;
	if (!six)
		write_be16(ip + 6, fragment);
	write_be16(ip + (six ? 40 : 20), port);
	return frame;
}

static void bonding_keeps_a_flow_together(void **state)
{
	struct lab *lab = *state;
	struct fake *host = uplink(lab, UPLINK_FLOW), *node[3];
	unsigned used = 0;
	struct frame frame;

	send_from(lab, host, 0xff, 0x01, -1, 100);
	for (int i = 0; i < 3; i++)
		node[i] = plug(lab, PORT_ANY);
	for (uint16_t port = 1; port < 20; port++) {
		unsigned got = 0;

		for (int i = 0; i < 6; i++) {
			frame = conversation(lab, port % 2 == 0, false, port, 0);
			forward_batch(lab->sw, host->endpoint.port, &frame, 1);
		}
		for (unsigned i = 0; i < 3; i++) {
			unsigned count = take(node[i]);

			assert_true(count == 0 || count == 6);
			got += count;
			used |= (count > 0) << i;
		}
		assert_int_equal(got, 6);
	}
	assert_int_equal(used, 7);
}

static void flows(void **state)
{
	struct lab *lab = *state;
	struct frame frame = conversation(lab, false, false, 1, 0);
	uint32_t one = uplink_flow(&frame);

	frame = conversation(lab, false, true, 1, 0);
	assert_int_equal(uplink_flow(&frame), one);             /* a tag changes nothing */
	frame = conversation(lab, false, false, 2, 0);
	assert_int_not_equal(uplink_flow(&frame), one);
	frame = conversation(lab, false, false, 1, 0x2000);
	one = uplink_flow(&frame);
	frame = conversation(lab, false, false, 2, 0x0064);
	assert_int_equal(uplink_flow(&frame), one);             /* fragments stay together, whatever stands where ports would be */
	for (uint32_t length = 14; length < 60; length++) {     /* cut anywhere */
		frame = conversation(lab, length % 2 == 0, length % 3 == 0, 1, 0);
		frame.length = length;
		uplink_flow(&frame);
	}
}

/* ---- plugins ---- */

static int nothing(struct dbgcl *event, void *arg, va_list values)
{
	(void)event;
	(void)arg;
	(void)values;
	return 0;
}

/* Where there is room for one more function, one for two events is called for neither. */
static void event_functions_are_added_all_or_none(void **state)
{
	struct lab *lab = *state;
	struct plugin_adapter *adapter = plugin_adapter_create(lab->sw);
	char packet[] = "packet", port[] = "port/+", module;
	int places[127];

	assert_non_null(adapter);
	plugin_adapter_loading(adapter, &module);
	for (int i = 0; i < 127; i++)
		assert_int_equal(eventadd((int (*)())nothing, port, &places[i]), 0);
	assert_int_equal(eventadd((int (*)())nothing, packet, NULL), ENOSPC);
	assert_int_equal(eventdel((int (*)())nothing, packet, NULL), ENOENT);
	assert_int_equal(eventadd((int (*)())nothing, port, NULL), 0);
	plugin_adapter_purge(adapter, &module);
	assert_int_equal(lab->sw->events.wanted, 0);
	plugin_adapter_destroy(adapter);
}

int main(void)
{
#define LAB_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		LAB_TEST(unknown_floods_known_does_not),
		LAB_TEST(addressed_to_its_own_port_goes_nowhere),
		LAB_TEST(lengths),
		LAB_TEST(short_tagged_frame_is_padded_after_its_tag_is_popped),
		LAB_TEST(vlan_membership_decides),
		LAB_TEST(hub_passes_all_unchanged_to_all),
		LAB_TEST(endpoints_of_a_port_do_not_hear_each_other),
		LAB_TEST(discarding_drops_learning_learns),
		LAB_TEST(a_batch_is_sent_with_one_call),
		LAB_TEST(a_full_endpoint_queues_then_drops),
		LAB_TEST(a_flooded_frame_waits_once_for_all),
		LAB_TEST(all_queues_together_are_bounded),
		LAB_TEST(whole_to_taps_finished_to_others),
		LAB_TEST(offload_and_tags),
		LAB_TEST(offload_in_queues),
		LAB_TEST(many_parts),
		LAB_TEST(listeners_see_finished_frames),
		LAB_TEST(mirrors_get_finished_frames),
		LAB_TEST(a_hub_finishes_too),
		LAB_TEST(others_reach_the_uplink_alone),
		LAB_TEST(multi_reaches_all),
		LAB_TEST(bonding_takes_turns),
		LAB_TEST(bonding_keeps_a_flow_together),
		LAB_TEST(flows),
		LAB_TEST(event_functions_are_added_all_or_none),
	};

	return cmocka_run_group_tests_name("forward", tests, NULL, NULL);
}
