/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vxlan and vxvde. An input that begins with 'L' or 'V' is a locator's arguments; any other one is datagrams, which the modules receive from a real
 * socket in trains and batches. What must come out is computed here once more, from the bytes alone. No name is resolved.
 */
#include "libvdeplug/module_vx.c"

#include "fuzz.h"

#include <arpa/inet.h>
#include <assert.h>
#include <netdb.h>

enum { ROOM = 65536, PIECES = 64, TEXT_MAX = 4096 };

/* In the place of libc's: numbers only, so that no name goes out. */
int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **found)
{
	struct { struct addrinfo info; union dgram_address address; } *made = calloc(1, sizeof(*made));

	(void)service;
	assert(made != NULL && node != NULL);
	made->info.ai_addr = &made->address.any;
	if (hints->ai_family != AF_INET6 && inet_pton(AF_INET, node, &made->address.ip4.sin_addr) == 1)
		made->info.ai_family = AF_INET;
	else if (hints->ai_family != AF_INET && inet_pton(AF_INET6, node, &made->address.ip6.sin6_addr) == 1)
		made->info.ai_family = AF_INET6;
	else
		goto none;
	made->address.any.sa_family = (sa_family_t)made->info.ai_family;
	made->info.ai_addrlen = dgram_address_size(&made->address);
	*found = &made->info;
	return 0;
none:
	free(made);
	return EAI_NONAME;
}

void freeaddrinfo(struct addrinfo *info)
{
	free(info);
}

static void parse(const char *kind, const uint8_t *data, size_t size)
{
	static struct vx_options options;
	char text[TEXT_MAX];

	if (size >= sizeof(text))
		return;
	memcpy(text, data, size);
	text[size] = '\0';
	if (vx_parse(&options, kind, text) != 0)
		return;
	assert(options.vni <= VX_VNI_MAX && options.port > 0 && options.ttl <= 255 && options.hash_size > 0 && options.expire_s > 0);
	assert(options.peer_count <= VX_PEERS_MAX);
	assert(options.group.any.sa_family == AF_INET || options.group.any.sa_family == AF_INET6);
	for (unsigned i = 0; i < options.peer_count; i++)
		assert(options.peers[i].any.sa_family == options.group.any.sa_family && port_of(&options.peers[i]) == htons(options.port));
}

/* ---- datagrams ---- */

struct expected {
	const uint8_t *frame[PIECES];
	size_t length[PIECES];
	unsigned count;
};

/* What the specifications say of one datagram. */
static void expect(struct expected *expected, bool is_vxvde, const uint8_t *bytes, size_t size)
{
	static const uint8_t ours[] = {8, 0, 0, 0, 0, 0, 7, 0};

	if (size < 8 + 14 || expected->count == PIECES)
		return;
	if (is_vxvde ? memcmp(bytes, ours, 8) != 0 : (bytes[0] & 8) == 0 || memcmp(bytes + 4, ours + 4, 3) != 0)
		return;
	expected->frame[expected->count] = bytes + 8;
	expected->length[expected->count++] = size - 8;
}

static int bound_socket(union dgram_address *address)
{
	socklen_t size = sizeof(*address);
	int fd;

	memset(address, 0, sizeof(*address));
	address->ip4.sin_family = AF_INET;
	address->ip4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert(fd >= 0 && bind(fd, &address->any, sizeof(address->ip4)) == 0);
	assert(getsockname(fd, &address->any, &size) == 0);
	return fd;
}

/* Sends the input in pieces: groups of datagrams of one length, as trains. */
static void send_pieces(int fd, const union dgram_address *to, struct expected *expected, bool is_vxvde, const uint8_t *data, size_t size)
{
	struct dgram out;

	dgram_init(&out, fd);
	for (unsigned datagrams = 0; size > 2 && datagrams < PIECES; ) {
		size_t length = 1 + data[0] % 80;
		unsigned count = 1 + data[1] % 8, n;
		struct vde_frame frames[8];
		const union dgram_address *where[8];

		data += 2, size -= 2;
		for (n = 0; n < count && size > 0 && datagrams < PIECES; n++, datagrams++) {
			union { const uint8_t *in; void *out; } bytes = {.in = data};
			size_t piece = length < size ? length : size;

			frames[n] = (struct vde_frame){bytes.out, piece, piece};
			where[n] = to;
			expect(expected, is_vxvde, data, piece);
			data += piece, size -= piece;
		}
		for (unsigned done = 0; done < n; )
			done += (unsigned)dgram_send(&out, frames + done, where, n - done, 0);
	}
	dgram_destroy(&out);
}

static void receive_all(struct vx_conn *vx, const struct expected *expected, unsigned asked)
{
	static uint8_t buffer[PIECES][ROOM];
	unsigned got = 0;

	for (unsigned calls = 0; calls < 4 * PIECES; calls++) {
		struct vde_frame frames[PIECES];
		int n;

		for (unsigned i = 0; i < PIECES; i++)
			frames[i] = (struct vde_frame){buffer[i], ROOM, 0};
		n = vx_recv_batch((VDECONN *)(void *)vx, frames, calls % 2 == 0 ? asked : PIECES, 0);
		for (int i = 0; i < n; i++, got++) {
			assert(got < expected->count && frames[i].length == expected->length[got]);
			assert(memcmp(frames[i].data, expected->frame[got], frames[i].length) == 0);
		}
		if (n < 0 && got == expected->count && calls > 1)
			break;
	}
	assert(got == expected->count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct expected expected = {.count = 0};
	union dgram_address to, from;
	struct vx_conn *vx;
	bool is_vxvde;
	int fd;

	if (size < 2)
		return 0;
	if (data[0] == 'L' || data[0] == 'V') {
		parse(data[0] == 'L' ? "vxlan" : "vxvde", data + 1, size - 1);
		return 0;
	}
	is_vxvde = data[0] & 1;
	vx = calloc(1, sizeof(*vx));
	assert(vx != NULL);
	vx->is_vxvde = is_vxvde;
	vx->socket.data_fd = vx->socket.control_fd = -1;
	vx->options.vni = 7;
	vx->options.hash_size = 4;
	vx->options.port = 4789;
	vx->now_s = now_s();
	init_dgram(vx, &vx->unicast);
	init_dgram(vx, &vx->multicast);
	assert(make_table(vx) == 0);
	vx->unicast.fd = bound_socket(&to);
	fd = bound_socket(&from);
	send_pieces(fd, &to, &expected, is_vxvde, data + 2, size - 2);
	receive_all(vx, &expected, 1 + data[1] % PIECES);
	close(fd);
	vx_close((VDECONN *)(void *)vx);
	return 0;
}
