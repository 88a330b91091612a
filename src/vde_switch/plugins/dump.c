/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dump: every packet as a debug line, in hexadecimal, to who subscribed to dump/packetin or dump/packetout.
 *
 * A plugin is loaded once per process and its functions are given no owner: its state is static.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <vdeplugin.h>

enum { SHOWN_MAX = 2048 };      /* bytes of a packet that are shown */

struct plugin vde_plugin_data = { .name = "dump", .help = "dump packets" };

static bool active;

enum { PACKET_IN, PACKET_OUT };

static struct dbgcl categories[] = {
	[PACKET_IN] = { .path = "dump/packetin", .help = "dump incoming packet", .tag = 0100 | D_IN },
	[PACKET_OUT] = { .path = "dump/packetout", .help = "dump outgoing packet", .tag = 0100 | D_OUT },
};

static int packet(struct dbgcl *event, void *arg, va_list values)
{
	struct dbgcl *category = &categories[event->tag == (D_PACKET | D_IN) ? PACKET_IN : PACKET_OUT];
	int port = va_arg(values, int);
	const unsigned char *data = va_arg(values, const unsigned char *);
	int length = va_arg(values, int);
	int shown = length < SHOWN_MAX ? length : SHOWN_MAX;
	char text[3 * SHOWN_MAX + 1] = "";

	(void)arg;
	if (category->nfds == 0)
		return 0;
	for (int i = 0; i < shown; i++)
		sprintf(text + 3 * i, " %02x", data[i]);
	DBGOUT(category, "Pkt: Port %04d len=%04d%s%s", port, length, text, shown < length ? " ..." : "");
	return 0;
}

static int set_active(char *text)
{
	bool wanted = strcmp(text, "1") == 0;
	int error = 0;

	if (!wanted && strcmp(text, "0") != 0)
		return EINVAL;
	if (wanted && !active)
		error = eventadd(packet, "packet", categories);
	else if (!wanted && active)
		error = eventdel(packet, "packet", categories);
	if (!error)
		active = wanted;
	return error;
}

static struct comlist commands[] = {
	{ .path = "dump", .syntax = "============", .help = "DUMP Packets" },
	{ .path = "dump/active", .syntax = "0/1", .help = "start dumping data", .doit = set_active, .type = STRARG },
};

static void __attribute__((constructor)) begin(void)
{
	ADDCL(commands);
	ADDDBGCL(categories);
}

static void __attribute__((destructor)) end(void)
{
	if (active)
		eventdel(packet, "packet", categories);
	DELDBGCL(categories);
	DELCL(commands);
}
