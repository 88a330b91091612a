/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vde_switch/mirror.h"

#include "vde_switch/switch.h"

#include <errno.h>

static int find(const struct port *from, unsigned to)
{
	for (unsigned i = 0; i < from->mirror_count; i++)
		if (from->mirror_to[i] == to)
			return (int)i;
	return -1;
}

int mirror_add(struct vde_switch *sw, unsigned from, unsigned to)
{
	struct port *source = port_get(sw, from), *copy = port_get(sw, to);

	if (from == to)
		return EINVAL;
	if (!source || !copy)
		return ENXIO;
	if (find(source, to) >= 0)
		return EEXIST;
	if (source->mirror_sources)
		return EBUSY;
	if (copy->mirror_count)
		return EINVAL;
	if (source->mirror_count == MIRROR_MAX)
		return ENOSPC;
	source->mirror_to[source->mirror_count++] = (uint16_t)to;
	copy->mirror_sources++;
	fdb_flush_port(sw->fdb, to);
	return 0;
}

static void delete_at(struct vde_switch *sw, struct port *source, unsigned index)
{
	struct port *copy = port_get(sw, source->mirror_to[index]);

	copy->mirror_sources--;
	source->mirror_to[index] = source->mirror_to[--source->mirror_count];
}

int mirror_delete(struct vde_switch *sw, unsigned from, unsigned to)
{
	struct port *source = port_get(sw, from);
	int index = source ? find(source, to) : -1;

	if (!source)
		return ENXIO;
	if (index < 0)
		return ENOENT;
	delete_at(sw, source, (unsigned)index);
	return 0;
}

int mirror_delete_all(struct vde_switch *sw, unsigned from)
{
	struct port *source = port_get(sw, from);

	if (!source)
		return ENXIO;
	while (source->mirror_count)
		delete_at(sw, source, 0);
	return 0;
}

static void stop_copies_to(struct vde_switch *sw, struct port *port)
{
	for (unsigned i = 0; port->mirror_sources && i <= sw->numports; i++)
		if (sw->port[i])
			mirror_delete(sw, i, port->number);
}

void mirror_port_down(struct vde_switch *sw, struct port *port)
{
	if (port->allocatable)
		stop_copies_to(sw, port);
}

void mirror_port_removed(struct vde_switch *sw, struct port *port)
{
	stop_copies_to(sw, port);
	mirror_delete_all(sw, port->number);
}
