/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The entry of a fuzz target, called by libFuzzer or by driver.c. Returns 0. */
#ifndef VDE_FUZZ_H
#define VDE_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
