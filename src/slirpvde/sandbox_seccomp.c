/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The system calls that serving needs. Others fail with ENOSYS, as on an older kernel, so that a C library that tries something
 * newer falls back to what is known here.
 */
#include "slirpvde/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>

static const int allowed[] = {
	/* bytes in, bytes out */
	SCMP_SYS(read), SCMP_SYS(readv), SCMP_SYS(pread64), SCMP_SYS(write), SCMP_SYS(writev), SCMP_SYS(lseek),
	SCMP_SYS(recvfrom), SCMP_SYS(recvmsg), SCMP_SYS(recvmmsg), SCMP_SYS(recvmmsg_time64), SCMP_SYS(recv),
	SCMP_SYS(sendto), SCMP_SYS(sendmsg), SCMP_SYS(sendmmsg), SCMP_SYS(send),
	/* sockets and other descriptors; socket() itself: see below */
	SCMP_SYS(connect), SCMP_SYS(bind), SCMP_SYS(listen), SCMP_SYS(accept), SCMP_SYS(accept4), SCMP_SYS(shutdown),
	SCMP_SYS(getsockname), SCMP_SYS(getpeername), SCMP_SYS(getsockopt), SCMP_SYS(setsockopt), SCMP_SYS(close),
	SCMP_SYS(fcntl), SCMP_SYS(fcntl64), SCMP_SYS(dup), SCMP_SYS(pipe2), SCMP_SYS(eventfd2),
	/* waiting and time */
	SCMP_SYS(epoll_create1), SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait), SCMP_SYS(epoll_pwait2),
	SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(ppoll_time64), SCMP_SYS(select), SCMP_SYS(pselect6),
	SCMP_SYS(timerfd_settime), SCMP_SYS(timerfd_settime64), SCMP_SYS(signalfd4), SCMP_SYS(nanosleep),
	SCMP_SYS(clock_nanosleep), SCMP_SYS(clock_gettime), SCMP_SYS(clock_gettime64), SCMP_SYS(gettimeofday),
	SCMP_SYS(time), SCMP_SYS(restart_syscall), SCMP_SYS(futex), SCMP_SYS(futex_time64), SCMP_SYS(sched_yield),
	/* memory; mmap and mprotect: see below */
	SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise),
	/* files to be looked at, and our own sockets and pid file removed at the end */
	SCMP_SYS(stat), SCMP_SYS(fstat), SCMP_SYS(lstat), SCMP_SYS(stat64), SCMP_SYS(fstat64), SCMP_SYS(lstat64),
	SCMP_SYS(newfstatat), SCMP_SYS(fstatat64), SCMP_SYS(statx), SCMP_SYS(access), SCMP_SYS(faccessat),
	SCMP_SYS(readlink), SCMP_SYS(readlinkat), SCMP_SYS(getcwd), SCMP_SYS(unlink), SCMP_SYS(unlinkat), SCMP_SYS(rmdir),
	/* the process itself */
	SCMP_SYS(getpid), SCMP_SYS(gettid), SCMP_SYS(getuid), SCMP_SYS(geteuid), SCMP_SYS(getgid), SCMP_SYS(getegid),
	SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn), SCMP_SYS(sigreturn), SCMP_SYS(sigaltstack),
	SCMP_SYS(tgkill), SCMP_SYS(exit), SCMP_SYS(exit_group), SCMP_SYS(getrandom), SCMP_SYS(uname), SCMP_SYS(rseq),
	SCMP_SYS(set_robust_list), SCMP_SYS(membarrier),
};

/* A call allowed when bits `mask` of argument `argument` are `value`. */
struct conditional {
	int call;
	unsigned argument;
	scmp_datum_t mask, value;
};

static const scmp_datum_t whole = UINT32_MAX;

#define FILE_CHANGES (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC)

static const struct conditional conditionals[] = {
	{ SCMP_SYS(open), 1, FILE_CHANGES, 0 },
	{ SCMP_SYS(openat), 2, FILE_CHANGES, 0 },
	{ SCMP_SYS(mmap), 2, PROT_EXEC, 0 },
	{ SCMP_SYS(mmap2), 2, PROT_EXEC, 0 },
	{ SCMP_SYS(mprotect), 2, PROT_EXEC, 0 },
	{ SCMP_SYS(socket), 0, whole, AF_UNIX },
	{ SCMP_SYS(socket), 0, whole, AF_INET },
	{ SCMP_SYS(socket), 0, whole, AF_INET6 },
	{ SCMP_SYS(socketpair), 0, whole, AF_UNIX },
	{ SCMP_SYS(ioctl), 1, whole, FIONREAD },
	{ SCMP_SYS(ioctl), 1, whole, FIONBIO },
};

/* A call that this architecture does not have is no loss. */
static int add_rules(scmp_filter_ctx filter)
{
	int error = 0;

	for (unsigned i = 0; i < sizeof(allowed) / sizeof(allowed[0]) && (error == 0 || error == -EDOM); i++)
		error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0);
	for (unsigned i = 0; i < sizeof(conditionals) / sizeof(conditionals[0]) && (error == 0 || error == -EDOM); i++)
		error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, conditionals[i].call, 1,
					 SCMP_CMP64(conditionals[i].argument, SCMP_CMP_MASKED_EQ, conditionals[i].mask,
						    conditionals[i].value));
	return error == -EDOM ? 0 : error;
}

int sandbox_filter_system_calls(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
	int error;

	if (!filter)
		return ENOMEM;
	error = add_rules(filter);
	if (!error)
		error = seccomp_load(filter);
	seccomp_release(filter);
	return -error;
}
