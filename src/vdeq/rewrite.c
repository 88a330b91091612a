/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation. The first pass collects the nets: each -net option and each socket of -sock, with the number of its vlan (once a hub inside QEMU). The second
 * copies the words and puts in each net's place what it is now. One interface and one backend alone in a vlan are joined directly; any other
 * company meets at a hub: each gets a "hubport" of the number of the vlan.
 *
 * Interfaces stay "-net nic": unlike -device it knows the old names of models, and the machine's own choice when none is named.
 */
#include "vdeq/rewrite.h"

#include "common/number.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum net_kind { NET_NIC, NET_VDE, NET_OTHER };

enum { VLAN_MAX_NUMBER = 65535, VALUE_SIZE = 4096 };

struct net {
	enum net_kind kind;
	const char *text;               /* "nic,model=e1000", or of a -sock: its socket */
	size_t word;                    /* where it stood */
	size_t length;                  /* of the socket of a -sock; 0: a -net option */
	unsigned vlan;
	bool adds_nic;                  /* of a -sock for which no interface was written */
};

struct rewrite {
	const struct vdeq_config *config;
	struct vdeq_words *out;
	struct net net[VDEQ_NETS_MAX];
	unsigned count;
	unsigned nics;                  /* that got an address so far */
	const char *mode;               /* of --mod */
	int error;
};

/* A parameter of an option's value, with its commas doubled as QEMU wants them. */
struct parameter {
	const char *text;
	size_t length;
};

static int fail(struct rewrite *rewrite, int error, const char *format, ...) __attribute__((format(printf, 3, 4)));

static int fail(struct rewrite *rewrite, int error, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(rewrite->out->error, sizeof(rewrite->out->error), format, arguments);
	va_end(arguments);
	rewrite->error = error;
	return error;
}

static bool is_option(const char *word, const char *const *names)
{
	if (word[0] != '-')
		return false;
	word += word[1] == '-' ? 2 : 1;
	for (; *names; names++)
		if (strcmp(word, *names) == 0)
			return true;
	return false;
}

static bool is_net(const char *word)
{
	return is_option(word, (const char *const[]){ "net", NULL });
}

static bool is_sock(const char *word)
{
	return is_option(word, (const char *const[]){ "sock", "vdesock", "unix", NULL });
}

static bool is_mode(const char *word)
{
	return is_option(word, (const char *const[]){ "mod", NULL });
}

/* The next parameter, and *text behind it; false at the end. */
static bool next_parameter(const char **text, struct parameter *parameter)
{
	const char *at = *text;

	if (!at || !*at)
		return false;
	while (*at && (at[0] != ',' || at[1] == ','))
		at += at[0] == ',' ? 2 : 1;
	*parameter = (struct parameter){ *text, (size_t)(at - *text) };
	*text = *at ? at + 1 : at;
	return true;
}

static bool is_named(const struct parameter *parameter, const char *name)
{
	size_t length = strlen(name);

	return parameter->length > length && strncmp(parameter->text, name, length) == 0 && parameter->text[length] == '=';
}

/* Finds NAME=VALUE and writes the value, commas undoubled. False when there is none, or it is longer than VALUE_SIZE. */
static bool find_value(const char *text, const char *name, char value[VALUE_SIZE])
{
	struct parameter parameter;
	size_t at = 0;

	while (next_parameter(&text, &parameter)) {
		if (!is_named(&parameter, name) || parameter.length >= VALUE_SIZE)
			continue;
		for (size_t i = strlen(name) + 1; i < parameter.length; i++) {
			value[at++] = parameter.text[i];
			if (parameter.text[i] == ',')
				i++;
		}
		value[at] = '\0';
		return true;
	}
	return false;
}

static bool is_type(const char *text, const char *type)
{
	size_t length = strlen(type);

	return strncmp(text, type, length) == 0 && (text[length] == ',' || text[length] == '\0');
}

/* What is not a member of a vlan: it stays as it is. */
static bool stands_alone(const char *text)
{
	static const char *const types[] = { "none", "dump", "help", "?", "channel" };
	char value[VALUE_SIZE];

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (is_type(text, types[i]))
			return true;
	return find_value(text, "netdev", value);
}

bool vdeq_is_old(char *const *words)
{
	for (size_t i = 0; words[i] && words[i + 1]; i++)
		if ((is_net(words[i]) && is_type(words[i + 1], "vde")) || is_sock(words[i]))
			return true;
	return false;
}

/* ---- the first pass ---- */

static struct net *add_net(struct rewrite *rewrite, enum net_kind kind, const char *text, size_t word)
{
	struct net *net = &rewrite->net[rewrite->count];

	if (rewrite->count == VDEQ_NETS_MAX) {
		fail(rewrite, E2BIG, "more than %d networks", VDEQ_NETS_MAX);
		return NULL;
	}
	rewrite->count++;
	*net = (struct net){ .kind = kind, .text = text, .word = word };
	return net;
}

static void collect_net(struct rewrite *rewrite, const char *text, size_t word)
{
	char value[VALUE_SIZE];
	struct net *net;

	if (stands_alone(text))
		return;
	net = add_net(rewrite, is_type(text, "nic") ? NET_NIC : is_type(text, "vde") ? NET_VDE : NET_OTHER, text, word);
	if (net && find_value(text, "vlan", value) && number_uint(value, 0, VLAN_MAX_NUMBER, &net->vlan) != 0)
		fail(rewrite, EINVAL, "-net %.60s: vlan is a number from 0 to %d", text, VLAN_MAX_NUMBER);
}

static void collect_sockets(struct rewrite *rewrite, const char *text, size_t word)
{
	while (*text && !rewrite->error) {
		size_t length = strcspn(text, ",");
		struct net *net = length > 0 ? add_net(rewrite, NET_VDE, text, word) : NULL;

		if (net)
			net->length = length;
		text += length;
		text += *text == ',';
	}
}

static unsigned members(const struct rewrite *rewrite, unsigned vlan, bool nics)
{
	unsigned count = 0;

	for (unsigned i = 0; i < rewrite->count; i++)
		count += rewrite->net[i].vlan == vlan && (rewrite->net[i].kind == NET_NIC) == nics;
	return count;
}

/* Each socket of -sock goes to an interface that has no company yet, else to a vlan and an interface of its own. */
static void place_sockets(struct rewrite *rewrite)
{
	unsigned next = VLAN_MAX_NUMBER + 1;

	for (unsigned i = 0; i < rewrite->count; i++)
		if (rewrite->net[i].length > 0)
			rewrite->net[i].vlan = next++;
	for (unsigned i = 0; i < rewrite->count; i++) {
		struct net *net = &rewrite->net[i];

		if (net->length == 0)
			continue;
		net->adds_nic = true;
		for (unsigned j = 0; j < rewrite->count && net->adds_nic; j++) {
			if (rewrite->net[j].kind != NET_NIC || members(rewrite, rewrite->net[j].vlan, false) > 0)
				continue;
			net->vlan = rewrite->net[j].vlan;
			net->adds_nic = false;
		}
	}
}

static void collect(struct rewrite *rewrite, char *const *words)
{
	for (size_t i = 0; words[i] && words[i + 1] && !rewrite->error; i++) {
		const char *option = words[i];

		if (is_net(option))
			collect_net(rewrite, words[i + 1], i + 1);
		else if (is_sock(option))
			collect_sockets(rewrite, words[i + 1], i + 1);
		else if (is_mode(option))
			rewrite->mode = words[i + 1];
		i += is_net(option) || is_sock(option) || is_mode(option);
	}
	place_sockets(rewrite);
}

/* ---- the second pass ---- */

static void add_word(struct rewrite *rewrite, const char *text, size_t length)
{
	struct vdeq_words *out = rewrite->out;

	if (out->count + 2 > out->size) {
		size_t size = out->size ? out->size * 2 : 32;
		char **grown = realloc(out->word, size * sizeof(*grown));

		if (!grown) {
			fail(rewrite, ENOMEM, "out of memory");
			return;
		}
		out->word = grown;
		out->size = size;
	}
	out->word[out->count] = strndup(text, length);
	if (!out->word[out->count])
		fail(rewrite, ENOMEM, "out of memory");
	else
		out->word[++out->count] = NULL;
}

/* A word that grows by pieces. */
struct builder {
	char *text;
	size_t length;
	FILE *stream;
};

static bool builder_open(struct rewrite *rewrite, struct builder *builder)
{
	builder->stream = open_memstream(&builder->text, &builder->length);
	if (!builder->stream)
		fail(rewrite, errno, "out of memory");
	return builder->stream != NULL;
}

static void builder_finish(struct rewrite *rewrite, struct builder *builder, const char *option)
{
	if (fclose(builder->stream) != 0)
		fail(rewrite, ENOMEM, "out of memory");
	else {
		add_word(rewrite, option, strlen(option));
		add_word(rewrite, builder->text, builder->length);
	}
	free(builder->text);
}

/* The parameters behind the type, without those that mean nothing any more. */
static void copy_parameters(FILE *stream, const char *text, bool nic)
{
	struct parameter parameter;

	next_parameter(&text, &parameter);
	while (next_parameter(&text, &parameter))
		if (!is_named(&parameter, "vlan") && (nic || (!is_named(&parameter, "name") && !is_named(&parameter, "id"))))
			fprintf(stream, ",%.*s", (int)parameter.length, parameter.text);
}

static void write_mac(struct rewrite *rewrite, FILE *stream)
{
	const uint8_t *mac = rewrite->config->mac;
	uint32_t number = ((uint32_t)mac[0] << 16 | (uint32_t)mac[1] << 8 | mac[2]) + rewrite->nics++;

	fprintf(stream, ",macaddr=52:54:00:%02x:%02x:%02x", number >> 16 & 0xff, number >> 8 & 0xff, number & 0xff);
}

/* text NULL: an interface that was not written. */
static void emit_nic(struct rewrite *rewrite, const char *text, const char *prefix, unsigned index)
{
	char value[VALUE_SIZE];
	struct builder builder;

	if (!builder_open(rewrite, &builder))
		return;
	fprintf(builder.stream, "nic,netdev=%s%u", prefix, index);
	if (!text || !find_value(text, "macaddr", value))
		write_mac(rewrite, builder.stream);
	copy_parameters(builder.stream, text, true);
	builder_finish(rewrite, &builder, "-net");
}

static void emit_hubport(struct rewrite *rewrite, const struct net *net, unsigned index)
{
	struct builder builder;

	if (!builder_open(rewrite, &builder))
		return;
	fprintf(builder.stream, "hubport,id=vdeqhub%u,hubid=%u", index, net->vlan);
	if (net->kind != NET_NIC)
		fprintf(builder.stream, ",netdev=vdeq%u", index);
	builder_finish(rewrite, &builder, "-netdev");
}

/* Asks for the connection that QEMU cannot make; writes the backend that uses it. */
static void write_plug(struct rewrite *rewrite, FILE *stream, const struct net *net, unsigned index)
{
	char socket[VALUE_SIZE], group[VALUE_SIZE], value[VALUE_SIZE];
	struct vdeq_plug plug = { .mode = 0700 };
	mode_t mode = 0700;
	int fd;

	if (net->length >= sizeof(socket)) {
		fail(rewrite, ENAMETOOLONG, "-sock: a name is too long");
		return;
	}
	if (net->length > 0) {
		memcpy(socket, net->text, net->length);
		socket[net->length] = '\0';
		plug.socket = socket;
	} else if (find_value(net->text, "sock", socket)) {
		plug.socket = socket;
	}
	if (net->length == 0 && find_value(net->text, "group", group))
		plug.group = group;
	if (net->length == 0 && find_value(net->text, "port", value) && number_uint(value, 0, 65535, &plug.port) != 0)
		fail(rewrite, EINVAL, "-net vde: port '%.20s' is not a number from 0 to 65535", value);
	if (net->length == 0 && find_value(net->text, "mode", value) && number_mode(value, &mode) != 0)
		fail(rewrite, EINVAL, "-net vde: mode '%.20s' is not an octal number", value);
	if (net->length > 0 && rewrite->mode && number_mode(rewrite->mode, &mode) != 0)
		fail(rewrite, EINVAL, "--mod '%.20s' is not an octal number", rewrite->mode);
	plug.mode = mode;
	if (rewrite->error)
		return;
	fd = rewrite->config->plug(rewrite->config->owner, &plug);
	if (fd < 0)
		fail(rewrite, errno, "%.100s: %s", plug.socket ? plug.socket : "default switch", strerror(errno));
	fprintf(stream, "socket,id=vdeq%u,fd=%d", index, fd);
}

static void write_backend(struct rewrite *rewrite, FILE *stream, const struct net *net, unsigned index)
{
	mode_t mode;

	if (net->kind == NET_VDE && !rewrite->config->netdev_vde) {
		write_plug(rewrite, stream, net, index);
	} else if (net->length == 0) {
		fprintf(stream, "%.*s,id=vdeq%u", (int)strcspn(net->text, ","), net->text, index);
		copy_parameters(stream, net->text, false);
	} else {
		fprintf(stream, "vde,id=vdeq%u,sock=%.*s", index, (int)net->length, net->text);
		if (rewrite->mode && number_mode(rewrite->mode, &mode) != 0)
			fail(rewrite, EINVAL, "--mod '%.20s' is not an octal number", rewrite->mode);
		else if (rewrite->mode)
			fprintf(stream, ",mode=0%o", (unsigned)mode);
	}
}

static void emit_backend(struct rewrite *rewrite, const struct net *net, unsigned index)
{
	struct builder builder;

	if (!builder_open(rewrite, &builder))
		return;
	write_backend(rewrite, builder.stream, net, index);
	builder_finish(rewrite, &builder, "-netdev");
}

/* The one backend of an interface's vlan. */
static unsigned backend_of(const struct rewrite *rewrite, unsigned vlan)
{
	unsigned i = 0;

	while (rewrite->net[i].vlan != vlan || rewrite->net[i].kind == NET_NIC)
		i++;
	return i;
}

static void emit(struct rewrite *rewrite, unsigned index)
{
	const struct net *net = &rewrite->net[index];
	unsigned nics = members(rewrite, net->vlan, true), backends = members(rewrite, net->vlan, false);
	bool direct = nics <= 1 && backends == 1;

	if (net->kind != NET_NIC)
		emit_backend(rewrite, net, index);
	if (!direct)
		emit_hubport(rewrite, net, index);
	if (net->kind == NET_NIC)
		emit_nic(rewrite, net->text, direct ? "vdeq" : "vdeqhub", direct ? backend_of(rewrite, net->vlan) : index);
	else if (net->adds_nic)
		emit_nic(rewrite, NULL, "vdeq", index);
}

static unsigned emit_place(struct rewrite *rewrite, size_t word)
{
	unsigned found = 0;

	for (unsigned i = 0; i < rewrite->count && !rewrite->error; i++) {
		if (rewrite->net[i].word != word)
			continue;
		emit(rewrite, i);
		found++;
	}
	return found;
}

int vdeq_rewrite(const struct vdeq_config *config, char *const *words, struct vdeq_words *out)
{
	struct rewrite rewrite = { .config = config, .out = out };
	bool old = vdeq_is_old(words);

	*out = (struct vdeq_words){ .word = NULL };
	if (old)
		collect(&rewrite, words);
	for (size_t i = 0; words[i] && !rewrite.error; i++) {
		bool pair = old && words[i + 1] && (is_net(words[i]) || is_sock(words[i]) || is_mode(words[i]));

		if (pair && (emit_place(&rewrite, i + 1) > 0 || !is_net(words[i])))
			i++;
		else if (!rewrite.error)
			add_word(&rewrite, words[i], strlen(words[i]));
	}
	return rewrite.error;
}

void vdeq_free(struct vdeq_words *words)
{
	for (size_t i = 0; i < words->count; i++)
		free(words->word[i]);
	free(words->word);
	*words = (struct vdeq_words){ .word = NULL };
}
