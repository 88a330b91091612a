/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Introductions by a program in ssh's place, which says and does what the server's host might make ssh say and do. */
#include "vde_cryptcab/introduction.h"
#include "vde_cryptcab/ssh.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define MILLISECOND UINT64_C(1000000)

static const char directory[] = "/tmp/cryptcab-ssh-XXXXXX";

struct world {
	struct loop *loop;
	struct log log;
	char directory[sizeof(directory)], program[64];
	unsigned answers;
	int error;
};

static int setup(void **state)
{
	struct world *world = calloc(1, sizeof(*world));

	memcpy(world->directory, directory, sizeof(directory));
	assert_non_null(mkdtemp(world->directory));
	snprintf(world->program, sizeof(world->program), "%s/ssh", world->directory);
	world->loop = loop_create();
	log_init(&world->log, "test");
	*state = world;
	return 0;
}

static int teardown(void **state)
{
	struct world *world = *state;

	loop_destroy(world->loop);
	unlink(world->program);
	rmdir(world->directory);
	free(world);
	return 0;
}

static void over(void *owner, int error, const uint8_t key_id[KEY_ID_SIZE], const uint8_t secret[SECRET_SIZE])
{
	struct world *world = owner;

	(void)key_id;
	(void)secret;
	world->answers++;
	world->error = error;
	loop_stop(world->loop, 0);
}

/* Is introduced by a shell script, and returns what came of it. */
static int introduction(struct world *world, const char *script, uint64_t patience_ns)
{
	struct address_target target = { .user = "user", .host = "host", .port = 7 };
	FILE *file = fopen(world->program, "w");
	struct ssh *ssh;

	assert_non_null(file);
	fprintf(file, "#!/bin/sh\n%s\n", script);
	fclose(file);
	assert_int_equal(chmod(world->program, 0700), 0);
	ssh = ssh_start(world->loop, &world->log, world->program, &target, patience_ns, over, world);
	assert_non_null(ssh);
	alarm(60);
	loop_run(world->loop);
	alarm(0);
	ssh_end(ssh);
	assert_int_equal(world->answers, 1);
	return world->error;
}

static void answered(void **state)
{
	assert_int_equal(introduction(*state, "echo Welcome to this host; printf '\\033]0;title\\007'; test \"$*\" = 'user@host vde_cryptcab --admit 7' && read word rest && "
				      "test $word = vde-cryptcab-admit && echo " INTRODUCTION_WORD "ok; exec sleep 1000", 0), 0);
}

/* What scripts of old say to scp means the same to ssh, or is left out. */
static void options_of_scp(void **state)
{
	setenv("SCP_EXTRA_OPTIONS", "-B -P 22  -P23 -r -l 9 -q -oUser=x -l500", 1);
	assert_int_equal(introduction(*state, "test \"$*\" = '-oBatchMode=yes -p 22 -p23 -q -oUser=x user@host vde_cryptcab --admit 7' && "
				      "echo " INTRODUCTION_WORD "ok", 0), 0);
	unsetenv("SCP_EXTRA_OPTIONS");
}

/* No word of the command is left out in silence: it might be the host. */
static void command_too_long(void **state)
{
	struct world *world = *state;
	struct address_target target = { .host = "host", .port = 7 };
	char command[200] = "ssh";

	for (size_t i = 0; i < 64; i++)
		strcat(command, " x");
	assert_null(ssh_start(world->loop, &world->log, command, &target, 0, over, world));
	assert_int_equal(errno, E2BIG);
}

/* Blanks are no program, and the host is not one either. */
static void blank_command(void **state)
{
	struct world *world = *state;
	struct address_target target = { .host = "host", .port = 7 };
	FILE *file = fopen(world->program, "w");
	const char *path = getenv("PATH");
	char *before = strdup(path ? path : "");
	struct ssh *ssh;

	assert_non_null(file);
	fputs("#!/bin/sh\necho " INTRODUCTION_WORD "ok\n", file);
	fclose(file);
	assert_int_equal(chmod(world->program, 0700), 0);
	setenv("PATH", world->directory, 1);
	ssh = ssh_start(world->loop, &world->log, " \t", &target, 0, over, world);
	setenv("PATH", before, 1);
	free(before);
	assert_non_null(ssh);
	loop_run(world->loop);
	ssh_end(ssh);
	assert_int_equal(world->error, 0);
}

static void refused(void **state)
{
	assert_int_equal(introduction(*state, "echo " INTRODUCTION_WORD "error no; exec sleep 1000", 0), ECONNREFUSED);
}

static void ends_without_a_word(void **state)
{
	assert_int_equal(introduction(*state, "exit 255", 0), ECONNREFUSED);
}

/* A server's host can close the channel's output and let ssh go on. */
static void closes_its_output_and_stays(void **state)
{
	assert_int_equal(introduction(*state, "exec >&-; exec sleep 1000", 0), ECONNREFUSED);
}

static void says_nothing(void **state)
{
	assert_int_equal(introduction(*state, "exec sleep 1000", 200 * MILLISECOND), ETIMEDOUT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(answered, setup, teardown),
		cmocka_unit_test_setup_teardown(options_of_scp, setup, teardown),
		cmocka_unit_test_setup_teardown(command_too_long, setup, teardown),
		cmocka_unit_test_setup_teardown(blank_command, setup, teardown),
		cmocka_unit_test_setup_teardown(refused, setup, teardown),
		cmocka_unit_test_setup_teardown(ends_without_a_word, setup, teardown),
		cmocka_unit_test_setup_teardown(closes_its_output_and_stays, setup, teardown),
		cmocka_unit_test_setup_teardown(says_nothing, setup, teardown),
	};

	return cmocka_run_group_tests_name("cryptcab introduction", tests, NULL, NULL);
}
