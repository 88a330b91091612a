/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hub://DIR[...]: frames go to all others. See lan.h. */
#include "lan.h"
#include "socket_io.h"

static VDECONN *hub_open(char *arguments, char *description, int interface_version, struct vde_open_args *args)
{
	return lan_open(LAN_HUB, arguments, description, interface_version, args);
}

struct builtin_module module_hub = {
	.module = {0, hub_open, socket_io_recv, socket_io_send, socket_io_datafd, socket_io_ctlfd, lan_close},
	.name = "hub",
	.recv_batch = socket_io_recv_batch,
	.send_batch = socket_io_send_batch,
	.aggregates = true,
};
