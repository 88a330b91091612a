/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* multi://DIR[...]: the first program's frames go to all others, the others' frames to it alone. See lan.h. */
#include "lan.h"
#include "socket_io.h"

static VDECONN *multi_open(char *arguments, char *description, int interface_version, struct vde_open_args *args)
{
	return lan_open(LAN_MULTI, arguments, description, interface_version, args);
}

struct builtin_module module_multi = {
	.module = {0, multi_open, socket_io_recv, socket_io_send, socket_io_datafd, socket_io_ctlfd, lan_close},
	.name = "multi",
	.recv_batch = socket_io_recv_batch,
	.send_batch = socket_io_send_batch,
	.aggregates = true,
};
