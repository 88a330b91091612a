/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* agno://[KEYFILE][[ethtype=TYPE]]{NESTED}: the frames of the nested network are encrypted (agno.h). A shared object. */
#include "agno.h"
#include "nest.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { KEY_FILE_MAX = 4096, PASSWD_BUFFER = 4096 };

struct agno_conn {
	struct nest_conn nest;          /* first */
	struct agno agno;
};

static struct agno *agno_of(struct nest_conn *nest)
{
	return &((struct agno_conn *)(void *)nest)->agno;
}

/* ---- opening ---- */

/* "" and "~REST" are in the home directory that the system's list of users has. Returns 0 or an errno value. */
static int key_path(char path[PATH_MAX], const char *text)
{
	char buffer[PASSWD_BUFFER];
	struct passwd entry, *found = NULL;
	int n;

	if (text[0] == '/') {
		n = snprintf(path, PATH_MAX, "%s", text);
	} else if (text[0] == '~' || text[0] == '\0') {
		if (getpwuid_r(geteuid(), &entry, buffer, sizeof(buffer), &found) != 0 || found == NULL)
			return ENOENT;
		n = snprintf(path, PATH_MAX, "%s/%s", found->pw_dir, text[0] == '~' ? text + 1 : ".vde_agno_key");
	} else {
		fprintf(stderr, "libvdeplug: agno: %s: a key file begins with '/' or '~'\n", text);
		return EINVAL;
	}
	return n > 0 && n < PATH_MAX ? 0 : ENAMETOOLONG;
}

static int read_file(const char *path, char *text, size_t size, size_t *length)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	ssize_t n = 1;

	if (fd < 0)
		return errno;
	for (*length = 0; *length < size && n > 0; *length += n > 0 ? (size_t)n : 0)
		n = read(fd, text + *length, size - *length);
	close(fd);
	return n < 0 ? errno : 0;
}

static int read_key(uint8_t key[AGNO_KEY], const char *file)
{
	char path[PATH_MAX], text[KEY_FILE_MAX] = "";
	size_t length = 0;
	int error = key_path(path, file);

	if (error != 0)
		return error;
	error = read_file(path, text, sizeof(text), &length);
	if (error != 0)
		fprintf(stderr, "libvdeplug: agno: %s: %s\n", path, strerror(error));
	else if ((error = agno_read_key(key, text, length)) != 0)
		fprintf(stderr, "libvdeplug: agno: %s: no key: it should have 32 hexadecimal digits\n", path);
	else if (memchr(text, 'A', length) != NULL)
		fprintf(stderr, "libvdeplug: agno: %s: the module of VDE 4 takes 'A' for 1; write 'a'\n", path);
	explicit_bzero(text, sizeof(text));
	return error;
}

/* What the text before the brace says. */
static int read_arguments(char *text, uint8_t key[AGNO_KEY], uint16_t *type)
{
	char tag[] = "ethtype", *value = NULL;
	struct vdeparms parms[] = {{tag, &value}, {NULL, NULL}};

	if (vde_parsepathparms(text, parms) != 0)
		return EINVAL;
	if (agno_read_type(type, value != NULL ? value : "") != 0) {
		fprintf(stderr, "libvdeplug: agno: ethtype=%s: not copy, ipv4, ipv6, rand, or a number from 0x600 to 0xfffe\n", value);
		return EINVAL;
	}
	return read_key(key, text);
}

/* ---- frames ---- */

static uint32_t now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME_COARSE, &now);
	return (uint32_t)now.tv_sec;
}

static_assert((int)NEST_GROWTH >= (int)AGNO_GROWTH, "room for what is added");

static size_t outward(struct nest_conn *nest, const uint8_t *frame, size_t length, uint8_t *out)
{
	return agno_encrypt(agno_of(nest), frame, length, now_s(), out);
}

static size_t inward(struct nest_conn *nest, uint8_t *frame, size_t length, size_t size)
{
	(void)size;
	return agno_decrypt(agno_of(nest), frame, length, now_s());
}

static void destroy(struct nest_conn *nest)
{
	agno_finish(agno_of(nest));
}

static const struct nest_kind agno_kind = {.outward = outward, .inward = inward, .destroy = destroy};

static VDECONN *agno_open(char *arguments, char *description, int interface_version, struct vde_open_args *args)
{
	char *nested = vde_parsenestparms(arguments);
	struct nest_conn *nest = NULL;
	uint8_t key[AGNO_KEY];
	uint16_t type;
	int error = read_arguments(arguments, key, &type);

	if (error == 0) {
		nest = nest_open(&agno_kind, sizeof(struct agno_conn), nested, description, interface_version, args);
		error = nest != NULL ? agno_init(agno_of(nest), key, type) : errno;
	}
	explicit_bzero(key, sizeof(key));
	if (error == 0)
		return (VDECONN *)(void *)nest;
	if (nest != NULL)
		nest_close((VDECONN *)(void *)nest);
	errno = error;
	return NULL;
}

/* The library that opens us looks for this name. */
extern __attribute__((visibility("default"))) struct builtin_module vdeplug_ops;
struct builtin_module vdeplug_ops = {
	.module = {MODULE_OURS, agno_open, nest_recv, nest_send, nest_datafd, nest_ctlfd, nest_close},
	.name = "agno",
	.recv_batch = nest_recv_batch,
	.pending = nest_pending,
	.send_batch = nest_send_batch,
};
