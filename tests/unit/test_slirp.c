/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The engine of slirpvde as a value: texts to configurations, and frames in, frames out, without a switch. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "slirpvde/alias.h"
#include "slirpvde/coalesce.h"
#include "slirpvde/engine.h"
#include "slirpvde/packet.h"
#include "slirpvde/reassembly.h"
#include "slirpvde/uncut.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

static struct address address_of(const char *text)
{
	struct address address;

	assert_int_equal(address_parse(text, &address), 0);
	return address;
}

static struct network network_of(const char *text)
{
	struct network network;

	assert_int_equal(address_parse_network(text, 24, 64, &network), 0);
	return network;
}

/* ---- addresses ---- */

static void test_addresses(void **state)
{
	static const struct { const char *text; int error; unsigned length; bool has_length; } rows[] = {
		{ "10.0.2.2", 0, 24, false },		{ "10.0.2.2/16", 0, 16, true },	  { "10.0.2.2/0", 0, 0, true },
		{ "10.0.2.2/33", ERANGE, 0, false },	{ "10.0.2.2/", EINVAL, 0, false }, { "10.0.2.2/abc", EINVAL, 0, false },
		{ "bogus", EINVAL, 0, false },		{ "", EINVAL, 0, false },	  { "10.0.2", EINVAL, 0, false },
		{ "10.0.2.2/24x", EINVAL, 0, false },	{ "fd00::2", 0, 64, false },	  { "fd00::2/48", 0, 48, true },
		{ "[fd00::2]/48", 0, 48, true },	{ "fd00::2/129", ERANGE, 0, false }, { "[10.0.2.2]", EINVAL, 0, false },
		{ "10.0.2.2 ", EINVAL, 0, false },	{ "/24", EINVAL, 0, false },
		{ "1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc:dddd:eeee", EINVAL, 0, false },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct network network = { 0 };
		int error = address_parse_network(rows[i].text, 24, 64, &network);

		if (error != rows[i].error || network.length != rows[i].length || network.has_length != rows[i].has_length)
			fail_msg("%s: error %d, length %u", rows[i].text, error, network.length);
	}
}

static void test_prefixes(void **state)
{
	static const struct { const char *network; uint32_t bits; const char *result; } rows[] = {
		{ "10.0.2.9/24", 3, "10.0.2.3" },   { "10.1.2.3/30", 0, "10.1.2.0" },	{ "10.1.2.3/30", 15, "10.1.2.3" },
		{ "10.1.255.3/9", 2, "10.0.0.2" },  { "fd00:1:2:3:4::9/64", 3, "fd00:1:2:3::3" },
		{ "fd00::ff/125", 2, "fd00::fa" },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct network network = network_of(rows[i].network);
		struct address result = address_in_prefix(&network, rows[i].bits);
		char text[ADDRESS_TEXT_SIZE];

		assert_string_equal(address_text(&result, text), rows[i].result);
	}
}

/* ---- configuration ---- */

static struct engine_config configure(const char *host4, const char *host6)
{
	struct engine_config config = { 0 };

	if (host4)
		config.host4 = network_of(host4);
	if (host6)
		config.host6 = network_of(host6);
	return config;
}

static void test_config(void **state)
{
	static const struct {
		const char *host4, *host6, *dns, *dhcp;         /* dhcp: NULL none, "" the default */
		const char *got_host, *got_dns, *got_dhcp;      /* got_host NULL: refused */
	} rows[] = {
		{ "10.0.2.2", NULL, NULL, "", "10.0.2.2", "10.0.2.3", "10.0.2.15" },
		{ "10.0.2.0/24", NULL, NULL, "", "10.0.2.2", "10.0.2.3", "10.0.2.15" },
		{ "192.168.55.1", NULL, NULL, NULL, "192.168.55.1", "192.168.55.3", "-" },
		{ "10.0.2.1/24", NULL, NULL, "10.0.2.2", "10.0.2.1", "10.0.2.3", "10.0.2.2" },
		{ "10.0.2.3/24", NULL, NULL, NULL, "10.0.2.3", "10.0.2.2", "-" },
		{ "10.0.2.2", NULL, "8.8.8.8", NULL, "10.0.2.2", "8.8.8.8", "-" },
		{ "10.0.2.0/29", NULL, NULL, "", "10.0.2.2", "10.0.2.3", "10.0.2.1" },
		{ NULL, "fd00::", NULL, NULL, "fd00::2", "fd00::3", "-" },
		{ "10.2.3.4/0", NULL, NULL, NULL, NULL, NULL, NULL },
		{ "10.2.3.4/32", NULL, NULL, NULL, NULL, NULL, NULL },
		{ "10.2.3.255/24", NULL, NULL, NULL, NULL, NULL, NULL },
		{ "127.0.0.1/8", NULL, NULL, NULL, NULL, NULL, NULL },
		{ "224.0.0.1/24", NULL, NULL, NULL, NULL, NULL, NULL },
		{ "10.0.2.2", NULL, NULL, "10.0.3.15", NULL, NULL, NULL },
		{ "10.0.2.2", NULL, NULL, "10.0.2.3", NULL, NULL, NULL },
		{ "10.0.2.2", NULL, NULL, "10.0.2.255", NULL, NULL, NULL },
		{ "10.0.2.2/30", NULL, NULL, NULL, NULL, NULL, NULL },
		{ NULL, "fd00::2", NULL, "", NULL, NULL, NULL },
		{ NULL, NULL, NULL, NULL, NULL, NULL, NULL },
		{ NULL, "fe80::2", NULL, NULL, NULL, NULL, NULL },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct engine_config config = configure(rows[i].host4, rows[i].host6);
		struct engine_error error = { "" };
		char text[ADDRESS_TEXT_SIZE];

		if (rows[i].dns)
			config.dns4 = address_of(rows[i].dns);
		config.dhcp = rows[i].dhcp != NULL;
		if (rows[i].dhcp && *rows[i].dhcp)
			config.dhcp_start = address_of(rows[i].dhcp);
		if (!rows[i].got_host) {
			if (engine_config_complete(&config, &error) != EINVAL || !error.text[0])
				fail_msg("row %u is accepted", i);
			continue;
		}
		if (engine_config_complete(&config, &error))
			fail_msg("row %u: %s", i, error.text);
		assert_string_equal(address_text(rows[i].host4 ? &config.host4.address : &config.host6.address, text),
				    rows[i].got_host);
		assert_string_equal(address_text(rows[i].host4 ? &config.dns4 : &config.dns6, text), rows[i].got_dns);
		assert_string_equal(address_text(&config.dhcp_start, text), rows[i].got_dhcp);
	}
}

static void test_forward_texts(void **state)
{
	static const struct { enum forward_kind kind; const char *text, *again; } rows[] = {
		{ FORWARD_TCP, "2222:10.0.2.15:22", "2222:10.0.2.15:22" },
		{ FORWARD_TCP, "2222::22", "2222::22" },
		{ FORWARD_TCP, "127.0.0.1:2222:10.0.2.15:22", "127.0.0.1:2222:10.0.2.15:22" },
		{ FORWARD_UDP, "[::1]:2222:[fd00::15]:22", "[::1]:2222:[fd00::15]:22" },
		{ FORWARD_UDP, "53:[fd00::15]:53", "53:[fd00::15]:53" },
		{ FORWARD_UNIX, "6000:/tmp/a:b", "6000:/tmp/a:b" },
		{ FORWARD_UNIX, "10.0.2.9:6000:/tmp/a", "10.0.2.9:6000:/tmp/a" },
		{ FORWARD_COMMAND, "10.0.2.9:25:/bin/cat -u", "10.0.2.9:25:/bin/cat -u" },
		{ FORWARD_X, "10.0.2.15", "0:10.0.2.15:6000" },
		{ FORWARD_X, "10.0.2.15:1.0", "0:10.0.2.15:6001" },
		{ FORWARD_TCP, "x:10.0.2.15:22", NULL },	{ FORWARD_TCP, "2222:10.0.2.15", NULL },
		{ FORWARD_TCP, "2222:10.0.2.15:22:33:44", NULL }, { FORWARD_TCP, "70000:10.0.2.15:22", NULL },
		{ FORWARD_TCP, "0:10.0.2.15:22", NULL },	{ FORWARD_TCP, "2222:bogus:22", NULL },
		{ FORWARD_TCP, "", NULL },			{ FORWARD_TCP, "2222:fd00::15:22", NULL },
		{ FORWARD_UNIX, "6000", NULL },			{ FORWARD_UNIX, "6000:", NULL },
		{ FORWARD_UNIX, "/tmp/x", NULL },		{ FORWARD_X, "bogus:0", NULL },
		{ FORWARD_X, "10.0.2.15:x", NULL },		{ FORWARD_TCP, "[::1:2222:10.0.2.15:22", NULL },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct engine_error error = { "" };
		struct forward forward;
		char text[FORWARD_TEXT_SIZE];
		int failed = forward_parse(rows[i].kind, rows[i].text, &forward, &error);

		if (!failed != (rows[i].again != NULL))
			fail_msg("'%s': %d", rows[i].text, failed);
		if (failed) {
			assert_non_null(strstr(error.text, rows[i].text));
			continue;
		}
		assert_string_equal(forward_text(&forward, text), rows[i].again);
		forward_free(&forward);
	}
}

/* ---- frames ---- */

enum { FRAMES_MAX = 64, BYTES_MAX = 2048 };

struct guest {
	struct slirp_engine *engine;
	uint8_t mac[6];
	unsigned count;                 /* frames received */
	uint32_t length[FRAMES_MAX];
	uint8_t bytes[FRAMES_MAX][BYTES_MAX];
};

static void on_transmit(void *owner, const struct frame *frames, unsigned count)
{
	struct guest *guest = owner;

	for (unsigned i = 0; i < count && guest->count < FRAMES_MAX; i++) {
		assert_true(frames[i].length <= BYTES_MAX);
		memcpy(guest->bytes[guest->count], frames[i].data, frames[i].length);
		guest->length[guest->count++] = frames[i].length;
	}
}

static const struct engine_callbacks guest_callbacks = { .transmit = on_transmit };

static void guest_begin(struct guest *guest, struct engine_config config)
{
	struct engine_error error;

	memset(guest, 0, sizeof(*guest));
	memcpy(guest->mac, "\x02\x00\x00\x00\x00\x01", 6);
	if (engine_config_complete(&config, &error))
		fail_msg("%s", error.text);
	guest->engine = engine_create(&config, &guest_callbacks, guest, &error);
	assert_non_null(guest->engine);
}

static void guest_end(struct guest *guest)
{
	engine_destroy(guest->engine);
}

static void guest_send(struct guest *guest, uint8_t *bytes, uint32_t length)
{
	struct frame frame = { .data = bytes, .length = length };

	guest->count = 0;
	engine_input(guest->engine, &frame, 1);
}

static const uint8_t router_mac[6] = { 0x52, 0x55, 10, 0, 2, 2 };

static void guest_send_arp(struct guest *guest, const char *target)
{
	uint8_t frame[42] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
	struct address address = address_of(target), own = address_of("10.0.2.15");

	memcpy(frame + 6, guest->mac, 6);
	memcpy(frame + 12, "\x08\x06\x00\x01\x08\x00\x06\x04\x00\x01", 10);
	memcpy(frame + 22, guest->mac, 6);
	memcpy(frame + 28, &own.v4, 4);
	memcpy(frame + 38, &address.v4, 4);
	guest_send(guest, frame, sizeof(frame));
}

static void test_arp(void **state)
{
	static const struct { const char *target; bool answered; } rows[] = {
		{ "10.0.2.2", true }, { "10.0.2.3", true }, { "10.0.2.1", false }, { "10.0.2.4", false }, { "10.0.2.99", false },
	};
	struct guest guest;

	(void)state;
	guest_begin(&guest, configure("10.0.2.2/24", NULL));
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		guest_send_arp(&guest, rows[i].target);
		assert_int_equal(guest.count, rows[i].answered);
		if (rows[i].answered) {
			struct address address = address_of(rows[i].target);

			assert_memory_equal(guest.bytes[0], guest.mac, 6);
			assert_memory_equal(guest.bytes[0] + 22, "\x52\x55", 2);
			assert_memory_equal(guest.bytes[0] + 24, &address.v4, 4);
		}
	}
	guest_end(&guest);
}

static void write_ipv4(uint8_t *frame, const struct guest *guest, const uint8_t *mac, uint8_t protocol, uint32_t length,
		       const char *from, const char *to)
{
	struct address source = address_of(from), destination = address_of(to);
	uint8_t *ip = frame + 14;

	memcpy(frame, mac, 6);
	memcpy(frame + 6, guest->mac, 6);
	write_be16(frame + 12, ETHERTYPE_IPV4);
	memset(ip, 0, 20);
	ip[0] = 0x45;
	write_be16(ip + 2, (uint16_t)(length - 14));
	ip[8] = 64;
	ip[9] = protocol;
	memcpy(ip + 12, &source.v4, 4);
	memcpy(ip + 16, &destination.v4, 4);
	write_be16(ip + 10, (uint16_t)~checksum_fold(checksum_add(0, ip, 20)));
}

static void send_echo(struct guest *guest, const uint8_t *mac)
{
	uint8_t frame[14 + 20 + 8 + 16] = { 0 };

	write_ipv4(frame, guest, mac, 1, sizeof(frame), "10.0.2.15", "10.0.2.2");
	frame[34] = 8;
	write_be16(frame + 38, 0x1234);
	write_be16(frame + 36, (uint16_t)~checksum_fold(checksum_add(0, frame + 34, sizeof(frame) - 34)));
	guest_send(guest, frame, sizeof(frame));
}

static void test_echo(void **state)
{
	static const uint8_t other[6] = { 2, 0, 0, 0, 0, 9 }, other_router[6] = { 0x52, 0x55, 10, 0, 3, 2 };
	struct engine_counters counters;
	struct guest guest;

	(void)state;
	guest_begin(&guest, configure("10.0.2.2/24", NULL));
	guest_send_arp(&guest, "10.0.2.2");
	send_echo(&guest, router_mac);
	assert_int_equal(guest.count, 1);
	assert_int_equal(guest.bytes[0][34], 0);
	assert_int_equal(read_be16(guest.bytes[0] + 38), 0x1234);
	/* Frames between other stations are nobody's business here. */
	send_echo(&guest, other);
	assert_int_equal(guest.count, 0);
	send_echo(&guest, other_router);
	assert_int_equal(guest.count, 0);
	engine_count(guest.engine, &counters);
	assert_int_equal(counters.foreign, 2);
	guest_end(&guest);
}

/* ---- DHCP ---- */

enum { DISCOVER = 1, OFFER = 2, REQUEST = 3, ACK = 5, NAK = 6 };

/* Sends a DHCP message of client `number` and returns the type of the answer (0: none) and the address in it. */
static int exchange(struct guest *guest, uint8_t number, uint8_t type, const char *requested, char out[ADDRESS_TEXT_SIZE])
{
	uint8_t frame[DHCP_REQUEST_SIZE];
	struct address address = address_of(requested ? requested : "0.0.0.0");
	uint8_t *bootp = frame + 42;

	dhcp_build_request(frame, address.v4);
	guest->mac[5] = number;
	memcpy(frame + 6, guest->mac, 6);
	memcpy(bootp + 28, guest->mac, 6);
	bootp[242] = type;
	if (!requested)
		bootp[243] = 255;
	else
		memcpy(bootp + 249, "\x0c\x04" "host\xff", 7);
	guest_send(guest, frame, sizeof(frame));
	snprintf(out, ADDRESS_TEXT_SIZE, "-");
	if (guest->count == 0)
		return 0;
	address = (struct address){ .family = AF_INET };
	memcpy(&address.v4, guest->bytes[0] + 42 + 16, 4);
	address_text(&address, out);
	return guest->bytes[0][42 + 242];
}

static void test_dhcp(void **state)
{
	struct engine_config config = configure("10.0.2.2/24", NULL);
	const struct dhcp_table *leases;
	char address[ADDRESS_TEXT_SIZE];
	struct guest guest;

	(void)state;
	guest_begin(&guest, config);
	assert_int_equal(exchange(&guest, 1, DISCOVER, NULL, address), 0);      /* silent unless asked for */
	guest_end(&guest);

	config.dhcp = true;
	config.dhcp_count = 2;
	guest_begin(&guest, config);
	leases = engine_leases(guest.engine);
	assert_int_equal(exchange(&guest, 1, DISCOVER, NULL, address), OFFER);
	assert_string_equal(address, "10.0.2.15");
	assert_false(leases->lease[0].acknowledged);
	assert_int_equal(exchange(&guest, 1, REQUEST, "10.0.2.15", address), ACK);
	assert_true(leases->lease[0].acknowledged);
	assert_int_equal(leases->lease[0].seconds, 86400);
	assert_string_equal(leases->lease[0].name, "host");
	assert_int_equal(exchange(&guest, 2, REQUEST, "10.0.2.15", address), NAK);
	assert_int_equal(exchange(&guest, 2, DISCOVER, NULL, address), OFFER);
	assert_string_equal(address, "10.0.2.16");
	assert_int_equal(exchange(&guest, 3, DISCOVER, NULL, address), 0);      /* a third is one too many */
	assert_int_equal(exchange(&guest, 1, REQUEST, "10.0.2.15", address), ACK);
	assert_int_equal(leases->count, 2);
	assert_int_equal(leases->refused, 1);
	guest_end(&guest);
}

/* Addresses in the row that belong to somebody else are skipped. */
static void test_dhcp_skips(void **state)
{
	static const char *const expected[] = { "10.0.2.2", "10.0.2.5", "10.0.2.6" };
	struct engine_config config = configure("10.0.2.1/29", NULL);
	char address[ADDRESS_TEXT_SIZE];
	struct guest guest;

	(void)state;
	config.dhcp = true;
	config.dhcp_start = address_of("10.0.2.2");
	guest_begin(&guest, config);
	for (uint8_t i = 0; i < 3; i++) {
		assert_int_equal(exchange(&guest, i, DISCOVER, NULL, address), OFFER);
		assert_string_equal(address, expected[i]);
	}
	assert_int_equal(exchange(&guest, 9, DISCOVER, NULL, address), 0);
	guest_end(&guest);
}

/* ---- IPv6 ---- */

static unsigned solicit(struct guest *guest)
{
	/* ICMPv6 router solicitation from the unspecified address to all routers; its checksum is that of these bytes */
	uint8_t frame[14 + 40 + 8] = { 0x33, 0x33, 0, 0, 0, 2 };
	struct address routers = address_of("ff02::2");
	uint32_t sum = 0;

	memcpy(frame + 6, guest->mac, 6);
	write_be16(frame + 12, ETHERTYPE_IPV6);
	frame[14] = 0x60;
	write_be16(frame + 18, 8);
	frame[20] = PROTOCOL_ICMPV6;
	frame[21] = 255;
	memcpy(frame + 38, &routers.v6, 16);
	frame[54] = 133;
	sum = checksum_add(8 + PROTOCOL_ICMPV6, frame + 22, 32 + 8);
	write_be16(frame + 56, (uint16_t)~checksum_fold(sum));
	guest_send(guest, frame, sizeof(frame));
	return guest->count;
}

static void test_advertisements(void **state)
{
	struct engine_config config = configure("10.0.2.2/24", "fd00::2/64");
	struct guest guest;

	(void)state;
	guest_begin(&guest, config);
	assert_int_equal(solicit(&guest), 0);
	guest_end(&guest);
	config.advertise = true;
	guest_begin(&guest, config);
	assert_int_equal(solicit(&guest), 1);
	assert_int_equal(guest.bytes[0][54], 134);
	guest_end(&guest);
}

/* ---- joining of segments ---- */

struct segment { uint32_t sequence, acknowledgement; unsigned data; uint8_t flags, port; };

static uint32_t write_segment(uint8_t *frame, const struct segment *segment)
{
	struct guest guest = { .mac = { 2 } };
	uint32_t length = 54 + segment->data, sum;
	uint8_t *tcp = frame + 34;

	write_ipv4(frame, &guest, router_mac, PROTOCOL_TCP, length, "10.0.2.15", "10.0.2.2");
	memset(tcp, 0, 20);
	write_be16(tcp, (uint16_t)(1000 + segment->port));
	write_be16(tcp + 2, 80);
	write_be32(tcp + 4, segment->sequence);
	write_be32(tcp + 8, segment->acknowledgement);
	tcp[12] = 0x50;
	tcp[13] = segment->flags ? segment->flags : TCP_ACK;
	write_be16(tcp + 14, 1000);
	for (unsigned i = 0; i < segment->data; i++)
		tcp[20 + i] = (uint8_t)(segment->sequence + i);
	sum = checksum_add(PROTOCOL_TCP + 20 + segment->data, frame + 26, 8);
	write_be16(tcp + 16, (uint16_t)~checksum_fold(checksum_add(sum, tcp, 20 + segment->data)));
	return length;
}

struct joined { unsigned count; uint32_t data[16]; };

static void on_joined(void *owner, const uint8_t *frame, uint32_t length)
{
	struct joined *joined = owner;
	struct frame view = { .length = length };
	uint8_t *copy = malloc(length);
	struct packet packet;
	uint32_t sum, sequence;

	assert_non_null(copy);
	memcpy(copy, frame, length);
	view.data = copy;
	assert_true(packet_parse(&view, &packet));
	assert_int_equal(checksum_fold(checksum_add(0, packet.ip, 20)), 0xffff);
	sum = checksum_add(PROTOCOL_TCP + packet.length, packet.ip + 12, 8);
	assert_int_equal(checksum_fold(checksum_add(sum, packet.transport, packet.length)), 0xffff);
	sequence = read_be32(packet.transport + 4);
	for (uint32_t i = 0; i < packet.length - 20; i++)
		assert_int_equal(packet.transport[20 + i], (uint8_t)(sequence + i));
	assert_true(joined->count < 16);
	joined->data[joined->count++] = packet.length - 20;
	free(copy);
}

static void test_coalesce(void **state)
{
	static const struct { struct segment in[5]; unsigned in_count; uint32_t out[5]; unsigned out_count; } rows[] = {
		{ { { 100, 1, 1000, 0, 0 }, { 1100, 1, 1000, 0, 0 }, { 2100, 1, 501, TCP_ACK | TCP_PSH, 0 } }, 3, { 2501 }, 1 },
		/* a gap; another stream; another acknowledgement; after an odd length; a flag */
		{ { { 100, 1, 1000, 0, 0 }, { 1200, 1, 1000, 0, 0 } }, 2, { 1000, 1000 }, 2 },
		{ { { 100, 1, 1000, 0, 0 }, { 1100, 1, 1000, 0, 1 } }, 2, { 1000, 1000 }, 2 },
		{ { { 100, 1, 1000, 0, 0 }, { 1100, 2, 1000, 0, 0 } }, 2, { 1000, 1000 }, 2 },
		{ { { 100, 1, 999, 0, 0 }, { 1099, 1, 1000, 0, 0 } }, 2, { 999, 1000 }, 2 },
		{ { { 100, 1, 1000, 0, 0 }, { 1100, 1, 1000, TCP_ACK | 1, 0 }, { 2100, 1, 10, 0, 0 } }, 3, { 1000, 1000, 10 }, 3 },
		/* the sequence number passes 2^32 */
		{ { { 0xffffff00, 1, 0x100, 0, 0 }, { 0, 1, 100, 0, 0 } }, 2, { 0x164 }, 1 },
		/* acknowledgements: one that says more replaces, a duplicate does not, data is not swallowed */
		{ { { 5, 10, 0, 0, 0 }, { 5, 20, 0, 0, 0 }, { 5, 30, 0, 0, 0 } }, 3, { 0 }, 1 },
		{ { { 5, 10, 0, 0, 0 }, { 5, 10, 0, 0, 0 }, { 5, 10, 0, 0, 0 } }, 3, { 0, 0, 0 }, 3 },
		{ { { 5, 10, 100, 0, 0 }, { 105, 20, 0, 0, 0 }, { 105, 30, 10, 0, 0 } }, 3, { 100, 10 }, 2 },
		{ { { 5, 20, 0, 0, 0 }, { 5, 10, 0, 0, 0 } }, 2, { 0, 0 }, 2 },
	};
	static struct coalescer coalescer;
	static uint8_t bytes[5][2048];

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct joined joined = { 0 };

		coalesce_init(&coalescer, on_joined, &joined);
		for (unsigned j = 0; j < rows[i].in_count; j++) {
			struct frame frame = { .data = bytes[j], .length = write_segment(bytes[j], &rows[i].in[j]) };

			coalesce_add(&coalescer, &frame);
		}
		coalesce_flush(&coalescer);
		if (joined.count != rows[i].out_count || memcmp(joined.data, rows[i].out, 4 * joined.count) != 0)
			fail_msg("row %u: %u packets, the first with %u bytes", i, joined.count, joined.data[0]);
	}
}

/* What libslirp sends in a row becomes frames to be segmented; anything out of the row begins another. */
static void test_uncut(void **state)
{
	static const struct { struct segment in[5]; unsigned in_count; uint32_t out[5]; unsigned segments[5]; unsigned out_count; } rows[] = {
		{ { { 100, 1, 1000, 0, 0 }, { 1100, 1, 1000, 0, 0 }, { 2100, 1, 501, TCP_ACK | TCP_PSH, 0 } }, 3, { 2501 }, { 3 }, 1 },
		{ { { 100, 1, 1000, 0, 0 } }, 1, { 1000 }, { 0 }, 1 },
		/* behind a shorter one, behind PSH, a longer one, a gap, another stream, another acknowledgement, no data */
		{ { { 100, 1, 1000, 0, 0 }, { 1100, 1, 500, 0, 0 }, { 1600, 1, 500, 0, 0 } }, 3, { 1500, 500 }, { 2, 0 }, 2 },
		{ { { 100, 1, 1000, TCP_ACK | TCP_PSH, 0 }, { 1100, 1, 1000, 0, 0 } }, 2, { 1000, 1000 }, { 0, 0 }, 2 },
		{ { { 100, 1, 500, 0, 0 }, { 600, 1, 501, 0, 0 } }, 2, { 500, 501 }, { 0, 0 }, 2 },
		{ { { 100, 1, 1000, 0, 0 }, { 1200, 1, 1000, 0, 0 } }, 2, { 1000, 1000 }, { 0, 0 }, 2 },
		{ { { 100, 1, 1000, 0, 0 }, { 1100, 1, 1000, 0, 1 } }, 2, { 1000, 1000 }, { 0, 0 }, 2 },
		{ { { 100, 1, 1000, 0, 0 }, { 1100, 2, 1000, 0, 0 } }, 2, { 1000, 1000 }, { 0, 0 }, 2 },
		{ { { 100, 1, 1000, 0, 0 }, { 1100, 1, 0, 0, 0 }, { 1100, 1, 1000, 0, 0 } }, 3, { 1000, 0, 1000 }, { 0, 0, 0 }, 3 },
		{ { { 0xffffff00, 1, 0x100, 0, 0 }, { 0, 1, 100, 0, 0 } }, 2, { 0x164 }, { 2 }, 1 },
	};
	static uint8_t bytes[5 * 2048], next[2048];

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct frame frame[5] = { { .length = 0 } };
		struct uncut uncut = { .frame = NULL };
		uint8_t *at = bytes;
		unsigned count = 0;

		for (unsigned j = 0; j < rows[i].in_count; j++) {
			struct frame one = { .data = next, .length = write_segment(next, &rows[i].in[j]) };

			if (uncut_append(&uncut, &one, sizeof(next))) {
				at = frame[count - 1].data + frame[count - 1].length;
				continue;
			}
			uncut_end(&uncut);
			frame[count] = (struct frame){ .data = memcpy(at, next, one.length), .length = one.length };
			at += one.length;
			uncut_begin(&uncut, &frame[count++]);
		}
		uncut_end(&uncut);
		assert_int_equal(count, rows[i].out_count);
		for (unsigned j = 0; j < count; j++) {
			const struct offload *offload = &frame[j].offload;
			struct packet packet;
			uint32_t sum, sequence;

			assert_true(packet_parse(&frame[j], &packet));
			assert_int_equal(packet.length - 20, rows[i].out[j]);
			assert_int_equal(offload->segments, rows[i].segments[j]);
			assert_int_equal(checksum_fold(checksum_add(0, packet.ip, 20)), 0xffff);
			sequence = read_be32(packet.transport + 4);
			for (uint32_t k = 0; k < packet.length - 20; k++)
				assert_int_equal(packet.transport[20 + k], (uint8_t)(sequence + k));
			if (!offload->segments)
				continue;
			assert_int_equal(offload->segment_size, rows[i].in[0].data);
			assert_int_equal(offload->header_size, 54);
			assert_int_equal(offload->checksum_start, 34);
			/* With its own sum in the field instead of zeros, the complement of the whole is the checksum. */
			sum = checksum_add(PROTOCOL_TCP + packet.length, packet.ip + 12, 8);
			assert_int_equal(read_be16(packet.transport + 16), checksum_fold(sum));
		}
	}
}

/* No frame grows beyond the bound, or beyond the room behind it. */
static void test_uncut_bound(void **state)
{
	static uint8_t bytes[70000], next[2048];
	struct segment segment = { 1, 1, 1400, 0, 0 };
	struct frame frame = { .data = bytes, .length = write_segment(bytes, &segment) };
	struct uncut uncut;
	unsigned appended = 0;

	(void)state;
	uncut_begin(&uncut, &frame);
	for (;; appended++) {
		struct frame one = { .data = next };

		segment.sequence += 1400;
		one.length = write_segment(next, &segment);
		assert_int_equal(uncut_append(&uncut, &one, 1399), 0);
		if (!uncut_append(&uncut, &one, 1400))
			break;
	}
	uncut_end(&uncut);
	assert_true(frame.length <= UNCUT_MAX && frame.length > UNCUT_MAX - 1400);
	assert_int_equal(frame.offload.segments, appended + 1);
}

/* However long the burst, no joined packet is longer than its bound, and nothing is lost. */
static void test_coalesce_bound(void **state)
{
	static struct coalescer coalescer;
	static uint8_t bytes[60][2048];
	struct joined joined = { 0 };
	uint32_t total = 0;

	(void)state;
	coalesce_init(&coalescer, on_joined, &joined);
	for (unsigned i = 0; i < 60; i++) {
		struct segment segment = { 100 + 1460 * i, 1, 1460, 0, 0 };
		struct frame frame = { .data = bytes[i], .length = write_segment(bytes[i], &segment) };

		coalesce_add(&coalescer, &frame);
	}
	coalesce_flush(&coalescer);
	for (unsigned i = 0; i < joined.count; i++) {
		assert_true(joined.data[i] + 40 <= COALESCE_MAX);
		total += joined.data[i];
	}
	assert_int_equal(total, 60 * 1460);
	assert_true(joined.count <= 60 * 1460 / (COALESCE_MAX - 40 - 1460) + 1);
}

/* ---- fragments ---- */

struct piece { unsigned offset, length; bool more; uint8_t id; };

static uint32_t write_piece(uint8_t *frame, const struct piece *piece)
{
	struct guest guest = { .mac = { 2 } };
	uint32_t length = 34 + piece->length;
	uint8_t *ip = frame + 14;

	write_ipv4(frame, &guest, router_mac, PROTOCOL_UDP, length, "10.0.2.15", "10.0.2.2");
	ip[5] = piece->id;
	write_be16(ip + 6, (uint16_t)(piece->offset / 8 | (piece->more ? 0x2000 : 0)));
	write_be16(ip + 10, 0);
	write_be16(ip + 10, (uint16_t)~checksum_fold(checksum_add(0, ip, 20)));
	for (unsigned i = 0; i < piece->length; i++)
		ip[20 + i] = (uint8_t)(piece->offset + i);
	return length;
}

static void test_fragments(void **state)
{
	/* result: bytes of data in what comes out at the last piece; 0: nothing comes out */
	static const struct { struct piece in[4]; unsigned count; uint32_t result; } rows[] = {
		{ { { 0, 100, false, 1 } }, 1, 100 },                   /* no fragment at all */
		{ { { 0, 800, true, 1 }, { 800, 801, false, 1 } }, 2, 1601 },
		{ { { 800, 801, false, 1 }, { 0, 800, true, 1 } }, 2, 1601 },
		{ { { 1600, 8, false, 1 }, { 0, 800, true, 1 }, { 800, 800, true, 1 } }, 3, 1608 },
		{ { { 0, 800, true, 1 }, { 800, 800, true, 2 }, { 800, 8, false, 1 } }, 3, 808 },
		{ { { 0, 800, true, 1 }, { 808, 8, false, 1 } }, 2, 0 },        /* a hole */
		{ { { 0, 800, true, 1 }, { 792, 100, false, 1 } }, 2, 0 },      /* an overlap gives the datagram up */
		{ { { 0, 800, true, 1 }, { 792, 100, false, 1 }, { 800, 100, false, 1 } }, 3, 0 },
		{ { { 0, 801, true, 1 }, { 801, 100, false, 1 } }, 2, 0 },      /* not in units of eight */
		{ { { 800, 100, false, 1 }, { 900, 100, false, 1 }, { 0, 800, true, 1 } }, 3, 0 },      /* two ends */
		{ { { 65528, 100, false, 1 }, { 0, 800, true, 1 } }, 2, 0 },    /* too long */
		{ { { 800, 96, true, 1 }, { 104, 96, false, 1 }, { 0, 8, true, 1 } }, 3, 0 },   /* bytes behind the end fill no hole */
	};
	static struct reassembly reassembly;
	static uint8_t bytes[2048];

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct frame frame = { 0 };
		bool out = false;

		memset(&reassembly, 0, sizeof(reassembly));
		for (unsigned j = 0; j < rows[i].count; j++) {
			frame = (struct frame){ .data = bytes, .length = write_piece(bytes, &rows[i].in[j]) };
			if (out)
				fail_msg("row %u is whole before its end", i);
			out = reassembly_pass(&reassembly, &frame, 1);
		}
		if (out != (rows[i].result != 0) || (out && frame.length != 34 + rows[i].result))
			fail_msg("row %u: %d, %u bytes", i, out, frame.length);
		for (unsigned at = 0; out && at < rows[i].result; at++)
			assert_int_equal(frame.data[34 + at], (uint8_t)at);
		if (out) {
			struct packet packet;

			assert_true(packet_parse(&frame, &packet));
			assert_int_equal(checksum_fold(checksum_add(0, packet.ip, 20)), 0xffff);
		}
		reassembly_free(&reassembly);
	}
}

/* However many are begun, memory is bounded, and the newest can be finished. */
static void test_fragments_bound(void **state)
{
	static struct reassembly reassembly;
	static uint8_t bytes[2048];
	struct piece last = { 800, 100, false, 199 };
	struct frame frame;

	(void)state;
	memset(&reassembly, 0, sizeof(reassembly));
	for (unsigned i = 0; i < 200; i++) {
		struct piece piece = { 0, 800, true, (uint8_t)i };

		frame = (struct frame){ .data = bytes, .length = write_piece(bytes, &piece) };
		assert_false(reassembly_pass(&reassembly, &frame, i));
	}
	assert_int_equal(reassembly.given_up, 200 - REASSEMBLY_MAX);
	frame = (struct frame){ .data = bytes, .length = write_piece(bytes, &last) };
	assert_true(reassembly_pass(&reassembly, &frame, 300));
	reassembly_free(&reassembly);
}

/* ---- redirections of the router's own ports ---- */

static void test_alias(void **state)
{
	struct alias alias;
	uint8_t bytes[2048], before[2048];
	struct segment segment = { 1, 1, 33, 0, 0 };
	struct frame frame = { .data = bytes, .length = write_segment(bytes, &segment) };
	struct joined joined = { 0 };

	(void)state;
	memcpy(before, bytes, frame.length);
	alias_init(&alias, address_of("10.0.2.2").v4, address_of("10.0.2.4").v4);
	alias_from_guest(&alias, &frame);
	assert_memory_equal(bytes, before, frame.length);
	alias_set(&alias, 80, true);
	alias_from_guest(&alias, &frame);
	assert_memory_equal(bytes + 30, "\x0a\x00\x02\x04", 4);
	on_joined(&joined, bytes, frame.length);        /* checks the sums */
	/* As the answer would be: from hidden:80. */
	memcpy(bytes + 26, bytes + 30, 4);
	write_be16(bytes + 34, 80);
	alias_to_guest(&alias, &frame);
	assert_memory_equal(bytes + 26, "\x0a\x00\x02\x02", 4);
	alias_set(&alias, 80, false);
	assert_int_equal(alias.count, 0);
}

/* Sum of the pseudo-header and what follows it: ffff when the checksum in it is right. */
static uint16_t transport_sum(const struct packet *packet)
{
	uint32_t sum = packet->ipv6 ? checksum_add(0, packet->ip + IPV6_SOURCE, 32) : checksum_add(0, packet->ip + IPV4_SOURCE, 8);

	return checksum_fold(checksum_add(sum + packet->protocol + packet->length, packet->transport, packet->length));
}

static void test_hide_loopback(void **state)
{
	static const struct { const char *source, *after; uint8_t protocol; } rows[] = {
		{ "127.0.0.1", "10.0.2.2", PROTOCOL_UDP }, { "127.9.9.9", "10.0.2.2", PROTOCOL_UDP },
		{ "203.0.113.1", "203.0.113.1", PROTOCOL_UDP }, { "127.0.0.1", "127.0.0.1", PROTOCOL_TCP },
		{ "::1", "fd00::2", PROTOCOL_UDP }, { "2001:db8::1", "2001:db8::1", PROTOCOL_UDP }, { "::1", "::1", PROTOCOL_TCP },
	};
	struct in_addr router4 = address_of("10.0.2.2").v4;
	struct in6_addr router6 = address_of("fd00::2").v6;

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct address source = address_of(rows[i].source), after = address_of(rows[i].after);
		bool ipv6 = source.family == AF_INET6;
		unsigned header = ipv6 ? IPV6_HEADER_SIZE : IPV4_HEADER_SIZE, at = ipv6 ? IPV6_SOURCE : IPV4_SOURCE, size = ipv6 ? 16 : 4;
		uint8_t bytes[14 + 40 + 20] = { 0 }, *ip = bytes + 14, *transport = ip + header;
		struct frame frame = { .data = bytes, .length = 14 + header + 20 };
		struct packet packet;

		write_be16(bytes + 12, ipv6 ? ETHERTYPE_IPV6 : ETHERTYPE_IPV4);
		ip[0] = ipv6 ? 0x60 : 0x45;
		write_be16(ip + (ipv6 ? IPV6_PAYLOAD_LENGTH : IPV4_TOTAL_LENGTH), (uint16_t)(ipv6 ? 20 : 40));
		ip[ipv6 ? IPV6_NEXT_HEADER : IPV4_PROTOCOL] = rows[i].protocol;
		memcpy(ip + at, ipv6 ? (void *)&source.v6 : (void *)&source.v4, size);
		if (!ipv6)
			write_be16(ip + IPV4_CHECKSUM, (uint16_t)~checksum_fold(checksum_add(0, ip, header)));
		assert_true(packet_parse(&frame, &packet));
		write_be16(transport + UDP_CHECKSUM, (uint16_t)~transport_sum(&packet));
		alias_hide_loopback(&frame, &router4, &router6);
		if (memcmp(ip + at, ipv6 ? (void *)&after.v6 : (void *)&after.v4, size) != 0)
			fail_msg("row %u", i);
		assert_int_equal(transport_sum(&packet), 0xffff);
		if (!ipv6)
			assert_int_equal(checksum_fold(checksum_add(0, ip, header)), 0xffff);
	}
}

/* A port of this host, free a moment ago, that leads to the guest; what is sent there comes from the returned socket. */
static int open_redirection(struct guest *guest, enum forward_kind kind)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(address);
	int type = kind == FORWARD_UDP ? SOCK_DGRAM : SOCK_STREAM, probe = socket(AF_INET, type, 0), fd = socket(AF_INET, type, 0);
	struct engine_error error;
	struct forward forward;
	char text[64];

	assert_int_equal(bind(probe, (struct sockaddr *)&address, size), 0);
	assert_int_equal(getsockname(probe, (struct sockaddr *)&address, &size), 0);
	close(probe);
	snprintf(text, sizeof(text), "127.0.0.1:%u:10.0.2.15:65", ntohs(address.sin_port));
	assert_int_equal(forward_parse(kind, text, &forward, &error), 0);
	assert_int_equal(forward_add(engine_forwards(guest->engine), &forward, &error), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, size), 0);
	return fd;
}

/* The datagram for a guest that was not heard yet leaves when the guest is heard, not when another socket happens to be served. */
static void test_first_datagram(void **state)
{
	struct guest guest;
	int fd;

	(void)state;
	guest_begin(&guest, configure("10.0.2.2/24", NULL));
	fd = open_redirection(&guest, FORWARD_UDP);
	assert_int_equal(send(fd, "first", 5, 0), 5);
	while (guest.count == 0) {
		unsigned count;
		int timeout_ms;
		struct pollfd *poll_fds = engine_prepare(guest.engine, &count, &timeout_ms);

		assert_true(poll(poll_fds, count, 10000) > 0);
		engine_process(guest.engine);
	}
	assert_memory_equal(guest.bytes[0] + 12, "\x08\x06", 2);         /* who has it? */
	guest_send_arp(&guest, "10.0.2.2");
	assert_int_equal(guest.count, 2);       /* the answer, and */
	assert_memory_equal(guest.bytes[1] + 42, "first", 5);
	close(fd);
	guest_end(&guest);
}

/* One turn of the engine. Whether a socket was ready. */
static bool turn(struct guest *guest, int *timeout_ms)
{
	unsigned count;
	struct pollfd *poll_fds = engine_prepare(guest->engine, &count, timeout_ms);
	int ready = poll(poll_fds, count, 0);

	engine_process(guest->engine);
	return ready > 0;
}

/* A connection that cannot be accepted, as all descriptors are used, waits; the engine is not busy with it. */
static void test_no_descriptor(void **state)
{
	struct rlimit before, limit;
	struct guest guest;
	int timeout_ms, fd, used[64], count = 0;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	limit = before;
	limit.rlim_cur = 48;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	guest_begin(&guest, configure("10.0.2.2/24", NULL));
	fd = open_redirection(&guest, FORWARD_TCP);
	while ((used[count] = dup(STDIN_FILENO)) >= 0)
		count++;
	turn(&guest, &timeout_ms);
	assert_false(turn(&guest, &timeout_ms));
	assert_in_range(timeout_ms, 0, 1000);
	assert_int_equal(guest.count, 0);
	while (count > 0)
		close(used[--count]);
	turn(&guest, &timeout_ms);      /* finds that there are descriptors again */
	turn(&guest, &timeout_ms);
	assert_int_equal(guest.count, 1);
	assert_memory_equal(guest.bytes[0] + 12, "\x08\x06", 2);         /* who has it? */
	close(fd);
	guest_end(&guest);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

static void test_forward_table(void **state)
{
	struct engine_error error;
	struct forward_table *table;
	struct forward forward;
	struct guest guest;
	unsigned first;
	char far_away[128];

	(void)state;
	guest_begin(&guest, configure("10.0.2.2/24", NULL));
	table = engine_forwards(guest.engine);
	assert_int_equal(forward_parse(FORWARD_UNIX, "6000:/nonexistent", &forward, &error), 0);
	assert_int_equal(forward_add(table, &forward, &error), 0);
	first = forward.id;
	assert_int_equal(forward_parse(FORWARD_UNIX, "6000:/other", &forward, &error), 0);
	assert_int_equal(forward_add(table, &forward, &error), EADDRINUSE);
	assert_int_equal(forward_parse(FORWARD_UNIX, "10.0.3.9:6000:/other", &forward, &error), 0);
	assert_int_equal(forward_add(table, &forward, &error), EINVAL);
	/* longer than a socket's name can be */
	snprintf(far_away, sizeof(far_away), "6001:/%0108d", 0);
	assert_int_equal(forward_parse(FORWARD_UNIX, far_away, &forward, &error), 0);
	assert_int_equal(forward_add(table, &forward, &error), EINVAL);
	assert_non_null(strstr(error.text, "107 bytes"));
	assert_int_equal(forward_parse(FORWARD_TCP, "2222:10.0.3.15:22", &forward, &error), 0);
	assert_int_equal(forward_add(table, &forward, &error), EINVAL);
	assert_int_equal(forward_parse(FORWARD_TCP, "192.0.2.1:2222:10.0.2.15:22", &forward, &error), 0);
	assert_int_equal(forward_add(table, &forward, &error), EADDRNOTAVAIL);
	assert_int_equal(table->count, 1);
	/* The hidden address behind port 6000 must not be seen. */
	guest_send_arp(&guest, "10.0.2.4");
	assert_int_equal(guest.count, 0);
	assert_int_equal(forward_remove(table, first), 0);
	assert_int_equal(forward_remove(table, first), ENOENT);
	guest_end(&guest);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addresses),	cmocka_unit_test(test_prefixes),
		cmocka_unit_test(test_config),		cmocka_unit_test(test_forward_texts),
		cmocka_unit_test(test_arp),		cmocka_unit_test(test_echo),
		cmocka_unit_test(test_dhcp),		cmocka_unit_test(test_dhcp_skips),
		cmocka_unit_test(test_advertisements),	cmocka_unit_test(test_coalesce),
		cmocka_unit_test(test_uncut),		cmocka_unit_test(test_uncut_bound),
		cmocka_unit_test(test_coalesce_bound),	cmocka_unit_test(test_fragments),
		cmocka_unit_test(test_fragments_bound),	cmocka_unit_test(test_alias),
		cmocka_unit_test(test_hide_loopback),	cmocka_unit_test(test_first_datagram),
		cmocka_unit_test(test_no_descriptor),	cmocka_unit_test(test_forward_table),
	};

	return cmocka_run_group_tests_name("slirp", tests, NULL, NULL);
}
