/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation. With -P or -x the secret is known and the session starts at once. Otherwise ssh introduces the client first, and
 * again whenever INITs stay unanswered for so long that the server must have forgotten the secret: after SILENCE_INTRODUCE_TIME, then
 * at growing intervals. The first introduction's failure ends the program: its user is there to read why.
 */
#include "client.h"

#include "psk_file.h"

#include <errno.h>
#include <netdb.h>
#include <openssl/crypto.h>
#include <string.h>

#define SILENCE_INTRODUCE_TIME (6 * PROTOCOL_SECOND)
#define SILENCE_TELL_TIME (4 * PROTOCOL_SECOND)
/* A session that the server ends sooner is no news: it lets nobody in, and is asked again each second. */
#define SETTLE_TIME (2 * PROTOCOL_SECOND)
#define INTRODUCTION_WAIT_FIRST (5 * PROTOCOL_SECOND)
#define INTRODUCTION_WAIT_MAX (60 * PROTOCOL_SECOND)
/* Of an introduction that nobody watches: ssh itself waits for ever on a connection that broke in its middle. */
#define INTRODUCTION_PATIENCE (60 * PROTOCOL_SECOND)

static void received(void *owner, const union address *from, uint8_t *datagram, size_t length)
{
	struct client *client = owner;

	if (client->introduced && datagram_is_sound(datagram, length))
		session_receive(&client->session, from, datagram, length, loop_now(client->node.loop));
}

/* What may be wrong with a server that has never answered. */
static const char *advice(const struct client *client)
{
	const struct options *options = client->node.options;

	if (client->was_up)
		return "";
	if (options->preshared || options->clear)
		return ": there is no server, it has another secret, or -x stands at one end only";
	return ": its host knows the secret, but UDP does not come through";
}

/* To the first success, and to one after trouble that was told and that is over. */
static bool is_news(const struct client *client, uint64_t now)
{
	if (!client->was_up || client->told_silence)
		return true;
	return client->told_end && now - client->session.up_since_ns >= SETTLE_TIME;
}

/* Tells when the state changed. */
static void look_at_state(struct client *client)
{
	struct session *session = &client->session;
	char text[ADDRESS_TEXT_SIZE];
	uint64_t now = loop_clock(), since = session->unanswered_since_ns;

	if (session->up && !since && is_news(client, now)) {
		log_info(client->node.log, "connected to %s", address_format(&session->address, text));
		client->was_up = true;
		client->told_silence = client->told_end = false;
		client->introduction_wait_ns = INTRODUCTION_WAIT_FIRST;
	}
	if (client->was_up && !session->up && !since && !client->told_silence && !client->told_end) {
		log_warn(client->node.log, "%s ended the session", address_format(&session->address, text));
		client->told_end = true;
	}
	if (since && now - since >= SILENCE_TELL_TIME && !client->told_silence) {
		log_warn(client->node.log, "no answer from %s%s", address_format(&client->server, text), advice(client));
		client->told_silence = true;
	}
}

static void batch_end(void *owner)
{
	struct client *client = owner;

	node_hand_over(&client->node);
	look_at_state(client);
}

static void too_big(void *owner, const union address *to, size_t size)
{
	struct client *client = owner;

	(void)to;
	if (client->introduced)
		session_too_big(&client->session, size, loop_now(client->node.loop));
}

static const struct udp_callbacks udp_calls = { received, batch_end, too_big };

/* ---- the secret ---- */

static int use_secret(struct client *client, const uint8_t key_id[KEY_ID_SIZE], const uint8_t secret[SECRET_SIZE])
{
	if (client->introduced) {
		session_set_key(&client->session, key_id, secret, loop_clock());
		return 0;
	}
	if (!session_start_client(&client->session, client->node.env, &client->server, key_id, secret, loop_clock()))
		return EIO;
	client->introduced = true;
	client->session.user = client->cable;
	node_set_ticking(&client->node, true);
	return client->ready(client->ready_owner);
}

static void introduction_over(void *owner, int error, const uint8_t key_id[KEY_ID_SIZE], const uint8_t secret[SECRET_SIZE])
{
	struct client *client = owner;
	bool first = !client->introduced;

	if (!error)
		error = use_secret(client, key_id, secret);
	ssh_end(client->ssh);
	client->ssh = NULL;
	if (error && first)
		loop_stop(client->node.loop, 1);
}

static int introduce(struct client *client)
{
	client->ssh = ssh_start(client->node.loop, client->node.log, client->node.options->ssh, &client->target,
				client->introduced ? INTRODUCTION_PATIENCE : 0, introduction_over, client);
	return client->ssh ? 0 : errno;
}

/* It answers again: no other secret is needed. */
static void give_up_introduction(struct client *client)
{
	ssh_end(client->ssh);
	client->ssh = NULL;
}

/* A server that does not answer may have forgotten the secret. */
static void introduce_again(struct client *client)
{
	uint64_t now = loop_clock(), since = client->session.unanswered_since_ns;
	const struct options *options = client->node.options;

	if (options->preshared || options->clear || client->ssh || !since || now - since < SILENCE_INTRODUCE_TIME ||
	    now < client->next_introduction_ns)
		return;
	client->next_introduction_ns = now + client->introduction_wait_ns;
	client->introduction_wait_ns *= 2;
	if (client->introduction_wait_ns > INTRODUCTION_WAIT_MAX)
		client->introduction_wait_ns = INTRODUCTION_WAIT_MAX;
	log_info(client->node.log, "asking ssh for a new introduction");
	if (introduce(client) != 0)
		log_errno(client->node.log, errno, "cannot start ssh");
}

static void ticked(void *owner)
{
	struct client *client = owner;

	session_tick(&client->session, loop_clock());
	look_at_state(client);
	if (client->ssh && client->session.up && !client->session.unanswered_since_ns)
		give_up_introduction(client);
	introduce_again(client);
}

/* ---- life ---- */

static int find_server(struct client *client)
{
	int error = udp_resolve(client->node.udp, client->target.host, client->target.port, &client->server);

	if (!error)
		return 0;
	log_error(client->node.log, "host '%s': %s", client->target.host, gai_strerror(error));
	return EHOSTUNREACH;
}

static int start_known(struct client *client)
{
	uint8_t secret[SECRET_SIZE], key_id[KEY_ID_SIZE];
	int error = node_secret(&client->node, secret);

	if (!error && !psk_key_id(secret, key_id))
		error = EIO;
	if (!error)
		error = use_secret(client, key_id, secret);
	OPENSSL_cleanse(secret, sizeof(secret));
	return error;
}

int client_open(struct client *client, const struct options *options, struct loop *loop, struct log *log, int (*ready)(void *owner),
		void *ready_owner)
{
	int error = node_open(&client->node, options, loop, log, options->port, &udp_calls, ticked, client);

	client->open = true;
	client->ready = ready;
	client->ready_owner = ready_owner;
	client->introduction_wait_ns = INTRODUCTION_WAIT_FIRST;
	if (error)
		return error;
	address_parse_target(&client->target, options->connect, PROTOCOL_DEFAULT_PORT);
	error = find_server(client);
	if (error)
		return error;
	client->cable = cable_open(&client->node, &client->session, "vde_cryptcab");
	if (!client->cable) {
		error = errno;
		log_errno(log, error, "switch '%s'", options->socket ? options->socket : "(default)");
		return error;
	}
	if (options->clear || options->preshared)
		return start_known(client);
	error = introduce(client);
	if (error)
		log_errno(log, error, "cannot start ssh");
	return error;
}

void client_close(struct client *client)
{
	if (!client->open)
		return;
	ssh_end(client->ssh);
	if (client->introduced)
		session_say_close(&client->session, loop_clock());
	cable_close(client->cable);
	if (client->introduced)
		session_wipe(&client->session);
	node_close(&client->node);
	client->open = false;
}
