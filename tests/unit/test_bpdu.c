/* SPDX-License-Identifier: GPL-2.0-or-later */
/* BPDUs as bytes: what is valid, what is not and then changes nothing, the dialect of vde_switch 2.3, the frame around. */
#include "unit.h"

#include "vde_switch/rstp.h"
#include "vde_switch/rstp_bpdu.h"

#include <errno.h>

static const uint8_t mac[6] = { 0x02, 0, 0, 0, 0, 0x01 };

/* A root better than any bridge here, as the original's captures show BPDUs. */
static const uint8_t rst[BPDU_RST_SIZE] = {
	0x00, 0x00, 0x02, 0x02, 0x3c, 0x10, 0x00, 0x02, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0x00, 0x03, 0x0d, 0x40, 0x20, 0x00, 0x02,
	0x11, 0x22, 0x33, 0x44, 0x55, 0x80, 0x07, 0x01, 0x00, 0x14, 0x00, 0x02, 0x00, 0x0f, 0x00, 0x00,
};

struct watch {
	unsigned states, flushes, roles, roots;
	uint8_t last[BPDU_RST_SIZE];
	size_t length;
};

static void on_send(void *owner, unsigned port, const uint8_t *bpdu, size_t length)
{
	struct watch *w = owner;

	(void)port;
	assert_true(length <= sizeof(w->last));
	memcpy(w->last, bpdu, length);
	w->length = length;
}

static void on_state(void *owner, unsigned port, enum rstp_port_state state)
{
	(void)port;
	(void)state;
	((struct watch *)owner)->states++;
}

static void on_flush(void *owner, unsigned port)
{
	(void)port;
	((struct watch *)owner)->flushes++;
}

static void on_role(void *owner, unsigned port, enum rstp_role role)
{
	(void)port;
	(void)role;
	((struct watch *)owner)->roles++;
}

static void on_root(void *owner, int port, rstp_bridge_id root)
{
	(void)port;
	(void)root;
	((struct watch *)owner)->roots++;
}

static const struct rstp_callbacks callbacks = {
	.send = on_send, .set_state = on_state, .flush = on_flush, .role = on_role, .root = on_root,
};

static struct rstp *make(struct watch *w)
{
	struct rstp *rstp = rstp_create(mac, 0x8000, &callbacks, w);

	memset(w, 0, sizeof(*w));
	assert_non_null(rstp);
	assert_int_equal(rstp_port_add(rstp, 1, RSTP_COST_DEFAULT, true), 0);
	assert_int_equal(rstp_port_link(rstp, 1, true), 0);
	memset(w, 0, sizeof(*w));
	return rstp;
}

static void decodes_what_was_sent(void **state)
{
	struct bpdu bpdu;

	(void)state;
	assert_int_equal(bpdu_decode(&bpdu, rst, sizeof(rst)), 0);
	assert_int_equal(bpdu.type, BPDU_RST);
	assert_int_equal(bpdu.role, BPDU_ROLE_DESIGNATED);
	assert_true(bpdu.learning && bpdu.forwarding && !bpdu.proposal && !bpdu.agreement && !bpdu.topology_change && !bpdu.dialect);
	assert_true(bpdu.root == 0x100002aabbccddeeu && bpdu.bridge == 0x2000021122334455u);
	assert_int_equal(bpdu.cost, 200000);
	assert_int_equal(bpdu.port, 0x8007);
	assert_int_equal(bpdu.times.message_age, 1);
	assert_int_equal(bpdu.times.max_age, 20);
	assert_int_equal(bpdu.times.hello, 2);
	assert_int_equal(bpdu.times.forward_delay, 15);

	uint8_t again[BPDU_RST_SIZE];
	assert_int_equal(bpdu_encode(&bpdu, again), sizeof(rst));
	assert_memory_equal(again, rst, sizeof(rst));
}

/* Which type and version bytes are a BPDU, at which length. */
static bool is_valid(unsigned version, unsigned type, size_t length)
{
	switch (type) {
	case BPDU_TCN: return length >= 4;
	case BPDU_CONFIG: return length >= 35;
	case BPDU_RST: return version >= 2 && length >= 36;
	default: return false;
	}
}

static void every_truncation_version_and_type(void **state)
{
	struct bpdu bpdu;
	uint8_t bytes[BPDU_RST_SIZE + 8] = { 0 };

	(void)state;
	for (unsigned type = 0; type < 256; type++)
		for (unsigned version = 0; version < 256; version++)
			for (size_t length = 0; length <= sizeof(bytes); length++) {
				memcpy(bytes, rst, sizeof(rst));
				bytes[2] = (uint8_t)version;
				bytes[3] = (uint8_t)type;
				assert_int_equal(bpdu_decode(&bpdu, bytes, length) == 0, is_valid(version, type, length));
			}
	for (unsigned protocol = 1; protocol < 0x10000; protocol++) {
		memcpy(bytes, rst, sizeof(rst));
		bytes[0] = (uint8_t)(protocol >> 8);
		bytes[1] = (uint8_t)protocol;
		assert_int_equal(bpdu_decode(&bpdu, bytes, sizeof(rst)), EBADMSG);
	}
}

/* A configuration BPDU whose age has reached the maximum is none (9.3.4). */
static void too_old(void **state)
{
	struct bpdu bpdu;
	uint8_t bytes[BPDU_RST_SIZE];

	(void)state;
	memcpy(bytes, rst, sizeof(rst));
	bytes[2] = bytes[3] = 0;
	bytes[27] = 0x14;
	assert_int_equal(bpdu_decode(&bpdu, bytes, 35), EBADMSG);
	bytes[27] = 0x13;
	bytes[28] = 0xff;
	assert_int_equal(bpdu_decode(&bpdu, bytes, 35), 0);
}

static void invalid_ones_change_nothing_and_are_counted(void **state)
{
	struct watch w;
	struct rstp *rstp = make(&w);
	struct rstp_bridge_info before, after;
	unsigned long invalid = 0;

	(void)state;
	rstp_get_bridge(rstp, &before);
	for (size_t length = 0; length < sizeof(rst); length++, invalid++)
		assert_int_equal(rstp_receive(rstp, 1, rst, length), EBADMSG);
	for (unsigned type = 0; type < 256; type++) {
		uint8_t bytes[BPDU_RST_SIZE];

		memcpy(bytes, rst, sizeof(rst));
		bytes[2] = 1;
		bytes[3] = (uint8_t)type;
		if (type == BPDU_CONFIG || type == BPDU_TCN)
			continue;
		assert_int_equal(rstp_receive(rstp, 1, bytes, sizeof(bytes)), EBADMSG);
		invalid++;
	}
	rstp_get_bridge(rstp, &after);
	assert_int_equal(after.invalid, invalid);
	assert_true(after.root == before.root && after.is_root && after.topology_changes == before.topology_changes);
	assert_int_equal(w.states + w.flushes + w.roles + w.roots, 0);
	assert_int_equal(w.length, 0);
	assert_int_equal(rstp_receive(rstp, 1, rst, sizeof(rst)), 0);
	assert_int_equal(w.roots, 1);
	rstp_destroy(rstp);
}

static void own_ones_are_no_news(void **state)
{
	struct watch w;
	struct rstp *rstp = make(&w);
	struct rstp_port_info info;

	(void)state;
	rstp_tick(rstp);
	rstp_tick(rstp);
	assert_int_equal(w.length, BPDU_RST_SIZE);
	assert_int_equal(rstp_receive(rstp, 1, w.last, w.length), 0);
	assert_int_equal(rstp_get_port(rstp, 1, &info), 0);
	assert_int_equal(info.looped, 1);
	assert_int_equal(info.role, RSTP_DESIGNATED);
	assert_int_equal(w.roots, 0);
	rstp_destroy(rstp);
}

/* A hello that vde_switch 2.3 -F sent, and what is answered to it. */
static void the_dialect(void **state)
{
	uint8_t old[BPDU_RST_SIZE] = {
		0x00, 0x00, 0x02, 0x02, 0x7c, 0x70, 0x00, 0x02, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0, 0, 0, 0, 0x70, 0x00, 0x02,
		0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0x80, 0x01, 0, 0, 0x28, 0, 0x04, 0, 0, 0, 0,
	};
	static const struct { uint8_t flags; enum bpdu_role role; bool proposal; } roles[] = {
		{ 0x7c, BPDU_ROLE_DESIGNATED, false }, { 0x74, BPDU_ROLE_ROOT, false }, { 0x4a, BPDU_ROLE_ALTERNATE, true },
		{ 0x35, BPDU_ROLE_ROOT, false },
	};
	struct bpdu bpdu;
	struct watch w;
	struct rstp *rstp = make(&w);

	(void)state;
	for (size_t i = 0; i < COUNT_OF(roles); i++) {
		old[4] = roles[i].flags;
		assert_int_equal(bpdu_decode(&bpdu, old, sizeof(old)), 0);
		assert_true(bpdu.dialect);
		assert_int_equal(bpdu.role, roles[i].role);
		assert_int_equal(bpdu.proposal, roles[i].proposal);
		assert_int_equal(bpdu.times.forward_delay, 15);
		assert_int_equal(bpdu.times.hello, 4);
	}
	old[4] = 0x4a;
	assert_int_equal(rstp_receive(rstp, 1, old, sizeof(old)), 0);
	assert_int_equal(w.length, BPDU_RST_SIZE);
	assert_int_equal(w.last[4] & 0x0e, 0x04);       /* its "root", and nothing that it takes for "backup" */
	assert_int_equal(w.last[33], 15);               /* but legal times */
	/* The same bits from a bridge with legal times mean what the standard says. */
	old[33] = 15;
	assert_int_equal(bpdu_decode(&bpdu, old, sizeof(old)), 0);
	assert_false(bpdu.dialect);
	assert_int_equal(bpdu.role, BPDU_ROLE_ROOT);
	rstp_destroy(rstp);
}

static void times_are_brought_into_range(void **state)
{
	struct bpdu bpdu;
	uint8_t bytes[BPDU_RST_SIZE];

	(void)state;
	memcpy(bytes, rst, sizeof(rst));
	memset(bytes + 29, 0, 6);
	assert_int_equal(bpdu_decode(&bpdu, bytes, sizeof(bytes)), 0);
	assert_int_equal(bpdu.times.max_age, 6);
	assert_int_equal(bpdu.times.hello, 1);
	assert_int_equal(bpdu.times.forward_delay, 4);
	memset(bytes + 29, 0xff, 6);
	assert_int_equal(bpdu_decode(&bpdu, bytes, sizeof(bytes)), 0);
	assert_int_equal(bpdu.times.max_age, 40);
	assert_int_equal(bpdu.times.hello, 10);
	assert_int_equal(bpdu.times.forward_delay, 30);
}

static void frames(void **state)
{
	uint8_t frame[BPDU_FRAME_SIZE], tagged[BPDU_FRAME_SIZE + 4];
	const uint8_t *bpdu;
	size_t length;

	(void)state;
	assert_int_equal(bpdu_frame_build(frame, mac, rst, sizeof(rst)), BPDU_FRAME_SIZE);
	assert_memory_equal(frame, "\x01\x80\xc2\x00\x00\x00\x02\x00\x00\x00\x00\x01\x00\x27\x42\x42\x03", 17);
	assert_int_equal(bpdu_frame_parse(frame, sizeof(frame), &bpdu, &length), 0);
	assert_int_equal(length, sizeof(rst));
	assert_memory_equal(bpdu, rst, sizeof(rst));
	memcpy(tagged, frame, 12);
	memcpy(tagged + 12, "\x81\x00\x00\x0a", 4);
	memcpy(tagged + 16, frame + 12, sizeof(frame) - 12);
	assert_int_equal(bpdu_frame_parse(tagged, sizeof(tagged), &bpdu, &length), 0);
	assert_ptr_equal(bpdu, tagged + 21);
	assert_int_equal(length, sizeof(rst));
	/* A length field that lies: only one that fits, LLC header included, is taken. */
	for (unsigned said = 0; said < 0x10000; said++) {
		frame[12] = (uint8_t)(said >> 8);
		frame[13] = (uint8_t)said;
		if (said == 0x8100)
			continue;
		assert_int_equal(bpdu_frame_parse(frame, sizeof(frame), &bpdu, &length) == 0, said >= 3 && said <= 46);
		if (said >= 3 && said <= 46)
			assert_int_equal(length, said - 3);
	}
	frame[12] = 0;
	frame[13] = 39;
	for (size_t cut = 0; cut < sizeof(frame); cut++)
		assert_int_equal(bpdu_frame_parse(frame, cut, &bpdu, &length) == 0, cut >= 14 + 39);
	for (size_t cut = 0; cut < sizeof(tagged); cut++)
		assert_int_equal(bpdu_frame_parse(tagged, cut, &bpdu, &length) == 0, cut >= 18 + 39);
	frame[14] = 0xaa;
	assert_int_equal(bpdu_frame_parse(frame, sizeof(frame), &bpdu, &length), EBADMSG);
}

/* Port numbers beyond the protocol's 12 bits, and more ports than it can tell apart. */
static void many_ports(void **state)
{
	struct watch w = { 0 };
	struct rstp *rstp = rstp_create(mac, 0x8000, &callbacks, &w);
	struct rstp_port_info info;

	(void)state;
	assert_int_equal(rstp_port_add(rstp, 65535, RSTP_COST_DEFAULT, true), 0);
	assert_int_equal(rstp_port_add(rstp, 65536, RSTP_COST_DEFAULT, true), EINVAL);
	assert_int_equal(rstp_port_add(rstp, 0, RSTP_COST_DEFAULT, true), 0);
	assert_int_equal(rstp_port_add(rstp, 0, RSTP_COST_DEFAULT, true), EEXIST);
	assert_int_equal(rstp_get_port(rstp, 65535, &info), 0);
	assert_int_equal(info.id, 0x8fff);
	assert_int_equal(rstp_get_port(rstp, 0, &info), 0);
	assert_int_equal(info.id, 0x8ffe);
	for (unsigned port = 1; port <= RSTP_PORTS_MAX - 2; port++)
		assert_int_equal(rstp_port_add(rstp, port, RSTP_COST_DEFAULT, true), 0);
	assert_int_equal(rstp_port_add(rstp, 5000, RSTP_COST_DEFAULT, true), ENOSPC);
	assert_int_equal(rstp_port_remove(rstp, 0), 0);
	assert_int_equal(rstp_port_add(rstp, 4095, RSTP_COST_DEFAULT, true), 0);
	assert_int_equal(rstp_get_port(rstp, 4095, &info), 0);
	assert_int_equal(info.id, 0x8ffe);
	assert_int_equal(rstp_next_port(rstp, 4095), 65535);
	assert_int_equal(rstp_next_port(rstp, 65535), -1);
	rstp_destroy(rstp);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decodes_what_was_sent),
		cmocka_unit_test(every_truncation_version_and_type),
		cmocka_unit_test(too_old),
		cmocka_unit_test(invalid_ones_change_nothing_and_are_counted),
		cmocka_unit_test(own_ones_are_no_news),
		cmocka_unit_test(the_dialect),
		cmocka_unit_test(times_are_brought_into_range),
		cmocka_unit_test(frames),
		cmocka_unit_test(many_ports),
	};

	return cmocka_run_group_tests_name("bpdu", tests, NULL, NULL);
}
