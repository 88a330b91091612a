/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/number.h"

#include <ctype.h>
#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <locale.h>
#include <math.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_BUFFER_MAX = 1 << 20 };     /* bytes for one passwd or group entry; a longer one counts as absent */

static int digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return INT_MAX;
}

/*
 * Reads digits from *text and moves it behind them. EINVAL: no digit; ERANGE: more than 64 bits (still moved behind
 * all digits).
 */
static int scan_digits(const char **text, int base, uint64_t *value)
{
	uint64_t sum = 0;
	bool overflow = false;

	if (digit_value(**text) >= base)
		return EINVAL;
	for (; digit_value(**text) < base; (*text)++) {
		unsigned digit = (unsigned)digit_value(**text);

		if (sum > (UINT64_MAX - digit) / (unsigned)base)
			overflow = true;
		sum = sum * (unsigned)base + digit;
	}
	*value = sum;
	return overflow ? ERANGE : 0;
}

/* As scan_digits, in the base that the prefix tells. */
static int scan_u64(const char **text, uint64_t *value)
{
	const char *p = *text;
	int base = 10;

	if (p[0] == '0' && (p[1] == 'x' || p[1] == 'X')) {
		base = 16;
		p += 2;
	} else if (p[0] == '0' && isdigit((unsigned char)p[1])) {
		base = 8;
		p++;
	}
	*text = p;
	return scan_digits(text, base, value);
}

int number_u64(const char *text, uint64_t min, uint64_t max, uint64_t *value)
{
	uint64_t result = 0;
	int error = scan_u64(&text, &result);

	if (error == EINVAL || *text != '\0')
		return EINVAL;
	if (error || result < min || result > max)
		return ERANGE;
	*value = result;
	return 0;
}

int number_uint(const char *text, unsigned min, unsigned max, unsigned *value)
{
	uint64_t result;
	int error = number_u64(text, min, max, &result);

	if (!error)
		*value = (unsigned)result;
	return error;
}

int number_int(const char *text, int min, int max, int *value)
{
	bool negative = text[0] == '-';
	uint64_t magnitude = 0;
	int64_t result;
	int error = number_u64(text + negative, 0, (uint64_t)INT_MAX + negative, &magnitude);

	if (error)
		return error;
	result = negative ? -(int64_t)magnitude : (int64_t)magnitude;
	if (result < min || result > max)
		return ERANGE;
	*value = (int)result;
	return 0;
}

static const char *skip_decimals(const char *p)
{
	while (isdigit((unsigned char)*p))
		p++;
	return p;
}

/*
 * True for [+-]DIGITS[.DIGITS][e[+-]DIGITS] with a digit on at least one side of the point: what strtod takes beyond
 * that is refused.
 */
static bool is_decimal_fraction(const char *text)
{
	const char *p = text + (*text == '-' || *text == '+');
	const char *whole = p;
	size_t digits;

	p = skip_decimals(p);
	digits = (size_t)(p - whole);
	if (*p == '.') {
		const char *fraction = ++p;

		p = skip_decimals(p);
		digits += (size_t)(p - fraction);
	}
	if (digits == 0)
		return false;
	if (*p == 'e' || *p == 'E') {
		p++;
		p += *p == '-' || *p == '+';
		if (!isdigit((unsigned char)*p))
			return false;
		p = skip_decimals(p);
	}
	return *p == '\0';
}

int number_double(const char *text, double min, double max, double *value)
{
	locale_t plain;
	double result;

	if (!is_decimal_fraction(text))
		return EINVAL;
	plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
	if (plain == (locale_t)0)
		return ERANGE;
	result = strtod_l(text, NULL, plain);
	freelocale(plain);
	if (!isfinite(result) || result < min || result > max)
		return ERANGE;
	*value = result;
	return 0;
}

int number_size(const char *text, uint64_t min, uint64_t max, uint64_t *value)
{
	static const char units[] = "kmg";
	uint64_t result = 0;
	unsigned shift = 0;
	int error = scan_u64(&text, &result);

	if (error == EINVAL)
		return EINVAL;
	if (*text != '\0') {
		const char *unit = strchr(units, tolower((unsigned char)*text));

		if (!unit || text[1] != '\0')
			return EINVAL;
		shift = 10 * ((unsigned)(unit - units) + 1);
	}
	if (error || result > UINT64_MAX >> shift)
		return ERANGE;
	result <<= shift;
	if (result < min || result > max)
		return ERANGE;
	*value = result;
	return 0;
}

int number_mode(const char *text, mode_t *mode)
{
	uint64_t result = 0;
	int error = scan_digits(&text, 8, &result);

	if (error == EINVAL || *text != '\0')
		return EINVAL;
	if (error || result > 07777)
		return ERANGE;
	*mode = (mode_t)result;
	return 0;
}

int number_mac(const char *text, uint8_t mac[6])
{
	uint8_t result[6];

	for (int i = 0; i < 6; i++) {
		if (i > 0 && *text != ':' && *text != '.')
			return EINVAL;
		text += i > 0;
		if (digit_value(text[0]) >= 16)
			return EINVAL;
		result[i] = (uint8_t)digit_value(*text++);
		if (digit_value(text[0]) < 16)
			result[i] = (uint8_t)(result[i] << 4 | digit_value(*text++));
	}
	if (*text != '\0')
		return EINVAL;
	memcpy(mac, result, sizeof(result));
	return 0;
}

/* One look-up with a buffer of `size` bytes: ERANGE asks for a larger one, ENOENT says that there is no such name. */
typedef int name_lookup(const char *name, char *buffer, size_t size, uint32_t *id);

static int lookup_user(const char *name, char *buffer, size_t size, uint32_t *id)
{
	struct passwd entry, *found = NULL;
	int error = getpwnam_r(name, &entry, buffer, size, &found);

	if (found)
		*id = (uint32_t)found->pw_uid;
	return found ? 0 : error == ERANGE ? ERANGE : ENOENT;
}

static int lookup_group(const char *name, char *buffer, size_t size, uint32_t *id)
{
	struct group entry, *found = NULL;
	int error = getgrnam_r(name, &entry, buffer, size, &found);

	if (found)
		*id = (uint32_t)found->gr_gid;
	return found ? 0 : error == ERANGE ? ERANGE : ENOENT;
}

static int number_name(name_lookup *lookup, const char *text, uint32_t *id)
{
	uint64_t number;
	int error = ERANGE;

	for (size_t size = 1024; error == ERANGE && size <= NAME_BUFFER_MAX; size *= 4) {
		char *buffer = malloc(size);

		if (!buffer)
			break;
		error = lookup(text, buffer, size, id);
		free(buffer);
	}
	if (error == 0)
		return 0;
	/* The highest value means "leave as it is" to chown and is nobody's. */
	if (number_u64(text, 0, UINT32_MAX - 1, &number) != 0)
		return ENOENT;
	*id = (uint32_t)number;
	return 0;
}

int number_user(const char *text, uid_t *uid)
{
	uint32_t id;
	int error = number_name(lookup_user, text, &id);

	if (!error)
		*uid = (uid_t)id;
	return error;
}

int number_group(const char *text, gid_t *gid)
{
	uint32_t id;
	int error = number_name(lookup_group, text, &id);

	if (!error)
		*gid = (gid_t)id;
	return error;
}
