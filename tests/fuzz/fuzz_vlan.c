/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vlan://: the first line is a locator's text, the rest a frame. A map that was understood is a bijection, and a frame that goes out comes back as it was. Wrong texts are told on stderr: libFuzzer has -close_fd_mask=2 for that.
 */
#include "libvdeplug/vlan.h"

#include "fuzz.h"

#include <assert.h>
#include <stdlib.h>

enum { TEXT_MAX = 512 };

static void check_map(const struct vlan_map *map)
{
	for (unsigned vid = 0; vid < VLAN_COUNT; vid++) {
		if (map->out[vid] != VLAN_DROPPED)
			assert(map->out[vid] <= VLAN_MAX && map->in[map->out[vid]] == vid);
		if (map->in[vid] != VLAN_DROPPED)
			assert(map->in[vid] <= VLAN_MAX && map->out[map->in[vid]] == vid);
	}
}

static void check_inward(const struct vlan_map *map, const uint8_t *frame, size_t length)
{
	size_t room = length + ETHERNET_TAG_SIZE;
	uint8_t *copy = malloc(room);

	assert(copy != NULL);
	memcpy(copy, frame, length);
	assert(vlan_inward(map, copy, length, room) <= room);
	free(copy);
}

static void check_both(const struct vlan_map *map, const uint8_t *frame, size_t length)
{
	uint8_t *out = malloc(length + ETHERNET_TAG_SIZE);
	size_t there;

	assert(out != NULL);
	there = vlan_outward(map, frame, length, out);
	assert(there <= length + ETHERNET_TAG_SIZE);
	if (there > 0) {
		size_t back = vlan_inward(map, out, there, length + ETHERNET_TAG_SIZE);

		/* whole, but for the priority of a tag that was taken off on the way */
		assert(back + ETHERNET_TAG_SIZE >= length && back <= length && memcmp(out, frame, 12) == 0);
		assert(length < 18 || memcmp(out + back - (length - 18), frame + 18, length - 18) == 0);
	}
	free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *end = size > 0 ? memchr(data, '\n', size) : NULL;
	size_t length = end != NULL ? (size_t)(end - data) : size;
	struct vlan_map map;
	char text[TEXT_MAX];

	if (length >= sizeof(text))
		return 0;
	memcpy(text, data, length);
	text[length] = '\0';
	if (vlan_parse(&map, text) != 0)
		return 0;
	check_map(&map);
	if (end == NULL)
		return 0;
	check_inward(&map, end + 1, size - length - 1);
	if (size - length - 1 >= ETHERNET_HEADER_SIZE)
		check_both(&map, end + 1, size - length - 1);
	return 0;
}
