/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Command lines of the first QEMUs, written as later ones understand them. A pure function: words in, words out.
 *
 *      -net vde[,vlan=N][,sock=S][,port=P][,group=G][,mode=M]  and  -net nic[,vlan=N]...       what shares a vlan number is joined
 *      -sock S[,S...], -vdesock, -unix  [--mod M]                                              one interface for each S
 *
 * become -netdev and "-net nic,netdev=". Command lines without these forms stay as they are, word for word.
 */
#ifndef VDE_VDEQ_REWRITE_H
#define VDE_VDEQ_REWRITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { VDEQ_NETS_MAX = 64 };    /* -net options with the sockets of -sock; more are refused with E2BIG */

/* A connection that QEMU cannot make by itself. Strings are NULL when not named; valid during the call. */
struct vdeq_plug {
	const char *socket, *group;
	unsigned port;
	unsigned mode;
};

struct vdeq_config {
	bool netdev_vde;                /* this QEMU has -netdev vde */
	uint8_t mac[3];                 /* of the first interface that names none, after 52:54:00; the next ones count up */
	/* Without netdev_vde: returns the number of a datagram socket that QEMU inherits, or -1 with errno. */
	int (*plug)(void *owner, const struct vdeq_plug *plug);
	void *owner;
};

struct vdeq_words {
	char **word;                    /* NULL terminated */
	size_t count, size;
	char error[160];                /* set when vdeq_rewrite fails */
};

/* Whether there is anything of the old forms. */
bool vdeq_is_old(char *const *words);
/* Appends the words rewritten. 0, or an errno value with a text in out->error. Free with vdeq_free in any case. */
int vdeq_rewrite(const struct vdeq_config *config, char *const *words, struct vdeq_words *out);
void vdeq_free(struct vdeq_words *words);

#endif
