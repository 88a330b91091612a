/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vlan://[UNTAGGED][/OPTION...]{NESTED}: a VLAN, or several, of the nested network (vlan.h). */
#include "nest.h"
#include "vlan.h"

#include <errno.h>

struct vlan_conn {
	struct nest_conn nest;          /* first */
	struct vlan_map map;
};

static size_t outward(struct nest_conn *nest, const uint8_t *frame, size_t length, uint8_t *out)
{
	return vlan_outward(&((struct vlan_conn *)(void *)nest)->map, frame, length, out);
}

static size_t inward(struct nest_conn *nest, uint8_t *frame, size_t length, size_t size)
{
	return vlan_inward(&((struct vlan_conn *)(void *)nest)->map, frame, length, size);
}

static const struct nest_kind vlan_kind = {.outward = outward, .inward = inward};

static VDECONN *vlan_open(char *arguments, char *description, int interface_version, struct vde_open_args *args)
{
	char *nested = vde_parsenestparms(arguments);
	struct vlan_map map;
	struct nest_conn *nest;

	errno = vlan_parse(&map, arguments);
	if (errno != 0)
		return NULL;
	nest = nest_open(&vlan_kind, sizeof(struct vlan_conn), nested, description, interface_version, args);
	if (nest != NULL)
		((struct vlan_conn *)(void *)nest)->map = map;
	return (VDECONN *)(void *)nest;
}

struct builtin_module module_vlan = {
	.module = {0, vlan_open, nest_recv, nest_send, nest_datafd, nest_ctlfd, nest_close},
	.name = "vlan",
	.recv_batch = nest_recv_batch,
	.pending = nest_pending,
	.send_batch = nest_send_batch,
};
