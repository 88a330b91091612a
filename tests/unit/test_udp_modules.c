/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vde_recv of udp and vxlan, as programs call it that poll and then receive one frame: it never waits for what is not there. */
#include <libvdeplug.h>

#include "unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PATIENCE_S = 20, FRAME = 60 };

struct world {
	VDECONN *conn;
	int peer;
	struct sockaddr_in there;
};

static int bound_socket(struct sockaddr_in *address)
{
	socklen_t size = sizeof(*address);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	*address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	assert_int_equal(bind(fd, (struct sockaddr *)address, sizeof(*address)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)address, &size), 0);
	return fd;
}

static void make_world(struct world *world, bool is_vxlan)
{
	struct sockaddr_in peer;
	char locator[200], description[] = "test";
	int ours = bound_socket(&world->there);

	close(ours);
	world->peer = bound_socket(&peer);
	if (is_vxlan)
		snprintf(locator, sizeof(locator), "vxlan:///peers=127.0.0.1/vni=7/port=%u", ntohs(world->there.sin_port));
	else
		snprintf(locator, sizeof(locator), "udp://127.0.0.1:%u->127.0.0.1:%u", ntohs(world->there.sin_port), ntohs(peer.sin_port));
	world->conn = vde_open(locator, description, NULL);
	assert_non_null(world->conn);
	alarm(PATIENCE_S);
}

static void end_world(struct world *world)
{
	alarm(0);
	close(world->peer);
	assert_int_equal(vde_close(world->conn), 0);
}

static void send_bytes(struct world *world, const void *bytes, size_t length)
{
	assert_int_equal(sendto(world->peer, bytes, length, 0, (struct sockaddr *)&world->there, sizeof(world->there)), length);
}

/* Polls, and receives. */
static ssize_t receive(struct world *world, uint8_t *frame, size_t size)
{
	assert_int_equal(poll(&(struct pollfd){.fd = vde_datafd(world->conn), .events = POLLIN}, 1, PATIENCE_S * 1000), 1);
	return vde_recv(world->conn, frame, size, 0);
}

static void test_vxlan(void **state)
{
	static const uint8_t header[8] = {8, 0, 0, 0, 0, 0, 7, 0}, wrong[8] = {8, 0, 0, 0, 0, 0, 6, 0};
	uint8_t datagram[8 + FRAME] = {0}, frame[FRAME];
	struct world world;

	(void)state;
	make_world(&world, true);
	memcpy(datagram, wrong, sizeof(wrong));
	for (size_t length = 0; length <= sizeof(datagram); length += 17) {
		send_bytes(&world, datagram, length);
		assert_int_equal(receive(&world, frame, sizeof(frame)), 1);
	}
	memcpy(datagram, header, sizeof(header));
	send_bytes(&world, datagram, sizeof(datagram));
	assert_int_equal(receive(&world, frame, sizeof(frame)), FRAME);
	send_bytes(&world, datagram, sizeof(datagram));
	assert_int_equal(receive(&world, frame, FRAME - 1), 1);         /* too long: dropped */
	assert_int_equal(vde_recv(world.conn, frame, sizeof(frame), MSG_DONTWAIT), -1);
	assert_int_equal(errno, EAGAIN);
	end_world(&world);
}

/* A list of which only this host is left: nothing goes anywhere, and nothing of it comes back. */
static void test_vxlan_alone(void **state)
{
	uint8_t frame[FRAME] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2}, got[FRAME];
	struct world world;

	(void)state;
	make_world(&world, true);
	assert_int_equal(vde_send(world.conn, frame, FRAME, 0), FRAME);
	assert_int_equal(vde_recv(world.conn, got, sizeof(got), MSG_DONTWAIT), -1);
	assert_int_equal(errno, EAGAIN);
	end_world(&world);
}

/* Times that VDE 4 understands: none, and less, are the default. */
static void test_times(void **state)
{
	static const struct { const char *time; bool works; } rows[] = {{"0", true}, {"-1", true}, {"77", true}, {"1h", false}, {"-", false}, {"", false}};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct sockaddr_in address;
		char locator[200], description[] = "test";
		VDECONN *conn;

		close(bound_socket(&address));
		snprintf(locator, sizeof(locator), "vxlan:///peers=127.0.0.1/port=%u/expiretime=%s", ntohs(address.sin_port), rows[i].time);
		conn = vde_open(locator, description, NULL);
		assert_int_equal(conn != NULL, rows[i].works);
		vde_close(conn);
	}
}

static void test_udp(void **state)
{
	uint8_t frame[FRAME] = {1, 2, 3}, got[FRAME];
	struct world world;

	(void)state;
	make_world(&world, false);
	send_bytes(&world, "", 0);
	assert_int_equal(receive(&world, got, sizeof(got)), 1);
	send_bytes(&world, frame, sizeof(frame));
	assert_int_equal(receive(&world, got, sizeof(got)), FRAME);
	assert_memory_equal(frame, got, FRAME);
	assert_int_equal(vde_send(world.conn, frame, FRAME, 0), FRAME);
	assert_int_equal(recv(world.peer, got, sizeof(got), 0), FRAME);
	assert_int_equal(vde_recv(world.conn, got, sizeof(got), MSG_DONTWAIT), -1);
	assert_int_equal(errno, EAGAIN);
	/* nobody there: the descriptor becomes readable by the refusal, which is no frame and no end */
	close(world.peer);
	assert_int_equal(vde_send(world.conn, frame, FRAME, 0), FRAME);
	assert_int_equal(receive(&world, got, sizeof(got)), 1);
	end_world(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vxlan),
		cmocka_unit_test(test_vxlan_alone),
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_udp),
	};

	return cmocka_run_group_tests_name("modules over UDP", tests, NULL, NULL);
}
