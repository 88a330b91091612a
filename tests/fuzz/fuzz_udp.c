/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The text of udp://: whatever it is, an error or a connection. No name is resolved, and nothing is sent. */
#include "libvdeplug/module.h"

#include "fuzz.h"

#include <arpa/inet.h>
#include <assert.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct found {
	struct addrinfo info;
	struct sockaddr_in address;
};

/* In the place of libc's: whatever the host, the address is this machine's, and the port free. */
int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **result)
{
	struct found *found = calloc(1, sizeof(*found));

	assert(found != NULL && (node != NULL || service != NULL));
	if (hints->ai_family == AF_INET6 || service == NULL || service[0] == '\0') {
		free(found);
		return EAI_NONAME;
	}
	found->info.ai_family = found->address.sin_family = AF_INET;
	found->address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	found->address.sin_port = hints->ai_flags == 0 ? htons(9) : 0;
	found->info.ai_addr = (struct sockaddr *)(void *)&found->address;
	found->info.ai_addrlen = sizeof(found->address);
	*result = &found->info;
	return 0;
}

void freeaddrinfo(struct addrinfo *info)
{
	free(info);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), empty[] = "";
	VDECONN *conn;

	assert(text != NULL);
	memcpy(text, data, size);
	text[size] = '\0';
	conn = module_udp.module.vde_open_real(text, empty, LIBVDEPLUG_INTERFACE_VERSION, NULL);
	if (conn != NULL) {
		assert(strstr(text, "->") != NULL && module_udp.module.vde_datafd(conn) >= 0);
		module_udp.module.vde_close(conn);
	}
	free(text);
	return 0;
}
