/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "commands.h"

#include "common/number.h"

#include <errno.h>
#include <inttypes.h>
#include <unistd.h>

static struct node *node_of(struct ends *ends)
{
	return ends->server.open ? &ends->server.node : &ends->client.node;
}

static unsigned seconds_since(uint64_t then_ns, uint64_t now_ns)
{
	return then_ns && now_ns > then_ns ? (unsigned)((now_ns - then_ns) / PROTOCOL_SECOND) : 0;
}

static void write_peer(struct reply *reply, const struct session *session, uint64_t now_ns)
{
	const struct session_counters *counters = &session->counters;
	char address[ADDRESS_TEXT_SIZE];

	reply_printf(reply, "peer %04u %s %s up %u s heard %u s ago datagram %zu handshakes %" PRIu64 " moves %" PRIu64 "\n",
		     session->slot, address_format(&session->address, address), session->up ? "connected" : "waiting",
		     session->up ? seconds_since(session->up_since_ns, now_ns) : 0, seconds_since(session->last_heard_ns, now_ns),
		     session->path.size, counters->handshakes, counters->roamed);
	reply_printf(reply, " -- in %" PRIu64 " frames %" PRIu64 " bytes, out %" PRIu64 " frames %" PRIu64 " bytes, dropped %" PRIu64
		     ", refused %" PRIu64 " forged %" PRIu64 " replayed\n",
		     counters->frames_in, counters->bytes_in, counters->frames_out, counters->bytes_out,
		     counters->dropped_down + counters->dropped_size + session->reassembly.dropped,
		     counters->verdicts[VERDICT_FORGED], counters->verdicts[VERDICT_REPLAYED]);
}

static int peers(void *owner, struct reply *reply, const struct args *args)
{
	struct ends *ends = owner;
	struct hub *hub = &ends->server.hub;
	uint64_t now = loop_clock();

	(void)args;
	for (unsigned slot = 0; ends->server.open && slot < hub->slots; slot++)
		if (hub->sessions[slot] && hub->sessions[slot]->user_knows)
			write_peer(reply, hub->sessions[slot], now);
	if (ends->client.open && ends->client.introduced)
		write_peer(reply, &ends->client.session, now);
	return 0;
}

static int drop(void *owner, struct reply *reply, const struct args *args)
{
	struct ends *ends = owner;
	unsigned slot;
	int error;

	(void)reply;
	if (number_uint(args->word[0], 0, UINT16_MAX, &slot) != 0)
		return EINVAL;
	if (!ends->server.open)
		return ENOSYS;
	error = hub_drop(&ends->server.hub, slot, HUB_DROPPED, loop_clock());
	udp_flush(ends->server.node.udp);
	return error;
}

static void write_verdicts(struct reply *reply, const uint64_t verdicts[VERDICT_COUNT])
{
	static const char *const names[] = {
		[VERDICT_ACCEPTED] = "accepted", [VERDICT_MALFORMED] = "malformed", [VERDICT_UNKNOWN] = "unknown",
		[VERDICT_LIMITED] = "limited", [VERDICT_FORGED] = "forged", [VERDICT_REPLAYED] = "replayed",
		[VERDICT_EXPIRED] = "expired",
	};

	for (unsigned i = 0; i < VERDICT_COUNT; i++)
		reply_printf(reply, "%s%s %" PRIu64, i ? ", " : "datagrams ", names[i], verdicts[i]);
	reply_printf(reply, "\n");
}

void commands_write_counters(struct ends *ends, struct reply *reply)
{
	const struct udp_counters *counters = udp_counters(node_of(ends)->udp);

	reply_printf(reply, "udp in %" PRIu64 " datagrams in %" PRIu64 " receives, out %" PRIu64 " datagrams in %" PRIu64
		     " sends, dropped %" PRIu64 ", errors %" PRIu64 "\n",
		     counters->datagrams_in, counters->receives, counters->datagrams_out, counters->sends, counters->dropped_busy,
		     counters->errors);
	if (ends->server.open) {
		const struct hub *hub = &ends->server.hub;

		reply_printf(reply, "peers %u of %u, pending %u, secrets %zu, refused when full %" PRIu64 "\n", hub->peers, hub->max_peers,
			     hub->pending, hub->keys.count, hub->refused_full);
		write_verdicts(reply, hub->verdicts);
	} else {
		write_verdicts(reply, ends->client.session.counters.verdicts);
	}
}

static int showinfo(void *owner, struct reply *reply, const struct args *args)
{
	struct ends *ends = owner;
	const struct node *node = node_of(ends);
	const struct options *options = node->options;
	mode_t mode;
	const char *path = mgmt_path(node->mgmt, &mode);

	(void)args;
	reply_printf(reply, "VDE encrypted cable %s\n", PACKAGE_VERSION);
	reply_printf(reply, "pid %d uptime %u\n", getpid(), seconds_since(node->started_ns, loop_clock()));
	reply_printf(reply, "%s, switch %s, %s\n", options->connect ? "client" : "server", options->socket ? options->socket : "(default)",
		     options->clear ? "UNENCRYPTED" : PROTOCOL_NOISE_NAME);
	if (path)
		reply_printf(reply, "mgmt %s perm 0%03o\n", path, (unsigned)mode);
	if (ends->server.admission)
		reply_printf(reply, "admission %s\n", admission_path(ends->server.admission));
	commands_write_counters(ends, reply);
	return 0;
}

const struct command cryptcab_commands[] = {
	{ "help", "[arg]", "Help (limited to arg when specified)", 0, 1, NULL, COMMAND_BUILTIN },
	{ "logout", "", "logout from this mgmt terminal", 0, 0, NULL, COMMAND_BUILTIN },
	{ "shutdown", "", "shutdown of the cable", 0, 0, NULL, COMMAND_BUILTIN },
	{ "showinfo", "", "show version, mode and counters", 0, 0, showinfo, COMMAND_DATA },
	{ "peers", "", "show who is connected", 0, 0, peers, COMMAND_DATA },
	{ "drop", "N", "end the session of peer N; an introduced secret dies with it", 1, 1, drop, 0 },
	{ 0 }
};
