/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The control socket DIR/ctl: clients ask for a port here (plug_protocol.h). A request that is granted becomes an endpoint_unix; any other is answered by
 * closing at once, and logged.
 */
#ifndef VDE_CONTROL_H
#define VDE_CONTROL_H

#include <stdbool.h>
#include <sys/types.h>

struct control;
struct log;
struct vde_switch;

struct control_config {
	const char *directory;
	mode_t mode;                    /* of ctl */
	mode_t directory_mode;
	gid_t group;                    /* of directory and sockets; (gid_t)-1: left */
	mode_t management_mode;         /* of the data sockets of port 0 */
	gid_t management_group;
};

/*
 * Makes the directory (or takes over that of a switch that died) and listens in it; sets sw->control. 0 or an errno value, already logged.
 */
int control_open(struct vde_switch *sw, const struct control_config *config);
/* Stops listening and removes what the switch made in the directory; the endpoints are closed already. NULL is accepted. */
void control_close(struct control *control);

const char *control_directory(const struct control *control);
const struct control_config *control_settings(const struct control *control);

#endif
