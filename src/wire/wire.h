/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One end of a cable: a place where frames come in and go out. A plug in a switch (any locator of libvdeplug), a vdestream on a pair of
 * descriptors, a tap, a capture interface: all look the same from here, so that vde_plug, vde_plug2tap, wirefilter, vde_cryptcab and
 * slirpvde are each "these two ends, and what happens between".
 *
 * Nothing blocks. What an end does not take at once waits in its bounded queue (WIRE_QUEUE_BYTES); above the bound
 * frames are dropped and counted, unless the sender listens to wire_is_full and stops reading (wire_join does).
 */
#ifndef VDE_WIRE_H
#define VDE_WIRE_H

#include "common/frame.h"
#include "common/log.h"
#include "common/loop.h"

#include <libvdeplug.h>
#include <stdbool.h>
#include <stdint.h>

enum {
	WIRE_BATCH = 64,                /* frames handed over at most in one call */
	WIRE_QUEUE_BYTES = 1 << 20,
	WIRE_HEADROOM = 64,             /* writable bytes before each received frame's data */
	WIRE_TAILROOM = 64,             /* and behind it */
	WIRE_REST_NS = 50000,           /* see wire_moderate */
};

struct wire;

struct wire_callbacks {
	/* Frames came in. They and their bytes (head and tail room too) are the callee's to change until it returns. */
	void (*receive)(void *owner, struct frame *frames, unsigned count);
	/* The end is gone: error 0 after an orderly end of file, else an errno value. Called once; the wire may be closed in it. */
	void (*lost)(void *owner, int error);
	/* The queue that had made wire_is_full true has drained. May be NULL. */
	void (*drained)(void *owner);
};

struct wire_counters {
	uint64_t frames_in, bytes_in, frames_out, bytes_out;
	uint64_t dropped_full;          /* queue over its bound */
	uint64_t dropped_size;          /* under 14 or over 65535 bytes, or too long for this kind */
	uint64_t errors;                /* sends that the system refused for another reason */
};

/*
 * A plug: `name` is a locator (NULL or "": the default switch). Blocks for at most the library's time-out while it connects. NULL with errno.
 * Watches the control descriptor: a switch that goes is `lost`.
 */
struct wire *wire_open_plug(struct loop *loop, const char *name, const char *description, struct vde_open_args *args,
			    const struct wire_callbacks *callbacks, void *owner);
/* vdestream framing from `in`, to `out`. The descriptors may be pipes, sockets, files or terminals; they are not closed by wire_close. */
struct wire *wire_open_stream(struct loop *loop, int in, int out, const struct wire_callbacks *callbacks, void *owner);
/* A descriptor with one frame per read and write, such as a tap; closed by wire_close. */
struct wire *wire_open_device(struct loop *loop, int fd, const struct wire_callbacks *callbacks, void *owner);
/*
 * A tap, non-blocking, as tap_open or tap_open_offload give it; closed by wire_close. Frames are finished and whole in either case: what the kernel leaves to be done is done
 * here.
 */
struct wire *wire_open_tap(struct loop *loop, int fd, const struct wire_callbacks *callbacks, void *owner);

/* Closes and frees; NULL is accepted. Allowed in the wire's own callbacks. */
void wire_close(struct wire *wire);

/*
 * Lets frames that are to be segmented (common/offload.h) come uncut, frame->offload set, where the other side can give them. Returns whether it can; if so
 * wire_send passes such frames on as they are. For an owner who gains by it; not with wire_join.
 */
bool wire_take_uncut(struct wire *wire);
/*
 * Takes the frames (their bytes are copied when they must wait). Frames over the bound are dropped and counted. Those that are to be segmented are cut here
 * when the other side does not take them uncut; their checksum is nobody's to complete before.
 */
void wire_send(struct wire *wire, const struct frame *frames, unsigned count);
bool wire_is_full(const struct wire *wire);
/* Stops or resumes reading; while paused, what arrives waits in the system. */
void wire_pause(struct wire *wire, bool paused);
/* Sends what waits for at most timeout_ns: for the end of a program. */
void wire_flush(struct wire *wire, uint64_t timeout_ns);
const struct wire_counters *wire_counters(const struct wire *wire);

/*
 * Under load, when frames wake the program one by one in quick succession, it rests WIRE_REST_NS after some wake-ups, so that the next
 * frames are met together. A frame that comes after a silence, or that answers one of ours, does not wait.
 */
void wire_moderate(struct wire *wire);

/* For a cable without anything between: the receive callback of one end sends to the other; a full end pauses its peer. */
void wire_join(struct wire *a, struct wire *b);

#endif
