/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A program that is a cable between a switch and one thing of this machine: options, life cycle and exit status, which vde_plug2tap and vde_pcapplug share. */
#ifndef VDE_ATTACH_PROGRAM_H
#define VDE_ATTACH_PROGRAM_H

#include "common/cli.h"
#include "common/daemon.h"
#include "wire/attach.h"

struct attach_options {
	const char *socket, *group, *pidfile;
	unsigned port;
	struct cli_mode mode;
	bool daemon, reconnect;
};

#define ATTACH_MEMBER(outer, inner, member) (offsetof(outer, inner) + offsetof(struct attach_options, member))

/* The rows for a struct `outer` that has a struct attach_options named `inner`. */
#define ATTACH_OPTION_ROWS(outer, inner) \
	{ 'h', "help", NULL, "Display this help and exit", CLI_HELP, 0, 0, 0, NULL }, \
	{ 'v', "version", NULL, "Display the version and exit", CLI_VERSION, 0, 0, 0, NULL }, \
	{ 's', "sock vdesock unix", "NET", "the switch or any other locator; -: the standard input and output", CLI_STRING, \
	  ATTACH_MEMBER(outer, inner, socket), 0, 0, NULL }, \
	{ 'p', "port", "N", "port of the switch", CLI_UINT, ATTACH_MEMBER(outer, inner, port), 1, 65535, NULL }, \
	{ 'g', "group", "GROUP", "group of the plug's socket", CLI_STRING, ATTACH_MEMBER(outer, inner, group), 0, 0, NULL }, \
	{ 'm', "mode mod", "MODE", "its permissions (octal; default 0700)", CLI_MODE, ATTACH_MEMBER(outer, inner, mode), 0, 0, NULL }, \
	{ 'd', "daemon", NULL, "go to the background", CLI_FLAG, ATTACH_MEMBER(outer, inner, daemon), 0, 0, NULL }, \
	{ 'P', "pidfile", "FILE", "write the pid to FILE", CLI_STRING, ATTACH_MEMBER(outer, inner, pidfile), 0, 0, NULL }, \
	{ 0, "reconnect", NULL, "when the switch goes, wait for it to come back", CLI_FLAG, ATTACH_MEMBER(outer, inner, reconnect), 0, 0, \
	  NULL }

struct attach_program {
	const struct attach_options *options;
	const char *description;        /* shown by the switch */
	struct log *log;
	/* Opens the local end and gives it to attach_join. 0 or an errno value, already reported. */
	int (*open_local)(void *owner, struct loop *loop, struct attach *attach);
	void *owner;
	struct loop *loop;              /* from here on: set by attach_program_run */
	struct pidfile pidfile;
	struct attach_config config;
	struct attach *attach;
};

/* Opens all, goes to the background when asked to, moves frames until an end goes or a signal comes. Returns the exit status. */
int attach_program_run(struct attach_program *program);

#endif
