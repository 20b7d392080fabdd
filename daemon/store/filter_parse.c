// SPDX-License-Identifier: MIT
// Parsing the filter language, by recursive descent:
//
//     or    = and *( "or" and )
//     and   = unary *( ["and"] unary )
//     unary = "not" unary / "-" unary / "(" or ")" / word
//     word  = [key ":"] text
//
// The words given are joined by spaces first, so that a filter means the same however a shell or
// an API cut it. Quotes keep spaces, parentheses and key words in a text.
#include "filter.h"
#include "hark/clock.h"
#include "hark/filter_judge.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

// Far more than anybody writes, and below what SQLite's parser takes in an expression.
#define MAX_BYTES   16000
#define MAX_WORDS   200
#define MAX_NESTING 10

#define WHITE_SPACE " \t\n\v\f\r"

enum token_kind {
    TOKEN_END,
    TOKEN_WORD,
    TOKEN_OPEN,
    TOKEN_CLOSE,
    TOKEN_OR,
    TOKEN_AND,
    TOKEN_NOT
};

struct token {
    enum token_kind kind;
    const char *begin; // in the input
    char *text;        // of a word, without its quotes
    char *colon;       // the first one outside quotes in `text`, or NULL
};

struct parser {
    struct filter *filter;
    const char *input;
    const char *at;
    struct token token; // the next one
    int words;
    int nesting;
    struct err *err;
};

// --- errors -------------------------------------------------------------------------------------

// Columns count characters, from 1.
static int column_of(const struct parser *parser, const char *at)
{
    int column = 1;
    for (const char *c = parser->input; c < at; c++)
        column += ((unsigned char)*c & 0xc0) != 0x80;
    return column;
}

static struct filter_node *mistake(struct parser *parser, const char *at, const char *text)
{
    err_set(parser->err, "filter: column %d: %s", column_of(parser, at), text);
    return NULL;
}

// --- tokens -------------------------------------------------------------------------------------

static bool is_space(char c)
{
    return c != '\0' && strchr(WHITE_SPACE, c) != NULL;
}

// Copies a word up to white space, or to a ")" that nothing in the word opened.
static int read_word(struct parser *parser)
{
    struct token *token = &parser->token;
    char *end = arena_alloc(&parser->filter->arena, strlen(parser->at) + 1);
    bool is_quoted = false;
    int open = 0;
    token->text = end;
    token->colon = NULL;
    for (; *parser->at != '\0'; parser->at++) {
        char c = *parser->at;
        if (c == '"') {
            is_quoted = !is_quoted;
            continue;
        }
        if (!is_quoted && (is_space(c) || (c == ')' && open == 0)))
            break;
        if (is_quoted && c == '\\' && (parser->at[1] == '"' || parser->at[1] == '\\'))
            c = *++parser->at;
        else if (!is_quoted && c == ':' && token->colon == NULL)
            token->colon = end;
        else if (!is_quoted)
            open += (c == '(') - (c == ')');
        *end++ = c;
    }
    if (!is_quoted)
        return 0;
    mistake(parser, token->begin, "a quote is not closed");
    return -1;
}

static enum token_kind word_kind(const struct parser *parser)
{
    size_t length = (size_t)(parser->at - parser->token.begin);
    if (length == 2 && strncasecmp(parser->token.begin, "or", length) == 0)
        return TOKEN_OR;
    if (length == 3 && strncasecmp(parser->token.begin, "and", length) == 0)
        return TOKEN_AND;
    if (length == 3 && strncasecmp(parser->token.begin, "not", length) == 0)
        return TOKEN_NOT;
    return TOKEN_WORD;
}

static bool is_minus(const char *at)
{
    return at[0] == '-' && at[1] != '\0' && strchr(WHITE_SPACE ")-", at[1]) == NULL;
}

static bool is_lone_minus(const char *at)
{
    return at[0] == '-' && strchr(WHITE_SPACE ")", at[1]) != NULL; // or the end
}

static int next_token(struct parser *parser)
{
    parser->at += strspn(parser->at, WHITE_SPACE);
    parser->token = (struct token){.begin = parser->at};
    switch (*parser->at) {
    case '\0':
        parser->token.kind = TOKEN_END;
        return 0;
    case '(':
        parser->token.kind = TOKEN_OPEN;
        break;
    case ')':
        parser->token.kind = TOKEN_CLOSE;
        break;
    default:
        if (is_lone_minus(parser->at)) {
            mistake(parser, parser->at, "nothing follows this \"-\"; quote it to look for it");
            return -1;
        }
        if (!is_minus(parser->at)) {
            if (read_word(parser) != 0)
                return -1;
            parser->token.kind = word_kind(parser);
            return 0;
        }
        parser->token.kind = TOKEN_NOT;
        break;
    }
    parser->at++;
    return 0;
}

// --- grammar ------------------------------------------------------------------------------------

static struct filter_node *parse_or(struct parser *parser);

// A colon behind a word; in "http://…" it belongs to a URL.
static bool has_key(const struct token *token)
{
    if (token->colon == NULL || strncmp(token->colon, "://", 3) == 0)
        return false;
    size_t length = strspn(token->text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_");
    return length > 0 && token->text + length == token->colon;
}

// The word's node, or a mistake if it is one that cannot be judged where it has to be.
static struct filter_node *judged(struct parser *parser, const char *begin,
                                  struct filter_node *node)
{
    const char *why_not = parser->filter->is_for_rows ? filter_why_not_judged(node) : NULL;
    return why_not == NULL ? node : mistake(parser, begin, why_not);
}

static struct filter_node *parse_bare_word(struct parser *parser, const struct token *token,
                                           size_t length)
{
    const char *word = arena_strndup(&parser->filter->arena, token->begin, length);
    const char *keyed = filter_keyed_form(parser->filter, word);
    if (keyed == NULL)
        return judged(parser, token->begin, filter_bare_word(parser->filter, token->text));
    return mistake(parser, token->begin,
                   arena_printf(&parser->filter->arena,
                                "did you mean \"%s\"? To look for \"%s\" in the URL write "
                                "\"url:%s\"",
                                keyed, word, word));
}

static struct filter_node *parse_word(struct parser *parser)
{
    struct token token = parser->token;
    size_t length = (size_t)(parser->at - token.begin);
    if (++parser->words > MAX_WORDS)
        return mistake(parser, token.begin, "too many words");
    if (token.text[0] == '\0')
        return mistake(parser, token.begin, "an empty word matches nothing in particular");
    if (next_token(parser) != 0)
        return NULL;
    if (!has_key(&token))
        return parse_bare_word(parser, &token, length);

    struct err problem = {0};
    *token.colon = '\0';
    struct filter_node *node =
        filter_keyed_word(parser->filter, token.text, token.colon + 1, &problem);
    if (node == NULL)
        return mistake(parser, token.begin, problem.text);
    return judged(parser, token.begin, node);
}

static struct filter_node *parse_group(struct parser *parser)
{
    const char *open = parser->token.begin;
    if (next_token(parser) != 0)
        return NULL;
    struct filter_node *node = parse_or(parser);
    if (node == NULL)
        return NULL;
    if (parser->token.kind != TOKEN_CLOSE)
        return mistake(parser, open, "this \"(\" is not closed");
    return next_token(parser) == 0 ? node : NULL;
}

static struct filter_node *parse_not(struct parser *parser);

static struct filter_node *parse_unary(struct parser *parser)
{
    const char *begin = parser->token.begin;
    switch (parser->token.kind) {
    case TOKEN_WORD:
        return parse_word(parser);
    case TOKEN_OPEN:
    case TOKEN_NOT:
        break;
    case TOKEN_CLOSE:
        return mistake(parser, begin, "this \")\" closes nothing");
    case TOKEN_AND:
    case TOKEN_OR:
        return mistake(parser, begin, "nothing stands before this word; quote it to look for it");
    case TOKEN_END:
        return mistake(parser, begin, "the filter ends where a word should follow");
    }
    if (++parser->nesting > MAX_NESTING)
        return mistake(parser, begin, "nested too deep");
    struct filter_node *node =
        parser->token.kind == TOKEN_OPEN ? parse_group(parser) : parse_not(parser);
    parser->nesting--;
    return node;
}

static struct filter_node *parse_not(struct parser *parser)
{
    if (next_token(parser) != 0)
        return NULL;
    struct filter_node *node = parse_unary(parser);
    return node == NULL ? NULL : filter_join(parser->filter, NODE_NOT, node, NULL);
}

static struct filter_node *parse_and(struct parser *parser)
{
    struct filter_node *node = parse_unary(parser);
    while (node != NULL) {
        enum token_kind kind = parser->token.kind;
        if (kind == TOKEN_AND && next_token(parser) != 0)
            return NULL;
        if (kind != TOKEN_AND && kind != TOKEN_WORD && kind != TOKEN_OPEN && kind != TOKEN_NOT)
            break;
        struct filter_node *right = parse_unary(parser);
        node = right == NULL ? NULL : filter_join(parser->filter, NODE_AND, node, right);
    }
    return node;
}

static struct filter_node *parse_or(struct parser *parser)
{
    struct filter_node *node = parse_and(parser);
    while (node != NULL && parser->token.kind == TOKEN_OR) {
        if (next_token(parser) != 0)
            return NULL;
        struct filter_node *right = parse_and(parser);
        node = right == NULL ? NULL : filter_join(parser->filter, NODE_OR, node, right);
    }
    return node;
}

// --- entry --------------------------------------------------------------------------------------

static int parse(struct filter *filter, const struct buffer *input, struct err *err)
{
    if (input->length > MAX_BYTES)
        return err_set(err, "filter: column %d: longer than %d bytes", MAX_BYTES + 1, MAX_BYTES);
    const char *text = input->length > 0 ? input->data : "";
    struct parser parser = {.filter = filter, .input = text, .at = text, .err = err};
    if (next_token(&parser) != 0)
        return -1;
    if (parser.token.kind == TOKEN_END)
        return filter->is_for_rows ? err_set(err, "filter: it has no word") : 0;
    filter->root = parse_or(&parser);
    if (filter->root != NULL && parser.token.kind != TOKEN_END)
        filter->root = mistake(&parser, parser.token.begin, "this \")\" closes nothing");
    filter_order(filter);
    return filter->root == NULL ? -1 : 0;
}

static struct filter *create(const char *const *words, size_t count, bool is_for_rows,
                             struct err *err)
{
    struct buffer input = {0};
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buffer_append_char(&input, ' ');
        buffer_append_text(&input, words[i]);
    }
    struct filter *filter = mem_calloc(1, sizeof(*filter));
    filter->now_us = clock_wall_us();
    filter->is_for_rows = is_for_rows;
    if (parse(filter, &input, err) != 0) {
        filter_destroy(filter);
        filter = NULL;
    }
    buffer_fini(&input);
    return filter;
}

struct filter *filter_create(const char *const *words, size_t count, struct err *err)
{
    return create(words, count, false, err);
}

struct filter *filter_create_for_rows(const char *text, struct err *err)
{
    return create(&text, 1, true, err);
}

bool filter_is_empty(const struct filter *filter)
{
    return filter->root == NULL;
}

void filter_destroy(struct filter *filter)
{
    if (filter == NULL)
        return;
    arena_fini(&filter->arena);
    free(filter);
}
