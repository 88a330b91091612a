/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vde_switch/switch.h"

#include "vde_switch/control.h"
#include "vde_switch/debug.h"
#include "vde_switch/forward.h"
#include "vde_switch/plugin.h"
#include "vde_switch/stp.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

enum { DEFAULT_GC_INTERVAL = 2 };       /* seconds */

uint32_t switch_seconds(const struct vde_switch *sw)
{
	return (uint32_t)(loop_now(sw->loop) / LOOP_SECOND);
}

static void collect_garbage(void *owner)
{
	struct vde_switch *sw = owner;

	fdb_expire(sw->fdb, switch_seconds(sw));
	if (sw->gc_interval)
		loop_timer_after(sw->gc_timer, (uint64_t)sw->gc_interval * LOOP_SECOND);
}

void switch_set_gc_interval(struct vde_switch *sw, unsigned seconds)
{
	sw->gc_interval = seconds;
	loop_timer_stop(sw->gc_timer);
	if (seconds)
		loop_timer_after(sw->gc_timer, (uint64_t)seconds * LOOP_SECOND);
}

void switch_set_hub(struct vde_switch *sw, bool hub)
{
	if (hub)
		stp_set_enabled(sw->stp, false);
	sw->hub = hub;
}

static void publish_hash(void *owner, bool added, const struct fdb_entry *entry)
{
	struct vde_switch *sw = owner;
	uint8_t mac[ETHERNET_ADDRESS_SIZE];
	struct event event = { .kind = added ? EVENT_HASH_ADD : EVENT_HASH_DEL, .port = entry->port,
			       .vid = fdb_entry_vid(entry), .mac = mac };

	if (!event_wanted(&sw->events, event.kind))
		return;
	fdb_entry_mac(entry, mac);
	event_publish(&sw->events, &event);
}

/* A locally made address as the original makes it: 00:ff and four random bytes. */
static void choose_mac(struct vde_switch *sw, const struct switch_config *config)
{
	uint64_t now = loop_clock();

	if (config->has_mac) {
		memcpy(sw->mac, config->mac, sizeof(sw->mac));
		return;
	}
	sw->mac[0] = 0x00;
	sw->mac[1] = 0xff;
	if (getrandom(sw->mac + 2, 4, GRND_NONBLOCK) != 4)
		write_be32(sw->mac + 2, (uint32_t)now);
}

static bool allocate(struct vde_switch *sw, const struct switch_config *config)
{
	sw->fdb = fdb_create(config->hash_size, FDB_MAX_ENTRIES, config->numports + 1);
	sw->forwarder = forwarder_create();
	sw->gc_timer = loop_add_timer(sw->loop, collect_garbage, sw);
	return debug_open(sw) == 0 && plugins_open(sw) == 0 && sw->fdb && sw->forwarder && sw->gc_timer && vlan_table_init(sw) == 0 &&
	       port_table_init(sw, config->numports) == 0 && (sw->stp = stp_create(sw)) != NULL;
}

struct vde_switch *switch_create(struct loop *loop, struct log *log, const struct switch_config *config)
{
	struct vde_switch *sw = calloc(1, sizeof(*sw));

	if (!sw)
		return NULL;
	sw->loop = loop;
	sw->log = log;
	sw->hub = config->hub;
	sw->trunk = config->trunk;
	sw->priority = config->priority;
	sw->started_ns = loop_clock();
	sw->queue_length = TXQUEUE_DEFAULT_LENGTH;
	sw->txbudget.max = TXBUDGET_DEFAULT_BYTES;
	choose_mac(sw, config);
	if (!allocate(sw, config)) {
		switch_destroy(sw);
		errno = ENOMEM;
		return NULL;
	}
	fdb_on_change(sw->fdb, publish_hash, sw);
	switch_set_gc_interval(sw, DEFAULT_GC_INTERVAL);
	stp_set_enabled(sw->stp, config->fstp && !config->hub);
	return sw;
}

void switch_destroy(struct vde_switch *sw)
{
	if (!sw)
		return;
	plugins_close(sw);
	debug_close(sw);
	stp_destroy(sw->stp);
	port_table_free(sw);
	control_close(sw->control);
	vlan_table_free(sw);
	loop_remove_timer(sw->gc_timer);
	forwarder_destroy(sw->forwarder);
	fdb_destroy(sw->fdb);
	free(sw);
}
