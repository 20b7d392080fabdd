// SPDX-License-Identifier: MIT
// Comparing two exchanges: the heads here, the bodies in diff_body.c.
#include "diff_private.h"

#include "hark/mem.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

const char *const diff_usual_headers[] = {
    "Age",     "Connection",    "Content-Length",    "Date", "Expires",      "Keep-Alive",
    "Trailer", "Server-Timing", "Transfer-Encoding", "Via",  "X-Request-Id", NULL,
};

void diff_tell(struct diff *diff, const struct difference *difference)
{
    struct difference told = *difference;
    told.side = diff->side;
    diff->is_different = true;
    diff->sink(diff->ctx, &told);
}

static struct difference_value value_of(const char *text)
{
    return (struct difference_value){text, text == NULL ? 0 : strlen(text)};
}

static enum difference_kind kind_of(const void *old, const void *new)
{
    if (old == NULL)
        return DIFFERENCE_ADDED;
    return new == NULL ? DIFFERENCE_REMOVED : DIFFERENCE_CHANGED;
}

// Two texts of which either may be NULL.
static void compare_texts(struct diff *diff, const char *where, const char *old, const char *new)
{
    if (old == new || (old != NULL && new != NULL &&strcmp(old, new) == 0))
        return;
    diff_tell(diff, &(struct difference){.where = where,
                                         .path = "",
                                         .kind = kind_of(old, new),
                                         .old = value_of(old),
                                         .new = value_of(new)});
}

// --- fields --------------------------------------------------------------------------------------

static bool is_ignored(const struct diff_options *options, const struct field *field)
{
    for (size_t i = 0; i < options->ignored_count; i++)
        if (field_is_named(field, options->ignored_headers[i]))
            return true;
    for (size_t i = 0; diff_usual_headers[i] != NULL && !options->has_all_headers; i++)
        if (field_is_named(field, diff_usual_headers[i]))
            return true;
    return false;
}

// The field of `other` that stands for fields[index]: of the same name, and the same one among
// those of that name.
static const struct field *find_partner(const struct fields *fields, size_t index,
                                        const struct fields *other)
{
    const char *name = fields->items[index].name;
    size_t earlier = 0;
    for (size_t i = 0; i < index; i++)
        earlier += field_is_named(&fields->items[i], name);
    for (size_t i = 0; i < other->count; i++)
        if (field_is_named(&other->items[i], name) && earlier-- == 0)
            return &other->items[i];
    return NULL;
}

// Steps over the next attribute of a Set-Cookie and what separates it from the one before. When a
// cookie expires is a time, as in Date and Expires, and does not count.
static struct difference_value next_attribute(const char **at)
{
    struct difference_value attribute;
    do {
        *at += strspn(*at, "; \t");
        attribute = (struct difference_value){*at, strcspn(*at, ";")};
        *at += attribute.length;
    } while (attribute.length >= 8 && strncasecmp(attribute.data, "Expires=", 8) == 0);
    return attribute;
}

static bool is_same_cookie(const char *first, const char *second)
{
    struct difference_value a, b;
    do {
        a = next_attribute(&first);
        b = next_attribute(&second);
        if (a.length != b.length || memcmp(a.data, b.data, a.length) != 0)
            return false;
    } while (a.length > 0);
    return true;
}

static bool is_same_value(const struct diff *diff, const struct field *first,
                          const struct field *second)
{
    if (strcmp(first->value, second->value) == 0)
        return true;
    return !diff->options->has_all_headers && field_is_named(first, "Set-Cookie") &&
           is_same_cookie(first->value, second->value);
}

static void tell_field(struct diff *diff, const char *where, const struct field *old,
                       const struct field *new)
{
    char *name = mem_strdup(old != NULL ? old->name : new->name);
    for (char *c = name; *c != '\0'; c++)
        *c = (char)tolower((unsigned char)*c);
    diff_tell(diff, &(struct difference){.where = where,
                                         .path = name,
                                         .kind = kind_of(old, new),
                                         .old = value_of(old == NULL ? NULL : old->value),
                                         .new = value_of(new == NULL ? NULL : new->value)});
    free(name);
}

static void compare_fields(struct diff *diff, const char *where, const struct fields *first,
                           const struct fields *second)
{
    for (size_t i = 0; i < first->count; i++) {
        const struct field *old = &first->items[i];
        const struct field *new = find_partner(first, i, second);
        if (!is_ignored(diff->options, old) && (new == NULL || !is_same_value(diff, old, new)))
            tell_field(diff, where, old, new);
    }
    for (size_t i = 0; i < second->count; i++)
        if (!is_ignored(diff->options, &second->items[i]) && find_partner(second, i, first) == NULL)
            tell_field(diff, where, NULL, &second->items[i]);
}

// --- the two sides -------------------------------------------------------------------------------

static void compare_urls(struct diff *diff, const struct exchange_row *first,
                         const struct exchange_row *second)
{
    struct buffer old = {0};
    struct buffer new = {0};
    row_append_url(first, &old);
    row_append_url(second, &new);
    compare_texts(diff, "url", old.data, new.data);
    buffer_fini(&old);
    buffer_fini(&new);
}

// WebSockets have messages instead of bodies.
static int compare_contents(struct diff *diff, const struct diff_exchange *first,
                            const struct diff_exchange *second, struct err *err)
{
    if (diff_bodies(diff, first, second, err) < 0)
        return -1;
    return diff_messages(diff, first, second, err);
}

static int compare_requests(struct diff *diff, const struct diff_exchange *first,
                            const struct diff_exchange *second, struct err *err)
{
    diff->side = BODY_REQUEST;
    compare_texts(diff, "method", first->row->method, second->row->method);
    compare_urls(diff, first->row, second->row);
    compare_fields(diff, "header", &first->row->request_headers, &second->row->request_headers);
    int result = compare_contents(diff, first, second, err);
    compare_fields(diff, "trailer", &first->row->request_trailers, &second->row->request_trailers);
    return result;
}

// A status of none is no text.
static const char *status_text(int status, struct arena *arena)
{
    return status == 0 ? NULL : arena_printf(arena, "%d", status);
}

static int compare_responses(struct diff *diff, const struct diff_exchange *first,
                             const struct diff_exchange *second, struct err *err)
{
    const struct exchange_row *old = first->row;
    const struct exchange_row *new = second->row;
    struct arena arena = {0};
    diff->side = BODY_RESPONSE;
    compare_texts(diff, "status", status_text(old->status, &arena),
                  status_text(new->status, &arena));
    compare_texts(diff, "reason", old->reason, new->reason);
    compare_texts(diff, "error", old->error, new->error);
    arena_fini(&arena);
    compare_fields(diff, "header", &old->response_headers, &new->response_headers);
    int result = compare_contents(diff, first, second, err);
    compare_fields(diff, "trailer", &old->response_trailers, &new->response_trailers);
    return result;
}

int exchange_diff(const struct diff_exchange *first, const struct diff_exchange *second,
                  const struct diff_options *options, difference_fn sink, void *ctx,
                  struct err *err)
{
    struct diff diff = {.options = options, .sink = sink, .ctx = ctx};
    if (options->has_request && compare_requests(&diff, first, second, err) < 0)
        return -1;
    if (compare_responses(&diff, first, second, err) < 0)
        return -1;
    return diff.is_different ? 1 : 0;
}
