/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A thread waits for the signals. It is not cancelled when it is not needed any more, since that could take a signal with it that has just come: it is
 * sent one that means nothing otherwise. Of two that are there, the one that it does not take stays for the loop.
 */
#include "interrupt.h"

#include <unistd.h>

enum { ENOUGH = SIGURG };

static void *watch(void *argument)
{
	struct interrupt *interrupt = argument;
	int number;

	if (sigwait(&interrupt->signals, &number) != 0 || number == ENOUGH)
		return NULL;
	_exit(interrupt->end != NULL ? interrupt->end(interrupt->owner, number) : INTERRUPT_STATUS + number);
}

void interrupt_begin(struct interrupt *interrupt, const int *signals, size_t count, int (*end)(void *owner, int number), void *owner)
{
	interrupt->end = end;
	interrupt->owner = owner;
	sigemptyset(&interrupt->signals);
	sigaddset(&interrupt->signals, ENOUGH);
	for (size_t i = 0; i < count; i++)
		sigaddset(&interrupt->signals, signals[i]);
	pthread_sigmask(SIG_BLOCK, &interrupt->signals, &interrupt->before);
	interrupt->watched = pthread_create(&interrupt->thread, NULL, watch, interrupt) == 0;
}

void interrupt_end(struct interrupt *interrupt)
{
	if (interrupt->watched) {
		pthread_kill(interrupt->thread, ENOUGH);
		pthread_join(interrupt->thread, NULL);
	}
	pthread_sigmask(SIG_SETMASK, &interrupt->before, NULL);
}
