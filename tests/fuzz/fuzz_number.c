/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Text to number: whatever the text, a value in range or an error and nothing stored. */
#include "common/log.h"
#include "common/number.h"

#include "fuzz.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static void check_integers(const char *text)
{
	uint64_t size = 77;
	unsigned small = 77;
	int signed_one = 77;

	assert(number_uint(text, 5, 50, &small) == 0 ? small >= 5 && small <= 50 : small == 77);
	assert(number_int(text, -5, 50, &signed_one) == 0 ? signed_one >= -5 && signed_one <= 50 : signed_one == 77);
	assert(number_size(text, 1024, 4096, &size) == 0 ? size >= 1024 && size <= 4096 : size == 77);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	char escaped[64];
	double fraction = 7;
	uint8_t mac[6];
	mode_t mode;

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	check_integers(text);
	assert(number_double(text, -1, 1, &fraction) == 0 ? fraction >= -1 && fraction <= 1 : (int)fraction == 7);
	if (number_mode(text, &mode) == 0)
		assert(mode <= 07777);
	number_mac(text, mac);
	assert(strlen(log_escape(escaped, sizeof(escaped), text, size)) < sizeof(escaped));
	free(text);
	return 0;
}
