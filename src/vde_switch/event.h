/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What happens in the switch, told to whoever asked: management sessions (debug lines), plugins, service glue.
 *
 * A place where something happens asks event_wanted() first: one load and one predictable branch while nobody listens.
 */
#ifndef VDE_EVENT_H
#define VDE_EVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct frame;

/* Order and names are those of the table in event.c. */
enum event_kind {
	EVENT_HASH_ADD, EVENT_HASH_DEL,
	EVENT_FSTP_STATUS, EVENT_FSTP_ROOT, EVENT_FSTP_ADD, EVENT_FSTP_DEL,
	EVENT_PORT_ADD, EVENT_PORT_DEL, EVENT_PORT_DESCR,
	EVENT_ENDPOINT_ADD, EVENT_ENDPOINT_DEL,
	EVENT_MGMT_ADD, EVENT_MGMT_DEL,
	EVENT_SIGNAL_HUP,
	EVENT_PACKET_IN, EVENT_PACKET_OUT,
	EVENT_COUNT,
};

/* Members that a kind does not use are zero. */
struct event {
	enum event_kind kind;
	unsigned port;
	int endpoint;                   /* endpoint ID or session */
	uint16_t vid;
	const uint8_t *mac;             /* hash/+ hash/-: the address; fstp/root: the root's address */
	const char *text;               /* a description or a state's name; already safe to print */
	unsigned priority;              /* fstp/root: the root's priority */
	const struct frame *frame;      /* packet/in, packet/out */
};

struct event_sink {
	void (*deliver)(void *owner, const struct event *event);
	void *owner;
	uint32_t kinds;                 /* one bit per kind wanted */
	struct event_sink *next;        /* kept by event.c */
};

struct events {
	uint32_t wanted;                /* all sinks' kinds together */
	struct event_sink *sinks;
};

static inline bool event_wanted(const struct events *events, enum event_kind kind)
{
	return __builtin_expect((events->wanted >> kind) & 1, 0);
}

void event_publish(const struct events *events, const struct event *event);

/* The sink belongs to the caller and stays where it is until removed. */
void event_add_sink(struct events *events, struct event_sink *sink);
void event_remove_sink(struct events *events, struct event_sink *sink);
/* After a sink's kinds changed. */
void event_update(struct events *events);

#endif
