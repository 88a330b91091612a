/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The parameters of locators: "ADDRESS/key=value", "PATH[key=value]" and "HEAD{NESTED}". See libvdeplug_mod.h. */
#include <ctype.h>
#include <errno.h>
#include <libvdeplug_mod.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)tolower((unsigned char)c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/*
 * The next character of a quoted text, as a unit: returns how many bytes of `text` it takes (0 at the end), stores the
 * byte it stands for in *byte, or -1 when it stands for nothing (a quotation mark), and whether it is plain,
 * that is, neither quoted nor quoting. *quote is the state: 0, or the mark that is open.
 */
static size_t next_unit(const char *text, char *quote, int *byte, bool *plain)
{
	*plain = false;
	*byte = (unsigned char)text[0];
	if (text[0] == '\0')
		return 0;
	if (*quote != 0) {
		if (text[0] == *quote) {
			*quote = 0;
			*byte = -1;
		}
		return 1;
	}
	if (text[0] == '\'' || text[0] == '"') {
		*quote = text[0];
		*byte = -1;
		return 1;
	}
	if (text[0] == '\\') {
		if (text[1] == '\0') {
			*quote = '\\';          /* unfinished */
			*byte = -1;
			return 1;
		}
		*byte = (unsigned char)text[1];
		return 2;
	}
	if (text[0] == '%' && hex_digit(text[1]) >= 0 && hex_digit(text[2]) >= 0 &&
	    (hex_digit(text[1]) > 0 || hex_digit(text[2]) > 0)) {
		*byte = hex_digit(text[1]) << 4 | hex_digit(text[2]);
		return 3;
	}
	*plain = true;
	return 1;
}

/* First (or last) place of a plain `wanted` in text; NULL: none. */
static char *find_plain(char *text, char wanted, bool last)
{
	char quote = 0, *found = NULL;
	bool plain;
	int byte;

	for (size_t n; (n = next_unit(text, &quote, &byte, &plain)) > 0; text += n) {
		if (!plain || *text != wanted)
			continue;
		found = text;
		if (!last)
			break;
	}
	return found;
}

/* Takes the quotation marks out, in place. Returns 0, or EINVAL after a message when one is not closed. */
static int unquote(char *text)
{
	char quote = 0, *out = text;
	const char *in = text;
	bool plain;
	int byte;

	for (size_t n; (n = next_unit(in, &quote, &byte, &plain)) > 0; in += n) {
		if (byte >= 0)
			*out++ = (char)byte;
	}
	*out = '\0';
	if (quote == 0)
		return 0;
	fprintf(stderr, "libvdeplug: unfinished quotation (%c) in: %s\n", quote, text);
	return EINVAL;
}

static int unknown_key(const char *key)
{
	fprintf(stderr, "unknown key: %s\n", key);
	return EINVAL;
}

/* The first tag that begins with `key`; NULL: none. */
static struct vdeparms *find_tag(struct vdeparms *parms, const char *key)
{
	size_t length = strlen(key);

	for (; parms->tag != NULL; parms++) {
		if (length > 0 && strncmp(parms->tag, key, length) == 0)
			return parms;
	}
	return NULL;
}

/* One "key=value" or "key". */
static int parse_element(char *element, struct vdeparms *parms)
{
	char *value = find_plain(element, '=', false);
	char *end = element + strlen(element);
	struct vdeparms *row;
	int error;

	if (value != NULL)
		*value++ = '\0';
	error = unquote(element);
	if (error == 0 && value != NULL)
		error = unquote(value);
	if (error != 0)
		return error;
	row = find_tag(parms, element);
	if (row != NULL) {
		*row->value = value != NULL ? value : end;
		return 0;
	}
	if (value != NULL || parms->tag == NULL || parms->tag[0] != '\0')
		return unknown_key(element);
	*parms->value = element;
	return 0;
}

/* Elements separated by '/', empty ones skipped. */
static int parse_elements(char *text, struct vdeparms *parms)
{
	while (text != NULL) {
		char *next = find_plain(text, '/', false);

		if (next != NULL)
			*next++ = '\0';
		if (text[0] != '\0') {
			int error = parse_element(text, parms);

			if (error != 0)
				return error;
		}
		text = next;
	}
	return 0;
}

static int parse_head_and_elements(char *head, char *elements, struct vdeparms *parms)
{
	int error = unquote(head);

	if (error == 0)
		error = parse_elements(elements, parms);
	if (error == 0)
		return 0;
	errno = error;
	return -1;
}

int vde_parseparms(char *text, struct vdeparms *parms)
{
	char *elements = find_plain(text, '/', false);

	if (elements != NULL)
		*elements++ = '\0';
	return parse_head_and_elements(text, elements, parms);
}

int vde_parsepathparms(char *text, struct vdeparms *parms)
{
	char *elements = find_plain(text, '[', false);
	char *end;

	if (elements != NULL) {
		*elements++ = '\0';
		end = find_plain(elements, ']', true);
		if (end != NULL)
			*end = '\0';
	}
	return parse_head_and_elements(text, elements, parms);
}

char *vde_parsenestparms(char *text)
{
	char *nested = find_plain(text, '{', false);
	char *end;

	if (nested == NULL)
		return NULL;
	*nested++ = '\0';
	end = find_plain(nested, '}', true);
	if (end != NULL)
		*end = '\0';
	return nested;
}
