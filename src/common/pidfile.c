/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A pid file that knows stale from live.
 *
 * The living process holds a lock (flock) on its file, so another of ours sees it at once, whatever the text says.
 * The text decides about files of other programs: a process that is dead, or that is younger than the file, did not
 * write it.
 */
#include "common/daemon.h"

#include "common/number.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
	PIDFILE_TEXT_MAX = 64,          /* a longer file is somebody's data, named by mistake */
	PIDFILE_TRIES = 8,
	STAT_TEXT_SIZE = 1024,
};

static char *absolute_path(const char *path)
{
	char *directory, *result = NULL;

	if (path[0] == '/')
		return strdup(path);
	directory = getcwd(NULL, 0);
	if (directory && asprintf(&result, "%s/%s", directory, path) < 0)
		result = NULL;
	free(directory);
	return result;
}

/* True when the path still leads to the open file: nobody removed or replaced it meanwhile. */
static bool is_same_file(int fd, const char *path)
{
	struct stat open_one, named;

	return fstat(fd, &open_one) == 0 && lstat(path, &named) == 0 && open_one.st_ino == named.st_ino &&
	       open_one.st_dev == named.st_dev;
}

/*
 * What /proc/PID/stat says behind field 2; NULL: not known. The name in that field may hold anything, so it ends at the last
 * parenthesis.
 */
static char *read_stat(pid_t pid, char text[STAT_TEXT_SIZE])
{
	char path[64];
	ssize_t length;
	int fd;

	snprintf(path, sizeof(path), "/proc/%ld/stat", (long)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	length = read(fd, text, STAT_TEXT_SIZE - 1);
	close(fd);
	text[length > 0 ? length : 0] = '\0';
	return strrchr(text, ')');
}

/* It has ended, and its parent has not asked how: in containers nobody may ever do. */
static bool is_zombie(pid_t pid)
{
	char text[STAT_TEXT_SIZE], *field = read_stat(pid, text);

	return field && strncmp(field, ") Z", 3) == 0;
}

/* When process `pid` was started, in seconds of CLOCK_REALTIME; 0: not known. Field 22 counts ticks since boot. */
static double process_start(pid_t pid)
{
	struct timespec boot, real;
	char text[STAT_TEXT_SIZE], *field = read_stat(pid, text);
	double ticks;

	for (int number = 2; field && number < 22; number++)
		field = strchr(field + 1, ' ');
	if (!field)
		return 0;
	field[1 + strcspn(field + 1, " ")] = '\0';
	if (number_double(field + 1, 0, 1e18, &ticks) != 0)
		return 0;
	clock_gettime(CLOCK_BOOTTIME, &boot);
	clock_gettime(CLOCK_REALTIME, &real);
	return (double)real.tv_sec - (double)boot.tv_sec + ticks / (double)sysconf(_SC_CLK_TCK);
}

/* The process that the file speaks of and that lives; 0: none, the file is stale. */
static pid_t living_writer(int fd)
{
	char text[PIDFILE_TEXT_MAX + 1];
	struct stat status;
	bool group;
	unsigned pid;
	ssize_t length = pread(fd, text, PIDFILE_TEXT_MAX, 0);

	if (length <= 0 || fstat(fd, &status) < 0)
		return 0;
	text[length] = '\0';
	text[strcspn(text, " \t\r\n")] = '\0';
	group = text[0] == '-';         /* a process group; -1 would be everybody */
	if (number_uint(text + group, group ? 2 : 1, INT_MAX, &pid) != 0)
		return 0;
	if ((pid_t)pid == (group ? getpgrp() : getpid()))
		return 0;
	if ((kill(group ? -(pid_t)pid : (pid_t)pid, 0) < 0 && errno == ESRCH) || (!group && is_zombie((pid_t)pid)))
		return 0;
	/* A second's grace for the clocks' coarseness: in doubt it is alive. */
	if (process_start((pid_t)pid) > (double)status.st_mtime + 2)
		return 0;
	return (pid_t)pid;
}

static int refuse(struct log *log, const char *path, int error, const char *why)
{
	log_error(log, "pid file '%s': %s", path, why);
	return error;
}

/* Opens and locks the file, made if need be. Returns 0 or an errno value, already logged. */
static int open_locked(const char *path, struct log *log, int *result)
{
	for (int tries = 0; tries < PIDFILE_TRIES; tries++) {
		int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0644);

		if (fd < 0)
			return refuse(log, path, errno, errno == ELOOP ? "is a symbolic link" : strerror(errno));
		if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
			char text[PIDFILE_TEXT_MAX + 1] = "";
			unsigned pid = 0;
			ssize_t length = pread(fd, text, PIDFILE_TEXT_MAX, 0);

			close(fd);
			text[length > 0 ? length : 0] = '\0';
			text[strcspn(text, "\n")] = '\0';
			if (number_uint(text, 1, INT_MAX, &pid) != 0)
				return refuse(log, path, EEXIST, "is locked by another process");
			log_error(log, "pid file '%s': process %u is running", path, pid);
			return EEXIST;
		}
		if (is_same_file(fd, path)) {
			*result = fd;
			return 0;
		}
		close(fd);
	}
	return refuse(log, path, EEXIST, "is being replaced all the time");
}

/* Refuses what must not be overwritten. Returns 0 or an errno value, already logged. */
static int check_replaceable(int fd, const char *path, struct log *log)
{
	struct stat status;
	pid_t writer;

	if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode) || status.st_size > PIDFILE_TEXT_MAX)
		return refuse(log, path, EEXIST, "exists and is not a pid file");
	writer = living_writer(fd);
	if (writer == 0)
		return 0;
	log_error(log, "pid file '%s': process %ld is running", path, (long)writer);
	return EEXIST;
}

static bool is_anothers(int fd)
{
	struct stat status;

	return fstat(fd, &status) == 0 && status.st_uid != geteuid();
}

/*
 * A stale file of another user, who could write another number into it later and have that process killed by whoever believes the file: a new one takes its place.
 * Where it cannot be removed it is written to as it is. Returns 0 or an errno value, already logged.
 */
static int replace_anothers(const char *path, struct log *log, int *fd)
{
	int error;

	if (!is_anothers(*fd) || unlink(path) != 0)
		return 0;
	close(*fd);
	*fd = -1;
	error = open_locked(path, log, fd);
	if (!error)
		error = check_replaceable(*fd, path, log);
	return !error && is_anothers(*fd) ? refuse(log, path, EEXIST, "is being replaced by another user") : error;
}

static int write_id(int fd, long id)
{
	char text[32];
	int length = snprintf(text, sizeof(text), "%ld\n", id);

	if (ftruncate(fd, 0) < 0)
		return errno;
	if (pwrite(fd, text, (size_t)length, 0) != length)
		return errno ? errno : EIO;
	/*
	 * Whatever the umask: others may see who is running. The owner of an old file may be somebody else: then it
	 * stays as it is.
	 */
	if (fchmod(fd, 0644) < 0)
		return 0;
	return 0;
}

/* Where the disk is full, no empty file stays behind: what was in it was stale. Returns 0 or an errno value, already logged. */
static int fill(int fd, const char *path, long id, struct log *log)
{
	int error = write_id(fd, id);

	if (error && is_same_file(fd, path))
		unlink(path);
	return error ? refuse(log, path, error, strerror(error)) : 0;
}

static int create(struct pidfile *pidfile, const char *path, long id, struct log *log)
{
	int error, fd = -1;

	*pidfile = (struct pidfile){ .fd = -1, .id = id };
	if (!path)
		return 0;
	pidfile->path = absolute_path(path);
	if (!pidfile->path)
		return refuse(log, path, errno, strerror(errno));
	error = open_locked(pidfile->path, log, &fd);
	if (!error)
		error = check_replaceable(fd, pidfile->path, log);
	if (!error)
		error = replace_anothers(pidfile->path, log, &fd);
	if (!error)
		error = fill(fd, pidfile->path, id, log);
	if (error) {
		if (fd >= 0)
			close(fd);
		free(pidfile->path);
		pidfile->path = NULL;
		return error;
	}
	pidfile->fd = fd;
	return 0;
}

int pidfile_create(struct pidfile *pidfile, const char *path, struct log *log)
{
	return create(pidfile, path, (long)getpid(), log);
}

int pidfile_create_group(struct pidfile *pidfile, const char *path, struct log *log)
{
	return create(pidfile, path, -(long)getpgrp(), log);
}

void pidfile_remove(struct pidfile *pidfile)
{
	char text[32], ours[32];
	ssize_t length;

	if (!pidfile->path)
		return;
	length = pread(pidfile->fd, text, sizeof(text) - 1, 0);
	text[length > 0 ? length : 0] = '\0';
	snprintf(ours, sizeof(ours), "%ld\n", pidfile->id);
	if (strcmp(text, ours) == 0 && is_same_file(pidfile->fd, pidfile->path))
		unlink(pidfile->path);
	close(pidfile->fd);
	free(pidfile->path);
	*pidfile = (struct pidfile){ .fd = -1 };
}
