/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vde://DIR[...]: a plug in a switch, by the protocol of plug_protocol.h. Arguments in brackets: a port number or port=N (0: the
 * management port; none or negative: any), a port group (a socket of that name beside ctl), group=NAME, mode=OCTAL.
 */
#include "common/number.h"
#include "plug_protocol.h"
#include "socket_io.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
	PORT_ANY = 0,
	PORT_ZERO = -1,                 /* as in struct vde_open_args */
	DEFAULT_MODE = 0700,
	DATA_NAMES_MAX = 100000,        /* of one process, each NUMBER of .PID-NUMBER */
};

/* Where a switch is looked for when no directory is named. */
static const char *const default_directories[] = {"/var/run/vde.ctl", "/tmp/vde.ctl"};

/* What to ask of the switch. */
struct wish {
	const char *directory;          /* "": the default ones */
	int port;                       /* PORT_ANY, PORT_ZERO or a number */
	const char *port_group;         /* NULL: none */
	bool aggregates;
	gid_t group;                    /* (gid_t)-1: not given */
	mode_t mode;
};

/* A connection in the making. */
struct handshake {
	const struct wish *wish;
	char *directory;                /* canonical */
	bool in_group;                  /* connected to a port group's socket, not to ctl */
	int control_fd, data_fd;
	struct sockaddr_un control, own, switch_data;
};

/* Says what is wrong with the text of a user who may otherwise see no more than "could not be initialized". */
static int syntax_error(const char *what, const char *text)
{
	fprintf(stderr, "libvdeplug: %s: %s\n", what, text);
	return EINVAL;
}

static int parse_port(struct wish *wish, char *text)
{
	int number;

	if (text[0] == '\0')
		return 0;
	if (text[strspn(text, "-0123456789")] != '\0') {
		if (strchr(text, '/') != NULL)
			return syntax_error("not the name of a port group", text);
		wish->port = PORT_ANY;
		wish->port_group = text;
		return 0;
	}
	while (text[0] == '0' && text[1] != '\0')
		text++;                 /* decimal, whatever number.h thinks of a leading 0 */
	if (number_int(text, INT_MIN, PLUG_PORT_MAX, &number) != 0)
		return syntax_error("not a port number (0 to 16777215)", text);
	wish->port = number == 0 ? PORT_ZERO : number < 0 ? PORT_ANY : number;
	return 0;
}

static int parse_wish(struct wish *wish, char *arguments, const struct vde_open_args *args)
{
	char *port = NULL, *group = NULL, *mode = NULL;
	struct vdeparms parms[] = {
		{(char[]){""}, &port}, {(char[]){"port"}, &port}, {(char[]){"portgroup"}, &port},
		{(char[]){"group"}, &group}, {(char[]){"mode"}, &mode}, {NULL, NULL},
	};

	*wish = (struct wish){.directory = arguments, .group = (gid_t)-1};
	if (args != NULL) {
		wish->port = args->port == -1 ? PORT_ZERO : args->port;
		wish->mode = args->mode & 0777;
		group = args->group;
	}
	if (wish->port < PORT_ZERO || wish->port > PLUG_PORT_MAX)
		return EINVAL;
	if (vde_parsepathparms(arguments, parms) != 0)
		return errno;
	if (port != NULL && parse_port(wish, port) != 0)
		return EINVAL;
	if (mode != NULL && (number_mode(mode, &wish->mode) != 0 || wish->mode > 0777))
		return syntax_error("not a mode (octal, 0 to 777)", mode);
	if (wish->mode == 0)
		wish->mode = DEFAULT_MODE;
	if (group != NULL && group[0] != '\0' && number_group(group, &wish->group) != 0)
		return syntax_error("no such group", group);
	return 0;
}

/* Fills address with a path; full length follows, so all of it is set. Returns 0 or ENAMETOOLONG. */
static int set_path(struct sockaddr_un *address, const char *directory, const char *name)
{
	int n;

	memset(address, 0, sizeof(*address));
	address->sun_family = AF_UNIX;
	n = snprintf(address->sun_path, sizeof(address->sun_path), "%s/%s", directory, name);
	return n < 0 || (size_t)n >= sizeof(address->sun_path) ? ENAMETOOLONG : 0;
}

/* Limits how long connect and send may wait for a switch that does not answer; ms 0: without a limit again. */
static void limit_waiting(int fd, int ms)
{
	struct timeval time = {ms / 1000, ms % 1000 * 1000};

	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof(time));
}

static int connect_socket(int fd, const struct sockaddr_un *address)
{
	int result;

	do
		result = connect(fd, (const struct sockaddr *)address, sizeof(*address));
	while (result != 0 && errno == EINTR);
	if (result == 0)
		return 0;
	return errno == EAGAIN ? ETIMEDOUT : errno;
}

/* Connects to DIRECTORY/NAME with a new stream socket. */
static int connect_control(struct handshake *hs, const char *name)
{
	int error = set_path(&hs->control, hs->directory, name);

	if (error != 0)
		return error;
	hs->control_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (hs->control_fd < 0)
		return errno;
	limit_waiting(hs->control_fd, PLUG_TIMEOUT_MS);
	error = connect_socket(hs->control_fd, &hs->control);
	if (error != 0) {
		close(hs->control_fd);
		hs->control_fd = -1;
	}
	return error;
}

/* A port group is a socket of that name; when there is none, the name is no restriction. */
static int find_control(struct handshake *hs)
{
	if (hs->wish->port_group != NULL && connect_control(hs, hs->wish->port_group) == 0) {
		hs->in_group = true;
		return 0;
	}
	return connect_control(hs, PLUG_CONTROL_NAME);
}

/* Binds the data socket to the first free of DIRECTORY/PREFIXPID-NUMBER. */
static int bind_in(struct handshake *hs, const char *directory, const char *prefix)
{
	for (int number = 0; number < DATA_NAMES_MAX; number++) {
		char name[48];
		int error;

		snprintf(name, sizeof(name), "%s%05d-%05d", prefix, (int)getpid(), number);
		error = set_path(&hs->own, directory, name);
		if (error != 0)
			return error;
		if (bind(hs->data_fd, (struct sockaddr *)&hs->own, sizeof(hs->own)) == 0)
			return 0;
		if (errno != EADDRINUSE)
			return errno;
	}
	return EADDRINUSE;
}

static int bind_anywhere(struct handshake *hs)
{
	static const char *const directories[] = {"/var/run", "/var/tmp", "/tmp"};
	int error = bind_in(hs, hs->directory, ".");

	for (size_t i = 0; error != 0 && i < sizeof(directories) / sizeof(directories[0]); i++)
		error = bind_in(hs, directories[i], "vde.");
	if (error != 0)
		hs->own.sun_path[0] = '\0';
	return error;
}

/*
 * The switch must be able to open our socket. When it is another user's and the socket would be for this user only, the switch's
 * group gets access, or, where we are not in that group, everybody.
 */
static int set_owner(struct handshake *hs, mode_t mode)
{
	struct stat st;

	if (hs->wish->group != (gid_t)-1) {
		if (lchown(hs->own.sun_path, (uid_t)-1, hs->wish->group) != 0)
			return errno;
	} else if ((mode & 077) == 0 && stat(hs->control.sun_path, &st) == 0 && st.st_uid != 0 && st.st_uid != geteuid()) {
		mode |= lchown(hs->own.sun_path, (uid_t)-1, st.st_gid) == 0 ? 070 : 077;
	}
	return socket_io_set_mode(hs->own.sun_path, mode);
}

/*
 * The send buffer stays as the system makes it: a larger one was measured, and only lets bursts grow until the
 * switch has to drop them further on.
 */
static int open_data_socket(struct handshake *hs)
{
	int error;

	hs->data_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (hs->data_fd < 0)
		return errno;
	fchmod(hs->data_fd, hs->wish->mode);    /* where the system lets it: the name never has wider permissions */
	error = bind_anywhere(hs);
	return error != 0 ? error : set_owner(hs, hs->wish->mode);
}

/* What a dead connection says about the request. */
static int refusal(int error)
{
	return error == EPIPE || error == ECONNRESET ? ECONNREFUSED : error == EAGAIN ? ETIMEDOUT : error;
}

static int send_request(struct handshake *hs, const char *description)
{
	struct sockaddr_un own = hs->own;
	struct plug_request_v3 request = {.magic = PLUG_MAGIC, .version = PLUG_VERSION};
	size_t length = strnlen(description, sizeof(request.description));
	ssize_t n;

	if (hs->wish->aggregates)
		plug_offer_aggregates(&own);
	request.address = own;
	memcpy(request.description, description, length);
	if (!hs->in_group && hs->wish->port == PORT_ZERO)
		request.type = PLUG_NEW_PORT0;
	else if (!hs->in_group)
		request.type = PLUG_NEW_PORT | (uint32_t)hs->wish->port << PLUG_TYPE_BITS;
	do
		n = send(hs->control_fd, &request, PLUG_V3_MIN_SIZE + length, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return refusal(errno);
	return (size_t)n == PLUG_V3_MIN_SIZE + length ? 0 : EPROTO;
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Waits until the control socket is readable. Returns 0 or an errno value. */
static int wait_readable(int fd, int64_t deadline)
{
	for (;;) {
		int64_t left = deadline - now_ms();
		int n = poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, left > 0 ? (int)left : 0);

		if (n > 0)
			return 0;
		if (n == 0)
			return ETIMEDOUT;
		if (errno != EINTR)
			return errno;
	}
}

static int read_reply(struct handshake *hs)
{
	int64_t deadline = now_ms() + PLUG_TIMEOUT_MS;
	size_t have = 0;

	while (have < PLUG_REPLY_SIZE) {
		int error = wait_readable(hs->control_fd, deadline);
		ssize_t n;

		if (error != 0)
			return error;
		n = recv(hs->control_fd, (char *)&hs->switch_data + have, PLUG_REPLY_SIZE - have, MSG_DONTWAIT);
		if (n == 0)
			return have == 0 ? ECONNREFUSED : EPROTO;
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return refusal(errno);
		have += n > 0 ? (size_t)n : 0;
	}
	return hs->switch_data.sun_family == AF_UNIX ? 0 : EPROTO;
}

/* The steps of plug_protocol.h. Returns 0 or an errno value; the caller cleans up. */
static int shake_hands(struct handshake *hs, const char *description)
{
	int error = find_control(hs);

	if (error == 0)
		error = open_data_socket(hs);
	if (error == 0)
		error = send_request(hs, description);
	if (error == 0)
		error = read_reply(hs);
	if (error == 0)
		error = connect_socket(hs->data_fd, &hs->switch_data);
	if (hs->own.sun_path[0] != '\0')
		unlink(hs->own.sun_path);
	return error;
}

/* Opens a connection to the switch in `directory`. */
static int open_directory(struct socket_conn *conn, const struct wish *wish, const char *directory, const char *description)
{
	struct handshake hs = {.wish = wish, .control_fd = -1, .data_fd = -1};
	int error;

	hs.directory = realpath(directory, NULL);
	if (hs.directory == NULL)
		return errno;
	error = shake_hands(&hs, description);
	free(hs.directory);
	if (error == 0) {
		limit_waiting(hs.control_fd, 0);
		conn->control_fd = hs.control_fd;
		conn->data_fd = hs.data_fd;
		conn->aggregates = wish->aggregates && plug_offers_aggregates(&hs.switch_data);
		return 0;
	}
	if (hs.control_fd >= 0)
		close(hs.control_fd);
	if (hs.data_fd >= 0)
		close(hs.data_fd);
	return error;
}

/* The default directories in turn, while nobody is there. */
static int open_default(struct socket_conn *conn, const struct wish *wish, const char *description)
{
	int error = ENOENT;

	for (size_t i = 0; i < sizeof(default_directories) / sizeof(default_directories[0]); i++) {
		int result = open_directory(conn, wish, default_directories[i], description);

		if (result == 0)
			return 0;
		if (result != ENOENT)
			error = result;
	}
	return error;
}

int module_vde_join(struct socket_conn *conn, const char *directory, const char *description, int interface_version,
		    const struct vde_open_args *args)
{
	char nothing[] = "";
	struct wish wish;
	int error = parse_wish(&wish, nothing, args);

	wish.aggregates = interface_version == VDE_INTERFACE_AGGREGATES;
	return error != 0 ? error : open_directory(conn, &wish, directory, description);
}

static VDECONN *vde_module_open(char *arguments, char *description, int interface_version, struct vde_open_args *args)
{
	struct socket_conn *conn = calloc(1, sizeof(*conn));
	struct wish wish;
	int error;

	if (conn == NULL)
		return NULL;
	error = parse_wish(&wish, arguments, args);
	wish.aggregates = interface_version == VDE_INTERFACE_AGGREGATES;
	if (error == 0 && wish.directory[0] != '\0')
		error = open_directory(conn, &wish, wish.directory, description);
	else if (error == 0)
		error = open_default(conn, &wish, description);
	if (error == 0)
		return (VDECONN *)(void *)conn;
	free(conn);
	errno = error;
	return NULL;
}

struct builtin_module module_vde = {
	.module = {0, vde_module_open, socket_io_recv, socket_io_send, socket_io_datafd, socket_io_ctlfd, socket_io_close},
	.name = "vde",
	.recv_batch = socket_io_recv_batch,
	.send_batch = socket_io_send_batch,
	.aggregates = true,
};
