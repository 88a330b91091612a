/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "slirpvde/options.h"

#include "common/number.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PROGRAM_SIX "slirpvde6"
#define RESOLVER_FILE "/etc/resolv.conf"

enum { PORT_MAX = 0xffffff, DHCP_COUNT_SIX = 10, DHCP_FIRST_SIX = 14 };

/* ---- the rows --------------------------------------------------------------------------------------------------- */

static int add_redirection(void *owner, enum forward_kind kind, const char *text)
{
	struct options *options = owner;

	if (options->redirection_count == FORWARD_MAX)
		return ENOSPC;
	options->redirection[options->redirection_count++] = (struct redirection){ kind, text };
	return 0;
}

static int take_tcp(void *owner, const char *value)
{
	return add_redirection(owner, FORWARD_TCP, value);
}

static int take_udp(void *owner, const char *value)
{
	return add_redirection(owner, FORWARD_UDP, value);
}

static int take_x(void *owner, const char *value)
{
	return add_redirection(owner, FORWARD_X, value);
}

static int take_unix(void *owner, const char *value)
{
	return add_redirection(owner, FORWARD_UNIX, value);
}

static int take_command(void *owner, const char *value)
{
	return add_redirection(owner, FORWARD_COMMAND, value);
}

static int take_dhcp(void *owner, const char *value)
{
	struct options *options = owner;

	options->dhcp = true;
	if (value)
		options->dhcp_text = value;
	return 0;
}

static int take_prefixes(void *owner, const char *value)
{
	struct options *options = owner;

	options->advertise = true;
	if (value)
		options->prefixes = value;
	return 0;
}

#define AT(member) offsetof(struct options, member)

static const struct cli_option rows[] = {
	{ 0, NULL, NULL, "The switch:", CLI_SECTION, 0, 0, 0, NULL },
	{ 's', "sock socket vdesock unix", "LOCATOR", "the network, instead of as a word; '-': a pipe", CLI_STRING,
	  AT(switch_name), 0, 0, NULL },
	{ 'P', "port", "N", "port of the switch; 0: any", CLI_UINT, AT(port), 0, PORT_MAX, NULL },
	{ 'g', "group", "GROUP", "group of the plug's socket", CLI_STRING, AT(group), 0, 0, NULL },
	{ 'm', "mod mode", "MODE", "octal permissions of the plug's socket", CLI_MODE, AT(mode), 0, 0, NULL },
	{ 0, NULL, NULL, "The virtual network:", CLI_SECTION, 0, 0, 0, NULL },
	{ 'H', "host", "ADDR[/LENGTH]", "the router's address, IPv4 or IPv6; may be given for each", CLI_LIST, AT(hosts), 0, 0,
	  NULL },
	{ 'n', "network", "ADDR[/LENGTH]", "the same", CLI_LIST, AT(hosts), 0, 0, NULL },
	{ 'N', "dns nameserver", "ADDR", "the DNS server's address, IPv4 or IPv6; may be given for each", CLI_LIST, AT(dns), 0,
	  0, NULL },
	{ 'D', "dhcp", "[ADDR[/COUNT]]", "serve DHCP, from this address, to so many clients", CLI_CALL, 0, 0, 0, take_dhcp },
	{ 'r', "radvd", "[PREFIX]", "send IPv6 router advertisements", CLI_CALL, 0, 0, 0, take_prefixes },
	{ 'R', "radvdrc", "FILE", NULL, CLI_STRING, AT(radvdrc), 0, 0, NULL },
	{ 't', "tftp", "DIR", "serve the files of a directory by TFTP", CLI_STRING, AT(tftp), 0, 0, NULL },
	{ 0, "bootfile", "NAME", "the file to boot from, told by DHCP", CLI_STRING, AT(bootfile), 0, 0, NULL },
	{ 0, "tftp-server-name", "NAME", "the TFTP server's name, told by DHCP", CLI_STRING, AT(tftp_server_name), 0, 0, NULL },
	{ 0, "hostname", "NAME", "the guests' host name, told by DHCP", CLI_STRING, AT(hostname), 0, 0, NULL },
	{ 0, "domain", "NAME", "the domain's name, told by DHCP", CLI_STRING, AT(domain), 0, 0, NULL },
	{ 0, "dns-search", "NAME[,...]", "domains to search, told by DHCP", CLI_COMMA_LIST, AT(dns_search), 0, 0, NULL },
	{ 0, "mtu", "BYTES", "longest packet; guests must agree (default: 1500)", CLI_UINT, AT(mtu), ENGINE_MTU_MIN,
	  ENGINE_MTU_MAX, NULL },
	{ 0, NULL, NULL, "Redirections (repeatable; ADDRESS: in front changes the address of the first port):", CLI_SECTION, 0, 0, 0, NULL },
	{ 'L', NULL, "PORT:GUEST:PORT", "a TCP port of this host leads to a guest", CLI_CALL, 0, 0, 0, take_tcp },
	{ 'U', NULL, "PORT:GUEST:PORT", "a UDP port of this host leads to a guest", CLI_CALL, 0, 0, 0, take_udp },
	{ 'X', NULL, "GUEST[:DISPLAY[.SCREEN]]", "the first free port of 6000 to 6100 leads to a guest's X display", CLI_CALL,
	  0, 0, 0, take_x },
	{ 'x', NULL, "PORT:PATH", "a TCP port of the router leads to a unix socket of this host", CLI_CALL, 0, 0, 0,
	  take_unix },
	{ 0, "guestfwd", "PORT:COMMAND", "a TCP port of the router leads to a command, run for each connection",
	  CLI_CALL, 0, 0, 0, take_command },
	{ 0, NULL, NULL, "What guests may reach:", CLI_SECTION, 0, 0, 0, NULL },
	{ 0, "restricted", NULL, "redirections and the services above, nothing else", CLI_FLAG, AT(restricted), 0, 0, NULL },
	{ 0, "no-host-loopback", NULL, "the router's address does not lead to this host", CLI_FLAG, AT(no_host_loopback), 0, 0,
	  NULL },
	{ 0, "outbound", "ADDR", "source address of connections to the world; may be given for IPv4 and IPv6", CLI_LIST,
	  AT(outbound), 0, 0, NULL },
	{ 0, NULL, NULL, "Running:", CLI_SECTION, 0, 0, 0, NULL },
	{ 'p', "pidfile", "FILE", "write the process id there", CLI_STRING, AT(pidfile), 0, 0, NULL },
	{ 'd', "daemon", NULL, "go to the background once connected", CLI_FLAG, AT(daemon), 0, 0, NULL },
	{ 'q', "quiet", NULL, "do not tell what is started", CLI_FLAG, AT(quiet), 0, 0, NULL },
	{ 'M', "mgmt", "SOCKET", "listen there for management commands", CLI_STRING, AT(management), 0, 0, NULL },
	{ 0, "mgmtmode", "MODE", "octal permissions of the management socket (default: 0600)", CLI_MODE, AT(management_mode), 0,
	  0, NULL },
	{ 0, "no-sandbox", NULL, "keep all rights after start-up", CLI_FLAG, AT(no_sandbox), 0, 0, NULL },
	{ 'v', "verbose", NULL, "tell more", CLI_FLAG, AT(verbose), 0, 0, NULL },
	{ 'h', "help", NULL, "show this", CLI_HELP, 0, 0, 0, NULL },
	{ 0, "version", NULL, "show the version", CLI_VERSION, 0, 0, 0, NULL },
	{ 0 },
};

enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

/* slirpvde6 differs in one row: its -N needs no address. */
static void rows_of_six(struct cli_option out[ROWS])
{
	memcpy(out, rows, sizeof(rows));
	for (unsigned i = 0; i < ROWS; i++)
		if (out[i].letter == 'N') {
			out[i].argument = "[ADDR]";
			out[i].help = "forward DNS questions (default: guests are told the host's server)";
		}
}

void options_parse(struct options *options, int argc, char **argv)
{
	const char *slash = strrchr(argv[0], '/');
	struct cli_option six[ROWS];
	struct cli cli = {
		.purpose = "Connects a virtual network to the world, without root: a router with NAT, DHCP, DNS and TFTP.",
		.options = rows,
		.max_words = 1,
	};
	int word;

	options->six = strcmp(slash ? slash + 1 : argv[0], PROGRAM_SIX) == 0;
	cli.synopsis = options->six ? "slirpvde6 [OPTIONS] [LOCATOR]" : "slirpvde [OPTIONS] [LOCATOR]";
	if (options->six) {
		rows_of_six(six);
		cli.options = six;
	}
	word = cli_parse(&cli, argc, argv, options);
	if (word < argc && options->switch_name)
		cli_usage_error(&cli, "'%s': the switch is given already, as '%s'", argv[word], options->switch_name);
	if (word < argc)
		options->switch_name = argv[word];
}

/* ---- from texts to a configuration ------------------------------------------------------------------------------ */

static int set_hosts(const struct options *options, struct engine_config *config, struct engine_error *error)
{
	for (size_t i = 0; i < options->hosts.count; i++) {
		const char *text = options->hosts.item[i];
		struct network network, *slot;
		int failed = address_parse_network(text, ENGINE_LENGTH4, ENGINE_LENGTH6, &network);

		if (failed)
			return engine_fail(error, "host '%s': %s", text,
					   failed == ERANGE ? "the length of the prefix is out of range"
							    : "not of the form ADDRESS or ADDRESS/LENGTH");
		slot = network.address.family == AF_INET ? &config->host4 : &config->host6;
		if (slot->address.family != AF_UNSPEC)
			return engine_fail(error, "host '%s': libslirp serves one network of each family, and there is one already",
					   text);
		*slot = network;
	}
	return 0;
}

static int default_host(const struct options *options, struct engine_config *config)
{
	if (config->host4.address.family != AF_UNSPEC || config->host6.address.family != AF_UNSPEC)
		return 0;
	return address_parse_network(options->six ? "10.0.2.1" : "10.0.2.2", ENGINE_LENGTH4, ENGINE_LENGTH6, &config->host4);
}

/* -r PREFIX names the network of the IPv6 host, or makes one. */
static int set_prefixes(const struct options *options, struct engine_config *config, struct engine_error *error)
{
	struct network network;
	char *slash;

	/* libslirp advertises the prefix of the router's address; intervals, lifetimes and routes cannot be chosen. */
	if (options->radvdrc)
		return engine_fail(error, "radvd configuration '%s': cannot be followed; --radvd=PREFIX advertises a prefix", options->radvdrc);
	config->advertise = options->advertise;
	if (!options->prefixes)
		return 0;
	slash = strchr(options->prefixes, ',');
	if (slash)
		return engine_fail(error, "prefixes '%s': libslirp advertises one", options->prefixes);
	if (address_parse_network(options->prefixes, ENGINE_LENGTH4, ENGINE_LENGTH6, &network) ||
	    network.address.family != AF_INET6)
		return engine_fail(error, "prefix '%s': not an IPv6 prefix", options->prefixes);
	if (config->host6.address.family == AF_UNSPEC)
		config->host6 = network;
	if (!address_in_network(&config->host6.address, &network) || network.length != config->host6.length)
		return engine_fail(error, "prefix '%s': not that of the IPv6 host address", options->prefixes);
	return 0;
}

/* ADDR[/COUNT] */
static int set_dhcp(const struct options *options, struct engine_config *config, struct engine_error *error)
{
	const char *text = options->dhcp_text;
	char address[ADDRESS_TEXT_SIZE];
	size_t length;
	int failed = 0;

	config->dhcp = options->dhcp;
	if (options->six && config->dhcp)
		config->dhcp_count = DHCP_COUNT_SIX;
	if (!text)
		return 0;
	length = strcspn(text, "/");
	if (length >= sizeof(address))
		return engine_fail(error, "dhcp '%s': not of the form ADDRESS or ADDRESS/COUNT", text);
	memcpy(address, text, length);
	address[length] = 0;
	if (text[length])
		failed = number_uint(text + length + 1, 1, ENGINE_DHCP_MAX, &config->dhcp_count);
	if (failed)
		return engine_fail(error, "dhcp '%s': the number of clients must be 1 to %d", text, ENGINE_DHCP_MAX);
	if (address_parse(address, &config->dhcp_start) || config->dhcp_start.family != AF_INET)
		return engine_fail(error, "dhcp '%s': not of the form ADDRESS or ADDRESS/COUNT, IPv4", text);
	return 0;
}

/* slirpvde6 begins at the fourteenth address after the router's. */
static void default_dhcp_of_six(const struct options *options, struct engine_config *config)
{
	uint32_t host = ntohl(config->host4.address.v4.s_addr);

	if (!options->six || !config->dhcp || config->dhcp_start.family != AF_UNSPEC ||
	    config->host4.address.family != AF_INET)
		return;
	config->dhcp_start = (struct address){ .family = AF_INET, .v4.s_addr = htonl(host + DHCP_FIRST_SIX) };
}

/* The host's first IPv4 resolver that a guest can reach by its address, if there is one. */
static void host_resolver(struct address *out)
{
	FILE *file = fopen(RESOLVER_FILE, "re");
	char line[512], word[64];
	struct address address;

	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, " nameserver %63s", word) != 1 || address_parse(word, &address) || address.family != AF_INET)
			continue;
		if (ntohl(address.v4.s_addr) >> 24 == 127)
			continue;
		*out = address;
		break;
	}
	if (file)
		fclose(file);
}

static int set_dns(const struct options *options, struct engine_config *config, struct engine_error *error)
{
	for (size_t i = 0; i < options->dns.count; i++) {
		const char *text = options->dns.item[i];
		struct address address, *slot;

		if (!*text)
			continue;
		if (address_parse(text, &address))
			return engine_fail(error, "dns '%s': not an address", text);
		slot = address.family == AF_INET ? &config->dns4 : &config->dns6;
		if (slot->family != AF_UNSPEC)
			return engine_fail(error, "dns '%s': there is one of this family already", text);
		*slot = address;
	}
	if (options->six && options->dns.count == 0 && config->host4.address.family == AF_INET)
		host_resolver(&config->dns4);
	return 0;
}

/* Can connections come from there? 0, or why not. */
static int try_source(const struct address *address)
{
	struct sockaddr_storage source;
	socklen_t size = address_to_sockaddr(address, 0, &source);
	int fd = socket(address->family, SOCK_DGRAM | SOCK_CLOEXEC, 0), failed = 0;

	if (fd < 0)
		return errno;
	if (bind(fd, (struct sockaddr *)&source, size) < 0)
		failed = errno;
	close(fd);
	return failed;
}

static int set_outbound(const struct options *options, struct engine_config *config, struct engine_error *error)
{
	for (size_t i = 0; i < options->outbound.count; i++) {
		const char *text = options->outbound.item[i];
		struct address address, *slot;
		int failed;

		if (address_parse(text, &address))
			return engine_fail(error, "outbound '%s': not an address", text);
		slot = address.family == AF_INET ? &config->outbound4 : &config->outbound6;
		if (slot->family != AF_UNSPEC)
			return engine_fail(error, "outbound '%s': there is one of this family already", text);
		failed = try_source(&address);
		if (failed)
			return engine_fail(error, "outbound '%s': %s", text, strerror(failed));
		*slot = address;
	}
	return 0;
}

/* 0 for a directory whose files can be reached, else an errno value. */
static int check_directory(const char *path)
{
	struct stat status;

	if (stat(path, &status) < 0)
		return errno;
	if (!S_ISDIR(status.st_mode))
		return ENOTDIR;
	return access(path, X_OK) < 0 ? errno : 0;
}

static int set_tftp(struct options *options, struct engine_config *config, struct engine_error *error)
{
	char *real;
	int failed;

	if (!options->tftp)
		return 0;
	real = realpath(options->tftp, NULL);
	failed = real ? check_directory(real) : errno;
	if (failed) {
		free(real);
		return engine_fail(error, "tftp '%s': %s", options->tftp, strerror(failed));
	}
	options->tftp = real;
	config->tftp_directory = real;
	return 0;
}

static void set_texts(const struct options *options, struct engine_config *config)
{
	config->hostname = options->hostname;
	config->domain = options->domain;
	config->dns_search = options->dns_search.item;
	config->bootfile = options->bootfile;
	config->tftp_server_name = options->tftp_server_name;
	config->mtu = options->mtu;
	config->restricted = options->restricted;
	config->no_host_loopback = options->no_host_loopback;
}

int options_configure(struct options *options, struct engine_config *config, struct engine_error *error)
{
	int failed;

	memset(config, 0, sizeof(*config));
	set_texts(options, config);
	failed = set_hosts(options, config, error);
	if (!failed)
		failed = set_prefixes(options, config, error);
	if (!failed)
		failed = default_host(options, config);
	if (!failed)
		failed = set_dhcp(options, config, error);
	if (!failed)
		failed = set_dns(options, config, error);
	if (!failed)
		failed = set_outbound(options, config, error);
	if (!failed)
		failed = set_tftp(options, config, error);
	if (failed)
		return failed;
	default_dhcp_of_six(options, config);
	return engine_config_complete(config, error);
}

/* ---- the start-up text ------------------------------------------------------------------------------------------ */

static const char *const redirection_labels[FORWARD_KINDS] = {
	[FORWARD_TCP] = "redir TCP", [FORWARD_UDP] = "redir UDP", [FORWARD_X] = "redir X",
	[FORWARD_UNIX] = "redir unix", [FORWARD_COMMAND] = "redir cmd",
};

static void print_line(const char *label, const char *value)
{
	fprintf(stderr, "                   %-12s=%s\n", label, value);
}

static void print_address(const char *label, const struct address *address)
{
	char text[ADDRESS_TEXT_SIZE];

	print_line(label, address_text(address, text));
}

static void print_hosts(const struct options *options, const struct engine_config *config)
{
	const struct network *host[] = { &config->host4, &config->host6 };
	bool first = true;

	for (unsigned i = 0; i < 2; i++) {
		char text[ADDRESS_TEXT_SIZE];

		if (host[i]->address.family == AF_UNSPEC)
			continue;
		if (first)
			fprintf(stderr, "Starting %s: ", options->six ? "slirpvde6" : "slirpvde");
		else
			fprintf(stderr, "                   ");
		fprintf(stderr, "virtual_host=%s/%u\n", address_text(&host[i]->address, text), host[i]->length);
		first = false;
	}
}

void options_print(const struct options *options, const struct engine_config *config, const struct forward_table *forwards)
{
	const char *name = options->switch_name;

	print_hosts(options, config);
	if (config->dns4.family != AF_UNSPEC)
		print_address("DNS", &config->dns4);
	if (config->dns6.family != AF_UNSPEC)
		print_address("DNS", &config->dns6);
	if (config->dhcp)
		print_address("dhcp_start", &config->dhcp_start);
	if (config->tftp_directory)
		print_line("tftp prefix", config->tftp_directory);
	print_line("vde switch", name && *name ? name : "*DEFAULT*");
	for (unsigned i = 0; i < forwards->count; i++) {
		char text[FORWARD_TEXT_SIZE];

		print_line(redirection_labels[forwards->row[i].kind], forward_text(&forwards->row[i], text));
	}
	fflush(stderr);
}
