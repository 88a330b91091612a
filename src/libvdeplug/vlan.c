/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation. Two tables of 4096 entries say which VID (or no tag: 0) of the program is which of the network, and back; what is in neither is
 * dropped. They are each other's inverse, so that two VLANs never run into one. A tag is four bytes behind the addresses (802.1Q 9.4): the TPID, and
 * priority, drop eligibility and VID. VID 0 is a priority and no VLAN (802.1Q 9.6, table 9-2): such a frame is untagged. Priority and drop
 * eligibility stay as they are as long as there is a tag.
 */
#include "vlan.h"

#include "common/number.h"

#include <errno.h>
#include <libvdeplug_mod.h>
#include <stdio.h>

enum {
	TPID_SERVICE = 0x88a8,          /* of 802.1ad */
	TAG_OFFSET = 2 * ETHERNET_ADDRESS_SIZE,
	TRUNK_FIRST = 2,
	LIST_PART_MAX = 32,             /* bytes of one item of a list */
};

/* ---- options ---- */

static int wrong(const char *key, const char *text, const char *allowed)
{
	fprintf(stderr, "libvdeplug: vlan: %s%s%s: %s\n", key, key[0] != '\0' ? "=" : "", text, allowed);
	return EINVAL;
}

/* The program's `app` is the network's `net`. Returns 0, or EINVAL when one of them is another's already. */
static int join(struct vlan_map *map, unsigned app, unsigned net)
{
	if ((map->out[app] != VLAN_DROPPED && map->out[app] != net) || (map->in[net] != VLAN_DROPPED && map->in[net] != app))
		return EINVAL;
	map->out[app] = (uint16_t)net;
	map->in[net] = (uint16_t)app;
	return 0;
}

/* VID or APP-NET */
static int take_item(struct vlan_map *map, char *item)
{
	char *dash = strchr(item, '-');
	unsigned app, net;
	int error;

	if (dash != NULL)
		*dash++ = '\0';
	error = number_uint(item, 1, VLAN_MAX, &app);
	if (error == 0)
		error = number_uint(dash != NULL ? dash : item, 1, VLAN_MAX, &net);
	return error != 0 ? EINVAL : join(map, app, net);
}

static int take_list(struct vlan_map *map, const char *list)
{
	const char *rest = list;

	while (*rest != '\0') {
		size_t length = strcspn(rest, ":.");
		char item[LIST_PART_MAX];

		if (length >= sizeof(item))
			return wrong("tag", list, "not VID or VID-VID, separated by ':'");
		memcpy(item, rest, length);
		item[length] = '\0';
		if (length > 0 && take_item(map, item) != 0)
			return wrong("tag", list, "VIDs are 1 to 4094, and each belongs to one other");
		rest += length + (rest[length] != '\0');
	}
	return 0;
}

static void take_trunk(struct vlan_map *map)
{
	for (unsigned vid = TRUNK_FIRST; vid <= VLAN_MAX; vid++)
		if (map->out[vid] == VLAN_DROPPED && map->in[vid] == VLAN_DROPPED)
			join(map, vid, vid);
}

struct texts {
	char *untag, *tag, *trunk, *x, *qinq, *ad;
};

/* The explicit ones first. Untagged frames of the program stay untagged when nobody else's are. */
static int fill(struct vlan_map *map, const char *untagged, const struct texts *texts)
{
	unsigned vid = 0, other = 0;
	int error = 0;

	if (untagged[0] != '\0' && number_uint(untagged, 0, VLAN_MAX, &vid) != 0)
		return wrong("", untagged, "the VID of untagged frames is 0 (none) to 4094");
	if (texts->untag != NULL && number_uint(texts->untag, 0, VLAN_MAX, &other) != 0)
		return wrong("untag", texts->untag, "a VID is 0 (none) to 4094");
	if (vid > 0)
		error = join(map, VLAN_UNTAGGED, vid);
	if (error == 0 && other > 0)
		error = join(map, other, VLAN_UNTAGGED);
	if (error == 0 && vid == 0 && other == 0)
		error = join(map, VLAN_UNTAGGED, VLAN_UNTAGGED);
	if (error == 0 && texts->tag != NULL)
		error = take_list(map, texts->tag);
	if (error == 0 && (texts->trunk != NULL || texts->x != NULL))
		take_trunk(map);
	return error;
}

int vlan_parse(struct vlan_map *map, char *text)
{
	char untag[] = "untag", tag[] = "tag", trunk[] = "trunk", x[] = "x", qinq[] = "qinq", ad[] = "ad";
	struct texts texts = {0};
	struct vdeparms parms[] = {
		{untag, &texts.untag}, {tag, &texts.tag}, {trunk, &texts.trunk}, {x, &texts.x}, {qinq, &texts.qinq}, {ad, &texts.ad},
		{NULL, NULL},
	};
	const char *bracket = strchr(text, '['), *slash = strchr(text, '/');
	bool brackets = bracket != NULL && (slash == NULL || bracket < slash);

	if ((brackets ? vde_parsepathparms : vde_parseparms)(text, parms) != 0)
		return EINVAL;
	for (unsigned vid = 0; vid < VLAN_COUNT; vid++)
		map->out[vid] = map->in[vid] = VLAN_DROPPED;
	map->tpid = texts.qinq != NULL || texts.ad != NULL ? TPID_SERVICE : ETHERTYPE_VLAN;
	return fill(map, text, &texts);
}

/* ---- frames ---- */

/* How a frame leaves: its new control information, and whether it has a tag now and before. */
struct change {
	bool had_tag, has_tag;
	uint16_t control;
};

/* False: the frame is dropped. */
static bool plan(const struct vlan_map *map, const uint16_t table[VLAN_COUNT], const uint8_t *frame, size_t length, struct change *change)
{
	uint16_t before, vid;

	change->had_tag = read_be16(frame + TAG_OFFSET) == map->tpid;
	if (change->had_tag && length < ETHERNET_HEADER_SIZE + ETHERNET_TAG_SIZE)
		return false;
	change->control = change->had_tag ? read_be16(frame + TAG_OFFSET + 2) : 0;
	before = change->control & VLAN_VID_MASK;
	vid = table[before];
	if (vid == VLAN_DROPPED)
		return false;
	if (change->had_tag && (before == VLAN_UNTAGGED || vid == VLAN_UNTAGGED) &&
	    read_be16(frame + TAG_OFFSET + ETHERNET_TAG_SIZE) == map->tpid)
		return false;
	change->has_tag = vid != VLAN_UNTAGGED;
	change->control = (uint16_t)((change->control & ~VLAN_VID_MASK) | vid);
	return true;
}

static void write_tag(const struct vlan_map *map, uint16_t control, uint8_t *frame)
{
	write_be16(frame + TAG_OFFSET, map->tpid);
	write_be16(frame + TAG_OFFSET + 2, control);
}

/* Writes the changed frame; `out` may be `frame` itself. Returns its length. */
static size_t apply(const struct vlan_map *map, const struct change *change, const uint8_t *frame, size_t length, uint8_t *out)
{
	size_t from = TAG_OFFSET + (change->had_tag ? ETHERNET_TAG_SIZE : 0);
	size_t to = TAG_OFFSET + (change->has_tag ? ETHERNET_TAG_SIZE : 0);

	if (out != frame || from != to)
		memmove(out + to, frame + from, length - from);
	if (out != frame)
		memcpy(out, frame, TAG_OFFSET);
	if (change->has_tag)
		write_tag(map, change->control, out);
	return length - from + to;
}

size_t vlan_outward(const struct vlan_map *map, const uint8_t *frame, size_t length, uint8_t *out)
{
	struct change change;

	if (!plan(map, map->out, frame, length, &change))
		return 0;
	return apply(map, &change, frame, length, out);
}

size_t vlan_inward(const struct vlan_map *map, uint8_t *frame, size_t length, size_t size)
{
	struct change change;

	if (length < ETHERNET_HEADER_SIZE || !plan(map, map->in, frame, length, &change))
		return 0;
	if (change.has_tag && !change.had_tag && size - length < ETHERNET_TAG_SIZE)
		return 0;
	return apply(map, &change, frame, length, frame);
}
