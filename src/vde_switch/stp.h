/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The spanning trees of a switch: one struct rstp per VLAN, fed with what happens to the VLAN's members and with the
 * BPDUs that they receive, and setting their states. VLAN 0 is the standard's tree, its BPDUs untagged; in another VLAN
 * they are tagged where the port is tagged.
 *
 * The link of a port is up in a tree while the tree is on and the port has endpoints. A port with one endpoint is point
 * to point.
 */
#ifndef VDE_STP_H
#define VDE_STP_H

#include "vde_switch/rstp.h"

struct port;
struct reply;
struct stp;
struct vde_switch;

/* Takes the hooks of the VLANs (vlan.h). Off. NULL: no memory. */
struct stp *stp_create(struct vde_switch *sw);
/* Gives the hooks back; no port changes its state. NULL is accepted. */
void stp_destroy(struct stp *stp);

/* On: every active port begins as in a new tree. Off: every active port forwards. */
void stp_set_enabled(struct stp *stp, bool on);
bool stp_is_enabled(const struct stp *stp);

/* The tree of a VLAN, also while off; NULL: no such VLAN. */
struct rstp *stp_tree(const struct stp *stp, unsigned vid);

/* For all trees, those to come included: see rstp.h for ranges and results. */
int stp_set_priority(struct stp *stp, unsigned priority);
int stp_set_times(struct stp *stp, unsigned hello, unsigned max_age, unsigned forward_delay);
const struct rstp_times *stp_times(const struct stp *stp);

/*
 * One port in each VLAN may have a bonus, taken from its cost; it need not exist yet. A bonus of 0 takes it back. 0, or
 * ENXIO (no such VLAN).
 */
int stp_set_bonus(struct stp *stp, unsigned vid, unsigned port, uint32_t bonus);
void stp_get_bonus(const struct stp *stp, unsigned vid, unsigned *port, uint32_t *bonus);

/* Makes sure that the port is known to the tree, so that it can be set up before it is in use. 0, ENXIO (no such VLAN or port), ENOSPC, ENOMEM. */
int stp_prepare_port(struct stp *stp, unsigned vid, unsigned port);

/* For the configuration as a script: is anything set for this port in any tree? The commands that set everything as it is. */
bool stp_is_configured(const struct stp *stp, const struct port *port);
void stp_print_configuration(const struct stp *stp, struct reply *reply);

#endif
