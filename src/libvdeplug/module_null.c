/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* null:// takes every frame and gives none: to keep something else open. */
#include "module.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

struct null_conn {
	void *handle;
	struct vdeplug_module *module;
	int pipe[2];                    /* its reading end never becomes readable */
};

static VDECONN *null_open(char *arguments, char *description, int interface_version, struct vde_open_args *args)
{
	struct null_conn *conn = calloc(1, sizeof(*conn));

	(void)arguments, (void)description, (void)interface_version, (void)args;
	if (conn != NULL && pipe2(conn->pipe, O_CLOEXEC) != 0) {
		free(conn);
		conn = NULL;
	}
	return (VDECONN *)(void *)conn;
}

static ssize_t null_recv(VDECONN *conn, void *frame, size_t size, int flags)
{
	(void)conn, (void)frame, (void)size, (void)flags;
	return 1;
}

static ssize_t null_send(VDECONN *conn, const void *frame, size_t length, int flags)
{
	(void)conn, (void)frame, (void)flags;
	return (ssize_t)length;
}

static int null_datafd(VDECONN *conn)
{
	return ((struct null_conn *)(void *)conn)->pipe[0];
}

static int null_close(VDECONN *conn)
{
	struct null_conn *null = (struct null_conn *)(void *)conn;

	close(null->pipe[0]);
	close(null->pipe[1]);
	free(null);
	return 0;
}

struct builtin_module module_null = {
	.module = {0, null_open, null_recv, null_send, null_datafd, module_no_ctlfd, null_close},
	.name = "null",
};
