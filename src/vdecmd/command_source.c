/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "command_source.h"

#include <string.h>

static const char *const old_operations[] = {
	"IN", "THROW", "SEND", "SHIFT", "IF", "GOTO", "COPY", "EXIT", "EXITRV", "EXITATOI", "SKIP", "IFARG", "RVATOI", "OUTSHIFT", "OUTTAG",
};

static const char blanks[] = " \t\r\n";

bool command_source_is_old_script(const char *first_line)
{
	const char *at = first_line + strspn(first_line, blanks);
	size_t digits = strspn(at, "0123456789");
	size_t length;

	if (strncmp(at, "TIMEOUT ", 8) == 0)
		return true;
	if (digits == 0)
		return false;
	at += digits;
	at += strspn(at, blanks);
	length = strcspn(at, blanks);
	for (size_t i = 0; i < sizeof(old_operations) / sizeof(old_operations[0]); i++)
		if (strlen(old_operations[i]) == length && strncmp(at, old_operations[i], length) == 0)
			return true;
	return false;
}

char *command_source_next(FILE *file, char **line, size_t *size)
{
	while (getline(line, size, file) >= 0) {
		char *at = *line + strspn(*line, blanks);
		size_t length = strlen(at);

		while (length > 0 && strchr(blanks, at[length - 1]) != NULL)
			at[--length] = '\0';
		if (length > 0 && *at != '#')
			return at;
	}
	return NULL;
}
