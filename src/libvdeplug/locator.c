/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "locator.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char separator[] = "://";

/* Below the home directory; the first that exists, even as a link to nothing, is the user's default network. */
static const char *const default_names[] = {".vdeplug/default", ".vde2/default.switch", ".vde2/stdsock"};

/* The user's default in `path`, or "" when there is none. */
static void find_default(char *path, size_t size, const char *home)
{
	struct stat st;

	for (size_t i = 0; home != NULL && i < sizeof(default_names) / sizeof(default_names[0]); i++) {
		int length = snprintf(path, size, "%s/%s", home, default_names[i]);

		if (length > 0 && (size_t)length < size && lstat(path, &st) == 0)
			return;
	}
	path[0] = '\0';
}

/* Reads up to size bytes. Returns how many, or -1 with errno. */
static ssize_t read_start(int fd, char *buffer, size_t size)
{
	size_t have = 0;

	while (have < size) {
		ssize_t n = read(fd, buffer + have, size - have);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		have += (size_t)n;
	}
	return (ssize_t)have;
}

/* Cuts the text at the end of its first line. Returns 0 or an errno value. */
static int cut_first_line(char *text, size_t length, size_t size)
{
	char *end = memchr(text, '\n', length);

	if (end == NULL && length == size)
		return ENAMETOOLONG;
	if (end == NULL)
		end = text + length;
	if (end > text && end[-1] == '\r')
		end--;
	if (memchr(text, '\0', (size_t)(end - text)) != NULL)
		return EINVAL;
	*end = '\0';
	return 0;
}

/* When `path` is a regular file, its first line is stored in *line (to be freed). Returns 0 or an errno value. */
static int read_locator_file(const char *path, char **line)
{
	struct stat st;
	char *text;
	ssize_t length;
	int fd, error;

	if (stat(path, &st) != 0 || !S_ISREG(st.st_mode))
		return 0;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return errno;
	text = malloc(LOCATOR_MAX + 1);
	if (text == NULL) {
		close(fd);
		return ENOMEM;
	}
	length = read_start(fd, text, LOCATOR_MAX);
	error = length < 0 ? errno : cut_first_line(text, (size_t)length, LOCATOR_MAX);
	close(fd);
	if (error != 0)
		free(text);
	else
		*line = text;
	return error;
}

static bool is_module_name(const char *name, size_t length)
{
	if (length == 0 || length >= LOCATOR_MODULE_MAX)
		return false;
	for (size_t i = 0; i < length; i++) {
		if (!isalnum((unsigned char)name[i]) && strchr("_+-", name[i]) == NULL)
			return false;
	}
	return true;
}

static bool is_directory(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/*
 * What VDE 2 wrote without the name of a module: PORT->HOST:PORT is udp, PATH[] is ptp unless PATH is a switch's directory. Anything else
 * belongs to module vde.
 */
static void name_module(struct locator *locator)
{
	size_t length = strlen(locator->text);

	locator->module = "vde";
	locator->arguments = locator->text;
	if (strstr(locator->text, "->") != NULL && strchr(locator->text, '/') == NULL) {
		locator->module = "udp";
	} else if (length > 2 && strcmp(locator->text + length - 2, "[]") == 0) {
		locator->text[length - 2] = '\0';
		if (is_directory(locator->text))
			locator->text[length - 2] = '[';
		else
			locator->module = "ptp";
	}
}

/* Splits text at the separator. */
static int split(struct locator *locator)
{
	char *found = strstr(locator->text, separator);

	if (found == NULL) {
		name_module(locator);
		return 0;
	}
	if (!is_module_name(locator->text, (size_t)(found - locator->text))) {
		fprintf(stderr, "libvdeplug: not the name of a module (letters, digits, '_', '+', '-'): %.*s\n",
			(int)(found - locator->text), locator->text);
		return EINVAL;
	}
	*found = '\0';
	locator->module = locator->text;
	locator->arguments = found + strlen(separator);
	return 0;
}

int locator_resolve(struct locator *locator, const char *name, const char *home)
{
	char path[PATH_MAX] = "";

	memset(locator, 0, sizeof(*locator));
	if (name == NULL || name[0] == '\0') {
		find_default(path, sizeof(path), home);
		name = path;
	}
	if (strnlen(name, LOCATOR_MAX) >= LOCATOR_MAX)
		return ENAMETOOLONG;
	if (strstr(name, separator) == NULL) {
		int error = read_locator_file(name, &locator->text);

		if (error != 0)
			return error;
	}
	if (locator->text == NULL)
		locator->text = strdup(name);
	return locator->text != NULL ? split(locator) : ENOMEM;
}

void locator_free(struct locator *locator)
{
	free(locator->text);
	memset(locator, 0, sizeof(*locator));
}
