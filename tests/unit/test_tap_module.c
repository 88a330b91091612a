/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Receiving from a tap: a frame that is too long is dropped and not cut, one by one and in batches. */
#include <libvdeplug.h>

#include "unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netpacket/packet.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PATIENCE_MS = 20000, TYPE = 0x88b5, SIZE = 100 };

struct world {
	VDECONN *conn;
	int host;                       /* a packet socket on the interface */
};

static void make_world(struct world *world)
{
	char locator[64], description[] = "test";
	struct ifreq request = {.ifr_flags = IFF_UP};
	struct sockaddr_ll address = {.sll_family = AF_PACKET};

	snprintf(request.ifr_name, sizeof(request.ifr_name), "vt%u", (unsigned)getpid() % 1000000000u);
	snprintf(locator, sizeof(locator), "tap://%s", request.ifr_name);
	world->conn = vde_open(locator, description, NULL);
	world->host = world->conn != NULL ? socket(AF_PACKET, SOCK_RAW, 0) : -1;
	if (world->host < 0)
		skip();         /* not allowed to here */
	assert_int_equal(ioctl(world->host, SIOCSIFFLAGS, &request), 0);
	address.sll_ifindex = (int)if_nametoindex(request.ifr_name);
	assert_int_equal(bind(world->host, (struct sockaddr *)&address, sizeof(address)), 0);
}

static void end_world(struct world *world)
{
	close(world->host);
	assert_int_equal(vde_close(world->conn), 0);
}

static void send_frame(struct world *world, size_t length)
{
	uint8_t frame[2 * SIZE] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, TYPE >> 8, TYPE & 0xff};

	assert_int_equal(send(world->host, frame, length, 0), length);
}

static int is_ours(const uint8_t *frame)
{
	return frame[12] == TYPE >> 8 && frame[13] == (TYPE & 0xff);
}

/* The system sends frames of its own into a new interface; they are passed over. */
static ssize_t receive(struct world *world, uint8_t *frame, size_t size)
{
	ssize_t n;

	do {
		assert_int_equal(poll(&(struct pollfd){.fd = vde_datafd(world->conn), .events = POLLIN}, 1, PATIENCE_MS), 1);
		n = vde_recv(world->conn, frame, size, 0);
	} while (n == 1 || (n > 1 && !is_ours(frame)));
	return n;
}

static void test_one_by_one(void **state)
{
	uint8_t frame[SIZE];
	struct world world;

	(void)state;
	make_world(&world);
	send_frame(&world, SIZE + 1);
	send_frame(&world, SIZE);
	send_frame(&world, SIZE + 50);
	send_frame(&world, SIZE - 1);
	assert_int_equal(receive(&world, frame, sizeof(frame)), SIZE);
	assert_int_equal(receive(&world, frame, sizeof(frame)), SIZE - 1);
	end_world(&world);
}

static void test_batch(void **state)
{
	uint8_t bytes[8][SIZE];
	unsigned whole = 0, dropped = 0;
	struct world world;

	(void)state;
	make_world(&world);
	send_frame(&world, SIZE + 1);
	send_frame(&world, SIZE);
	while (whole == 0) {
		struct vde_frame frames[8];
		int n;

		for (unsigned i = 0; i < 8; i++)
			frames[i] = (struct vde_frame){memset(bytes[i], 0, SIZE), SIZE, 0};
		assert_int_equal(poll(&(struct pollfd){.fd = vde_datafd(world.conn), .events = POLLIN}, 1, PATIENCE_MS), 1);
		n = vde_recv_batch(world.conn, frames, 8, 0);
		for (int i = 0; i < n; i++) {
			dropped += frames[i].length == 0 && is_ours(bytes[i]);
			if (frames[i].length > 0 && is_ours(bytes[i])) {
				assert_int_equal(frames[i].length, SIZE);
				whole++;
			}
		}
	}
	assert_int_equal(dropped, 1);
	assert_int_equal(whole, 1);
	end_world(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_by_one),
		cmocka_unit_test(test_batch),
	};

	return cmocka_run_group_tests_name("module tap", tests, NULL, NULL);
}
