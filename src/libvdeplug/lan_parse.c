/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The arguments of switch://, hub://, multi:// and bonding://. */
#include "lan.h"

#include "common/number.h"

#include <errno.h>
#include <libvdeplug_mod.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { DEFAULT_MODE = 0600, DEFAULT_DIRECTORY_MODE = 02700, MODE_MAX = 07777, SETGID = 02000 };

enum value_type { MODE, GROUP, NUMBER, SWITCH, MAC, TEXT, TAPS, NOTHING };

enum { ALL = (1 << LAN_KINDS) - 1, ONLY_SWITCH = 1 << LAN_SWITCH, ONLY_BONDING = 1 << LAN_BONDING };

/* One key. A shorter one means the first that begins so: those that libvdeplug4 has come first. */
struct key {
	const char *name;
	enum value_type type;
	unsigned kinds;                 /* set of 1 << enum lan_kind: of which it is a key */
	size_t offset;
	unsigned min, max;              /* of NUMBER */
};

#define AT(member) offsetof(struct lan_request, member)
static const struct key keys[] = {
	{"mode", MODE, ALL, AT(mode), 0, 0},
	{"dirmode", MODE, ALL, AT(directory_mode), 0, 0},
	{"grp", GROUP, ALL, AT(group), 0, 0},
	{"hashsize", NUMBER, ALL, AT(buckets), 0, LAN_BUCKETS_MAX},
	{"hashseed", NOTHING, ALL, 0, 0, 0},            /* the switch chooses its own, which nobody can know */
	{"expiretime", NUMBER, ALL, AT(expire), 0, INT_MAX},
	{"group", GROUP, ALL, AT(group), 0, 0},
	{"numports", NUMBER, ALL, AT(numports), 1, LAN_PORTS_MAX},
	{"mgmt", TEXT, ALL, AT(management), 0, 0},
	{"mgmtmode", MODE, ALL, AT(management_mode), 0, 0},
	{"mgmtgroup", GROUP, ALL, AT(management_group), 0, 0},
	{"rcfile", TEXT, ALL, AT(script), 0, 0},
	{"tap", TAPS, ALL, AT(taps), 0, 0},
	{"fstp", SWITCH, ONLY_SWITCH, AT(fstp), 0, 0},
	{"priority", NUMBER, ONLY_SWITCH, AT(priority), 0, 65535},
	{"macaddr", MAC, ONLY_SWITCH, AT(mac), 0, 0},
	{"trunk", SWITCH, ONLY_SWITCH, AT(trunk), 0, 0},
	{"flow", SWITCH, ONLY_BONDING, AT(flow), 0, 0},
};
enum { KEYS = sizeof(keys) / sizeof(keys[0]), KEY_SIZE = 16 };

static int wrong(const char *key, const char *value, const char *allowed)
{
	fprintf(stderr, "libvdeplug: %s=%s: %s\n", key, value, allowed);
	return EINVAL;
}

static int set_text(char *place, size_t size, const char *key, const char *value)
{
	if (strlen(value) >= size) {
		fprintf(stderr, "libvdeplug: %s: too long, %zu bytes at most\n", key, size - 1);
		return ENAMETOOLONG;
	}
	memset(place, 0, size);
	memcpy(place, value, strlen(value));
	return 0;
}

static int set_number(void *place, const struct key *key, const char *value)
{
	uint64_t number;

	if (number_size(value, key->min, key->max, &number) != 0) {
		fprintf(stderr, "libvdeplug: %s=%s: %u to %u\n", key->name, value, key->min, key->max);
		return EINVAL;
	}
	*(uint32_t *)place = (uint32_t)number;
	return 0;
}

/* Without a value it is on. */
static int set_switch(void *place, const struct key *key, const char *value)
{
	unsigned on = 1;

	if (value[0] != '\0' && number_uint(value, 0, 1, &on) != 0)
		return wrong(key->name, value, "0 or 1");
	*(uint32_t *)place = on;
	return 0;
}

static int set_mode(void *place, const struct key *key, const char *value)
{
	mode_t mode;

	if (number_mode(value, &mode) != 0)
		return wrong(key->name, value, "an octal mode, 0 to 7777");
	*(uint32_t *)place = mode;
	return 0;
}

static int set_group(void *place, const struct key *key, const char *value)
{
	gid_t group = getegid();        /* which VDE 4 takes "" for */

	if (value[0] != '\0' && number_group(value, &group) != 0)
		return wrong(key->name, value, "no such group");
	*(uint32_t *)place = group;
	return 0;
}

static int set_mac(struct lan_request *request, const struct key *key, const char *value)
{
	if (number_mac(value, request->mac) != 0 || (request->mac[0] & 1) != 0)
		return wrong(key->name, value, "the address of a station, XX:XX:XX:XX:XX:XX");
	request->has_mac = 1;
	return 0;
}

static int set_value(struct lan_request *request, const struct key *key, const char *value)
{
	char *place = (char *)request + key->offset;

	switch (key->type) {
	case MODE: return set_mode(place, key, value);
	case GROUP: return set_group(place, key, value);
	case NUMBER: return set_number(place, key, value);
	case SWITCH: return set_switch(place, key, value);
	case MAC: return set_mac(request, key, value);
	case TEXT: return set_text(place, LAN_PATH_MAX, key->name, value);
	case TAPS: return set_text(place, LAN_TAPS_MAX, key->name, value);
	case NOTHING: break;
	}
	return 0;
}

/* Whoever may read or write may also search. */
static mode_t directory_mode_for(mode_t mode)
{
	mode_t result = SETGID;

	for (int shift = 0; shift <= 6; shift += 3) {
		mode_t bits = (mode >> shift) & 06;

		if (bits != 0)
			result |= (bits | 01) << shift;
	}
	return result;
}

/* The directory follows the mode of the socket in it, and a directory that is named alone the other way round. */
static void choose_modes(struct lan_request *request, bool mode_given, bool directory_mode_given)
{
	if (!mode_given && !directory_mode_given) {
		request->mode = DEFAULT_MODE;
		request->directory_mode = DEFAULT_DIRECTORY_MODE;
	} else if (!mode_given) {
		request->mode = request->directory_mode & 0666;
	} else if (!directory_mode_given) {
		request->directory_mode = directory_mode_for((mode_t)request->mode);
	}
	request->mode &= 0666;
}

static int set_defaults(struct lan_request *request, enum lan_kind kind, const struct vde_open_args *args)
{
	static const struct key group = {.name = "group"};

	*request = (struct lan_request){
		.magic = LAN_MAGIC, .size = sizeof(*request), .kind = kind, .management_mode = DEFAULT_MODE,
		.group = (uint32_t)-1, .management_group = (uint32_t)-1, .numports = LAN_DEFAULT_PORTS, .buckets = LAN_DEFAULT_BUCKETS,
		.priority = LAN_DEFAULT_PRIORITY, .trunk = kind == LAN_SWITCH,
	};
	if (args == NULL)
		return 0;
	request->mode = args->mode & MODE_MAX;
	if (args->port > 0)
		request->port = (uint32_t)args->port;
	return args->group != NULL && args->group[0] != '\0' ? set_group(&request->group, &group, args->group) : 0;
}

/* The values that were given, in the order of the table; NULL: not given. */
static int find_values(char *arguments, enum lan_kind kind, char **values)
{
	struct vdeparms parms[KEYS + 1];
	char names[KEYS][KEY_SIZE];
	unsigned used = 0;

	for (unsigned i = 0; i < KEYS; i++) {
		values[i] = NULL;
		if ((keys[i].kinds & 1u << kind) == 0)
			continue;
		strcpy(names[used], keys[i].name);
		parms[used] = (struct vdeparms){names[used], &values[i]};
		used++;
	}
	parms[used] = (struct vdeparms){NULL, NULL};
	return vde_parsepathparms(arguments, parms) == 0 ? 0 : errno;
}

int lan_parse(struct lan_request *request, enum lan_kind kind, char *arguments, const struct vde_open_args *args)
{
	char *values[KEYS];
	int error = find_values(arguments, kind, values);

	if (error == 0)
		error = set_defaults(request, kind, args);
	if (error == 0)
		error = set_text(request->directory, LAN_PATH_MAX, "directory", arguments);
	for (unsigned i = 0; i < KEYS && error == 0; i++) {
		if (values[i] != NULL)
			error = set_value(request, &keys[i], values[i]);
	}
	if (error == 0)
		choose_modes(request, values[0] != NULL || request->mode != 0, values[1] != NULL);
	if (error == 0 && request->buckets == 0)
		request->buckets = LAN_DEFAULT_BUCKETS;
	if (error == 0 && request->expire == 0)
		request->expire = LAN_DEFAULT_EXPIRE;
	return error;
}
