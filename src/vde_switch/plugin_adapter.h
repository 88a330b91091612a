/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What plugins registered with the switch, per plugin, so that it can be taken back when they leave. */
#ifndef VDE_PLUGIN_ADAPTER_H
#define VDE_PLUGIN_ADAPTER_H

#include "vde_switch/event.h"

struct plugin_adapter;
struct vde_switch;

/*
 * NULL with errno; EBUSY: another switch of this process has one. (The functions that a plugin calls are given no switch; they find it in a
 * variable of the adapter.)
 */
struct plugin_adapter *plugin_adapter_create(struct vde_switch *sw);
void plugin_adapter_destroy(struct plugin_adapter *adapter);

/*
 * Gives a frame to the packet filters of plugins (kind: EVENT_PACKET_IN or EVENT_PACKET_OUT), which may change it; behind its data there must be VDE_PACKET_ROOM
 * bytes. Returns its new length; 0: it is dropped.
 */
uint32_t plugin_adapter_filter(struct plugin_adapter *adapter, enum event_kind kind, unsigned port, uint8_t *data, uint32_t length);

/* What is registered from now on belongs to `module` (any address that stands for it). */
void plugin_adapter_loading(struct plugin_adapter *adapter, const void *module);
/* The module is known by another address from now on. */
void plugin_adapter_adopt(struct plugin_adapter *adapter, const void *old_module, const void *module);
/* Takes back what the module has not taken back itself. Before its memory is unmapped. */
void plugin_adapter_purge(struct plugin_adapter *adapter, const void *module);

#endif
