/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the engine's own files share: engine.c, engine_output.c for what leaves towards the guests, engine_wait.c for sockets and timers. */
#ifndef VDE_SLIRP_ENGINE_PRIVATE_H
#define VDE_SLIRP_ENGINE_PRIVATE_H

#include "slirpvde/alias.h"
#include "slirpvde/coalesce.h"
#include "slirpvde/engine.h"
#include "slirpvde/reassembly.h"
#include "slirpvde/uncut.h"

enum {
	ENGINE_TIMERS_MAX = 4,          /* libslirp has one (router advertisements); a further one would not run */
	ENGINE_OUTPUT_BYTES = 2 * FRAME_MAX_SIZE,
};

struct engine_timer {
	bool used, running;
	SlirpTimerId id;
	void *cookie;                   /* libslirp's */
	int64_t expires_ms;
};

/* Frames on their way out, sent together. */
struct output {
	struct frame frame[ENGINE_BATCH];
	unsigned count;
	uint32_t used;
	struct uncut last;              /* while uncut frames are wanted */
	uint8_t bytes[ENGINE_OUTPUT_BYTES];
};

struct slirp_engine {
	struct engine_config config;
	struct engine_callbacks callbacks;
	void *owner;
	Slirp *slirp;
	struct sockaddr_in from4;       /* libslirp keeps pointers to these two */
	struct sockaddr_in6 from6;
	bool uncut;                     /* frames that are to be segmented are wanted */
	bool neighbour_heard;           /* by one of the frames of this input */
	bool muted;                     /* what libslirp sends goes nowhere: while the engine talks to it for itself */
	struct forward_table forwards;
	struct alias alias;
	struct dhcp_table leases;
	struct engine_counters counters;
	struct engine_timer timer[ENGINE_TIMERS_MAX];
	struct pollfd *poll;
	unsigned poll_count, poll_size;
	int highest;                    /* of the descriptors of `poll` */
	int descriptors;                /* as many as this process may have */
	bool starved;                   /* it has all of them: nothing can be accepted */
	bool left_out;                  /* of `poll`: a socket that listens */
	struct reassembly reassembly;
	struct coalescer coalescer;
	struct output output;
};

/* A frame of libslirp's: SlirpCb.send_packet, with the engine as `opaque`. */
ssize_t engine_output_packet(const void *data, size_t length, void *opaque);
/* Transmits what has been put together. */
void engine_output_flush(struct slirp_engine *engine);
/* Lets libslirp send what waited for a guest's address. */
void engine_send_waiting(struct slirp_engine *engine);

#endif
