/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VDE_SERIAL_H
#define VDE_SERIAL_H

/* Reads the arguments of vdesl://, "DEVICE[speed=N]", in place. Stores the device (part of text) and the speed. Returns 0, or EINVAL after a line on stderr. */
int serial_parse(char *text, const char **device, unsigned *speed);
/* Opens the line: raw, eight bits, no parity, no flow control, one of the speeds that serial_parse gives. Returns a non-blocking descriptor, or -1 with errno. */
int serial_open(const char *device, unsigned speed);

#endif
