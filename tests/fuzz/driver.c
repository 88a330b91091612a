/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Runs a fuzz target without libFuzzer: each seed of a directory (argv[1]) as it is, then changed copies of the
 * seeds, always the same ones, until there were 2000 for each or the time is over. A crash is the failure; argv[1]
 * may also be one file, to look at it again.
 */
#include "fuzz.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum {
	INPUT_MAX = 65536,
	SEEDS_MAX = 512,
	MUTATIONS = 2000,               /* of each seed */
	TIME_MAX_S = 5,
};

struct seed {
	uint8_t *data;
	size_t size;
};

struct corpus {
	struct seed seed[SEEDS_MAX];
	size_t count;
};

struct input {
	uint8_t data[INPUT_MAX];
	size_t size;
};

/* xorshift64: the same numbers in each run. */
static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static size_t below(uint64_t *state, size_t limit)
{
	return limit ? (size_t)(next_random(state) % limit) : 0;
}

static void corpus_add(struct corpus *corpus, const char *path)
{
	FILE *file = fopen(path, "rb");
	struct seed *seed = &corpus->seed[corpus->count];

	if (!file || corpus->count == SEEDS_MAX) {
		fprintf(stderr, "cannot use seed %s\n", path);
		exit(1);
	}
	seed->data = malloc(INPUT_MAX);
	if (!seed->data)
		exit(1);
	seed->size = fread(seed->data, 1, INPUT_MAX, file);
	corpus->count++;
	fclose(file);
}

static int is_visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static void corpus_read(struct corpus *corpus, const char *path)
{
	struct dirent **entries;
	struct stat status;
	int count;

	if (stat(path, &status) == 0 && S_ISREG(status.st_mode)) {
		corpus_add(corpus, path);
		return;
	}
	count = scandir(path, &entries, is_visible, alphasort);
	for (int i = 0; i < count; i++) {
		char name[4096];

		snprintf(name, sizeof(name), "%s/%s", path, entries[i]->d_name);
		corpus_add(corpus, name);
		free(entries[i]);
	}
	if (count >= 0)
		free(entries);
}

static void insert_random(struct input *input, uint64_t *state)
{
	size_t at = below(state, input->size + 1);
	size_t length = 1 + below(state, 16);
	uint8_t value = (uint8_t)next_random(state);
	bool repeat = next_random(state) & 1;

	if (input->size + length > INPUT_MAX)
		return;
	memmove(input->data + at + length, input->data + at, input->size - at);
	for (size_t i = 0; i < length; i++)
		input->data[at + i] = repeat ? value : (uint8_t)next_random(state);
	input->size += length;
}

/* The beginning of this one and the end of another. */
static void splice(struct input *input, const struct seed *other, uint64_t *state)
{
	size_t keep = below(state, input->size + 1);
	size_t from = below(state, other->size + 1);
	size_t length = other->size - from;

	if (length > INPUT_MAX - keep)
		length = INPUT_MAX - keep;
	memcpy(input->data + keep, other->data + from, length);
	input->size = keep + length;
}

static void mutate(struct input *input, const struct corpus *corpus, uint64_t *state)
{
	switch (below(state, 5)) {
	case 0:
		input->size = below(state, input->size + 1);
		break;
	case 1:
		if (input->size > 0)
			input->data[below(state, input->size)] ^= (uint8_t)(1u << below(state, 8));
		break;
	case 2:
		if (input->size > 0)
			input->data[below(state, input->size)] = (uint8_t)next_random(state);
		break;
	case 3:
		insert_random(input, state);
		break;
	default:
		splice(input, &corpus->seed[below(state, corpus->count)], state);
		break;
	}
}

/* In a block of exactly its size, so that AddressSanitizer sees a read beyond the end. */
static void run_exactly(const uint8_t *data, size_t size)
{
	uint8_t *exact = malloc(size ? size : 1);

	if (!exact)
		exit(1);
	memcpy(exact, data, size);
	LLVMFuzzerTestOneInput(exact, size);
	free(exact);
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* One changed copy of each seed in turn, so that a short time is shared by all. Returns how many were run. */
static unsigned long run_mutations(const struct corpus *corpus, double end)
{
	static struct input input;
	uint64_t state = 0x9e3779b97f4a7c15u;
	unsigned long runs = 0;

	for (int round = 0; round < MUTATIONS; round++) {
		for (size_t i = 0; i < corpus->count; i++) {
			if (now() > end)
				return runs;
			memcpy(input.data, corpus->seed[i].data, corpus->seed[i].size);
			input.size = corpus->seed[i].size;
			for (size_t changes = 1 + below(&state, 4); changes > 0; changes--)
				mutate(&input, corpus, &state);
			run_exactly(input.data, input.size);
			runs++;
		}
	}
	return runs;
}

int main(int argc, char **argv)
{
	static struct corpus corpus;
	double end = now() + TIME_MAX_S;
	unsigned long runs;

	if (argc != 2) {
		fprintf(stderr, "usage: %s SEEDS\n", argv[0]);
		return 2;
	}
	corpus_read(&corpus, argv[1]);
	if (corpus.count == 0) {
		fprintf(stderr, "no seeds in %s\n", argv[1]);
		return 1;
	}
	for (size_t i = 0; i < corpus.count; i++)
		run_exactly(corpus.seed[i].data, corpus.seed[i].size);
	runs = run_mutations(&corpus, end);
	printf("%zu seeds, %lu changed copies\n", corpus.count, runs);
	for (size_t i = 0; i < corpus.count; i++)
		free(corpus.seed[i].data);
	return 0;
}
