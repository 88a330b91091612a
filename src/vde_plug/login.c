/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vde_plug as a login shell: an account that can be used for nothing but frames.
 *
 * The user's home and environment may have been written through another way in (a file transfer, the ssh daemon's user environment), so
 * nothing of them decides what is opened: the network is that of SYSCONFDIR/vde2/login.switch, when root alone can write it,
 * and else the system's default switch, which nobody but root can have put where it is.
 */
#include "vde_plug.h"

#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOGIN_SWITCH SYSCONFDIR "/vde2/login.switch"
#define LOGIN_PATH "/usr/local/bin:/usr/bin:/bin"
#define IPLOG_GROUP "vdeplug_iplog"

static void refuse(const struct session *session)
{
	session_log(session, "FAILED");
	fputs("vde_plug: this account carries the frames of a virtual network and nothing else.\n"
	      "vde_plug: it has no interactive session, and the only command it runs is vde_plug.\n", stderr);
	exit(STATUS_REFUSED);
}

/* The default switch. The second place where the library looks is one where anybody can make names: there it must be root's. */
static const char *default_switch(void)
{
	struct stat st;

	return lstat("/tmp/vde.ctl", &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == 0 ? "vde://" : "vde:///var/run/vde.ctl";
}

/* The locator for this mode: a file or a link that only root can have put there, or the system's own switch. */
static const char *choose_network(void)
{
	struct stat st;

	if (lstat(LOGIN_SWITCH, &st) == 0 && st.st_uid == 0 && (S_ISLNK(st.st_mode) || (st.st_mode & 022) == 0))
		return LOGIN_SWITCH;
	return default_switch();
}

/* True when the user is a member of the group whose addresses are logged. */
static bool is_in_iplog_group(void)
{
	const struct group *group = getgrnam(IPLOG_GROUP);
	gid_t wanted, list[1024];
	int count;

	if (group == NULL)
		return false;
	wanted = group->gr_gid;
	count = getgroups((int)(sizeof(list) / sizeof(list[0])), list);
	for (int i = 0; i < count; i++) {
		if (list[i] == wanted)
			return true;
	}
	return getgid() == wanted || getegid() == wanted;
}

bool login_restrict(struct options *options, struct session *session, const char *program, bool has_words)
{
	static const char *const dangerous[] = {"HOME", "VDEPLUGIN_PATH", "LD_LIBRARY_PATH", "LD_PRELOAD", "LD_AUDIT", "ENV", "BASH_ENV"};

	if (program[0] != '-' && options->shell_command == NULL)
		return false;
	if (program[0] == '-' || has_words || strcmp(options->shell_command, "vde_plug") != 0)
		refuse(session);
	for (size_t i = 0; i < sizeof(dangerous) / sizeof(dangerous[0]); i++)
		unsetenv(dangerous[i]);
	setenv("PATH", LOGIN_PATH, true);       /* root's locator may name a command */
	*options = (struct options){.log = true, .iplog = is_in_iplog_group(), .description = "vde_plug:"};
	options->plug[0].locator = choose_network();
	return true;
}
