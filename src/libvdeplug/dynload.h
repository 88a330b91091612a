/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where systems and sanitizers differ about loading shared objects and reading the environment. */
#ifndef VDE_DYNLOAD_H
#define VDE_DYNLOAD_H

#include "config.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>

#ifndef __has_feature
#define __has_feature(x) 0
#endif

/* A module's own libraries win over the host's symbols, where the system can do that and no sanitizer forbids it. */
#if defined(RTLD_DEEPBIND) && !defined(__SANITIZE_ADDRESS__) && !__has_feature(address_sanitizer)
#define DYNLOAD_FLAGS (RTLD_NOW | RTLD_DEEPBIND)
#else
#define DYNLOAD_FLAGS RTLD_NOW
#endif

/* NULL for a program that has more rights than its user. */
static inline const char *trusted_getenv(const char *name)
{
#ifdef HAVE_SECURE_GETENV
	return secure_getenv(name);
#else
	return getuid() == geteuid() && getgid() == getegid() ? getenv(name) : NULL;
#endif
}

#endif
