/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation
 *
 * A block is described by its forms of lines. In a form, text stands for itself, a blank for one blank or more (or none at the end of
 * the line), and "{name:T}" is a field of the line that becomes a member of that name:
 *
 *      n       a number: digits, written without its leading zeros
 *      w       a word: what is before the next blank, ')' or the end
 *      s       text, up to the first place where what follows in the form stands in the line
 *      b=X|Y   true if the line has X here, false if it has Y; either may be empty
 *
 * A form says where its members go: into a new object of the top array (ROW_OPENS), into the object that is open (ROW_ADDS), or
 * into a new object of an array inside of it (`array` names it); or into the last object of that array (ROW_CONTINUES). Nothing is stored: members are written as they are met.
 */
#include "json_block.h"

#include <stdbool.h>
#include <string.h>

enum row_place { ROW_OPENS, ROW_ADDS, ROW_CONTINUES };

struct row {
	const char *form;
	enum row_place place;
	const char *array;      /* with ROW_ADDS: the array inside the open object; NULL: the object itself */
};

struct block {
	const char *commands;   /* separated by blanks */
	bool single;            /* one object, not an array of them */
	const struct row *rows; /* ended by a row of zeros */
};

static const char endpoints[] = "endpoints";

static const struct row port_rows[] = {
	{ "Port {port:n} untagged_vlan={untagged_vlan:n} {active:b=ACTIVE|INACTIVE} - "
	  "{allocatable:b=Unnamed Allocatable|NOT Unnamed Allocatable}", ROW_OPENS, NULL },
	{ " Current User: {user:s} Access Control: (User: {access_user:s} - Group: {access_group:s})", ROW_ADDS, NULL },
	{ " IN: pkts {in_packets:n} bytes {in_bytes:n}", ROW_ADDS, NULL },
	{ " OUT: pkts {out_packets:n} bytes {out_bytes:n}", ROW_ADDS, NULL },
	{ " DROP: pkts {dropped:n}", ROW_ADDS, NULL },
	{ " -- endpoint ID {id:n} module {module:s} : {description:s}", ROW_ADDS, endpoints },
	{ " -- endpoint ID {id:n} module {module:s}: {description:s}", ROW_ADDS, endpoints },
	{ " unsent packets: {unsent:n} max {queue:n}", ROW_CONTINUES, endpoints },
	{ " Trunk: {trunk:b=on|off}", ROW_ADDS, NULL },
	{ " Mirror: {copies_only:b=copies only|no copies}", ROW_ADDS, NULL },
	{ " Mirror: to {mirror_to:s}", ROW_ADDS, NULL },
	{ 0 },
};

static const struct row stats_rows[] = {
	{ "Port {port:n} in={in:n} out={out:n} dropped: runt={runt:n} oversize={oversize:n} vlan={vlan:n} blocked={blocked:n} "
	  "queue={queue:n} error={error:n} filter={filter:n} mirror={mirror:n} offload={offload:n}", ROW_OPENS, NULL },
	{ 0 },
};

static const struct row hash_rows[] = {
	{ "Hash: {bucket:n} Addr: {mac:w} VLAN {vlan:n} to port: {port:n} age {age:n} secs", ROW_OPENS, NULL },
	{ 0 },
};

static const struct row vlan_rows[] = {
	{ "VLAN {vlan:n}", ROW_OPENS, NULL },
	{ " -- Port {port:n} tagged={tagged:b=1|0} active={active:b=1|0} status={status:w}", ROW_ADDS, "ports" },
	{ 0 },
};

static const struct row showinfo_rows[] = {
	{ "VDE switch V.{version:s}", ROW_OPENS, NULL },
	{ "pid {pid:n} MAC {mac:w} uptime {uptime:n}", ROW_ADDS, NULL },
	{ "mgmt {mgmt:s} perm {mgmt_mode:w}", ROW_ADDS, NULL },
	{ 0 },
};

static const struct row fstp_rows[] = {
	{ "FST DATA VLAN {vlan:n} {root_switch:b=ROOTSWITCH|} {enabled:b=|FSTP IS DISABLED}", ROW_OPENS, NULL },
	{ " ++ root {root:w}", ROW_ADDS, NULL },
	{ " ++ designated {designated:w}", ROW_ADDS, NULL },
	{ " ++ rootport {root_port:n} cost {cost:n} age {age:n} bonusport {bonus_port:n} bonuscost {bonus_cost:n}", ROW_ADDS, NULL },
	{ " -- Port {port:n} tagged={tagged:b=1|0} portcost={cost:n} role={role:s} state={state:w}", ROW_ADDS, "ports" },
	{ " -- Port {port:n} tagged={tagged:b=1|0} portcost={cost:n} role={role:s}", ROW_ADDS, "ports" },
	{ 0 },
};

static const struct block blocks[] = {
	{ "port/print port/allprint", false, port_rows },
	{ "hash/print hash/find", false, hash_rows },
	{ "vlan/print vlan/allprint", false, vlan_rows },
	{ "showinfo", true, showinfo_rows },
	{ "fstp/print", false, fstp_rows },
	{ "stats", false, stats_rows },
};

/* The length of the UTF-8 sequence at text (RFC 3629, overlong forms of two bytes and surrogates refused); 0: none. */
static size_t utf8_length(const unsigned char *text, size_t left)
{
	size_t length = text[0] < 0x80 ? 1 : text[0] >= 0xc2 && text[0] < 0xe0 ? 2 : (text[0] & 0xf0) == 0xe0 ? 3 :
		text[0] >= 0xf0 && text[0] < 0xf5 ? 4 : 0;

	if (length > left)
		return 0;
	for (size_t i = 1; i < length; i++)
		if ((text[i] & 0xc0) != 0x80)
			return 0;
	if (length > 2) {
		unsigned second = text[1];

		if ((text[0] == 0xe0 && second < 0xa0) || (text[0] == 0xed && second > 0x9f) ||
		    (text[0] == 0xf0 && second < 0x90) || (text[0] == 0xf4 && second > 0x8f))
			return 0;
	}
	return length;
}

void json_string(FILE *out, const char *text, size_t length)
{
	const unsigned char *byte = (const unsigned char *)text;

	fputc('"', out);
	for (size_t i = 0; i < length;) {
		size_t sequence = utf8_length(byte + i, length - i);

		if (byte[i] == '"' || byte[i] == '\\')
			fprintf(out, "\\%c", byte[i]);
		else if (byte[i] < 0x20 || byte[i] == 0x7f || sequence == 0)
			fprintf(out, "\\u%04x", byte[i]);
		else if (byte[i] == 0xc2 && byte[i + 1] < 0xa0)         /* a control character, too: U+0080 to U+009F */
			fprintf(out, "\\u%04x", byte[i + 1]);
		else
			fwrite(byte + i, 1, sequence, out);
		i += sequence > 0 ? sequence : 1;
	}
	fputc('"', out);
}

static const char *skip_blanks(const char *at)
{
	while (*at == ' ' || *at == '\t')
		at++;
	return at;
}

/* One character of a form that is not a field. Returns what follows it in the line, or NULL. */
static const char *match_character(char wanted, const char *at)
{
	if (wanted == ' ')
		return *at == ' ' || *at == '\t' || *at == '\0' ? skip_blanks(at) : NULL;
	return *at == wanted ? at + 1 : NULL;
}

/* Where the text that follows the field in the form first stands in the line, the end of the line if nothing follows; NULL: nowhere. */
static const char *find_following(const char *form, const char *at)
{
	size_t length = strcspn(form, "{");

	if (length == 0)
		return at + strlen(at);
	for (;; at++) {
		const char *end = at;

		for (size_t i = 0; i < length && end != NULL; i++)
			end = match_character(form[i], end);
		if (end != NULL)
			return at;
		if (*at == '\0')
			return NULL;
	}
}

struct field {
	const char *name;
	size_t name_length;
	char type;
	const char *first, *second;             /* of b: the two texts, */
	size_t first_length, second_length;     /* and their lengths */
	const char *form_end;                   /* behind the '}' */
};

/* form stands at '{'. */
static struct field field_parse(const char *form)
{
	struct field field = { .name = form + 1 };
	const char *end = strchr(form, '}');

	field.name_length = strcspn(field.name, ":");
	field.type = field.name[field.name_length + 1];
	field.form_end = end + 1;
	if (field.type == 'b') {
		field.first = field.name + field.name_length + 3;
		field.first_length = strcspn(field.first, "|");
		field.second = field.first + field.first_length + 1;
		field.second_length = (size_t)(end - field.second);
	}
	return field;
}

/* The empty text is in every line, so the other one is tried before it. */
static const char *match_choice(const struct field *field, const char *at, bool *value)
{
	bool second_first = field->second_length > field->first_length;

	for (int i = 0; i < 2; i++) {
		bool first = (i == 0) != second_first;
		const char *text = first ? field->first : field->second;
		size_t length = first ? field->first_length : field->second_length;

		if (strncmp(at, text, length) == 0) {
			*value = first;
			return at + length;
		}
	}
	return NULL;
}

/* Matches a field at `at`. Returns its end in the line or NULL; *value is set for b. */
static const char *match_field(const struct field *field, const char *at, bool *value)
{
	size_t length;

	switch (field->type) {
	case 'n':
		length = strspn(at, "0123456789");
		return length > 0 ? at + length : NULL;
	case 'w':
		length = strcspn(at, " \t)");
		return length > 0 ? at + length : NULL;
	case 'b':
		return match_choice(field, at, value);
	default:
		return find_following(field->form_end, at);
	}
}

static void write_field(FILE *out, const struct field *field, const char *text, size_t length, bool value)
{
	json_string(out, field->name, field->name_length);
	fputs(": ", out);
	if (field->type == 'n') {
		for (; length > 1 && *text == '0'; length--)
			text++;
		fwrite(text, 1, length, out);
	} else if (field->type == 'b') {
		fputs(value ? "true" : "false", out);
	} else {
		while (length > 0 && text[length - 1] == ' ')
			length--;
		json_string(out, text, length);
	}
}

/* True when the line has the form. With out != NULL, its members are written, separated by commas. */
static bool match_form(const char *form, const char *line, FILE *out)
{
	const char *at = line;
	bool comma = false;

	while (*form != '\0') {
		struct field field;
		const char *end;
		bool value = false;

		if (*form != '{') {
			at = match_character(*form++, at);
			if (at == NULL)
				return false;
			continue;
		}
		field = field_parse(form);
		end = match_field(&field, at, &value);
		if (end == NULL)
			return false;
		if (out != NULL) {
			fputs(comma ? ", " : "", out);
			write_field(out, &field, at, (size_t)(end - at), value);
			comma = true;
		}
		at = end;
		form = field.form_end;
	}
	return *skip_blanks(at) == '\0';
}

static const struct row *find_row(const struct block *block, const char *line)
{
	for (const struct row *row = block->rows; row->form != NULL; row++)
		if (match_form(row->form, line, NULL))
			return row;
	return NULL;
}

/* The lines of one object that have no known form. */
static void write_other(FILE *out, const struct block *block, char *const *lines, size_t count)
{
	bool any = false;

	for (size_t i = 0; i < count; i++) {
		if (lines[i][0] == '\0' || find_row(block, lines[i]) != NULL)
			continue;
		fputs(any ? ", " : ", \"other\": [", out);
		json_string(out, lines[i], strlen(lines[i]));
		any = true;
	}
	if (any)
		fputc(']', out);
}

/* Between what was written last, which is inside of `array` (NULL: not), and the members of this row. */
static void write_joint(FILE *out, const struct row *row, const char *array)
{
	if (array != NULL && row->place != ROW_CONTINUES)
		fputc('}', out);
	if (array != NULL && row->array != array)
		fputc(']', out);
	if (row->place != ROW_OPENS)
		fputs(", ", out);
	if (row->array != NULL && row->array != array) {
		json_string(out, row->array, strlen(row->array));
		fputs(": [", out);
	}
	if (row->array != NULL && row->place != ROW_CONTINUES)
		fputc('{', out);
}

/* lines[0] opens the object; returns how many lines belong to it. */
static size_t write_object(FILE *out, const struct block *block, char *const *lines, size_t count)
{
	const char *array = NULL;
	size_t i;

	fputc('{', out);
	for (i = 0; i < count; i++) {
		const struct row *row = find_row(block, lines[i]);

		if (row == NULL || (row->place == ROW_CONTINUES && array == NULL))
			continue;
		if (row->place == ROW_OPENS && i > 0)
			break;
		write_joint(out, row, array);
		array = row->array;
		match_form(row->form, lines[i], out);
	}
	fputs(array != NULL ? "}]" : "", out);
	write_other(out, block, lines, i);
	fputc('}', out);
	return i;
}

static const struct block *find_block(const char *command)
{
	size_t length = strcspn(command, " \t");

	for (size_t i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++) {
		const char *name = blocks[i].commands;

		while (*name != '\0') {
			size_t name_length = strcspn(name, " ");

			if (name_length == length && strncmp(name, command, length) == 0)
				return &blocks[i];
			name += name_length;
			name += strspn(name, " ");
		}
	}
	return NULL;
}

static void write_strings(FILE *out, char *const *lines, size_t count)
{
	fputc('[', out);
	for (size_t i = 0; i < count; i++) {
		fputs(i > 0 ? ", " : "", out);
		json_string(out, lines[i], strlen(lines[i]));
	}
	fputc(']', out);
}

void json_block(FILE *out, const char *command, char *const *lines, size_t count)
{
	const struct block *block = find_block(command);
	size_t first = 0;
	bool any = false;

	while (block != NULL && first < count) {
		const struct row *row = find_row(block, lines[first]);

		if (row != NULL && row->place == ROW_OPENS)
			break;
		first++;
	}
	if (block == NULL || (block->single && first == count) || (first > 0 && first == count)) {
		write_strings(out, lines, count);
		return;
	}
	if (block->single) {
		write_object(out, block, lines + first, count - first);
		return;
	}
	fputc('[', out);
	while (first < count) {
		fputs(any ? ",\n  " : "\n  ", out);
		first += write_object(out, block, lines + first, count - first);
		any = true;
	}
	fputs(any ? "\n]" : "]", out);
}
