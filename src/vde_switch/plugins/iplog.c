/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * iplog: which IP address (version 4 or 6, also behind 802.1Q and 802.1ad tags) is used on which port, by whom.
 *
 * Looks at the source address of IP packets and at ARP's sender, as they come in. Addresses within the ranges given by ipadd are remembered until
 * they were silent for the expire time; a new one, or one that moved, is an event and a line in the log.
 *
 * A plugin is loaded once per process and its functions are given no owner: its state is static.
 */
#include "common/frame.h"
#include "common/number.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <vdeplugin.h>

enum {
	ADDRESSES_MAX = 8192,           /* remembered; at the bound the one silent longest makes room */
	RANGES_MAX = 256,
	BUCKETS = 4096,
	TAGS_MAX = 2,
	NONE = -1,
	NAME_SIZE = 64,
	ETHERTYPE_IP4 = 0x0800, ETHERTYPE_IP6 = 0x86dd, ETHERTYPE_ARP_ = 0x0806, ETHERTYPE_SERVICE_TAG = 0x88a8,
};

struct plugin vde_plugin_data = { .name = "iplog", .help = "log ip/port/user assignment" };

struct address {
	int family;
	uint8_t byte[16];
};

struct entry {
	struct address address;
	uint8_t mac[6];
	int port, user;
	unsigned vlan;
	time_t seen;
	int chain;                      /* next in the bucket or in the free list */
};

struct range {
	struct address address;
	unsigned bits;
};

static struct {
	struct entry *entry;            /* ADDRESSES_MAX */
	int bucket[BUCKETS], free;
	struct range range[RANGES_MAX];
	unsigned ranges;
	unsigned interval, expire;      /* seconds */
	unsigned timer;
	enum { TO_NOTHING, TO_SYSLOG, TO_FILE } log;
	int log_fd;
	char log_name[PATH_MAX];
} state = { .interval = 10, .expire = 360, .log_fd = -1 };

static struct dbgcl categories[] = {
	{ .path = "iplog/newip", .help = "show new ip addresses", .tag = 0301 },
};

/* ---- addresses ---- */

static unsigned address_bits(const struct address *address)
{
	return address->family == AF_INET ? 32 : 128;
}

static bool parse_address(const char *text, struct address *address)
{
	memset(address, 0, sizeof(*address));
	address->family = strchr(text, ':') ? AF_INET6 : AF_INET;
	return inet_pton(address->family, text, address->byte) == 1;
}

/* "ipv4 10.1.2.4" */
static const char *address_text(const struct address *address, char text[NAME_SIZE])
{
	char number[INET6_ADDRSTRLEN];

	inet_ntop(address->family, address->byte, number, sizeof(number));
	snprintf(text, NAME_SIZE, "ipv%d %s", address->family == AF_INET ? 4 : 6, number);
	return text;
}

static bool address_equal(const struct address *a, const struct address *b)
{
	return a->family == b->family && memcmp(a->byte, b->byte, sizeof(a->byte)) == 0;
}

static bool in_range(const struct range *range, const struct address *address)
{
	unsigned bytes = range->bits / 8, rest = range->bits % 8;

	if (range->address.family != address->family || memcmp(range->address.byte, address->byte, bytes) != 0)
		return false;
	return rest == 0 || ((range->address.byte[bytes] ^ address->byte[bytes]) >> (8 - rest)) == 0;
}

static bool is_watched(const struct address *address)
{
	for (unsigned i = 0; i < state.ranges; i++)
		if (in_range(&state.range[i], address))
			return true;
	return false;
}

static unsigned hash(const struct address *address)
{
	unsigned value = (unsigned)address->family;

	for (size_t i = 0; i < sizeof(address->byte); i++)
		value = value * 31 + address->byte[i];
	return (value ^ value >> 15) % BUCKETS;
}

/* ---- the table ---- */

static void clear_table(void)
{
	for (int i = 0; i < BUCKETS; i++)
		state.bucket[i] = NONE;
	for (int i = 0; i < ADDRESSES_MAX; i++)
		state.entry[i] = (struct entry){ .chain = i + 1 < ADDRESSES_MAX ? i + 1 : NONE };
	state.free = 0;
}

static struct entry *find(const struct address *address)
{
	for (int i = state.bucket[hash(address)]; i != NONE; i = state.entry[i].chain)
		if (address_equal(&state.entry[i].address, address))
			return &state.entry[i];
	return NULL;
}

static void forget(struct entry *entry)
{
	int index = (int)(entry - state.entry), *link = &state.bucket[hash(&entry->address)];

	while (*link != index)
		link = &state.entry[*link].chain;
	*link = entry->chain;
	*entry = (struct entry){ .chain = state.free };
	state.free = index;
}

static void forget_oldest(void)
{
	struct entry *oldest = NULL;

	for (int i = 0; i < ADDRESSES_MAX; i++)
		if (state.entry[i].address.family && (!oldest || state.entry[i].seen < oldest->seen))
			oldest = &state.entry[i];
	if (oldest)
		forget(oldest);
}

static struct entry *add(const struct address *address)
{
	unsigned bucket = hash(address);
	struct entry *entry;
	int index;

	if (state.free == NONE)
		forget_oldest();
	index = state.free;
	entry = &state.entry[index];
	state.free = entry->chain;
	*entry = (struct entry){ .address = *address, .port = NONE, .chain = state.bucket[bucket] };
	state.bucket[bucket] = index;
	return entry;
}

static void expire(void *arg)
{
	time_t now = qtime();

	(void)arg;
	for (int i = 0; i < ADDRESSES_MAX; i++)
		if (state.entry[i].address.family && now - state.entry[i].seen > (time_t)state.expire)
			forget(&state.entry[i]);
}

/* ---- telling ---- */

static const char *user_name(int user, char text[NAME_SIZE])
{
	struct passwd entry, *found = NULL;
	char buffer[4096];

	if (user == NONE)
		return "NONE";
	if (getpwuid_r((uid_t)user, &entry, buffer, sizeof(buffer), &found) == 0 && found)
		snprintf(text, NAME_SIZE, "%s", found->pw_name);
	else
		snprintf(text, NAME_SIZE, "%u", (unsigned)user);
	return text;
}

static void log_line(const char *line)
{
	char stamp[32], text[600];
	time_t now = time(NULL);
	struct tm tm;
	int length;

	if (state.log == TO_SYSLOG)
		printlog(LOG_INFO, "iplog: %s", line);
	if (state.log != TO_FILE)
		return;
	localtime_r(&now, &tm);
	strftime(stamp, sizeof(stamp), "%Y-%m-%d %H:%M:%S", &tm);
	length = snprintf(text, sizeof(text), "%s %s\n", stamp, line);
	if (length >= (int)sizeof(text))
		length = (int)sizeof(text) - 1;
	if (write(state.log_fd, text, (size_t)length) < 0) {
		printlog(LOG_ERR, "iplog: %s: %s: the log is switched off", state.log_name, strerror(errno));
		state.log = TO_NOTHING;
	}
}

static void tell(const struct entry *entry)
{
	char address[NAME_SIZE], user[NAME_SIZE], line[512];
	const char *description = port_descr(entry->port, 0);
	const uint8_t *mac = entry->mac;

	snprintf(line, sizeof(line), "%s mac=%02x:%02x:%02x:%02x:%02x:%02x port=%d vlan=%u user=%s \"%s\"",
		 address_text(&entry->address, address), mac[0], mac[1], mac[2], mac[3], mac[4], mac[5], entry->port, entry->vlan,
		 user_name(entry->user, user), description ? description : "");
	DBGOUT(&categories[0], "%s", line);
	log_line(line);
}

/* ---- packets ---- */

/* The source address in what follows the type. False: there is none. */
static bool source_address(unsigned type, const uint8_t *data, size_t length, struct address *address)
{
	memset(address, 0, sizeof(*address));
	if (type == ETHERTYPE_IP4 && length >= 20 && data[0] >> 4 == 4) {
		address->family = AF_INET;
		memcpy(address->byte, data + 12, 4);
	} else if (type == ETHERTYPE_ARP_ && length >= 28 && read_be16(data + 2) == ETHERTYPE_IP4 && data[4] == 6 && data[5] == 4) {
		address->family = AF_INET;
		memcpy(address->byte, data + 14, 4);
	} else if (type == ETHERTYPE_IP6 && length >= 40 && data[0] >> 4 == 6) {
		address->family = AF_INET6;
		memcpy(address->byte, data + 8, 16);
	}
	static const uint8_t unspecified[16];
	return address->family && memcmp(address->byte, unspecified, sizeof(unspecified)) != 0;
}

static void note(const struct address *address, int port, const uint8_t *mac, unsigned vlan)
{
	struct entry *entry = find(address);
	int user;

	if (entry && entry->port == port && entry->vlan == vlan && mac_equal(entry->mac, mac)) {
		entry->seen = qtime();
		return;
	}
	user = port_user(port);
	if (!entry)
		entry = add(address);
	entry->port = port;
	entry->user = user;
	entry->vlan = vlan;
	entry->seen = qtime();
	memcpy(entry->mac, mac, sizeof(entry->mac));
	tell(entry);
}

static int packet(struct dbgcl *event, void *arg, va_list values)
{
	int port = va_arg(values, int);
	const uint8_t *data = va_arg(values, const uint8_t *);
	size_t length = (size_t)va_arg(values, int), at = 2 * ETHERNET_ADDRESS_SIZE;
	struct address address;
	unsigned vlan = 0, type;

	(void)event;
	(void)arg;
	if (length < ETHERNET_HEADER_SIZE)
		return 0;
	type = read_be16(data + at);
	for (int tags = 0; tags < TAGS_MAX && (type == ETHERTYPE_VLAN || type == ETHERTYPE_SERVICE_TAG); tags++) {
		if (length < at + 2 + 2 * ETHERNET_TAG_SIZE - 2)
			return 0;
		vlan = read_be16(data + at + 2) & VLAN_VID_MASK;
		at += ETHERNET_TAG_SIZE;
		type = read_be16(data + at);
	}
	if (source_address(type, data + at + 2, length - at - 2, &address) && is_watched(&address))
		note(&address, port, data + ETHERNET_ADDRESS_SIZE, vlan);
	return 0;
}

static int port_closed(struct dbgcl *event, void *arg, va_list values)
{
	int port = va_arg(values, int);

	(void)event;
	(void)arg;
	for (int i = 0; i < ADDRESSES_MAX; i++)
		if (state.entry[i].address.family && state.entry[i].port == port)
			forget(&state.entry[i]);
	return 0;
}

/* ---- commands ---- */

static int showinfo(FILE *out)
{
	printoutc(out, "iplog: ip/port/user logging plugin");
	if (state.log == TO_NOTHING)
		printoutc(out, "log disabled");
	else if (state.log == TO_SYSLOG)
		printoutc(out, "log on syslog");
	else
		printoutc(out, "log on file %s", state.log_name);
	printoutc(out, "GC interval %u secs", state.interval);
	printoutc(out, "GC expire %u secs", state.expire);
	return 0;
}

static int set_logfile(char *text)
{
	int fd = -1;

	if (strlen(text) >= sizeof(state.log_name))
		return ENAMETOOLONG;
	if (*text && strcmp(text, "-") != 0) {
		fd = open(text, O_WRONLY | O_CREAT | O_APPEND | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (fd < 0)
			return errno;
	}
	if (state.log_fd >= 0)
		close(state.log_fd);
	state.log_fd = fd;
	state.log = fd >= 0 ? TO_FILE : *text ? TO_SYSLOG : TO_NOTHING;
	strcpy(state.log_name, text);
	return 0;
}

/* Clears the bits behind the mask, so that equal ranges are equal. */
static bool parse_range(char *text, struct range *range)
{
	char *slash = strchr(text, '/');

	if (slash)
		*slash++ = '\0';
	if (!parse_address(text, &range->address))
		return false;
	range->bits = address_bits(&range->address);
	if (slash && number_uint(slash, 0, range->bits, &range->bits) != 0)
		return false;
	for (unsigned bit = range->bits; bit < address_bits(&range->address); bit++)
		range->address.byte[bit / 8] &= (uint8_t)~(0x80 >> bit % 8);
	return true;
}

static int find_range(const struct range *wanted)
{
	for (unsigned i = 0; i < state.ranges; i++)
		if (state.range[i].bits == wanted->bits && address_equal(&state.range[i].address, &wanted->address))
			return (int)i;
	return NONE;
}

static int ipadd(char *text)
{
	struct range range;

	if (!parse_range(text, &range))
		return EINVAL;
	if (find_range(&range) != NONE)
		return EEXIST;
	if (state.ranges == RANGES_MAX)
		return ENOSPC;
	state.range[state.ranges++] = range;
	return 0;
}

static int ipdel(char *text)
{
	struct range range;
	int index;

	if (!parse_range(text, &range))
		return EINVAL;
	index = find_range(&range);
	if (index == NONE)
		return ENOENT;
	memmove(&state.range[index], &state.range[index + 1], (--state.ranges - (unsigned)index) * sizeof(range));
	return 0;
}

static int list(FILE *out)
{
	for (unsigned i = 0; i < state.ranges; i++) {
		char number[INET6_ADDRSTRLEN];
		const struct address *address = &state.range[i].address;

		inet_ntop(address->family, address->byte, number, sizeof(number));
		printoutc(out, " ipv%d: %s/%u", address->family == AF_INET ? 4 : 6, number, state.range[i].bits);
	}
	return 0;
}

static int set_interval(int seconds)
{
	if (seconds < 1)
		return EINVAL;
	state.interval = (unsigned)seconds;
	if (state.timer)
		qtimer_del(state.timer);
	state.timer = qtimer_add(seconds, 0, expire, NULL);
	return 0;
}

static int set_expire(int seconds)
{
	if (seconds < 1)
		return EINVAL;
	state.expire = (unsigned)seconds;
	return 0;
}

static void print_entry(FILE *out, const struct entry *entry)
{
	char address[NAME_SIZE], user[NAME_SIZE];

	printoutc(out, "%s port=%d user=%s", address_text(&entry->address, address), entry->port, user_name(entry->user, user));
}

/* port or user NONE - 1: any. */
static int print_entries(FILE *out, int port, int user)
{
	for (int i = 0; i < ADDRESSES_MAX; i++) {
		const struct entry *entry = &state.entry[i];

		if (entry->address.family && (port < NONE || entry->port == port) && (user < NONE || entry->user == user))
			print_entry(out, entry);
	}
	return 0;
}

static int iplist(FILE *out)
{
	return print_entries(out, NONE - 1, NONE - 1);
}

static int ipport(FILE *out, int port)
{
	return port >= 0 ? print_entries(out, port, NONE - 1) : EINVAL;
}

static int ipuser(FILE *out, char *text)
{
	uid_t user;

	return number_user(text, &user) == 0 ? print_entries(out, NONE - 1, (int)user) : EINVAL;
}

static int ipsearch(FILE *out, char *text)
{
	struct address address;
	const struct entry *entry;

	if (!parse_address(text, &address))
		return EINVAL;
	entry = find(&address);
	if (!entry)
		return ENOENT;
	print_entry(out, entry);
	return 0;
}

static struct comlist commands[] = {
	{ "iplog", "============", "IP/Mac/User Logging", NULL, NOARG, NULL },
	{ "iplog/showinfo", "", "Show info on logging", showinfo, NOARG | WITHFILE, NULL },
	{ "iplog/logfile", "pathname", "Set the logfile (-: syslog; nothing: no log)", set_logfile, STRARG, NULL },
	{ "iplog/ipadd", "ipaddr/mask", "add an ipv4/v6 range", ipadd, STRARG, NULL },
	{ "iplog/ipdel", "ipaddr/mask", "del an ipv4/v6 range", ipdel, STRARG, NULL },
	{ "iplog/list", "", "list ip ranges", list, NOARG | WITHFILE, NULL },
	{ "iplog/setgcint", "N", "change garbage collector interval", set_interval, INTARG, NULL },
	{ "iplog/setexpire", "N", "change iplog entries expire time", set_expire, INTARG, NULL },
	{ "iplog/iplist", "", "list active IP", iplist, NOARG | WITHFILE, NULL },
	{ "iplog/ipport", "port", "list active IP on a port", ipport, INTARG | WITHFILE, NULL },
	{ "iplog/ipuser", "user", "list active IP of a user", ipuser, STRARG | WITHFILE, NULL },
	{ "iplog/ipsearch", "ipaddr", "search an IP address", ipsearch, STRARG | WITHFILE, NULL },
};

static void __attribute__((constructor)) begin(void)
{
	state.entry = calloc(ADDRESSES_MAX, sizeof(*state.entry));
	if (!state.entry)
		return;
	clear_table();
	ADDCL(commands);
	ADDDBGCL(categories);
	eventadd(packet, "packet/in", NULL);
	eventadd(port_closed, "port/-", NULL);
	state.timer = qtimer_add((time_t)state.interval, 0, expire, NULL);
}

static void __attribute__((destructor)) end(void)
{
	if (!state.entry)
		return;
	if (state.timer)
		qtimer_del(state.timer);
	eventdel(port_closed, "port/-", NULL);
	eventdel(packet, "packet/in", NULL);
	DELDBGCL(categories);
	DELCL(commands);
	if (state.log_fd >= 0)
		close(state.log_fd);
	free(state.entry);
}
