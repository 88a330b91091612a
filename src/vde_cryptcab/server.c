/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server.h"

#include "psk_file.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

/* ---- peers come and go ---- */

/*
 * A server without peers has no port that would tell it. Any other error, ECONNREFUSED too, may be a switch that is full: the next client
 * may be luckier.
 */
static void look_for_switch(struct server *server, int error)
{
	if (server->node.options->reconnect || server->node.cables || error != ENOENT)
		return;
	log_warn(server->node.log, "the switch is gone");
	loop_stop(server->node.loop, 1);
}

static bool peer_up(void *owner, struct session *session)
{
	struct server *server = owner;
	char address[ADDRESS_TEXT_SIZE], description[80];

	address_format(&session->address, address);
	snprintf(description, sizeof(description), "vde_cryptcab %s", address);
	session->user = cable_open(&server->node, session, description);
	if (!session->user) {
		int error = errno;

		log_limited(server->node.log, &server->node.limit, "%s: no port of the switch: %s", address, strerror(error));
		look_for_switch(server, error);
		return false;
	}
	log_info(server->node.log, "peer %u: %s is connected", session->slot, address);
	return true;
}

static void peer_down(void *owner, struct session *session, enum hub_reason reason)
{
	static const char *const reasons[] = {
		[HUB_CLOSED] = "ended the session", [HUB_IDLE] = "is silent, and forgotten", [HUB_DROPPED] = "was dropped",
		[HUB_REPLACED] = "comes with another secret", [HUB_SHUTDOWN] = "is told that this end goes",
	};
	struct server *server = owner;
	char address[ADDRESS_TEXT_SIZE];

	if (!session->user)
		return;         /* it never had a port: that is said */
	cable_close(session->user);
	session->user = NULL;
	log_info(server->node.log, "peer %u: %s %s", session->slot, address_format(&session->address, address), reasons[reason]);
}

static void full(void *owner, const union address *from)
{
	struct server *server = owner;
	char address[ADDRESS_TEXT_SIZE];

	log_limited(server->node.log, &server->node.limit, "%s: refused, there are as many peers as there may be (%u)", address_format(from, address),
		    server->hub.max_peers);
}

static const struct hub_callbacks hub_calls = { peer_up, peer_down, full };

/* ---- datagrams and time ---- */

static void received(void *owner, const union address *from, uint8_t *datagram, size_t length)
{
	struct server *server = owner;

	hub_receive(&server->hub, from, datagram, length, loop_now(server->node.loop));
}

static void batch_end(void *owner)
{
	struct server *server = owner;

	node_hand_over(&server->node);
	node_set_ticking(&server->node, hub_is_busy(&server->hub));
}

static void too_big(void *owner, const union address *to, size_t size)
{
	struct server *server = owner;

	hub_too_big(&server->hub, to, size, loop_now(server->node.loop));
}

static const struct udp_callbacks udp_calls = { received, batch_end, too_big };

static void ticked(void *owner)
{
	struct server *server = owner;

	hub_tick(&server->hub, loop_clock());
	node_set_ticking(&server->node, hub_is_busy(&server->hub));
}

/* ---- secrets ---- */

static const char *admit(void *owner, const uint8_t key_id[KEY_ID_SIZE], const uint8_t secret[SECRET_SIZE])
{
	struct server *server = owner;

	if (server->hub.peers >= server->hub.max_peers)
		return "the server has as many peers as it may";
	if (!keystore_add(&server->hub.keys, key_id, secret, false, loop_clock()))
		return "the server knows another secret of this id, or too many";
	log_debug(server->node.log, "a client was introduced");
	node_set_ticking(&server->node, true);
	return NULL;
}

static int add_permanent_key(struct server *server)
{
	uint8_t secret[SECRET_SIZE], key_id[KEY_ID_SIZE];
	int error = node_secret(&server->node, secret);

	if (!error && !(psk_key_id(secret, key_id) && keystore_add(&server->hub.keys, key_id, secret, true, 0)))
		error = EIO;
	OPENSSL_cleanse(secret, sizeof(secret));
	return error;
}

static int open_doors(struct server *server, const struct options *options, struct log *log, unsigned port)
{
	gid_t group = options->admit_group.set ? options->admit_group.gid : (gid_t)-1;
	int error = 0;

	if (options->clear || options->preshared)
		error = add_permanent_key(server);
	if (error || options->clear)
		return error;
	server->admission = admission_open(server->node.loop, log, port, group, admit, server);
	if (server->admission || options->preshared)
		return 0;               /* with -P the introduction is an addition */
	return errno;
}

/* ---- life ---- */

/* A switch that is not there is said at the start, not to the first peer. */
static int try_switch(struct server *server)
{
	struct cable *cable = cable_open(&server->node, NULL, "vde_cryptcab");
	int error = cable ? 0 : errno;

	if (error)
		log_errno(server->node.log, error, "switch '%s'", server->node.options->socket ? server->node.options->socket : "(default)");
	cable_close(cable);
	return error;
}

int server_open(struct server *server, const struct options *options, struct loop *loop, struct log *log)
{
	unsigned port = options->port ? options->port : PROTOCOL_DEFAULT_PORT;
	int error = node_open(&server->node, options, loop, log, port, &udp_calls, ticked, server);

	server->open = true;
	if (error)
		return error;
	if (!hub_init(&server->hub, server->node.env, options->max_peers, options->idle_s * PROTOCOL_SECOND,
		      options->key_lifetime_s * PROTOCOL_SECOND, &hub_calls, server))
		return ENOMEM;
	error = try_switch(server);
	return error ? error : open_doors(server, options, log, port);
}

void server_close(struct server *server)
{
	if (!server->open)
		return;
	admission_close(server->admission);
	if (server->node.env)
		hub_free(&server->hub, loop_clock());
	node_close(&server->node);
	server->open = false;
}
