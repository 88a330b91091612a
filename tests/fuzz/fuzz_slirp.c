/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Frames that a guest may send to slirpvde. The input is a vdestream: frames, each preceded by its length as two bytes. They go through
 * all that lies in front of libslirp and into it, in batches; the network is restricted, so that nothing leaves the machine.
 */
#include "fuzz.h"

#include "slirpvde/engine.h"

#include <stdlib.h>

enum { BATCH = 8 };

/* Touches every byte, so that one outside its buffer is seen. */
static void on_transmit(void *owner, const struct frame *frames, unsigned count)
{
	volatile uint8_t *sum = owner;

	for (unsigned i = 0; i < count; i++)
		for (uint32_t at = 0; at < frames[i].length; at++)
			*sum = (uint8_t)(*sum + frames[i].data[at]);
}

static void ignore(void *owner, const char *text)
{
	(void)owner;
	(void)text;
}

static struct slirp_engine *create(uint8_t *sum)
{
	static const struct engine_callbacks callbacks = { .transmit = on_transmit };
	struct engine_config config = {
		.dhcp = true, .dhcp_count = 3, .advertise = true, .restricted = true, .no_host_loopback = true,
		.tftp_directory = "/nonexistent",
	};
	static struct engine_messages messages;
	struct engine_error error;
	struct slirp_engine *engine;
	struct forward forward;

	if (!messages.call) {
		messages.call = ignore;
		engine_catch_messages(&messages);
	}
	if (address_parse_network("10.0.2.2", 24, 64, &config.host4) || address_parse_network("fd00::2", 24, 64, &config.host6) ||
	    engine_config_complete(&config, &error))
		abort();
	engine = engine_create(&config, &callbacks, sum, &error);
	if (!engine || forward_parse(FORWARD_UNIX, "6000:/nonexistent/socket", &forward, &error) ||
	    forward_add(engine_forwards(engine), &forward, &error))
		abort();
	return engine;
}

/* The next frame in memory of exactly its size. NULL at the end. */
static uint8_t *next_frame(const uint8_t **data, size_t *size, struct frame *frame)
{
	size_t length;
	uint8_t *copy;

	if (*size < 2)
		return NULL;
	length = read_be16(*data);
	*data += 2;
	*size -= 2;
	if (length > *size)
		length = *size;
	copy = malloc(length ? length : 1);
	if (!copy)
		abort();
	memcpy(copy, *data, length);
	*data += length;
	*size -= length;
	*frame = (struct frame){ .data = copy, .length = (uint32_t)length };
	return copy;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t sum = 0;
	struct slirp_engine *engine = create(&sum);
	struct frame frames[BATCH];
	uint8_t *copies[BATCH];
	unsigned count;

	do {
		unsigned polls;
		int timeout;

		for (count = 0; count < BATCH; count++) {
			copies[count] = next_frame(&data, &size, &frames[count]);
			if (!copies[count])
				break;
		}
		engine_input(engine, frames, count);
		engine_prepare(engine, &polls, &timeout);
		engine_process(engine);
		for (unsigned i = 0; i < count; i++)
			free(copies[i]);
	} while (count == BATCH);
	free(engine_connections(engine));
	free(engine_neighbours(engine));
	engine_destroy(engine);
	return 0;
}
