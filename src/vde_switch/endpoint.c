/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vde_switch/endpoint.h"

#include "vde_switch/forward.h"
#include "vde_switch/port.h"
#include "vde_switch/switch.h"

#include <errno.h>
#include <stdlib.h>

static void watch_writable(struct endpoint *endpoint, bool watch)
{
	loop_set_events(endpoint->io, watch ? LOOP_READ | LOOP_WRITE : LOOP_READ);
}

static void drain_queue(struct endpoint *endpoint)
{
	struct packet *packets[ENDPOINT_BATCH];
	struct egress frames[ENDPOINT_BATCH];
	unsigned count = txqueue_peek(&endpoint->queue, packets, ENDPOINT_BATCH);
	uint64_t errors = endpoint->errors;

	for (unsigned i = 0; i < count; i++)
		frames[i] = (struct egress){ .piece = &packets[i]->piece, .pieces = 1, .length = packets[i]->length,
					     .offload = &packets[i]->offload };
	txqueue_pop(&endpoint->queue, endpoint->ops->transmit(endpoint, frames, count));
	endpoint->port->counters.dropped[DROP_ERROR] += endpoint->errors - errors;
	if (txqueue_is_empty(&endpoint->queue))
		watch_writable(endpoint, false);
}

/* Its descriptor would be ready for ever. */
static void close_gone(struct endpoint *endpoint)
{
	log_warn(endpoint->sw->log, "port %u: %s '%s' is gone", endpoint->port->number, endpoint->ops->kind,
		 endpoint->description ? endpoint->description : "");
	endpoint_close(endpoint);
}

/*
 * The kernel acknowledges TCP segments in the very call that gives them to a tap. So the answer is there, and is read at once: it costs no
 * wake-up and is sooner where it wakes somebody. Whom it goes to may be a tap again, whose answers wait for the next turn.
 */
static void endpoint_event(void *owner, int fd, unsigned events)
{
	struct endpoint *endpoint = owner;
	struct vde_switch *sw = endpoint->sw;

	(void)fd;
	sw->answering = NULL;
	if (events & LOOP_WRITE)
		drain_queue(endpoint);
	if (events & (LOOP_READ | LOOP_HANGUP))
		forward_receive(sw, endpoint);
	if (sw->answering)
		forward_receive(sw, sw->answering);
	if (endpoint->gone)
		close_gone(endpoint);
}

static int copy_description(struct endpoint *endpoint, const char *text, size_t length)
{
	char escaped[4 * ENDPOINT_DESCRIPTION_MAX + 1];

	if (!text || length == 0)
		return 0;
	if (length > ENDPOINT_DESCRIPTION_MAX)
		length = ENDPOINT_DESCRIPTION_MAX;
	log_escape(escaped, sizeof(escaped), text, length);
	endpoint->description = strdup(escaped);
	return endpoint->description ? 0 : ENOMEM;
}

int endpoint_init(struct endpoint *endpoint, const struct endpoint_ops *ops, struct vde_switch *sw, int fd, int id,
		  const char *description, size_t description_length)
{
	endpoint->ops = ops;
	endpoint->sw = sw;
	endpoint->fd = fd;
	endpoint->id = id;
	endpoint->user = (uid_t)-1;
	txqueue_init(&endpoint->queue, sw->queue_length);
	int error = copy_description(endpoint, description, description_length);
	if (error)
		return error;
	endpoint->io = loop_add_io(sw->loop, fd, LOOP_READ, endpoint_event, endpoint);
	return endpoint->io ? 0 : errno;
}

static unsigned send_now(struct endpoint *endpoint, struct frame_image *const *images, unsigned count)
{
	struct egress frames[ENDPOINT_BATCH];

	for (unsigned i = 0; i < count; i++)
		frames[i] = (struct egress){ .piece = images[i]->piece, .pieces = images[i]->pieces,
					     .length = images[i]->length, .offload = &images[i]->offload };
	return endpoint->ops->transmit(endpoint, frames, count);
}

void endpoint_send(struct endpoint *endpoint, struct frame_image *const *images, unsigned count)
{
	bool waiting = !txqueue_is_empty(&endpoint->queue);
	uint64_t errors = endpoint->errors, full = endpoint->dropped_full;
	unsigned done = waiting ? 0 : send_now(endpoint, images, count);

	for (; done < count; done++)
		if (!txqueue_push(&endpoint->queue, images[done], &endpoint->sw->txbudget))
			endpoint->dropped_full++;
	if (!waiting && !txqueue_is_empty(&endpoint->queue))
		watch_writable(endpoint, true);
	endpoint->port->counters.dropped[DROP_QUEUE] += endpoint->dropped_full - full;
	endpoint->port->counters.dropped[DROP_ERROR] += endpoint->errors - errors;
}

void endpoint_close(struct endpoint *endpoint)
{
	port_detach(endpoint->sw, endpoint);
	if (endpoint->sw->answering == endpoint)
		endpoint->sw->answering = NULL;
	loop_remove_io(endpoint->io);
	txqueue_clear(&endpoint->queue);
	free(endpoint->description);
	endpoint->ops->close(endpoint);
}
