/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "path_mtu.h"

/* IP packet sizes found in the field: loopback, jumbo frames, Ethernet, PPPoE, tunnels of several kinds. */
static const unsigned candidates[] = { 65535, 9000, 4000, 1500, 1492, 1480, 1460, 1440, 1420, 1400, 1360, 1320, PATH_MTU_BASE, 1000 };

static size_t payload_of(const struct path_mtu *path, unsigned packet)
{
	size_t payload = packet > path->overhead ? packet - path->overhead : 0;

	return payload < UDP_PAYLOAD_MAX ? payload : UDP_PAYLOAD_MAX;
}

static void search(struct path_mtu *path, uint64_t now_ns)
{
	path->rounds = PATH_MTU_ROUNDS;
	path->next_round_ns = now_ns;
}

static unsigned within_ceiling(const struct path_mtu *path, unsigned packet)
{
	return packet < path->ceiling ? packet : path->ceiling;
}

void path_mtu_init(struct path_mtu *path, unsigned overhead, unsigned ceiling, uint64_t now_ns)
{
	*path = (struct path_mtu){ .overhead = overhead, .ceiling = ceiling ? ceiling : 65535 };
	path->size = payload_of(path, within_ceiling(path, PATH_MTU_BASE));
	search(path, now_ns);
}

size_t path_mtu_probes(struct path_mtu *path, uint64_t now_ns, size_t sizes[PATH_MTU_CANDIDATES])
{
	size_t count = 0, last = 0;

	if (now_ns < path->next_round_ns)
		return 0;
	if (path->rounds == 0)
		path->rounds = PATH_MTU_ROUNDS;
	path->rounds--;
	path->next_round_ns = now_ns + (path->rounds ? PATH_MTU_ROUND_TIME : PATH_MTU_SEARCH_TIME);
	for (size_t i = 0; i < sizeof(candidates) / sizeof(candidates[0]); i++) {
		size_t size = payload_of(path, within_ceiling(path, candidates[i]));

		if (size > path->size && size != last)
			last = sizes[count++] = size;
	}
	return count;
}

void path_mtu_acknowledged(struct path_mtu *path, size_t size, uint64_t now_ns)
{
	if (path->fell)
		search(path, now_ns);
	path->fell = false;
	if (size < path->size || size > payload_of(path, path->ceiling))
		return;
	path->size = size;
	path->misses = 0;
}

static void fall_to(struct path_mtu *path, size_t size, uint64_t now_ns)
{
	path->size = size;
	path->misses = 0;
	search(path, now_ns);
}

void path_mtu_keepalive(struct path_mtu *path, uint64_t now_ns)
{
	if (path->misses++ < PATH_MTU_MISSES)
		return;
	fall_to(path, payload_of(path, PATH_MTU_MIN), now_ns);
	path->fell = true;
}

void path_mtu_too_big(struct path_mtu *path, size_t size, uint64_t now_ns)
{
	size_t least = payload_of(path, PATH_MTU_MIN);

	if (size > path->size || path->size <= least)
		return;         /* a probe: it told what it was sent for */
	for (size_t i = 0; i < sizeof(candidates) / sizeof(candidates[0]); i++) {
		size_t candidate = payload_of(path, within_ceiling(path, candidates[i]));

		if (candidate < size) {
			fall_to(path, candidate, now_ns);
			return;
		}
	}
	fall_to(path, least, now_ns);
}
