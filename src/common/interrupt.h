/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Signals that end a program while it waits for something else than its loop: a name is resolved, a switch is asked and does not answer, a file turns
 * out to be a pipe. The loop has them blocked, and nobody would look at them.
 */
#ifndef VDE_INTERRUPT_H
#define VDE_INTERRUPT_H

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

enum { INTERRUPT_STATUS = 128 };       /* of a program that a signal ended; its number is added */

struct interrupt {
	int (*end)(void *owner, int number);
	void *owner;
	sigset_t signals, before;
	pthread_t thread;
	bool watched;
};

/*
 * From here to interrupt_end any of the signals ends the program at once. What is to be done before does `end`, in another thread, while the one that
 * waits goes on waiting; it returns the exit status. NULL: 128 and the signal's number. Both functions leave the set of blocked signals as it was.
 * Where there cannot be a thread, signals wait.
 */
void interrupt_begin(struct interrupt *interrupt, const int *signals, size_t count, int (*end)(void *owner, int number), void *owner);
/* When a signal has come meanwhile, it does not return. */
void interrupt_end(struct interrupt *interrupt);

#endif
