/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/mgmt.h"
#include "common/number.h"
#include "vde_switch/commands.h"
#include "vde_switch/switch.h"

#include <errno.h>
#include <limits.h>

static int showinfo(void *owner, struct reply *reply, const struct args *args)
{
	struct vde_switch *sw = owner;
	const struct fdb_settings *settings = fdb_settings(sw->fdb);

	(void)args;
	reply_printf(reply, "Hash size %u\n", fdb_buckets(sw->fdb));
	reply_printf(reply, "GC interval %u secs\n", sw->gc_interval);
	reply_printf(reply, "GC expire %u secs\n", settings->expire);
	reply_printf(reply, "Min persistence %u secs\n", settings->min_persistence);
	reply_printf(reply, "Addresses %u of at most %u\n", fdb_count(sw->fdb), fdb_max(sw->fdb));
	return 0;
}

static int setsize(void *owner, struct reply *reply, const struct args *args)
{
	struct vde_switch *sw = owner;
	unsigned size;

	(void)reply;
	if (args_uint(args, 0, 1, FDB_MAX_BUCKETS, &size) != 0)
		return EINVAL;
	return fdb_set_buckets(sw->fdb, size);
}

static int setgcint(void *owner, struct reply *reply, const struct args *args)
{
	unsigned seconds;

	(void)reply;
	if (args_uint(args, 0, 0, INT_MAX, &seconds) != 0)
		return EINVAL;
	switch_set_gc_interval(owner, seconds);
	return 0;
}

static int setexpire(void *owner, struct reply *reply, const struct args *args)
{
	struct vde_switch *sw = owner;

	(void)reply;
	return args_uint(args, 0, 0, INT_MAX, &fdb_settings(sw->fdb)->expire);
}

static int setminper(void *owner, struct reply *reply, const struct args *args)
{
	struct vde_switch *sw = owner;

	(void)reply;
	return args_uint(args, 0, 0, INT_MAX, &fdb_settings(sw->fdb)->min_persistence);
}

struct print_context {
	struct reply *reply;
	uint32_t now;
};

static void print_entry(void *owner, unsigned bucket, const struct fdb_entry *entry)
{
	struct print_context *context = owner;
	uint8_t mac[ETHERNET_ADDRESS_SIZE];

	fdb_entry_mac(entry, mac);
	reply_printf(context->reply, "Hash: %04u Addr: %02x:%02x:%02x:%02x:%02x:%02x VLAN %04u to port: %03u  age %u secs\n", bucket,
		     mac[0], mac[1], mac[2], mac[3], mac[4], mac[5], fdb_entry_vid(entry), entry->port,
		     context->now - entry->last_seen);
}

static int print(void *owner, struct reply *reply, const struct args *args)
{
	struct vde_switch *sw = owner;
	struct print_context context = { .reply = reply, .now = switch_seconds(sw) };

	(void)args;
	fdb_walk(sw->fdb, context.now, print_entry, &context);
	return 0;
}

static int find(void *owner, struct reply *reply, const struct args *args)
{
	struct vde_switch *sw = owner;
	struct print_context context = { .reply = reply, .now = switch_seconds(sw) };
	uint8_t mac[ETHERNET_ADDRESS_SIZE];
	unsigned vid = 0, bucket;

	if (number_mac(args->word[0], mac) != 0 || (args->count > 1 && args_uint(args, 1, 0, VLAN_MAX, &vid) != 0))
		return EINVAL;
	const struct fdb_entry *entry = fdb_find(sw->fdb, (uint16_t)vid, mac, context.now, &bucket);
	if (!entry)
		return ENODEV;
	print_entry(&context, bucket, entry);
	return 0;
}

const struct command hash_commands[] = {
	{ "hash", COMMAND_MENU, "HASH TABLE MENU", 0, 0, NULL, 0 },
	{ "hash/showinfo", "", "show hash info", 0, 0, showinfo, COMMAND_DATA },
	{ "hash/setsize", "N", "change hash size", 1, 1, setsize, 0 },
	{ "hash/setgcint", "N", "change garbage collector interval", 1, 1, setgcint, 0 },
	{ "hash/setexpire", "N", "change hash entries expire time", 1, 1, setexpire, 0 },
	{ "hash/setminper", "N", "minimum persistence time", 1, 1, setminper, 0 },
	{ "hash/print", "", "print the hash table", 0, 0, print, COMMAND_DATA },
	{ "hash/find", "MAC [VLAN]", "MAC lookup", 1, 2, find, COMMAND_DATA },
	{ 0 }
};
