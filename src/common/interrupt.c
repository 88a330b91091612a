/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "interrupt.h"

#include <unistd.h>

enum { STATUS_SIGNAL = 128 };

static void *watch(void *argument)
{
	struct interrupt *interrupt = argument;
	int number, state;

	if (sigwait(&interrupt->signals, &number) != 0)
		return NULL;
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	if (interrupt->clean != NULL)
		interrupt->clean(interrupt->owner);
	_exit(STATUS_SIGNAL + number);
}

void interrupt_begin(struct interrupt *interrupt, const int *signals, size_t count, void (*clean)(void *owner), void *owner)
{
	interrupt->clean = clean;
	interrupt->owner = owner;
	sigemptyset(&interrupt->signals);
	for (size_t i = 0; i < count; i++)
		sigaddset(&interrupt->signals, signals[i]);
	pthread_sigmask(SIG_BLOCK, &interrupt->signals, &interrupt->before);
	interrupt->watched = pthread_create(&interrupt->thread, NULL, watch, interrupt) == 0;
}

void interrupt_end(struct interrupt *interrupt)
{
	if (interrupt->watched) {
		pthread_cancel(interrupt->thread);
		pthread_join(interrupt->thread, NULL);
	}
	pthread_sigmask(SIG_SETMASK, &interrupt->before, NULL);
}
