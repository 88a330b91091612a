/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What modules in front of another network share, with a nested network that only looks at what it gets. */
#include "libvdeplug/nest.h"

#include "unit.h"

#include <errno.h>
#include <stdbool.h>

static struct {
	const struct nest_conn *nest;
	unsigned batches, frames, outside;      /* outside: not wholly in the buffer */
	char description[MAXDESCR];
} inner;

/* ---- the nested network ---- */

VDECONN *vde_open_real(char *locator, char *description, int interface_version, struct vde_open_args *args)
{
	(void)locator, (void)interface_version, (void)args;
	snprintf(inner.description, sizeof(inner.description), "%s", description);
	return (VDECONN *)(void *)&inner;
}

int vde_send_batch(VDECONN *conn, const struct vde_frame *frames, unsigned count, int flags)
{
	const uint8_t *begin = inner.nest->out;

	(void)conn, (void)flags;
	for (unsigned i = 0; i < count; i++) {
		const uint8_t *data = frames[i].data;

		if (data < begin || data - begin > NEST_OUT_BYTES || NEST_OUT_BYTES - (size_t)(data - begin) < frames[i].length)
			inner.outside++;
	}
	inner.batches++;
	inner.frames += count;
	return (int)count;
}

int vde_recv_batch(VDECONN *conn, struct vde_frame *frames, unsigned count, int flags)
{
	(void)conn, (void)frames, (void)count, (void)flags;
	errno = EAGAIN;
	return -1;
}

ssize_t vde_recv(VDECONN *conn, void *frame, size_t size, int flags)
{
	(void)conn, (void)frame, (void)size, (void)flags;
	return -1;
}

ssize_t vde_send(VDECONN *conn, const void *frame, size_t length, int flags)
{
	(void)conn, (void)frame, (void)flags;
	return (ssize_t)length;
}

unsigned vde_pending(VDECONN *conn)
{
	(void)conn;
	return 0;
}

int vde_datafd(VDECONN *conn)
{
	(void)conn;
	return -1;
}

int vde_ctlfd(VDECONN *conn)
{
	(void)conn;
	return -1;
}

int vde_close(VDECONN *conn)
{
	(void)conn;
	return 0;
}

/* ---- a module ---- */

/* As long as a frame may become, and never a longer one than there can be: only the length counts here. */
static size_t outward(struct nest_conn *nest, const uint8_t *frame, size_t length, uint8_t *out)
{
	(void)nest, (void)frame, (void)out;
	return length + NEST_GROWTH;
}

static size_t inward(struct nest_conn *nest, uint8_t *frame, size_t length, size_t size)
{
	(void)nest, (void)frame, (void)size;
	return length;
}

static const struct nest_kind kind = {.outward = outward, .inward = inward};

static struct nest_conn *open_nest(const char *description)
{
	char nested[] = "null://";
	struct nest_conn *nest = nest_open(&kind, sizeof(*nest), nested, description, LIBVDEPLUG_INTERFACE_VERSION, NULL);

	assert_non_null(nest);
	memset(&inner, 0, offsetof(__typeof__(inner), description));
	inner.nest = nest;
	return nest;
}

/* Two long frames and short ones behind them, so that every number of bytes is left at some time: no frame goes beyond the buffer. */
static void test_full_buffer(void **state)
{
	static uint8_t bytes[FRAME_MAX_SIZE];
	struct nest_conn *nest = open_nest("x");

	(void)state;
	for (size_t length = FRAME_MAX_SIZE - NEST_GROWTH; length > FRAME_MAX_SIZE - 400; length--) {
		struct vde_frame frames[NEST_BATCH];
		unsigned done = 0;

		for (unsigned i = 0; i < NEST_BATCH; i++)
			frames[i] = (struct vde_frame){bytes, 0, i == 0 ? FRAME_MAX_SIZE - NEST_GROWTH : i == 1 ? length : ETHERNET_HEADER_SIZE + i % 5};
		inner.frames = 0;
		while (done < NEST_BATCH) {
			int n = nest_send_batch((VDECONN *)(void *)nest, frames + done, NEST_BATCH - done, 0);

			assert_in_range(n, 1, NEST_BATCH - done);
			done += (unsigned)n;
		}
		assert_int_equal(inner.frames, NEST_BATCH);
		assert_int_equal(inner.outside, 0);
	}
	nest_close((VDECONN *)(void *)nest);
}

/* What the library has put behind the program's words is taken off, since it will be put there again. */
static void test_description(void **state)
{
	static const struct { const char *given, *passed_on; } rows[] = {
		{"QEMU user=root pid=7", "QEMU"}, {"QEMU", "QEMU"}, {"user=root pid=7", ""}, {"", ""}, {NULL, ""}, {"super-user=x user=root pid=7", "super-user=x"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		nest_close((VDECONN *)(void *)open_nest(rows[i].given));
		assert_string_equal(inner.description, rows[i].passed_on);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_full_buffer),
		cmocka_unit_test(test_description),
	};

	return cmocka_run_group_tests_name("modules in front of another network", tests, NULL, NULL);
}
