// SPDX-License-Identifier: MIT
// Where a parser would see another token than this does, a secret could slip through: so whatever
// is not understood ends the search. tests/fuzz/fuzz_redact.c compares it with jansson.
#include "redact_json.h"

#include "hark/mem.h"
#include "redact_json_names.h"
#include "redact_names.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 1000

enum expected {
    EXPECT_VALUE,
    EXPECT_VALUE_OR_END,
    EXPECT_NAME_OR_END,
    EXPECT_COLON,
    EXPECT_NEXT // a comma or the end
};

enum token {
    TOKEN_NONE,
    TOKEN_STRING,
    TOKEN_ESCAPE,
    TOKEN_UNIT,
    TOKEN_LITERAL, // a number, true, …
    TOKEN_LINE     // ")]}'", which some servers put before JSON
};

// The bytes being read. Owner: redact_json_write().
struct scan {
    const char *data;
    size_t length;
    size_t at;
    size_t kept; // up to here the bytes are in `out`, or hidden
    struct buffer *out;
};

void redact_json_init(struct redact_json *json, const struct config_list *names,
                      const unsigned char *key, bool is_declared)
{
    *json = (struct redact_json){
        .names = names, .key = key, .is_declared = is_declared, .is_undecided = true};
}

void redact_json_fini(struct redact_json *json)
{
    redact_mark_fini(&json->mark);
    buffer_fini(&json->path);
    buffer_fini(&json->name);
    free(json->frames);
}

// --- the hidden value --------------------------------------------------------------------------

// Bytes before `end` that belong to a hidden value and are not in its hash yet.
static void hash_raw(struct redact_json *json, struct scan *scan, size_t end)
{
    if (!json->is_hiding_text)
        redact_mark_add(&json->mark, scan->data + scan->kept, end - scan->kept);
    scan->kept = end;
}

static void begin_hiding(struct redact_json *json, struct scan *scan, bool is_text)
{
    buffer_append(scan->out, scan->data + scan->kept, scan->at - scan->kept);
    scan->kept = scan->at;
    json->is_hiding = true;
    json->is_hiding_text = is_text;
    json->hidden_depth = json->depth;
    redact_mark_begin(&json->mark, json->key);
}

// Nothing is hidden in null, and it says that there is nothing.
static void append_mark(struct redact_json *json, struct buffer *out)
{
    json->is_hiding = false;
    if (!json->is_hiding_text && redact_mark_is(&json->mark, "null")) {
        buffer_append_text(out, "null");
        redact_mark_fini(&json->mark);
        return;
    }
    buffer_append_char(out, '"');
    redact_mark_end(&json->mark, out);
    buffer_append_char(out, '"');
}

// --- values ------------------------------------------------------------------------------------

static void begin_value(struct redact_json *json, struct scan *scan, bool is_text)
{
    if (json->must_hide && !json->is_hiding)
        begin_hiding(json, scan, is_text);
    json->must_hide = false;
}

// A value ends before `end`.
static void end_value(struct redact_json *json, struct scan *scan, size_t end)
{
    json->token = TOKEN_NONE;
    json->expected = json->depth == 0 ? EXPECT_VALUE : EXPECT_NEXT;
    if (!json->is_hiding || json->depth != json->hidden_depth)
        return;
    hash_raw(json, scan, end);
    append_mark(json, scan->out);
}

static bool open_container(struct redact_json *json, struct scan *scan, bool is_object)
{
    if (json->depth == DEPTH_MAX)
        return false;
    begin_value(json, scan, false);
    if (json->depth == json->capacity) {
        json->capacity = json->capacity == 0 ? 16 : 2 * json->capacity;
        json->frames = mem_realloc(json->frames, json->capacity * sizeof(json->frames[0]));
    }
    json->frames[json->depth++] =
        (struct redact_json_frame){.is_object = is_object, .path_length = json->path.length};
    json->expected = is_object ? EXPECT_NAME_OR_END : EXPECT_VALUE_OR_END;
    return true;
}

static const struct redact_json_frame *top(const struct redact_json *json)
{
    return json->depth == 0 ? NULL : &json->frames[json->depth - 1];
}

static bool close_container(struct redact_json *json, struct scan *scan, char c)
{
    const struct redact_json_frame *frame = top(json);
    if (frame == NULL || c != (frame->is_object ? '}' : ']'))
        return false;
    json->path.length = frame->path_length;
    json->depth--;
    end_value(json, scan, scan->at + 1);
    return true;
}

// --- strings -----------------------------------------------------------------------------------

// What a string says, decoded.
static void take_text(struct redact_json *json, const char *text, size_t length)
{
    if (json->is_name) {
        size_t room = REDACT_NAME_MAX_BYTES + 1 - json->name.length;
        buffer_append(&json->name, text, length < room ? length : room);
    } else if (json->is_hiding && json->is_hiding_text) {
        redact_mark_add(&json->mark, text, length);
    }
}

static void take_character(struct redact_json *json, uint32_t c)
{
    char text[4];
    size_t length = 0;
    if (c < 0x80) {
        // NUL stands between the names of a path.
        text[length++] = (char)(c == 0 && json->is_name ? 1 : c);
    } else if (c < 0x800) {
        text[length++] = (char)(0xc0 | c >> 6);
    } else if (c < 0x10000) {
        text[length++] = (char)(0xe0 | c >> 12);
        text[length++] = (char)(0x80 | (c >> 6 & 0x3f));
    } else {
        text[length++] = (char)(0xf0 | c >> 18);
        text[length++] = (char)(0x80 | (c >> 12 & 0x3f));
        text[length++] = (char)(0x80 | (c >> 6 & 0x3f));
    }
    if (c >= 0x80)
        text[length++] = (char)(0x80 | (c & 0x3f));
    take_text(json, text, length);
}

// A surrogate without its other half is taken as it is.
static void give_up_half(struct redact_json *json)
{
    uint32_t high = json->high;
    json->high = 0;
    if (high != 0)
        take_character(json, high);
}

static void take_unit(struct redact_json *json)
{
    uint32_t unit = json->unit;
    bool is_low = unit >= 0xdc00 && unit < 0xe000;
    json->token = TOKEN_STRING;
    if (is_low && json->high != 0) {
        uint32_t high = json->high;
        json->high = 0;
        take_character(json, 0x10000 + ((high - 0xd800) << 10) + (unit - 0xdc00));
        return;
    }
    give_up_half(json);
    if (unit >= 0xd800 && unit < 0xdc00)
        json->high = unit;
    else
        take_character(json, unit);
}

static void take_escape(struct redact_json *json, char c)
{
    static const char letters[] = "bfnrt";
    static const char meant[] = "\b\f\n\r\t";
    const char *found = strchr(letters, c);
    if (c == 'u') {
        json->token = TOKEN_UNIT;
        json->unit = 0;
        json->unit_digits = 0;
        return;
    }
    give_up_half(json);
    json->token = TOKEN_STRING;
    bool is_letter = found != NULL && c != '\0';
    take_text(json, is_letter ? &meant[found - letters] : &c, 1);
}

static void begin_string(struct redact_json *json, bool is_name)
{
    json->token = TOKEN_STRING;
    json->is_name = is_name;
    if (is_name)
        buffer_clear(&json->name);
}

static void end_name(struct redact_json *json)
{
    buffer_append_text(&json->name, "");
    json->path.length = top(json)->path_length;
    buffer_append(&json->path, json->name.data, json->name.length);
    buffer_append_char(&json->path, '\0');
    json->must_hide = redact_json_names_have(json->names, &json->path, &json->name);
    json->token = TOKEN_NONE;
    json->is_name = false;
    json->expected = EXPECT_COLON;
}

// Bytes of a string, up to its end or an escape.
static void read_string(struct redact_json *json, struct scan *scan)
{
    const char *text = scan->data + scan->at;
    size_t left = scan->length - scan->at;
    size_t length = 0;
    while (length < left && text[length] != '"' && text[length] != '\\')
        length++;
    if (length > 0) {
        give_up_half(json);
        take_text(json, text, length);
    }
    scan->at += length;
    if (length == left)
        return;
    if (text[length] == '\\') {
        json->token = TOKEN_ESCAPE;
    } else {
        give_up_half(json);
        if (json->is_name)
            end_name(json);
        else
            end_value(json, scan, scan->at + 1);
    }
    scan->at++;
}

static bool read_unit(struct redact_json *json, char c)
{
    if (!isxdigit((unsigned char)c))
        return false;
    uint32_t digit = (uint32_t)(isdigit((unsigned char)c) ? c - '0' : tolower(c) - 'a' + 10);
    json->unit = json->unit << 4 | digit;
    if (++json->unit_digits == 4)
        take_unit(json);
    return true;
}

// --- between them ------------------------------------------------------------------------------

static bool is_literal(char c)
{
    return isalnum((unsigned char)c) || c == '-' || c == '+' || c == '.';
}

static bool is_space(const struct redact_json *json, char c)
{
    static const char mark[] = "\xef\xbb\xbf"; // of UTF-8, at the beginning
    if (c == ' ' || c == '\t' || c == '\r' || c == '\n')
        return true;
    // RFC 7464 begins each text with RS.
    return json->depth == 0 && (c == '\x1e' || (json->offset < 3 && c == mark[json->offset]));
}

static bool read_value(struct redact_json *json, struct scan *scan, char c)
{
    if (c == '{' || c == '[')
        return open_container(json, scan, c == '{');
    if (c == '"') {
        begin_value(json, scan, true);
        begin_string(json, false);
        return true;
    }
    if (c == ')' && json->offset == 0)
        json->token = TOKEN_LINE;
    if (!is_literal(c))
        return json->token == TOKEN_LINE;
    begin_value(json, scan, false);
    json->token = TOKEN_LITERAL;
    return true;
}

static bool read_between(struct redact_json *json, struct scan *scan, char c)
{
    switch ((enum expected)json->expected) {
    case EXPECT_VALUE_OR_END:
        return c == ']' ? close_container(json, scan, c) : read_value(json, scan, c);
    case EXPECT_VALUE:
        return read_value(json, scan, c);
    case EXPECT_NAME_OR_END:
        if (c != '"')
            return close_container(json, scan, c);
        begin_string(json, true);
        return true;
    case EXPECT_COLON:
        json->expected = EXPECT_VALUE;
        return c == ':';
    case EXPECT_NEXT:
        if (c != ',')
            return close_container(json, scan, c);
        json->expected = top(json)->is_object ? EXPECT_NAME_OR_END : EXPECT_VALUE_OR_END;
        return true;
    }
    return false;
}

// One step. False: this is no JSON.
static bool step(struct redact_json *json, struct scan *scan)
{
    char c = scan->data[scan->at];
    bool is_understood = true;
    switch ((enum token)json->token) {
    case TOKEN_STRING:
        read_string(json, scan);
        return true;
    case TOKEN_LITERAL:
        if (is_literal(c))
            break;
        end_value(json, scan, scan->at);
        return true;
    case TOKEN_ESCAPE:
        take_escape(json, c);
        break;
    case TOKEN_UNIT:
        is_understood = read_unit(json, c);
        break;
    case TOKEN_LINE:
        if (c == '\n')
            json->token = TOKEN_NONE;
        break;
    case TOKEN_NONE:
        is_understood = is_space(json, c) || read_between(json, scan, c);
        break;
    }
    scan->at += is_understood;
    return is_understood;
}

// --- the text ----------------------------------------------------------------------------------

static void flush(struct redact_json *json, struct scan *scan)
{
    if (json->is_hiding)
        hash_raw(json, scan, scan->at);
    else
        buffer_append(scan->out, scan->data + scan->kept, scan->at - scan->kept);
    scan->kept = scan->at;
}

static int stop(struct redact_json *json, struct scan *scan, struct err *err)
{
    flush(json, scan);
    if (json->is_hiding)
        append_mark(json, scan->out);
    if (json->is_declared)
        return err_set(err, "it is no JSON at byte %" PRIu64, json->offset);
    json->is_passing = true;
    buffer_append(scan->out, scan->data + scan->at, scan->length - scan->at);
    return 0;
}

// What is not declared to be JSON is taken for it if it begins like an object or an array; before
// these Socket.IO has a number, as in 42["name",{}] or 51-["name",{}].
static void decide(struct redact_json *json, const char *data, size_t length)
{
    for (size_t i = 0; i < length && json->is_undecided; i++) {
        if (data[i] != '\0' && strchr("0123456789- \t\r\n\xef\xbb\xbf", data[i]) != NULL)
            continue;
        json->is_undecided = false;
        json->is_passing = data[i] != '{' && data[i] != '[';
    }
}

int redact_json_write(struct redact_json *json, const char *data, size_t length, struct buffer *out,
                      struct err *err)
{
    struct scan scan = {.data = data, .length = length, .out = out};
    if (!json->is_declared)
        decide(json, data, length);
    if (json->is_passing) {
        buffer_append(out, data, length);
        return 0;
    }
    while (scan.at < length) {
        size_t before = scan.at;
        if (!step(json, &scan))
            return stop(json, &scan, err);
        json->offset += scan.at - before;
    }
    flush(json, &scan);
    return 0;
}

void redact_json_break(struct redact_json *json, struct buffer *out)
{
    struct scan scan = {.data = "", .out = out};
    if (json->token == TOKEN_LITERAL)
        end_value(json, &scan, 0);
}

void redact_json_finish(struct redact_json *json, struct buffer *out)
{
    redact_json_break(json, out);
    if (json->is_hiding)
        append_mark(json, out);
    struct redact_json fresh;
    redact_json_init(&fresh, json->names, json->key, json->is_declared);
    redact_json_fini(json);
    *json = fresh;
}
