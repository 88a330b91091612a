/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vdeplug_lan: the network behind a locator of switch://, hub://, multi:// or bonding:// (libvdeplug/lan.h). Started by the library, not by users.
 *
 * It lives as long as the program that opened the locator does, or until a signal ends it: then its nodes get what was on its way to them, and its directory is removed.
 */
#include "config.h"

#include "common/daemon.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/mgmt.h"
#include "libvdeplug/lan.h"
#include "vde_switch/commands.h"
#include "vde_switch/control.h"
#include "vde_switch/debug.h"
#include "vde_switch/endpoint_tap.h"
#include "vde_switch/endpoint_unix.h"
#include "vde_switch/forward.h"
#include "vde_switch/switch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	INHERITED_MAX = 65536,          /* descriptors above are not looked for */
	LAST_TURNS = 1000,              /* batches of the program's that are still forwarded when it has ended */
	DRAIN_NS = LOOP_SECOND / 5,     /* and how long they may wait for nodes */
	DRAIN_STEP_NS = LOOP_SECOND / 100,
};

struct lan {
	struct log log;
	struct daemon daemon;
	struct loop *loop;
	struct lan_request request;
	int life, data;
	struct vde_switch *sw;
	struct endpoint *host;          /* of the program; NULL: none, or unplugged by a command */
};

/* ---- the program's two sockets ---- */

/* They leave the places of stdin and stdout, where a stray character would be a frame; what else was inherited is not ours. */
static bool take_sockets(struct lan *lan)
{
	lan->life = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
	lan->data = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	close(STDIN_FILENO);
	close(STDOUT_FILENO);
	daemon_fill_descriptors();
	return lan->life >= 0 && lan->data >= 0 && fcntl(lan->data, F_SETFL, O_NONBLOCK) == 0;
}

static void close_inherited(void)
{
	long most = sysconf(_SC_OPEN_MAX);

	for (int fd = STDERR_FILENO + 1; fd < most && fd < INHERITED_MAX; fd++)
		close(fd);
}

static bool is_text(const char *text, size_t size)
{
	return memchr(text, '\0', size) != NULL;
}

/* From the library of the same build; anything else is somebody who tries this program out. */
static bool read_request(struct lan *lan)
{
	struct lan_request *request = &lan->request;
	ssize_t n = recv(lan->life, request, sizeof(*request), MSG_WAITALL);

	return n == (ssize_t)sizeof(*request) && request->magic == LAN_MAGIC && request->size == sizeof(*request) &&
	       request->kind < LAN_KINDS && is_text(request->directory, sizeof(request->directory)) &&
	       is_text(request->management, sizeof(request->management)) && is_text(request->script, sizeof(request->script)) &&
	       is_text(request->taps, sizeof(request->taps)) && request->numports >= 1 && request->numports <= PORT_MAX &&
	       request->buckets >= 1 && request->buckets <= FDB_MAX_BUCKETS && request->priority <= 0xffff;
}

static void reply(struct lan *lan, int error)
{
	struct lan_reply answer = { .error = error };

	if (send(lan->life, &answer, sizeof(answer), MSG_NOSIGNAL) < 0)
		log_debug(&lan->log, "the program is gone");
}

/* ---- opening ---- */

static void finish(void *owner)
{
	struct lan *lan = owner;

	loop_stop(lan->loop, 0);
}

static void caught_signal(void *owner, int number)
{
	(void)number;
	finish(owner);
}

static void life_event(void *owner, int fd, unsigned events)
{
	char junk[64];
	ssize_t n = recv(fd, junk, sizeof(junk), MSG_DONTWAIT);

	(void)events;
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		finish(owner);
}

static int open_loop(struct lan *lan)
{
	static const int ending[] = { SIGTERM, SIGINT, SIGHUP };
	static const int ignored[] = { SIGPIPE, SIGUSR1, SIGUSR2, SIGALRM };
	int error = 0;

	lan->loop = loop_create();
	if (!lan->loop)
		return errno;
	for (size_t i = 0; i < sizeof(ending) / sizeof(ending[0]); i++)
		error |= loop_add_signal(lan->loop, ending[i], caught_signal, lan);
	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		error |= loop_add_signal(lan->loop, ignored[i], NULL, lan);
	if (error)
		return EINVAL;
	return loop_add_io(lan->loop, lan->life, LOOP_READ, life_event, lan) ? 0 : errno;
}

static int open_switch(struct lan *lan)
{
	const struct lan_request *request = &lan->request;
	struct switch_config config = {
		.numports = request->numports, .hash_size = request->buckets, .hub = request->kind != LAN_SWITCH,
		.trunk = request->trunk, .has_mac = request->has_mac, .priority = request->priority, .fstp = request->fstp,
	};

	memcpy(config.mac, request->mac, sizeof(config.mac));
	lan->sw = switch_create(lan->loop, &lan->log, &config);
	if (!lan->sw)
		return errno;
	fdb_settings(lan->sw->fdb)->expire = request->expire;
	return 0;
}

/* A directory with anything else in it than sockets is nobody's network: its mode and content are left alone. */
static int check_directory(struct lan *lan)
{
	const char *path = lan->request.directory;
	DIR *listing = opendir(path);
	struct dirent *item;
	struct stat status;
	int error = 0;

	if (!listing)
		return 0;               /* not there, or control_open says why not */
	while (!error && (item = readdir(listing)) != NULL) {
		if (strcmp(item->d_name, ".") == 0 || strcmp(item->d_name, "..") == 0)
			continue;
		if (fstatat(dirfd(listing), item->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISSOCK(status.st_mode))
			error = EEXIST;
	}
	closedir(listing);
	if (error)
		log_error(&lan->log, "'%s' exists and is not the directory of a network", path);
	return error;
}

static int open_control(struct lan *lan)
{
	const struct lan_request *request = &lan->request;
	struct control_config config = {
		.directory = request->directory, .mode = request->mode, .directory_mode = request->directory_mode,
		.group = request->group, .management_mode = request->management_mode, .management_group = request->management_group,
	};
	int error = check_directory(lan);

	return error ? error : control_open(lan->sw, &config);
}

static void host_unplugged(void *owner)
{
	struct lan *lan = owner;

	lan->host = NULL;
}

/* The program comes first, so that it has the lowest port, whatever a script does. */
static int plug_host(struct lan *lan)
{
	static const enum uplink_mode modes[LAN_KINDS] = { [LAN_MULTI] = UPLINK_MULTI, [LAN_BONDING] = UPLINK_ROUND_ROBIN };
	const struct lan_request *request = &lan->request;
	struct port_user user = { .uid = geteuid(), .gid = getegid() };
	const char *name = lan_kind_name(request->kind);
	struct unix_endpoint_config config = {
		.aggregates = request->aggregates, .control_fd = lan->data, .user = user.uid, .description = name,
		.description_length = strlen(name),
	};
	struct port *port;
	int error = port_acquire(lan->sw, request->port ? (int)request->port : PORT_ANY, &user, &port);

	if (!error)
		error = endpoint_unix_adopt(lan->sw, lan->data, &config, &lan->host);
	if (!error)
		error = port_attach(lan->sw, port, lan->host);
	if (error) {
		log_errno(&lan->log, error, "port %u", request->port);
		return error;
	}
	endpoint_unix_on_close(lan->host, host_unplugged, lan);
	lan->sw->uplink = (struct uplink){
		.mode = request->kind == LAN_BONDING && request->flow ? UPLINK_FLOW : modes[request->kind], .port = port->number,
	};
	return 0;
}

static void forget_session(void *owner, struct mgmt_session *session)
{
	struct lan *lan = owner;

	if (lan->sw)
		debug_forget(lan->sw->debug, session);
}

static int open_management(struct lan *lan)
{
	const struct lan_request *request = &lan->request;
	struct mgmt_config config = {
		.banner = SWITCH_BANNER_NAME PACKAGE_VERSION "\n" SWITCH_COPYRIGHT "\n", .prompt = "\nvde$ ", .owner = lan,
		.shutdown = finish, .session_closed = forget_session,
	};
	struct unixsock_owner owner = { request->management_mode, request->management_group };
	int error;

	lan->sw->mgmt = mgmt_create(lan->loop, &lan->log, &config);
	if (!lan->sw->mgmt || switch_add_commands(lan->sw) != 0)
		return ENOMEM;
	if (request->management[0] && (error = mgmt_listen(lan->sw->mgmt, request->management, &owner)) != 0)
		return error;
	if (!request->script[0])
		return 0;
	error = mgmt_run_script(lan->sw->mgmt, request->script);
	if (error)
		log_errno(&lan->log, error, "rcfile '%s'", request->script);
	return error;
}

static int open_taps(struct lan *lan)
{
	char *rest = lan->request.taps;

	for (char *name = strtok_r(rest, ",", &rest); name; name = strtok_r(NULL, ",", &rest)) {
		int error = endpoint_tap_open(lan->sw, name, true);

		if (error) {
			log_errno(&lan->log, error, "tap '%s'", name);
			return error;
		}
	}
	return 0;
}

static int open_all(struct lan *lan)
{
	int error = open_loop(lan);

	if (!error)
		error = open_switch(lan);
	if (error) {
		log_errno(&lan->log, error, "cannot start");
		return error;
	}
	if ((error = open_control(lan)) || (error = plug_host(lan)) || (error = open_taps(lan)))
		return error;
	return open_management(lan);
}

/* ---- the end ---- */

static void forward_the_last(struct lan *lan)
{
	int waiting;

	for (int i = 0; lan->host && i < LAST_TURNS && ioctl(lan->data, FIONREAD, &waiting) == 0 && waiting > 0; i++)
		forward_receive(lan->sw, lan->host);
}

static bool has_waiting_frames(const struct lan *lan)
{
	for (unsigned i = 0; i < lan->sw->active_count; i++)
		for (const struct endpoint *endpoint = lan->sw->active[i]->endpoints; endpoint; endpoint = endpoint->next)
			if (endpoint != lan->host && !txqueue_is_empty(&endpoint->queue))
				return true;
	return false;
}

static void close_all(struct lan *lan)
{
	struct mgmt *mgmt = lan->sw ? lan->sw->mgmt : NULL;

	if (lan->sw) {
		uint64_t deadline = loop_clock() + DRAIN_NS;

		forward_the_last(lan);
		while (has_waiting_frames(lan) && loop_clock() < deadline && loop_turn(lan->loop, DRAIN_STEP_NS) == 0)
			continue;
	}
	switch_destroy(lan->sw);
	lan->sw = NULL;
	mgmt_destroy(mgmt);
	loop_destroy(lan->loop);
	close(lan->life);
}

int main(int argc, char **argv)
{
	struct lan lan = { .life = -1 };
	struct stat status;

	(void)argc, (void)argv;         /* for the readers of ps */
	log_init(&lan.log, LAN_PROGRAM);
	if (fstat(STDIN_FILENO, &status) != 0 || !S_ISSOCK(status.st_mode)) {
		log_error(&lan.log, "this is the part of libvdeplug that serves switch://, hub://, multi:// and bonding://; it is not a command");
		return 2;
	}
	close_inherited();
	if (!take_sockets(&lan) || !read_request(&lan)) {
		log_error(&lan.log, "not asked by the libvdeplug that it belongs to");
		return 2;
	}
	unsetenv("NOTIFY_SOCKET");      /* of the program, not ours */
	daemon_begin(&lan.daemon, &lan.log, true);
	daemon_raise_descriptor_limit();
	int error = open_all(&lan);
	reply(&lan, error);
	if (!error) {
		daemon_ready(&lan.daemon);
		loop_run(lan.loop);
	}
	close_all(&lan);
	return error ? EXIT_FAILURE : EXIT_SUCCESS;
}
