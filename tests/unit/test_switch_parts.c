/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests, ports, VLANs, queues: the parts of the switch that a command or a client reaches directly. */
#include "libvdeplug/plug_protocol.h"
#include "vde_switch/port.h"
#include "vde_switch/request.h"
#include "vde_switch/switch.h"
#include "vde_switch/txqueue.h"
#include "vde_switch/vlan.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
/* cmocka needs the three in the middle */
#include <cmocka.h>

/* ---- requests ---- */

static size_t make_v3(uint8_t *bytes, uint32_t version, uint32_t type, const char *path, const char *description)
{
	struct plug_request_v3 request = { .magic = PLUG_MAGIC, .version = version, .type = type };

	request.address.sun_family = AF_UNIX;
	memcpy(request.address.sun_path, path, strlen(path));
	memcpy(request.description, description, strlen(description));
	memcpy(bytes, &request, sizeof(request));
	return offsetof(struct plug_request_v3, description) + strlen(description);
}

static void requests_are_understood(void **state)
{
	static const struct { uint32_t type; int port; } table[] = {
		{ 0, PORT_ANY }, { 7 << 8, 7 }, { 65535 << 8, 65535 }, { 70000 << 8, 70000 }, { 1, 0 }, { 1 | 9 << 8, 0 },
		{ 0xffffff00, 0 },
	};
	uint8_t bytes[PLUG_REQUEST_MAX];
	struct plug_request request;

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		size_t length = make_v3(bytes, 3, table[i].type, "/tmp/x", "hello");

		assert_int_equal(request_parse(&request, bytes, length), REQUEST_WHOLE);
		assert_int_equal(request.port, table[i].port);
		assert_string_equal(request.address.sun_path, "/tmp/x");
		assert_int_equal(request.description_length, 5);
		assert_memory_equal(request.description, "hello", 5);
	}
}

static void a_request_without_description_is_whole(void **state)
{
	uint8_t bytes[PLUG_REQUEST_MAX] = { 0 };
	struct plug_request request;
	size_t length = make_v3(bytes, 3, 0, "/tmp/x", "");

	(void)state;
	assert_int_equal(length, 122);
	assert_int_equal(request_parse(&request, bytes, length), REQUEST_WHOLE);
	assert_int_equal(request_parse(&request, bytes, 124), REQUEST_WHOLE);   /* padding of raw clients */
	assert_int_equal(request.description_length, 0);
}

static void version_1_is_understood(void **state)
{
	struct plug_request_v1 v1 = { .magic = PLUG_MAGIC, .type = 1, .description = "old" };
	struct plug_request request;

	(void)state;
	v1.address.sun_family = AF_UNIX;
	strcpy(v1.address.sun_path, "/tmp/old");
	assert_int_equal(request_parse(&request, (uint8_t *)&v1, 127), REQUEST_WHOLE);
	assert_int_equal(request.port, 0);
	assert_string_equal(request.address.sun_path, "/tmp/old");
	assert_memory_equal(request.description, "old", 3);
}

static void every_truncation_is_partial(void **state)
{
	uint8_t bytes[PLUG_REQUEST_MAX];
	struct plug_request request;

	(void)state;
	make_v3(bytes, 3, 0, "/tmp/x", "hello");
	for (size_t length = 0; length < 122; length++)
		assert_int_equal(request_parse(&request, bytes, length), REQUEST_PARTIAL);
}

static void bad_requests_are_named(void **state)
{
	static const struct { uint32_t version, type; const char *path; } table[] = {
		{ 2, 0, "/tmp/x" }, { 4, 0, "/tmp/x" }, { 0xffffffff, 0, "/tmp/x" }, { 3, 2, "/tmp/x" }, { 3, 0xff, "/tmp/x" }, { 3, 0, "" },
	};
	uint8_t bytes[PLUG_REQUEST_MAX];
	struct plug_request request;

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		size_t length = make_v3(bytes, table[i].version, table[i].type, table[i].path, "x");

		assert_int_equal(request_parse(&request, bytes, length), REQUEST_BAD);
		assert_non_null(request.problem);
	}
	size_t length = make_v3(bytes, 3, 0, "/tmp/x", "x");
	bytes[0] ^= 1;
	assert_int_equal(request_parse(&request, bytes, length), REQUEST_BAD);
	bytes[0] ^= 1;
	bytes[12] = 2;                  /* not AF_UNIX */
	assert_int_equal(request_parse(&request, bytes, length), REQUEST_BAD);
}

static void an_abstract_name_is_kept_whole(void **state)
{
	uint8_t bytes[PLUG_REQUEST_MAX];
	struct plug_request request;
	size_t length = make_v3(bytes, 3, 0, "", "");

	(void)state;
	memset(bytes + 15, 'z', 107);
	assert_int_equal(request_parse(&request, bytes, length), REQUEST_WHOLE);
	assert_int_equal(request.address.sun_path[0], 0);
	assert_int_equal(request.address.sun_path[107], 'z');
}

/* ---- ports and VLANs ---- */

struct lab {
	struct loop *loop;
	struct log log;
	struct vde_switch *sw;
};

static int setup(void **state)
{
	struct lab *lab = calloc(1, sizeof(*lab));
	struct switch_config config = { .numports = 4, .hash_size = 100 };

	log_init(&lab->log, "test");
	lab->loop = loop_create();
	lab->sw = switch_create(lab->loop, &lab->log, &config);
	*state = lab;
	return lab->sw ? 0 : -1;
}

static int teardown(void **state)
{
	struct lab *lab = *state;

	switch_destroy(lab->sw);
	loop_destroy(lab->loop);
	free(lab);
	return 0;
}

static void ports_1_to_n_and_0_exist(void **state)
{
	struct vde_switch *sw = ((struct lab *)*state)->sw;
	struct port_user user = { .uid = 1000, .gid = 1000 };
	struct port *port;

	assert_int_equal(port_create(sw, 4, NULL), 0);
	assert_int_equal(port_create(sw, 5, NULL), EINVAL);
	assert_int_equal(port_create(sw, 4, NULL), EEXIST);
	assert_int_equal(port_acquire(sw, 0, &user, &port), 0);
	assert_int_equal(port->number, 0);
	assert_int_equal(port_acquire(sw, 99, &user, &port), EINVAL);
	assert_int_equal(port_remove(sw, 3), ENXIO);
	assert_int_equal(port_remove(sw, 4), 0);
}

static void the_lowest_free_port_is_given(void **state)
{
	struct vde_switch *sw = ((struct lab *)*state)->sw;
	struct port_user user = { .uid = 1000, .gid = 1000 }, owner = { .uid = 77, .gid = 77 };
	struct port *port;

	assert_int_equal(port_create(sw, 1, &port), 0);
	port->allocatable = false;
	assert_int_equal(port_create(sw, 2, &port), 0);
	port->allowed_user = 77;
	assert_int_equal(port_acquire(sw, PORT_ANY, &user, &port), 0);
	assert_int_equal(port->number, 3);
	assert_int_equal(port_acquire(sw, PORT_ANY, &owner, &port), 0);
	assert_int_equal(port->number, 2);
}

static void access_is_by_user_or_group(void **state)
{
	static const struct { uid_t allowed_user; gid_t allowed_group; uid_t user; gid_t group; gid_t further; int result; } table[] = {
		{ (uid_t)-1, (gid_t)-1, 1000, 1000, 1, 0 },
		{ 77, (gid_t)-1, 77, 1000, 1, 0 },
		{ 77, (gid_t)-1, 1000, 1000, 1, EACCES },
		{ 77, (gid_t)-1, 0, 0, 1, 0 },
		{ (uid_t)-1, 88, 1000, 88, 1, 0 },
		{ (uid_t)-1, 88, 1000, 1000, 88, 0 },
		{ (uid_t)-1, 88, 1000, 1000, 1, EACCES },
		{ 77, 88, 1000, 88, 1, 0 },
	};
	struct port port = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct port_user user = { .uid = table[i].user, .gid = table[i].group, .group_count = 1,
					  .groups = { table[i].further } };

		port.allowed_user = table[i].allowed_user;
		port.allowed_group = table[i].allowed_group;
		assert_int_equal(port_check_access(&port, &user), table[i].result);
	}
}

static void number_of_ports_changes_within_reason(void **state)
{
	struct vde_switch *sw = ((struct lab *)*state)->sw;

	assert_int_equal(port_create(sw, 3, NULL), 0);
	assert_int_equal(port_set_count(sw, 0), EINVAL);
	assert_int_equal(port_set_count(sw, 65536), EINVAL);
	assert_int_equal(port_set_count(sw, 2), EADDRINUSE);
	assert_int_equal(port_set_count(sw, 3), 0);
	assert_int_equal(port_set_count(sw, 65535), 0);
	assert_int_equal(port_create(sw, 65535, NULL), 0);
}

static void vlans_1_to_4094(void **state)
{
	struct vde_switch *sw = ((struct lab *)*state)->sw;

	assert_int_equal(vlan_create(sw, 0), EINVAL);
	assert_int_equal(vlan_create(sw, 4095), EINVAL);
	assert_int_equal(vlan_create(sw, 1), 0);
	assert_int_equal(vlan_create(sw, 4094), 0);
	assert_int_equal(vlan_create(sw, 4094), EEXIST);
	assert_int_equal(vlan_remove(sw, 4095), EINVAL);
	assert_int_equal(vlan_remove(sw, 2), ENXIO);
	assert_int_equal(vlan_remove(sw, 4094), 0);
}

static void vlan_membership_rules(void **state)
{
	struct vde_switch *sw = ((struct lab *)*state)->sw;

	port_create(sw, 1, NULL);
	vlan_create(sw, 10);
	assert_int_equal(vlan_add_port(sw, 10, 2), ENXIO);
	assert_int_equal(vlan_add_port(sw, 11, 1), ENXIO);
	assert_int_equal(vlan_add_port(sw, 10, 1), 0);
	assert_true(vlan_is_tagged(port_get(sw, 1), 10));
	assert_int_equal(vlan_remove(sw, 10), EADDRINUSE);
	assert_int_equal(vlan_set_untagged(sw, 1, 10), 0);
	assert_false(vlan_is_tagged(port_get(sw, 1), 10));
	assert_int_equal(vlan_add_port(sw, 10, 1), 0);          /* no effect: it is untagged there */
	assert_false(vlan_is_tagged(port_get(sw, 1), 10));
	assert_int_equal(vlan_del_port(sw, 10, 1), EADDRINUSE);
	assert_int_equal(vlan_set_untagged(sw, 1, 11), ENXIO);
	assert_int_equal(vlan_set_untagged(sw, 1, 4096), EINVAL);
	assert_int_equal(vlan_set_untagged(sw, 1, VLAN_NONE), 0);
	assert_int_equal(vlan_del_port(sw, 10, 1), 0);
	assert_int_equal(vlan_remove(sw, 10), 0);
	assert_int_equal(vlan_remove(sw, 0), EADDRINUSE);
}

/* ---- queues ---- */

static struct frame_image image_of(struct frame *frame)
{
	struct frame_image image = { .pieces = 0 };

	image_plain(&image, frame);
	return image;
}

static void a_queue_keeps_order_and_its_bound(void **state)
{
	struct txbudget budget = { .max = 1 << 20 };
	struct txqueue queue;
	uint8_t data[100] = { 0 };

	(void)state;
	txqueue_init(&queue, 40);
	for (unsigned i = 0; i < 50; i++) {
		struct frame frame = { .data = data, .length = 50 + i };
		struct frame_image image = image_of(&frame);

		assert_int_equal(txqueue_push(&queue, &image, &budget), i < 40);
		packet_release(image.packet);
	}
	struct packet *packets[64];
	assert_int_equal(txqueue_peek(&queue, packets, 64), 40);
	for (unsigned i = 0; i < 40; i++)
		assert_int_equal(packets[i]->length, 50 + i);
	txqueue_pop(&queue, 10);
	assert_int_equal(txqueue_peek(&queue, packets, 1), 1);
	assert_int_equal(packets[0]->length, 60);
	txqueue_set_max(&queue, 5);
	assert_int_equal(txqueue_peek(&queue, packets, 64), 5);
	txqueue_clear(&queue);
	assert_int_equal(budget.used, 0);
}

/* Pushes frames of their own until one is refused. */
static unsigned fill(struct txqueue *queue, struct txbudget *budget)
{
	uint8_t data[1000] = { 0 };
	unsigned count = 0;

	for (bool taken = true; taken; count += taken) {
		struct frame frame = { .data = data, .length = sizeof(data) };
		struct frame_image image = image_of(&frame);

		taken = txqueue_push(queue, &image, budget);
		packet_release(image.packet);
	}
	return count;
}

static void queues_that_nobody_reads_leave_room_for_others(void **state)
{
	struct txbudget budget = { .max = 1000 << 10 };
	struct txqueue queue[10];

	(void)state;
	for (unsigned i = 0; i < 10; i++)
		txqueue_init(&queue[i], 65536);
	assert_in_range(fill(&queue[0], &budget), 450, 500);
	for (unsigned i = 1; i < 9; i++)
		fill(&queue[i], &budget);
	assert_true(fill(&queue[9], &budget) > 0);
	assert_true(budget.used <= budget.max);
	txqueue_set_max(&queue[0], 1);
	assert_in_range(fill(&queue[8], &budget), 100, 500);
	txqueue_pop(&queue[8], 100);
	assert_in_range(fill(&queue[8], &budget), 100, 200);
	for (unsigned i = 0; i < 10; i++)
		txqueue_clear(&queue[i]);
	assert_int_equal(budget.used, 0);
}

static void images_of_a_frame(void **state)
{
	uint8_t data[128];
	struct frame frame = { .data = data, .length = 100 };
	struct frame_image image = { .pieces = 0 };

	(void)state;
	for (unsigned i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)i;
	image_push_tag(&image, &frame, 0x123);
	assert_int_equal(image.length, 104);
	assert_memory_equal(image.piece[0].iov_base, "\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x81\x00\x01\x23", 16);
	assert_ptr_equal(image.piece[1].iov_base, data + 12);
	image_pop_tag(&image, &frame);
	assert_int_equal(image.length, 96);
	assert_ptr_equal(image.piece[1].iov_base, data + 16);
}

int main(void)
{
#define LAB_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_are_understood),
		cmocka_unit_test(a_request_without_description_is_whole),
		cmocka_unit_test(version_1_is_understood),
		cmocka_unit_test(every_truncation_is_partial),
		cmocka_unit_test(bad_requests_are_named),
		cmocka_unit_test(an_abstract_name_is_kept_whole),
		LAB_TEST(ports_1_to_n_and_0_exist),
		LAB_TEST(the_lowest_free_port_is_given),
		cmocka_unit_test(access_is_by_user_or_group),
		LAB_TEST(number_of_ports_changes_within_reason),
		LAB_TEST(vlans_1_to_4094),
		LAB_TEST(vlan_membership_rules),
		cmocka_unit_test(a_queue_keeps_order_and_its_bound),
		cmocka_unit_test(queues_that_nobody_reads_leave_room_for_others),
		cmocka_unit_test(images_of_a_frame),
	};

	return cmocka_run_group_tests_name("switch parts", tests, NULL, NULL);
}
