/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "serial.h"

#include "common/number.h"

#include <errno.h>
#include <fcntl.h>
#include <libvdeplug_mod.h>
#include <limits.h>
#include <stdio.h>
#include <termios.h>
#include <unistd.h>

enum { SPEED_DEFAULT = 38400 };

static const struct {
	unsigned bits_per_second;
	speed_t code;
} speeds[] = {
	{9600, B9600}, {19200, B19200}, {38400, B38400}, {57600, B57600}, {115200, B115200}, {230400, B230400},
#ifdef B4000000
	{460800, B460800}, {500000, B500000}, {576000, B576000}, {921600, B921600}, {1000000, B1000000}, {1152000, B1152000},
	{1500000, B1500000}, {2000000, B2000000}, {2500000, B2500000}, {3000000, B3000000}, {3500000, B3500000}, {4000000, B4000000},
#endif
};

enum { SPEEDS = sizeof(speeds) / sizeof(speeds[0]) };

/* SPEEDS: none of them */
static size_t find_speed(unsigned bits_per_second)
{
	size_t i = 0;

	while (i < SPEEDS && speeds[i].bits_per_second != bits_per_second)
		i++;
	return i;
}

static int wrong_speed(const char *text)
{
	fprintf(stderr, "libvdeplug: vdesl: speed=%s: not one of", text);
	for (size_t i = 0; i < SPEEDS; i++)
		fprintf(stderr, " %u", speeds[i].bits_per_second);
	fprintf(stderr, "\n");
	return EINVAL;
}

int serial_parse(char *text, const char **device, unsigned *speed)
{
	char key[] = "speed", *value = NULL;
	struct vdeparms parms[] = {{key, &value}, {NULL, NULL}};

	if (vde_parsepathparms(text, parms) != 0)
		return EINVAL;
	*device = text;
	*speed = SPEED_DEFAULT;
	if (value != NULL && (number_uint(value, 1, UINT_MAX, speed) != 0 || find_speed(*speed) == SPEEDS))
		return wrong_speed(value);
	return 0;
}

static int configure(int fd, unsigned speed)
{
	struct termios line;
	speed_t code = speeds[find_speed(speed)].code;

	if (tcgetattr(fd, &line) != 0)
		return errno;
	cfmakeraw(&line);
	line.c_cflag &= (tcflag_t)~(CSTOPB | CRTSCTS);
	line.c_cflag |= CLOCAL | CREAD;
	line.c_iflag &= (tcflag_t)~(IXOFF | IXANY);
	line.c_cc[VMIN] = 1;
	line.c_cc[VTIME] = 0;
	if (cfsetispeed(&line, code) != 0 || cfsetospeed(&line, code) != 0 || tcsetattr(fd, TCSANOW, &line) != 0)
		return errno;
	tcflush(fd, TCIOFLUSH);
	return 0;
}

int serial_open(const char *device, unsigned speed)
{
	int fd = open(device, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	int error = fd < 0 ? errno : configure(fd, speed);

	if (error == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	errno = error;
	return -1;
}
