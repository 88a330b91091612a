/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vde_switch/event.h"

void event_update(struct events *events)
{
	events->wanted = 0;
	for (const struct event_sink *sink = events->sinks; sink; sink = sink->next)
		events->wanted |= sink->kinds;
}

void event_publish(const struct events *events, const struct event *event)
{
	const struct event_sink *next;

	for (const struct event_sink *sink = events->sinks; sink; sink = next) {
		next = sink->next;      /* the sink may remove itself */
		if ((sink->kinds >> event->kind) & 1)
			sink->deliver(sink->owner, event);
	}
}

void event_add_sink(struct events *events, struct event_sink *sink)
{
	sink->next = events->sinks;
	events->sinks = sink;
	event_update(events);
}

void event_remove_sink(struct events *events, struct event_sink *sink)
{
	struct event_sink **link = &events->sinks;

	while (*link && *link != sink)
		link = &(*link)->next;
	if (*link)
		*link = sink->next;
	event_update(events);
}
