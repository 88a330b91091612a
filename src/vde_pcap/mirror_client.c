/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "mirror_client.h"

#include "common/number.h"
#include "mgmt_client/mgmt_client.h"

#include <stdio.h>
#include <string.h>

enum { TIMEOUT_MS = 5000, NO_PORT = -1 };

struct search {
	const char *description;
	int port;                       /* of the last "Port NNNN" line */
	int found;
	char text[128];                 /* of the last code */
};

static void search_event(void *owner, const struct mgmt_event *event)
{
	struct search *search = owner;
	const char *name;

	if (event->kind == MGMT_EVENT_CODE)
		snprintf(search->text, sizeof(search->text), "%u %s", event->code, event->text);
	if (event->kind != MGMT_EVENT_DATA)
		return;
	if (strncmp(event->text, "Port ", 5) == 0) {
		const char *digits = event->text + 5 + strspn(event->text + 5, "0");
		char number[8];

		if (*digits < '1' || *digits > '9')
			digits = "0";
		snprintf(number, sizeof(number), "%.*s", (int)strspn(digits, "0123456789"), digits);
		if (number_int(number, 0, 65535, &search->port) != 0)
			search->port = NO_PORT;
	}
	name = strstr(event->text, search->description);
	if (name != NULL && strstr(event->text, "-- endpoint ID") != NULL)
		search->found = search->port;
}

static int ask(struct mgmt_client *client, const char *command, struct search *search, char *problem)
{
	int error = mgmt_client_request(client, command, TIMEOUT_MS, search_event, search);

	if (error != 0)
		snprintf(problem, MIRROR_PROBLEM_SIZE, "%s: %s", command, strerror(error));
	else if (client->code != MGMT_CODE_SUCCESS)
		snprintf(problem, MIRROR_PROBLEM_SIZE, "%s: %s", command, search->text);
	return error == 0 && client->code == MGMT_CODE_SUCCESS ? 0 : -1;
}

static int connect_to(struct mgmt_client *client, const char *socket, char *problem)
{
	int error = mgmt_client_open(client, socket, TIMEOUT_MS, NULL, NULL);

	if (error != 0)
		snprintf(problem, MIRROR_PROBLEM_SIZE, "%s", strerror(error));
	return error != 0 ? -1 : 0;
}

int mirror_begin(const char *socket, unsigned from, const char *description, unsigned *to, char problem[MIRROR_PROBLEM_SIZE])
{
	struct search search = { .description = description, .port = NO_PORT, .found = NO_PORT };
	struct mgmt_client client;
	char command[64];
	int result;

	if (connect_to(&client, socket, problem) != 0)
		return -1;
	result = ask(&client, "port/print", &search, problem);
	if (result == 0 && search.found == NO_PORT) {
		snprintf(problem, MIRROR_PROBLEM_SIZE, "this is not the management socket of that switch: our plug is not there");
		result = -1;
	}
	if (result == 0) {
		*to = (unsigned)search.found;
		snprintf(command, sizeof(command), "port/mirror %u %u", from, *to);
		result = ask(&client, command, &search, problem);
	}
	mgmt_client_close(&client);
	return result;
}

int mirror_end(const char *socket, unsigned from, unsigned to, char problem[MIRROR_PROBLEM_SIZE])
{
	struct search search = { .description = "\n", .port = NO_PORT, .found = NO_PORT };
	struct mgmt_client client;
	char command[64];
	int result;

	if (connect_to(&client, socket, problem) != 0)
		return -1;
	snprintf(command, sizeof(command), "port/mirror %u off %u", from, to);
	result = ask(&client, command, &search, problem);
	mgmt_client_close(&client);
	return result;
}
