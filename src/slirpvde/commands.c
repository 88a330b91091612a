/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The management commands. */
#include "config.h"
#include "slirpvde/slirpvde.h"

#include "common/number.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static void show_network(struct reply *reply, const char *label, const struct network *host, const struct address *dns)
{
	char text[ADDRESS_TEXT_SIZE], dns_text[ADDRESS_TEXT_SIZE];

	if (host->address.family != AF_UNSPEC)
		reply_printf(reply, "%s host %s/%u dns %s\n", label, address_text(&host->address, text), host->length,
			     address_text(dns, dns_text));
}

static void show_dhcp(struct reply *reply, const struct slirpvde *program)
{
	const struct engine_config *config = engine_config(program->engine);
	char text[ADDRESS_TEXT_SIZE];

	if (config->dhcp)
		reply_printf(reply, "dhcp from %s, %u of %u clients\n", address_text(&config->dhcp_start, text),
			     engine_leases(program->engine)->count, config->dhcp_count);
	else
		reply_printf(reply, "dhcp off\n");
	if (config->tftp_directory)
		reply_printf(reply, "tftp %s\n", config->tftp_directory);
}

static void show_sandbox(struct reply *reply, const struct sandbox_state *state)
{
	reply_printf(reply, "sandbox capabilities %s, new privileges %s, files %s, system calls %s\n",
		     state->capabilities ? "none" : "kept", state->no_new_privileges ? "none" : "possible",
		     state->mounts ? "confined" : "all", state->system_calls ? "filtered" : "all");
}

static int run_showinfo(void *owner, struct reply *reply, const struct args *args)
{
	struct slirpvde *program = owner;
	const struct engine_config *config = engine_config(program->engine);
	const struct wire_counters *wire = wire_counters(program->wire);
	const char *name = program->options.switch_name;
	struct engine_counters engine;

	(void)args;
	engine_count(program->engine, &engine);
	reply_printf(reply, "slirpvde " PACKAGE_VERSION ", libslirp %s\n", slirp_version_string());
	reply_printf(reply, "switch %s\n", name && *name ? name : "*DEFAULT*");
	show_network(reply, "ipv4", &config->host4, &config->dns4);
	show_network(reply, "ipv6", &config->host6, &config->dns6);
	reply_printf(reply, "mtu %u\nrouter advertisements %s\n", config->mtu, config->advertise ? "on" : "off");
	show_dhcp(reply, program);
	reply_printf(reply, "redirections %u\n", engine_forwards(program->engine)->count);
	reply_printf(reply, "from guests: %llu frames, %llu bytes, %llu joined to others, %llu to other stations\n",
		     (unsigned long long)wire->frames_in, (unsigned long long)wire->bytes_in,
		     (unsigned long long)engine.segments_joined, (unsigned long long)engine.foreign);
	reply_printf(reply, "to guests: %llu frames, %llu bytes, %llu dropped\n", (unsigned long long)wire->frames_out,
		     (unsigned long long)wire->bytes_out,
		     (unsigned long long)(wire->dropped_full + wire->dropped_size + wire->errors));
	show_sandbox(reply, &program->sandbox);
	return 0;
}

static int reply_text(struct reply *reply, char *text)
{
	if (!text)
		return ENOMEM;
	reply_append(reply, text, strlen(text));
	free(text);
	return 0;
}

static int run_connections(void *owner, struct reply *reply, const struct args *args)
{
	struct slirpvde *program = owner;

	(void)args;
	return reply_text(reply, engine_connections(program->engine));
}

static int run_neighbours(void *owner, struct reply *reply, const struct args *args)
{
	struct slirpvde *program = owner;

	(void)args;
	return reply_text(reply, engine_neighbours(program->engine));
}

/* Its directory is in sight when it exists, and is not one that was only made on the way to those that are shown. */
static bool is_in_sight(const struct forward *forward)
{
	char *directory = forward_directory(forward);
	struct stat root, status;
	bool seen = directory && stat("/", &root) == 0 && stat(directory, &status) == 0 && root.st_dev != status.st_dev;

	free(directory);
	return seen;
}

/* 0, or why the sandbox does not allow this redirection. */
static int check_sandbox(const struct sandbox_state *sandbox, const struct forward *forward, struct engine_error *error)
{
	if (forward->kind == FORWARD_COMMAND && sandbox->system_calls)
		engine_fail(error, "no program can be run in the sandbox");
	else if (forward->kind == FORWARD_UNIX && sandbox->mounts && !is_in_sight(forward))
		engine_fail(error, "the sandbox does not show the directory of '%s'", forward->target);
	else
		return 0;
	return EPERM;
}

static int add_redirection(struct slirpvde *program, enum forward_kind kind, const char *text, struct forward *forward,
			   struct engine_error *error)
{
	int failed = forward_parse(kind, text, forward, error);

	if (failed)
		return failed;
	failed = check_sandbox(&program->sandbox, forward, error);
	if (!failed)
		return forward_add(engine_forwards(program->engine), forward, error);
	forward_free(forward);
	return failed;
}

/* KIND TEXT, where the text may contain blanks (a command) */
static int run_redir_add(void *owner, struct reply *reply, const struct args *args)
{
	struct slirpvde *program = owner;
	enum forward_kind kind = forward_kind_by_name(args->word[0]);
	const char *text = args->text + strcspn(args->text, " \t");
	struct engine_error error = { "" };
	struct forward forward;
	int failed;

	text += strspn(text, " \t");
	if (kind == FORWARD_KINDS) {
		reply_printf(reply, "the kind is tcp, udp, x, unix or cmd\n");
		return EINVAL;
	}
	failed = add_redirection(program, kind, text, &forward, &error);
	if (failed)
		reply_printf(reply, "%s\n", error.text);
	else
		reply_printf(reply, "redirection %u\n", forward.id);
	engine_loop_kick(program->driver);
	return failed;
}

static int run_redir_del(void *owner, struct reply *reply, const struct args *args)
{
	struct slirpvde *program = owner;
	unsigned id;
	int failed = number_uint(args->word[0], 1, UINT32_MAX, &id);

	(void)reply;
	if (!failed)
		failed = forward_remove(engine_forwards(program->engine), id);
	engine_loop_kick(program->driver);
	return failed;
}

static int run_redir_list(void *owner, struct reply *reply, const struct args *args)
{
	struct slirpvde *program = owner;
	const struct forward_table *table = engine_forwards(program->engine);

	(void)args;
	for (unsigned i = 0; i < table->count; i++) {
		char text[FORWARD_TEXT_SIZE], escaped[4 * FORWARD_TEXT_SIZE];

		forward_text(&table->row[i], text);
		log_escape(escaped, sizeof(escaped), text, strlen(text));
		reply_printf(reply, "%u %s %s\n", table->row[i].id, forward_kind_name(table->row[i].kind), escaped);
	}
	return 0;
}

static int run_leases(void *owner, struct reply *reply, const struct args *args)
{
	struct slirpvde *program = owner;
	const struct dhcp_table *table = engine_leases(program->engine);
	uint64_t now = engine_clock();

	(void)args;
	for (unsigned i = 0; i < table->count; i++) {
		const struct dhcp_lease *lease = &table->lease[i];
		struct address address = { .family = AF_INET, .v4 = lease->address };
		char text[ADDRESS_TEXT_SIZE], name[4 * DHCP_NAME_SIZE];
		uint64_t age = (now - lease->granted_ns) / LOOP_SECOND;
		const uint8_t *mac = lease->mac;

		reply_printf(reply, "%02x:%02x:%02x:%02x:%02x:%02x %s %s %llu %s\n", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5],
			     address_text(&address, text), lease->acknowledged ? "granted" : "offered",
			     (unsigned long long)(lease->seconds > age ? lease->seconds - age : 0),
			     log_escape(name, sizeof(name), lease->name, strlen(lease->name)));
	}
	return 0;
}

const struct command slirpvde_commands[] = {
	{ "help", "[arg]", "Help (limited to arg when specified)", 0, 1, NULL, COMMAND_BUILTIN },
	{ "logout", "", "logout from this mgmt terminal", 0, 0, NULL, COMMAND_BUILTIN },
	{ "shutdown", "", "shutdown of the router", 0, 0, NULL, COMMAND_BUILTIN },
	{ "load", "path", "load a configuration script", 1, 1, NULL, COMMAND_BUILTIN },
	{ "showinfo", "", "show what is served, and counters", 0, 0, run_showinfo, COMMAND_DATA },
	{ "connections", "", "list the connections between guests and the world", 0, 0, run_connections, COMMAND_DATA },
	{ "neighbours", "", "list the guests that were heard (ARP, NDP)", 0, 0, run_neighbours, COMMAND_DATA },
	{ "redir", "============", "REDIRECTIONS", 0, 0, NULL, 0 },
	{ "redir/list", "", "list: number, kind, text", 0, 0, run_redir_list, COMMAND_DATA },
	{ "redir/add", "KIND TEXT", "add; KIND: tcp udp x unix cmd, TEXT as for -L -U -X -x --guestfwd", 2, COMMAND_MAX_WORDS,
	  run_redir_add, 0 },
	{ "redir/del", "NUMBER", "end a redirection; its connections go on", 1, 1, run_redir_del, 0 },
	{ "dhcp", "============", "DHCP", 0, 0, NULL, 0 },
	{ "dhcp/leases", "", "list: MAC, address, state, seconds left, the guest's name", 0, 0, run_leases, COMMAND_DATA },
	{ 0 },
};
