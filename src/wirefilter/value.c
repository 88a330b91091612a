/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "value.h"

#include "common/number.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* Far above every sensible time, rate or size, and far from where sums and products of such numbers overflow. */
static const double number_max = 1e18;
enum { NUMBER_TEXT_SIZE = 64, NODE_MAX = 1 << 20 };

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static const char *skip_digits(const char *p)
{
	while (is_digit(*p))
		p++;
	return p;
}

static const char *skip_blanks(const char *p)
{
	while (*p == ' ' || *p == '\t')
		p++;
	return p;
}

/* The end of a decimal number at p. An 'e' belongs to it only when digits follow, so that the '+' of a variation is not taken for an exponent's. */
static const char *number_end(const char *p)
{
	const char *exponent;

	p = skip_digits(p);
	if (*p == '.')
		p = skip_digits(p + 1);
	if (*p != 'e' && *p != 'E')
		return p;
	exponent = p + 1;
	if (*exponent == '+' || *exponent == '-')
		exponent++;
	return is_digit(*exponent) ? skip_digits(exponent) : p;
}

static int parse_decimal(const char **text, double *number)
{
	char copy[NUMBER_TEXT_SIZE];
	const char *start = **text == '+' ? *text + 1 : *text;
	const char *end = number_end(start);
	size_t length = (size_t)(end - start);
	int error;

	if (length == 0 || length >= sizeof copy)
		return EINVAL;
	memcpy(copy, start, length);
	copy[length] = '\0';
	error = number_double(copy, 0, number_max, number);
	if (!error)
		*text = end;
	return error;
}

static double parse_unit(const char **text)
{
	static const char units[] = "kmg";
	double factor = 1;
	const char *unit = **text ? strchr(units, **text | 0x20) : NULL;

	if (!unit)
		return 1;
	for (const char *p = units; p <= unit; p++)
		factor *= 1024;
	++*text;
	return factor;
}

void value_parse_way(const char **text, bool way[WAY_COUNT])
{
	const char *p = skip_blanks(*text);
	bool lr = strncasecmp(p, "LR", 2) == 0, rl = strncasecmp(p, "RL", 2) == 0;

	way[WAY_LR] = !rl;
	way[WAY_RL] = !lr;
	*text = skip_blanks(lr || rl ? p + 2 : p);
}

int value_parse_number(const char **text, struct value *value)
{
	const char *p = *text;
	struct value parsed = { 0, 0, VALUE_UNIFORM };
	double factor;
	int error = parse_decimal(&p, &parsed.base);

	if (!error && *p == '+') {
		p++;
		error = is_digit(*p) || *p == '.' ? parse_decimal(&p, &parsed.variation) : EINVAL;
	}
	if (error)
		return error;
	factor = parse_unit(&p);
	parsed.base *= factor;
	parsed.variation *= factor;
	if ((*p | 0x20) == 'n')
		parsed.distribution = VALUE_NORMAL;
	if ((*p | 0x20) == 'n' || (*p | 0x20) == 'u')
		p++;
	if (parsed.base > number_max || parsed.variation > number_max)
		return ERANGE;
	*text = skip_blanks(p);
	*value = parsed;
	return 0;
}

int value_parse_node(const char **text, struct value_setting *setting)
{
	char copy[16];
	const char *end;
	size_t length;
	int error;

	setting->node = 0;
	setting->has_node = **text == '[';
	if (!setting->has_node)
		return 0;
	end = strchr(*text, ']');
	length = end ? (size_t)(end - *text - 1) : sizeof copy;
	if (length >= sizeof copy)
		return EINVAL;
	memcpy(copy, *text + 1, length);
	copy[length] = '\0';
	error = number_uint(copy, 0, NODE_MAX, &setting->node);
	if (!error)
		*text = skip_blanks(end + 1);
	return error;
}

int value_parse(const char *text, struct value_setting *setting)
{
	struct value_setting parsed;
	int error;

	value_parse_way(&text, parsed.way);
	error = value_parse_number(&text, &parsed.value);
	if (!error)
		error = value_parse_node(&text, &parsed);
	if (!error && *text)
		error = EINVAL;
	if (!error)
		*setting = parsed;
	return error;
}

char *value_print(char *out, const struct value *value)
{
	snprintf(out, VALUE_TEXT_SIZE, "%g+%g%c", value->base, value->variation,
		 value->distribution == VALUE_NORMAL ? 'N' : 'U');
	return out;
}

bool value_is_on(const struct value *value)
{
	return value->base + value->variation > 0;
}

double value_sample(const struct value *value, struct rng *rng)
{
	if (value->variation == 0)
		return value->base;
	if (value->distribution == VALUE_NORMAL)
		return value->base + value->variation / 3 * rng_normal(rng);
	return value->base + value->variation * (2 * rng_unit(rng) - 1);
}
