/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * tap://NAME: a tap interface; without a name the system chooses one.
 * macvtap://NAME: an existing macvtap interface (ip link add link eth0 name NAME type macvtap mode bridge), through its /dev/tapN.
 */
#include "common/tap.h"
#include "device_io.h"
#include "socket_io.h"

static VDECONN *tap_module_open(char *arguments, char *description, int interface_version, struct vde_open_args *args)
{
	(void)description, (void)interface_version, (void)args;
	return socket_io_create(tap_open(arguments, NULL));
}

static VDECONN *macvtap_module_open(char *arguments, char *description, int interface_version, struct vde_open_args *args)
{
	(void)description, (void)interface_version, (void)args;
	return socket_io_create(macvtap_open(arguments));
}

struct builtin_module module_tap = {
	.module = {0, tap_module_open, device_io_recv, device_io_send, socket_io_datafd, socket_io_ctlfd, socket_io_close},
	.name = "tap",
	.recv_batch = device_io_recv_batch,
	.send_batch = device_io_send_batch,
};

struct builtin_module module_macvtap = {
	.module = {0, macvtap_module_open, device_io_recv, device_io_send, socket_io_datafd, socket_io_ctlfd, socket_io_close},
	.name = "macvtap",
	.recv_batch = device_io_recv_batch,
	.send_batch = device_io_send_batch,
};
