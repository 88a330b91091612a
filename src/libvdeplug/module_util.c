/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Numbers and groups in the parameters of modules. See libvdeplug_mod.h. */
#include "common/number.h"

#include <ctype.h>
#include <libvdeplug_mod.h>
#include <limits.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

/* The power of two that a letter multiplies by; other letters count nothing. */
static unsigned suffix_bits(char letter)
{
	switch (tolower((unsigned char)letter)) {
	case 'k': return 10;
	case 'm': return 20;
	case 'g': return 30;
	case 't': return 40;
	default: return 0;
	}
}

static int is_digit(char c, unsigned base)
{
	if (base == 16)
		return isxdigit((unsigned char)c);
	return c >= '0' && c < '0' + (int)base;
}

/* What does not fit is ULLONG_MAX. */
unsigned long long strtoullm(const char *text)
{
	char digits[68];
	size_t length = 0;
	unsigned base = 10;
	uint64_t value = 0;

	while (isspace((unsigned char)*text))
		text++;
	if (text[0] == '0') {
		base = text[1] == 'x' || text[1] == 'X' ? 16 : 8;
		while (length < (base == 16 ? 2 : 1)) {
			digits[length++] = *text++;
		}
	}
	while (is_digit(*text, base) && length < sizeof(digits) - 1)
		digits[length++] = *text++;
	digits[length] = '\0';
	if (is_digit(*text, base))
		return ULLONG_MAX;
	if (length > 0 && number_u64(digits, 0, UINT64_MAX, &value) != 0)
		value = base == 16 && length == 2 ? 0 : UINT64_MAX;
	for (; *text != '\0'; text++) {
		unsigned bits = suffix_bits(*text);

		if (bits > 0 && value > UINT64_MAX >> bits)
			return ULLONG_MAX;
		value <<= bits;
	}
	return value;
}

gid_t vde_grnam2gid(const char *name)
{
	gid_t gid;

	if (name == NULL)
		return (gid_t)-1;
	if (name[0] == '\0')
		return getegid();
	return number_group(name, &gid) == 0 ? gid : (gid_t)-1;
}
