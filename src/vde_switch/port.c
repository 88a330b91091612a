/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vde_switch/port.h"

#include "vde_switch/mirror.h"
#include "vde_switch/switch.h"

#include <errno.h>
#include <stdlib.h>

int port_table_init(struct vde_switch *sw, unsigned numports)
{
	sw->port = calloc(numports + 1u, sizeof(struct port *));
	sw->numports = numports;
	return sw->port ? 0 : ENOMEM;
}

void port_table_free(struct vde_switch *sw)
{
	for (unsigned i = 0; sw->port && i <= sw->numports; i++) {
		struct port *port = sw->port[i];

		while (port && port->endpoints)
			endpoint_close(port->endpoints);
		if (port)
			port_remove(sw, i);
	}
	free(sw->port);
	free(sw->active);
}

int port_set_count(struct vde_switch *sw, unsigned numports)
{
	if (numports < 1 || numports > PORT_MAX)
		return EINVAL;
	for (unsigned i = numports + 1; i <= sw->numports; i++)
		if (sw->port[i])
			return EADDRINUSE;
	if (fdb_set_ports(sw->fdb, numports + 1) != 0)
		return ENOMEM;
	struct port **table = realloc(sw->port, (numports + 1u) * sizeof(struct port *));
	if (!table)
		return ENOMEM;
	for (unsigned i = sw->numports + 1; i <= numports; i++)
		table[i] = NULL;
	sw->port = table;
	sw->numports = numports;
	return 0;
}

struct port *port_get(const struct vde_switch *sw, unsigned number)
{
	return number <= sw->numports ? sw->port[number] : NULL;
}

static void publish(struct vde_switch *sw, enum event_kind kind, const struct port *port, const struct endpoint *endpoint)
{
	struct event event = { .kind = kind, .port = port->number };

	if (!event_wanted(&sw->events, kind))
		return;
	if (endpoint) {
		event.endpoint = endpoint->id;
		event.text = endpoint->description;
	}
	event_publish(&sw->events, &event);
}

int port_create(struct vde_switch *sw, unsigned number, struct port **created)
{
	if (number > sw->numports)
		return EINVAL;
	if (sw->port[number])
		return EEXIST;
	struct port *port = calloc(1, sizeof(*port));
	if (!port)
		return ENOMEM;
	port->number = number;
	port->allocatable = true;
	port->allowed_user = (uid_t)-1;
	port->allowed_group = (gid_t)-1;
	port->trunk = sw->trunk;
	if (vlan_port_created(sw, port) != 0) {
		free(port);
		return ENOMEM;
	}
	sw->port[number] = port;
	publish(sw, EVENT_PORT_ADD, port, NULL);
	if (created)
		*created = port;
	return 0;
}

int port_remove(struct vde_switch *sw, unsigned number)
{
	struct port *port = port_get(sw, number);

	if (number > sw->numports)
		return EINVAL;
	if (!port)
		return ENXIO;
	if (port_is_active(port))
		return EADDRINUSE;
	vlan_port_removed(sw, port);
	mirror_port_removed(sw, port);
	sw->port[number] = NULL;
	free(port);
	return 0;
}

unsigned port_lowest_absent(const struct vde_switch *sw)
{
	for (unsigned i = 1; i <= sw->numports; i++)
		if (!sw->port[i])
			return i;
	return 0;
}

/* ---- who may use a port ---- */

static bool is_in_group(const struct port_user *user, gid_t wanted)
{
	if (user->gid == wanted)
		return true;
	for (unsigned i = 0; i < user->group_count; i++)
		if (user->groups[i] == wanted)
			return true;
	return false;
}

int port_check_access(const struct port *port, const struct port_user *user)
{
	if (port->endpoints)
		return port->endpoints->user == user->uid ? 0 : EADDRINUSE;
	if (port->allowed_user == (uid_t)-1 && port->allowed_group == (gid_t)-1)
		return 0;
	if (user->uid == 0 || user->uid == port->allowed_user)
		return 0;
	return port->allowed_group != (gid_t)-1 && is_in_group(user, port->allowed_group) ? 0 : EACCES;
}

static int acquire_any(struct vde_switch *sw, const struct port_user *user, struct port **port)
{
	int refusal = ENOSPC;

	for (unsigned i = 1; i <= sw->numports; i++) {
		if (!sw->port[i])
			return port_create(sw, i, port);
		if (port_is_active(sw->port[i]) || !sw->port[i]->allocatable)
			continue;
		if (port_check_access(sw->port[i], user) == 0) {
			*port = sw->port[i];
			return 0;
		}
		refusal = EACCES;
	}
	return refusal;
}

int port_acquire(struct vde_switch *sw, int number, const struct port_user *user, struct port **port)
{
	if (number == PORT_ANY)
		return acquire_any(sw, user, port);
	if (number < 0 || (unsigned)number > sw->numports)
		return EINVAL;
	*port = sw->port[number];
	if (!*port)
		return port_create(sw, (unsigned)number, port);
	return port_check_access(*port, user);
}

/* ---- endpoints join and leave ---- */

static int reserve_active(struct vde_switch *sw)
{
	if (sw->active_count < sw->active_size)
		return 0;
	unsigned size = sw->active_size ? sw->active_size * 2 : 16;
	struct port **active = realloc(sw->active, size * sizeof(struct port *));
	if (!active)
		return ENOMEM;
	sw->active = active;
	sw->active_size = size;
	return 0;
}

int port_attach(struct vde_switch *sw, struct port *port, struct endpoint *endpoint)
{
	bool was_active = port_is_active(port);

	if (!was_active && reserve_active(sw) != 0)
		return ENOMEM;
	endpoint->port = port;
	endpoint->next = port->endpoints;
	port->endpoints = endpoint;
	port->endpoint_count++;
	if (!was_active) {
		port->active_index = sw->active_count;
		sw->active[sw->active_count++] = port;
	}
	publish(sw, EVENT_ENDPOINT_ADD, port, endpoint);
	publish(sw, EVENT_PORT_DESCR, port, endpoint);
	vlan_port_refresh(sw, port);
	return 0;
}

static void deactivate(struct vde_switch *sw, struct port *port)
{
	struct port *last = sw->active[--sw->active_count];

	sw->active[port->active_index] = last;
	last->active_index = port->active_index;
	vlan_port_down(sw, port);
	mirror_port_down(sw, port);
	fdb_flush_port(sw->fdb, port->number);
	publish(sw, EVENT_PORT_DEL, port, NULL);
}

void port_detach(struct vde_switch *sw, struct endpoint *endpoint)
{
	struct port *port = endpoint->port;
	struct endpoint **link;

	if (!port)
		return;
	for (link = &port->endpoints; *link != endpoint; )
		link = &(*link)->next;
	*link = endpoint->next;
	port->endpoint_count--;
	endpoint->port = NULL;
	publish(sw, EVENT_ENDPOINT_DEL, port, endpoint);
	if (port_is_active(port))
		vlan_port_refresh(sw, port);
	else
		deactivate(sw, port);
}
