/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The interface of plugins of vde_switch: shared objects that `plugin/add` loads. It is that of VDE 2, in source and in layout, so plugins
 * written for VDE 2 compile unchanged.
 *
 * A plugin defines `struct plugin vde_plugin_data` with its name and a sentence of help. In a constructor (a function with
 * __attribute__((constructor))) it registers its commands, debug categories and event functions; in a destructor it takes them back. What it
 * forgets to take back, the switch takes back.
 *
 * Everything is called in the switch's one thread and must not block. printlog, printoutc and the rest may be called from any
 * of the plugin's functions, but from no other thread.
 */
#ifndef VDEPLUGIN_H
#define VDEPLUGIN_H

#include <stdarg.h>
#include <stdio.h>
#include <sys/types.h>
#include <syslog.h>
#include <time.h>

/* Functions are handed over as in VDE 2, without their arguments' types: compile plugins as C17 or older, or C++. */
#if defined(__GNUC__) && !defined(__cplusplus)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wstrict-prototypes"
#endif

#ifdef __cplusplus
extern "C" {
#endif

struct plugin {
	char *name;             /* plugin/del takes it */
	char *help;
	void *handle;           /* the switch's */
	struct plugin *next;    /* likewise */
};

/* ---- management commands ---- */

/* What a command's function takes (its `type`): one of these, */
#define NOARG 0                 /* nothing */
#define INTARG 1                /* int: the argument as a number */
#define STRARG 2                /* char *: all that follows the command; it may be changed, and lives until the function returns */
/* and one of these or none: a first argument before it. */
#define WITHFILE 0x40           /* FILE *: what is written there is the answer's data block */
#define WITHFD 0x80             /* int: accepted, but such a command answers ENOSYS: sessions have no descriptor of their own */

/*
 * doit returns 0 or an errno value. A row with doit NULL is a menu's heading.
 */
struct comlist {
	char *path;             /* "mine/command" */
	char *syntax;           /* "N [NAME]"; of a heading "============" */
	char *help;
#if defined(__cplusplus)
	int (*doit)(...);
#else
	int (*doit)();
#endif
	unsigned char type;
	struct comlist *next;   /* the switch's */
};

/* CL: an array of struct comlist. It must live as long as it is registered. */
#define ADDCL(CL) addcl(sizeof(CL) / sizeof(struct comlist), (CL))
#define DELCL(CL) delcl(sizeof(CL) / sizeof(struct comlist), (CL))

void addcl(int ncl, struct comlist *cl);
void delcl(int ncl, struct comlist *cl);

/* A line of an answer: the newline is added. With f NULL it goes to the log. */
void printoutc(FILE *f, const char *format, ...) __attribute__((format(printf, 2, 3)));
void printlog(int priority, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- debug categories and events ---- */

/* Tags: a class and what happened in it. */
#define D_PACKET 01000
#define D_MGMT 02000
#define D_SIG 03000
#define D_IN 01
#define D_OUT 02
#define D_PLUS 01
#define D_MINUS 02
#define D_DESCR 03
#define D_STATUS 04
#define D_ROOT 05
#define D_HUP 01
#define D_HASH 010
#define D_PORT 020
#define D_EP 030
#define D_FSTP 040

/* A category: sessions subscribe to its lines with debug/add, plugins to its events with eventadd. Set path, help and tag, the rest is zero. */
struct dbgcl {
	char *path;
	char *help;
	int tag;
	int *fds;               /* unused */
#if defined(__cplusplus)
	int (**fun)(...);
#else
	int (**fun)();
#endif
	void **funarg;          /* unused, like fun */
	unsigned short nfds;    /* sessions that are subscribed; kept by the switch */
	unsigned short nfun;    /* event functions; kept by the switch */
	unsigned short maxfds, maxfun;
	struct dbgcl *next;
};

#define ADDDBGCL(CL) adddbgcl(sizeof(CL) / sizeof(struct dbgcl), (CL))
#define DELDBGCL(CL) deldbgcl(sizeof(CL) / sizeof(struct dbgcl), (CL))

void adddbgcl(int ncl, struct dbgcl *cl);
void deldbgcl(int ncl, struct dbgcl *cl);

/* A line to who is subscribed: "3TAG PATH TEXT". */
void debugout(struct dbgcl *cl, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Calls the functions that are subscribed, each with the arguments that follow. */
void eventout(struct dbgcl *cl, ...);

#define DBGOUT(CL, ...) \
	do { \
		if ((CL)->nfds > 0) \
			debugout((CL), __VA_ARGS__); \
	} while (0)
#define EVENTOUT(CL, ...) \
	do { \
		if ((CL)->nfun > 0) \
			eventout((CL), __VA_ARGS__); \
	} while (0)

/*
 * Subscribes to every category whose path begins with `path`, those of other plugins included. The function is called as
 *
 *      int function(struct dbgcl *event, void *arg, va_list values)
 *
 * and takes the values with va_arg, according to event->tag:
 *
 *      packet/in packet/out    int port, unsigned char *frame, int length
 *      port/+ port/-           int port
 *      port/descr              int port, int id, char *description
 *      port/ep/+ port/ep/-     int port, int id
 *      hash/+ hash/-           int port, int vlan, unsigned char *address
 *      fstp/+ fstp/-           int port, int vlan
 *      fstp/status             int port, int vlan, char *state
 *      fstp/root               int port, int vlan, int priority, unsigned char *address
 *      mgmt/+ mgmt/- sig/hup   these exist and are never raised: sessions are the switch's own affair, and SIGHUP ends it
 *
 * The packet functions are filters: the frame is theirs to change. They return 0 to leave it as it is, a negative number to drop it, or its
 * new length, which may be at most VDE_PACKET_ROOM bytes more than the old one. packet/in sees what comes in on a port before
 * anything else does; packet/out what leaves on a port, with the tag it has there. What the other functions return is not looked at.
 *
 * eventadd and eventdel return 0 or an errno value (ENOENT: no such category, or not subscribed).
 */
#define VDE_PACKET_ROOM 60
#if defined(__cplusplus)
int eventadd(int (*fun)(...), char *path, void *arg);
int eventdel(int (*fun)(...), char *path, void *arg);
#else
int eventadd(int (*fun)(), char *path, void *arg);
int eventdel(int (*fun)(), char *path, void *arg);
#endif

/* ---- the switch ---- */

/* The description of a port's endpoint number epn (from 0, newest first); NULL: none. */
char *port_descr(int port, int epn);
/* The user of a port; (uid_t)-1: none. */
int port_user(int port);

/* Accepted for old plugins, has no effect: returns -1. */
int mgmtnewfd(int fd);

/* Seconds, of a clock that never goes back. */
time_t qtime(void);
/* Calls `call(arg)` every `period` seconds, `times` times (0: for ever). Returns the timer's number, or 0 when there are too many. */
#if defined(__cplusplus)
unsigned int qtimer_add(time_t period, int times, void (*call)(...), void *arg);
#else
unsigned int qtimer_add(time_t period, int times, void (*call)(), void *arg);
#endif
void qtimer_del(unsigned int number);

#ifdef __cplusplus
}
#endif

#if defined(__GNUC__) && !defined(__cplusplus)
#pragma GCC diagnostic pop
#endif

#endif
