/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The functions of libvdeplug.h: a connection is opened through the locator, everything else is passed to its module. */
#include "dynload.h"
#include "locator.h"
#include "module.h"
#include "plug_protocol.h"

#include <errno.h>
#include <libvdeplug_mod.h>
#include <poll.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

static_assert(MAXDESCR == PLUG_DESCRIPTION_MAX + 1, "a description and its NUL");
#if defined(__LP64__)
static_assert(sizeof(struct vde_open_args) == 24 && offsetof(struct vde_open_args, group) == 8 &&
	      offsetof(struct vde_open_args, mode) == 16, "binary interface");
static_assert(offsetof(struct vdeconn, module) == 8 && offsetof(struct vdeconn, data) == 16, "binary interface");
static_assert(sizeof(struct vdeplug_module) == 56 && offsetof(struct vdeplug_module, vde_open_real) == 8 &&
	      offsetof(struct vdeplug_module, vde_close) == 48, "binary interface");
static_assert(sizeof(struct vdeparms) == 16, "binary interface");
#endif

/* Part of the binary interface: modules take its address to find this library. */
extern uint64_t __vde_version_tag;
uint64_t __vde_version_tag = 4;

/* "DESCRIPTION user=NAME pid=N SSH=ADDRESS", cut to what a request can carry. */
static void describe(char *out, size_t size, const char *description)
{
	const char *ssh = trusted_getenv("SSH_CLIENT");
	char buffer[1024], user[32];
	struct passwd entry, *found = NULL;
	int n;

	if (getpwuid_r(geteuid(), &entry, buffer, sizeof(buffer), &found) == 0 && found != NULL)
		snprintf(user, sizeof(user), "%s", found->pw_name);
	else
		snprintf(user, sizeof(user), "%u", (unsigned)geteuid());
	if (description == NULL)
		description = "";
	n = snprintf(out, size, "%s%suser=%s pid=%d", description, description[0] != '\0' ? " " : "", user, (int)getpid());
	if (ssh != NULL && n > 0 && (size_t)n < size)
		snprintf(out + n, size - (size_t)n, " SSH=%.*s", (int)strcspn(ssh, " "), ssh);
}

VDECONN *vde_open_real(char *name, char *description, int interface_version, struct vde_open_args *args)
{
	char text[MAXDESCR];
	struct locator locator;
	VDECONN *conn = NULL;
	int error;

	if (args != NULL && interface_version != LIBVDEPLUG_INTERFACE_VERSION && interface_version != VDE_INTERFACE_AGGREGATES) {
		errno = EINVAL;
		return NULL;
	}
	error = locator_resolve(&locator, name, trusted_getenv("HOME"));
	if (error == 0) {
		describe(text, sizeof(text), description);
		conn = module_open(&locator, text, interface_version, args);
		error = conn == NULL ? errno : 0;
	}
	locator_free(&locator);
	if (error != 0)
		errno = error;
	return conn;
}

static bool is_open(const VDECONN *conn)
{
	if (conn != NULL)
		return true;
	errno = EBADF;
	return false;
}

ssize_t vde_recv(VDECONN *conn, void *frame, size_t size, int flags)
{
	return is_open(conn) ? conn->module->vde_recv(conn, frame, size, flags) : -1;
}

ssize_t vde_send(VDECONN *conn, const void *frame, size_t length, int flags)
{
	return is_open(conn) ? conn->module->vde_send(conn, frame, length, flags) : -1;
}

int vde_datafd(VDECONN *conn)
{
	return is_open(conn) ? conn->module->vde_datafd(conn) : -1;
}

int vde_ctlfd(VDECONN *conn)
{
	return is_open(conn) ? conn->module->vde_ctlfd(conn) : -1;
}

int vde_close(VDECONN *conn)
{
	void *handle;
	int result;

	if (!is_open(conn))
		return -1;
	handle = conn->handle;
	result = conn->module->vde_close(conn);
	if (result == 0 && handle != NULL)
		dlclose(handle);
	return result;
}

int vde_aggregates(VDECONN *conn)
{
	const struct builtin_module *builtin = is_open(conn) ? module_builtin(conn) : NULL;

	return builtin != NULL && builtin->aggregates && ((struct socket_conn *)(void *)conn)->aggregates;
}

static bool is_readable(int fd)
{
	struct pollfd entry = {.fd = fd, .events = POLLIN};

	return poll(&entry, 1, 0) > 0;
}

/* For modules without batches. They ignore flags and may block, so each call is made only when the descriptor says that it will not. */
static int recv_one_by_one(VDECONN *conn, struct vde_frame *frames, unsigned count, int flags)
{
	unsigned filled = 0;

	for (unsigned calls = 0; calls < count && is_readable(vde_datafd(conn)); calls++) {
		struct vde_frame *frame = &frames[filled];
		ssize_t n = conn->module->vde_recv(conn, frame->data, frame->size, flags);

		if (n == 1)
			continue;               /* an event within the module */
		if (n <= 0 && filled == 0)
			return (int)n;
		if (n <= 0)
			break;
		frame->length = (size_t)n <= frame->size ? (size_t)n : 0;
		filled++;
	}
	if (filled == 0) {
		errno = EAGAIN;
		return -1;
	}
	return (int)filled;
}

int vde_recv_batch(VDECONN *conn, struct vde_frame *frames, unsigned count, int flags)
{
	const struct builtin_module *builtin;

	if (!is_open(conn))
		return -1;
	if (count == 0) {
		errno = EINVAL;
		return -1;
	}
	builtin = module_builtin(conn);
	if (builtin != NULL && builtin->recv_batch != NULL)
		return builtin->recv_batch(conn, frames, count, flags);
	return recv_one_by_one(conn, frames, count, flags);
}

unsigned vde_pending(VDECONN *conn)
{
	const struct builtin_module *builtin = conn != NULL ? module_builtin(conn) : NULL;

	return builtin != NULL && builtin->pending != NULL ? builtin->pending(conn) : 0;
}

static int send_one_by_one(VDECONN *conn, const struct vde_frame *frames, unsigned count, int flags)
{
	for (unsigned i = 0; i < count; i++) {
		if (conn->module->vde_send(conn, frames[i].data, frames[i].length, flags | MSG_DONTWAIT) < 0)
			return i > 0 ? (int)i : -1;
	}
	return (int)count;
}

int vde_send_batch(VDECONN *conn, const struct vde_frame *frames, unsigned count, int flags)
{
	const struct builtin_module *builtin;

	if (!is_open(conn))
		return -1;
	if (count == 0)
		return 0;
	builtin = module_builtin(conn);
	if (builtin != NULL && builtin->send_batch != NULL)
		return builtin->send_batch(conn, frames, count, flags);
	return send_one_by_one(conn, frames, count, flags);
}
