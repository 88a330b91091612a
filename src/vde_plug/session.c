/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The log of sessions. Addresses are remembered in a table of fixed size: one entry per place, so an address that was pushed out by another
 * one is logged again when it returns.
 */
#include "vde_plug.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

enum {
	IPLOG_PLACES = 4096,
	ETHERTYPE_IP4 = 0x0800,
	ETHERTYPE_IP6 = 0x86dd,
	ETHERTYPE_SERVICE_VLAN = 0x88a8,        /* 802.1ad */
	IP4_HEADER = 20, IP4_SOURCE = 12, IP4_SIZE = 4,
	IP6_HEADER = 40, IP6_SOURCE = 8, IP6_SIZE = 16,
};

struct iplog_entry {
	uint8_t address[IP6_SIZE];
	uint16_t vlan;
	uint8_t size;                   /* 0: free */
};

struct iplog {
	struct iplog_entry place[IPLOG_PLACES];
};

void session_init(struct session *session)
{
	const char *client = getenv("SSH_CLIENT");
	const struct passwd *entry = getpwuid(getuid());

	memset(session, 0, sizeof(*session));
	if (entry != NULL)
		log_escape(session->user, sizeof(session->user), entry->pw_name, strlen(entry->pw_name));
	else
		snprintf(session->user, sizeof(session->user), "%u", (unsigned)getuid());
	if (client == NULL || client[0] == '\0')
		client = "UNKNOWN_IP_ADDRESS";
	log_escape(session->address, sizeof(session->address), client, strcspn(client, " "));
}

void session_log(const struct session *session, const char *event)
{
	openlog("vde_plug", 0, LOG_USER);
	syslog(LOG_USER | LOG_INFO, "%s: user %s IP %s", event, session->user, session->address);
}

int session_log_addresses(struct session *session)
{
	session->iplog = calloc(1, sizeof(*session->iplog));
	return session->iplog != NULL ? 0 : ENOMEM;
}

/* Returns false when this address was seen before. */
static bool is_new(struct iplog *iplog, const struct iplog_entry *entry)
{
	uint32_t h = 2166136261U ^ entry->vlan;         /* FNV-1a */
	struct iplog_entry *place;

	for (unsigned i = 0; i < sizeof(entry->address); i++)
		h = (h ^ entry->address[i]) * 16777619U;
	place = &iplog->place[(h ^ h >> 16) % IPLOG_PLACES];
	if (memcmp(place, entry, sizeof(*entry)) == 0)
		return false;
	*place = *entry;
	return true;
}

/* The frame's source address, if it carries IP. */
static bool find_source(const struct frame *frame, struct iplog_entry *entry)
{
	const uint8_t *end = frame->data + frame->length;
	const uint8_t *type = frame->data + 2 * ETHERNET_ADDRESS_SIZE;
	const uint8_t *ip;

	memset(entry, 0, sizeof(*entry));
	while (end - type >= 2 + ETHERNET_TAG_SIZE &&
	       (read_be16(type) == ETHERTYPE_VLAN || read_be16(type) == ETHERTYPE_SERVICE_VLAN)) {
		entry->vlan = read_be16(type + 2) & VLAN_VID_MASK;
		type += ETHERNET_TAG_SIZE;
	}
	ip = type + 2;
	if (read_be16(type) == ETHERTYPE_IP4 && end - ip >= IP4_HEADER && ip[0] >> 4 == 4) {
		entry->size = IP4_SIZE;
		memcpy(entry->address, ip + IP4_SOURCE, IP4_SIZE);
	} else if (read_be16(type) == ETHERTYPE_IP6 && end - ip >= IP6_HEADER && ip[0] >> 4 == 6) {
		entry->size = IP6_SIZE;
		memcpy(entry->address, ip + IP6_SOURCE, IP6_SIZE);
	}
	return entry->size > 0;
}

void session_see(struct session *session, const struct frame *frames, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		struct iplog_entry entry;
		char text[INET6_ADDRSTRLEN];

		if (!find_source(&frames[i], &entry) || !is_new(session->iplog, &entry))
			continue;
		inet_ntop(entry.size == IP4_SIZE ? AF_INET : AF_INET6, entry.address, text, sizeof(text));
		syslog(LOG_USER | LOG_INFO, "user %s Real-IP %s has got VDE-IP%d %s on vlan %d", session->user, session->address,
		       entry.size == IP4_SIZE ? 4 : 6, text, entry.vlan);
	}
}

void session_end(struct session *session)
{
	if (session->started)
		session_log(session, "STOP");
	free(session->iplog);
	session->iplog = NULL;
}
