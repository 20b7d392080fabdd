// SPDX-License-Identifier: MIT
#include "playback_differences.h"

#include "hark/mem.h"
#include "hark/redact.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define VALUE_SHOWN_MAX 80 // bytes

void differences_append_value(struct buffer *out, const char *value, size_t length)
{
    bool is_cut = length > VALUE_SHOWN_MAX;
    size_t shown = is_cut ? VALUE_SHOWN_MAX : length;
    while (is_cut && shown > 0 && (value[shown] & 0xc0) == 0x80)
        shown--;
    buffer_append_char(out, '"');
    for (size_t i = 0; i < shown; i++) {
        unsigned char c = (unsigned char)value[i];
        buffer_printf(out, c < ' ' || c == 0x7f ? "\\x%02x" : "%c", c);
    }
    buffer_append_text(out, is_cut ? "…\"" : "\"");
}

static void append_side(struct buffer *out, const char *value, const char *where)
{
    if (value == NULL)
        buffer_append_text(out, "not");
    else
        differences_append_value(out, value, strlen(value));
    buffer_printf(out, " %s", where);
}

// What is redacted there is a secret here, too.
static void append_difference(struct buffer *out, const struct difference *difference,
                              bool is_redacted)
{
    buffer_printf(out, "%s (", difference->what);
    if (is_redacted) {
        buffer_append_text(out, "redacted there, not here)");
        return;
    }
    append_side(out, difference->here, "here");
    buffer_append_text(out, ", ");
    append_side(out, difference->there, "there");
    buffer_append_char(out, ')');
}

void differences_add(struct differences *differences, const struct difference *difference)
{
    const char *there = difference->there;
    bool is_redacted = difference->key != REDACT_NOTHING && difference->here != NULL &&
                       there != NULL && redact_has_mark(there, strlen(there));
    differences->weight += difference->weight;
    differences->count++;
    differences->wants[difference->key] |= is_redacted;
    if (differences->out == NULL || differences->count > DIFFERENCES_SHOWN_MAX)
        return;
    buffer_append_text(differences->out, differences->count == 1 ? " " : ", ");
    append_difference(differences->out, difference, is_redacted);
}

void differences_compare_texts(struct differences *differences, int weight, const char *what,
                               const char *here, const char *there)
{
    if (strcmp(here != NULL ? here : "", there != NULL ? there : "") != 0)
        differences_add(differences,
                        &(struct difference){weight, REDACT_NOTHING, what, here, there});
}

// --- lists of names and values -----------------------------------------------------------------

static bool is_named(const struct field *field, const char *name, bool ignores_case)
{
    return (ignores_case ? strcasecmp : strcmp)(field->name, name) == 0;
}

// The value of the field in `other` that has as many of its name before it; NULL: there is none.
static const char *counterpart(const struct fields *fields, size_t index,
                               const struct fields *other, bool ignores_case)
{
    const char *name = fields->items[index].name;
    size_t before = 0;
    for (size_t i = 0; i < index; i++)
        before += is_named(&fields->items[i], name, ignores_case);
    for (size_t i = 0; i < other->count; i++)
        if (is_named(&other->items[i], name, ignores_case) && before-- == 0)
            return other->items[i].value;
    return NULL;
}

static void add_field(struct differences *differences, enum redact_key key,
                      const struct field *field, const char *here, const char *there)
{
    static const char *const kinds[REDACT_KEY_COUNT] = {[REDACT_HEADERS] = "the header",
                                                        [REDACT_QUERY] = "the query parameter",
                                                        [REDACT_FORM] = "the form field"};
    char *what = mem_printf("%s %s", kinds[key], field->name);
    differences_add(differences, &(struct difference){2, key, what, here, there});
    free(what);
}

void differences_compare_lists(struct differences *differences, enum redact_key key,
                               const struct fields *here, const struct fields *there)
{
    bool ignores_case = key == REDACT_HEADERS;
    for (size_t i = 0; i < here->count; i++) {
        const struct field *field = &here->items[i];
        const char *other = counterpart(here, i, there, ignores_case);
        if (other == NULL || strcmp(other, field->value) != 0)
            add_field(differences, key, field, field->value, other);
    }
    for (size_t i = 0; i < there->count; i++)
        if (counterpart(there, i, here, ignores_case) == NULL)
            add_field(differences, key, &there->items[i], NULL, there->items[i].value);
}
