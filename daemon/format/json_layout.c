// SPDX-License-Identifier: MIT
// jansson says whether it is JSON; then the tokens are copied one by one and only the white space
// between them is new.
#include "hark/json_layout.h"

#include <jansson.h>
#include <string.h>

#define INDENT       2
#define INDENT_LIMIT 40 // levels; without a limit a deep text could grow a thousandfold

struct layout {
    FILE *out;
    const struct terminal *terminal;
    const char *at, *end;
    size_t depth;
};

bool json_is_valid(const char *text, size_t length)
{
    // Integers as reals: a number is not wrong because it is too big for us.
    json_t *value =
        json_loadb(text, length, JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL | JSON_ALLOW_NUL, NULL);
    json_decref(value);
    return value != NULL;
}

static void skip_space(struct layout *layout)
{
    while (layout->at < layout->end && strchr(" \t\r\n", *layout->at))
        layout->at++;
}

static void break_line(struct layout *layout)
{
    size_t levels = layout->depth < INDENT_LIMIT ? layout->depth : INDENT_LIMIT;
    fprintf(layout->out, "\n%*s", (int)(levels * INDENT), "");
}

static const char *find_string_end(const struct layout *layout)
{
    const char *at = layout->at + 1;
    while (at < layout->end && *at != '"')
        at += *at == '\\' ? 2 : 1;
    return at < layout->end ? at + 1 : layout->end;
}

static void write_token(struct layout *layout, const char *token_end, enum color color)
{
    const char *on = terminal_color(layout->terminal, color);
    fputs(on, layout->out);
    safe_text_write(layout->out, layout->at, (size_t)(token_end - layout->at), SAFE_LINE);
    if (*on)
        fputs(terminal_reset(layout->terminal), layout->out);
    layout->at = token_end;
}

static void write_string(struct layout *layout)
{
    const char *string_end = find_string_end(layout);
    struct layout ahead = *layout;
    ahead.at = string_end;
    skip_space(&ahead);
    bool is_key = ahead.at < ahead.end && *ahead.at == ':';
    write_token(layout, string_end, is_key ? COLOR_BLUE : COLOR_GREEN);
}

static void open_container(struct layout *layout)
{
    char close = *layout->at == '{' ? '}' : ']';
    putc(*layout->at++, layout->out);
    skip_space(layout);
    if (layout->at < layout->end && *layout->at == close) {
        putc(*layout->at++, layout->out);
        return;
    }
    layout->depth++;
    break_line(layout);
}

static void close_container(struct layout *layout)
{
    if (layout->depth > 0)
        layout->depth--;
    break_line(layout);
    putc(*layout->at++, layout->out);
}

static void write_scalar(struct layout *layout)
{
    const char *token_end = layout->at;
    while (token_end < layout->end && !strchr(" \t\r\n,:]}", *token_end))
        token_end++;
    write_token(layout, token_end, COLOR_NONE);
}

void json_layout_write(FILE *out, const struct terminal *terminal, const char *text, size_t length)
{
    struct layout layout = {.out = out, .terminal = terminal, .at = text, .end = text + length};
    for (skip_space(&layout); layout.at < layout.end; skip_space(&layout)) {
        switch (*layout.at) {
        case '{':
        case '[':
            open_container(&layout);
            break;
        case '}':
        case ']':
            close_container(&layout);
            break;
        case ',':
            putc(*layout.at++, out);
            break_line(&layout);
            break;
        case ':':
            fputs(": ", out);
            layout.at++;
            break;
        case '"':
            write_string(&layout);
            break;
        default:
            write_scalar(&layout);
        }
    }
}
