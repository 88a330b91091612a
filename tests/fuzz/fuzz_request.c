/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a client may send on the control socket. */
#include "vde_switch/request.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct plug_request request;
	uint8_t *copy = malloc(size ? size : 1);        /* so that reading past the end is seen */

	memcpy(copy, data, size);
	if (request_parse(&request, copy, size) == REQUEST_WHOLE) {
		volatile char sum = 0;

		for (size_t i = 0; i < request.description_length; i++)
			sum = (char)(sum + request.description[i]);
	}
	free(copy);
	return 0;
}
