/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "slirp_options.h"

#include "common/number.h"

#include <errno.h>
#include <libvdeplug_mod.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* The texts of all options: a row each, in the order in which shortened keys are tried. */
enum key {
	KEY_RESTRICTED, KEY_V4, KEY_V6, KEY_HOST, KEY_ADDR, KEY_HOST6, KEY_ADDR6, KEY_HOSTNAME, KEY_TFTP_SERVER_NAME, KEY_TFTP_PATH, KEY_BOOTFILE,
	KEY_DHCP, KEY_NAMESERVER, KEY_NAMESERVER6, KEY_SEARCH, KEY_DOMAIN, KEY_MTU, KEY_MRU, KEY_NO_LOOPBACK, KEY_TCPFWD, KEY_UDPFWD, KEY_UNIXFWD,
	KEY_CMDFWD, KEY_VERBOSE, KEYS,
};

enum { KEY_SIZE = 24 };

static const char keys[KEYS][KEY_SIZE] = {
	"restricted", "v4", "v6", "host", "addr", "host6", "addr6", "hostname", "tftp_server_name", "tftp_path", "bootfile",
	"dhcp", "vnameserver", "vnameserver6", "vdnssearch", "vdomainname", "mtu", "mru", "disable_host_loopback", "tcpfwd", "udpfwd", "unixfwd",
	"cmdfwd", "verbose",
};

static int set_host(struct network *host, const char *key, const char *text, int family, struct engine_error *error)
{
	if (address_parse_network(text, ENGINE_LENGTH4, ENGINE_LENGTH6, host) != 0 || host->address.family != family)
		return engine_fail(error, "%s=%s: not an address, or ADDRESS/LENGTH (quoted: the '/' separates options)", key, text);
	return 0;
}

/* Both families, unless one alone is named. An address alone names nothing. */
static int set_hosts(struct slirp_options *options, char *const value[KEYS], struct engine_error *error)
{
	enum key key4 = value[KEY_ADDR] != NULL ? KEY_ADDR : KEY_HOST, key6 = value[KEY_ADDR6] != NULL ? KEY_ADDR6 : KEY_HOST6;
	bool both = (value[KEY_V4] != NULL) == (value[KEY_V6] != NULL);
	int failed = 0;

	if (both || value[KEY_V4] != NULL)
		failed = set_host(&options->config.host4, keys[key4], value[key4] != NULL ? value[key4] : "10.0.2.2/24", AF_INET, error);
	if (failed == 0 && (both || value[KEY_V6] != NULL)) {
		failed = set_host(&options->config.host6, keys[key6], value[key6] != NULL ? value[key6] : "fd00::2/64", AF_INET6, error);
		/* Advertised wherever guests can make an address of it. */
		options->config.advertise = options->config.host6.length == ENGINE_LENGTH6;
	}
	return failed;
}

static int set_address(struct address *address, const char *key, const char *text, int family, struct engine_error *error)
{
	if (text == NULL || (address_parse(text, address) == 0 && address->family == family))
		return 0;
	return engine_fail(error, "%s=%s: not an IPv%d address", key, text, family == AF_INET ? 4 : 6);
}

static int set_addresses(struct engine_config *config, char *const value[KEYS], struct engine_error *error)
{
	int failed = set_address(&config->dhcp_start, "dhcp", value[KEY_DHCP], AF_INET, error);

	if (failed == 0)
		failed = set_address(&config->dns4, "vnameserver", value[KEY_NAMESERVER], AF_INET, error);
	if (failed == 0)
		failed = set_address(&config->dns6, "vnameserver6", value[KEY_NAMESERVER6], AF_INET6, error);
	return failed;
}

/* 0 is the default. */
static int set_size(unsigned *size, const char *key, const char *text, struct engine_error *error)
{
	if (text == NULL || number_uint(text, 0, ENGINE_MTU_MAX, size) == 0)
		return 0;
	return engine_fail(error, "%s=%s: not a number from 0 to %d", key, text, ENGINE_MTU_MAX);
}

static int set_search(struct slirp_options *options, char *list, struct engine_error *error)
{
	unsigned count = 0;
	char *rest = NULL;

	if (list == NULL)
		return 0;
	for (char *name = strtok_r(list, ",", &rest); name != NULL; name = strtok_r(NULL, ",", &rest)) {
		if (count == SLIRP_SEARCH_MAX)
			return engine_fail(error, "vdnssearch: more than %d domains", SLIRP_SEARCH_MAX);
		options->search[count++] = name;
	}
	options->config.dns_search = options->search;
	return 0;
}

static int set_tftp(struct slirp_options *options, const char *path, struct engine_error *error)
{
	struct stat status;

	if (path == NULL)
		return 0;
	options->tftp = realpath(path, NULL);
	if (options->tftp == NULL || stat(options->tftp, &status) != 0)
		return engine_fail(error, "tftp_path=%s: %s", path, strerror(errno));
	if (!S_ISDIR(status.st_mode))
		return engine_fail(error, "tftp_path=%s: not a directory", path);
	options->config.tftp_directory = options->tftp;
	return 0;
}

static void set_texts(struct slirp_options *options, char *const value[KEYS])
{
	struct engine_config *config = &options->config;

	config->hostname = value[KEY_HOSTNAME] != NULL ? value[KEY_HOSTNAME] : "slirp";
	config->domain = value[KEY_DOMAIN];
	config->bootfile = value[KEY_BOOTFILE];
	config->tftp_server_name = value[KEY_TFTP_SERVER_NAME];
	config->restricted = value[KEY_RESTRICTED] != NULL;
	config->no_host_loopback = value[KEY_NO_LOOPBACK] != NULL;
	options->verbose = value[KEY_VERBOSE] != NULL;
	options->forwards[FORWARD_TCP] = value[KEY_TCPFWD];
	options->forwards[FORWARD_UDP] = value[KEY_UDPFWD];
	options->forwards[FORWARD_UNIX] = value[KEY_UNIXFWD];
	options->forwards[FORWARD_COMMAND] = value[KEY_CMDFWD];
}

static int configure(struct slirp_options *options, char *const value[KEYS], struct engine_error *error)
{
	struct engine_config *config = &options->config;
	int failed = set_hosts(options, value, error);

	set_texts(options, value);
	config->dhcp = config->host4.address.family == AF_INET;
	if (failed == 0)
		failed = set_addresses(config, value, error);
	if (failed == 0)
		failed = set_size(&config->mtu, "mtu", value[KEY_MTU], error);
	if (failed == 0)
		failed = set_size(&config->mru, "mru", value[KEY_MRU], error);
	if (failed == 0)
		failed = set_search(options, value[KEY_SEARCH], error);
	if (failed == 0)
		failed = set_tftp(options, value[KEY_TFTP_PATH], error);
	return failed != 0 ? failed : engine_config_complete(config, error);
}

int slirp_options_parse(struct slirp_options *options, const char *arguments, struct engine_error *error)
{
	char tags[KEYS][KEY_SIZE], *value[KEYS] = {NULL};
	struct vdeparms parms[KEYS + 1] = {{NULL, NULL}};

	memset(options, 0, sizeof(*options));
	engine_fail(error, "%s", strerror(ENOMEM));
	options->text = strdup(arguments);
	if (options->text == NULL)
		return ENOMEM;
	memcpy(tags, keys, sizeof(tags));
	for (unsigned i = 0; i < KEYS; i++)
		parms[i] = (struct vdeparms){tags[i], &value[i]};
	if (vde_parseparms(options->text, parms) != 0)
		return engine_fail(error, "the options cannot be understood");
	if (options->text[0] != '\0')
		fprintf(stderr, "libvdeplug: slirp: %s: options begin with a '/', as in slirp:///verbose; this is ignored\n", options->text);
	return configure(options, value, error);
}

void slirp_options_free(struct slirp_options *options)
{
	free(options->text);
	free(options->tftp);
	options->text = options->tftp = NULL;
}

/* PORT: or ADDRESS:PORT: */
static bool begins_redirection(const char *text)
{
	size_t length = strspn(text, "0123456789.");

	return length > 0 && text[length] == ':';
}

char *slirp_options_next(enum forward_kind kind, char **list)
{
	bool has_target = kind == FORWARD_UNIX || kind == FORWARD_COMMAND;
	char *item = *list, *comma;

	if (item == NULL || *item == '\0')
		return NULL;
	comma = strchr(item, ',');
	while (comma != NULL && has_target && !begins_redirection(comma + 1))
		comma = strchr(comma + 1, ',');
	*list = comma != NULL ? comma + 1 : NULL;
	if (comma != NULL)
		*comma = '\0';
	return item;
}
