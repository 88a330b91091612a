/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "watch.h"

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

int watch_open(const int *fds, unsigned count)
{
	int watch = epoll_create1(EPOLL_CLOEXEC), error = 0;

	for (unsigned i = 0; i < count && watch >= 0 && error == 0; i++) {
		struct epoll_event event = {.events = EPOLLIN};

		error = epoll_ctl(watch, EPOLL_CTL_ADD, fds[i], &event) == 0 ? 0 : errno;
	}
	if (error == 0)
		return watch;
	close(watch);
	errno = error;
	return -1;
}
