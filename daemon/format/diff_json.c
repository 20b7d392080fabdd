// SPDX-License-Identifier: MIT
// Comparing JSON by structure.
#include "diff_private.h"

#include <ctype.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define SHORT_PRECISION 15 // digits that look as people wrote them
#define FULL_PRECISION  17 // digits that tell any two numbers apart

// A name twice would lose one of the two.
#define LOAD_FLAGS (JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES)

struct json_diff {
    struct diff *diff;
    struct buffer path; // of what is being compared
};

static void compare(struct json_diff *json, const json_t *old, const json_t *new);

// --- paths ---------------------------------------------------------------------------------------

static bool is_plain_name(const char *name, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (!isalpha((unsigned char)name[i]) && name[i] != '_' &&
            (i == 0 || !isdigit((unsigned char)name[i])))
            return false;
    return length > 0;
}

static void enter_member(struct json_diff *json, const char *name, size_t length)
{
    if (is_plain_name(name, length)) {
        buffer_append_char(&json->path, '.');
        buffer_append(&json->path, name, length);
        return;
    }
    buffer_append_char(&json->path, '[');
    buffer_append_json_string(&json->path, name, length);
    buffer_append_char(&json->path, ']');
}

static void leave(struct json_diff *json, size_t length)
{
    json->path.length = length;
    json->path.data[length] = '\0';
}

// --- telling -------------------------------------------------------------------------------------

static char *dump(const json_t *value, size_t precision)
{
    return value == NULL
               ? NULL
               : json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(precision));
}

static struct difference_value value_of(const char *text)
{
    return (struct difference_value){text, text == NULL ? 0 : strlen(text)};
}

static void tell(struct json_diff *json, const json_t *old, const json_t *new)
{
    char *old_text = dump(old, SHORT_PRECISION);
    char *new_text = dump(new, SHORT_PRECISION);
    if (old_text != NULL && new_text != NULL && strcmp(old_text, new_text) == 0) {
        free(old_text);
        free(new_text);
        old_text = dump(old, FULL_PRECISION);
        new_text = dump(new, FULL_PRECISION);
    }
    diff_tell(json->diff, &(struct difference){.where = "body",
                                               .path = json->path.data,
                                               .kind = old == NULL   ? DIFFERENCE_ADDED
                                                       : new == NULL ? DIFFERENCE_REMOVED
                                                                     : DIFFERENCE_CHANGED,
                                               .old = value_of(old_text),
                                               .new = value_of(new_text),
                                               .is_json = true});
    free(old_text);
    free(new_text);
}

// --- comparing -----------------------------------------------------------------------------------

static void compare_member(struct json_diff *json, const char *name, size_t length,
                           const json_t *old, const json_t *new)
{
    size_t before = json->path.length;
    enter_member(json, name, length);
    compare(json, old, new);
    leave(json, before);
}

static void compare_objects(struct json_diff *json, json_t *old, json_t *new)
{
    const char *name;
    size_t length;
    json_t *value;
    json_object_keylen_foreach(old, name, length, value)
        compare_member(json, name, length, value, json_object_getn(new, name, length));
    json_object_keylen_foreach(new, name, length,
                               value) if (json_object_getn(old, name, length) == NULL)
        compare_member(json, name, length, NULL, value);
}

static void compare_elements(struct json_diff *json, size_t index, const json_t *old,
                             const json_t *new)
{
    size_t before = json->path.length;
    buffer_printf(&json->path, "[%zu]", index);
    compare(json, old, new);
    leave(json, before);
}

// Arrays of different lengths: what is equal at both ends belongs together, so that an element put
// in or taken out is one difference.
static void compare_arrays(struct json_diff *json, const json_t *old, const json_t *new)
{
    size_t old_end = json_array_size(old);
    size_t new_end = json_array_size(new);
    size_t at = 0;
    bool has_other_length = old_end != new_end;
    while (has_other_length && at < old_end && at < new_end &&
           json_equal(json_array_get(old, at), json_array_get(new, at)))
        at++;
    while (has_other_length && old_end > at && new_end > at &&
           json_equal(json_array_get(old, old_end - 1), json_array_get(new, new_end - 1))) {
        old_end--;
        new_end--;
    }
    for (; at < old_end || at < new_end; at++)
        compare_elements(json, at, at < old_end ? json_array_get(old, at) : NULL,
                         at < new_end ? json_array_get(new, at) : NULL);
}

static bool is_same_scalar(const json_t *old, const json_t *new)
{
    if (json_is_number(old) && json_is_number(new) && json_typeof(old) != json_typeof(new))
        return !(json_number_value(old) < json_number_value(new)) &&
               !(json_number_value(old) > json_number_value(new));
    return json_equal(old, new);
}

static void compare(struct json_diff *json, const json_t *old, const json_t *new)
{
    if (json_is_object(old) && json_is_object(new))
        compare_objects(json, (json_t *)old, (json_t *)new);
    else if (json_is_array(old) && json_is_array(new))
        compare_arrays(json, old, new);
    else if (old == NULL || new == NULL || !is_same_scalar(old, new))
        tell(json, old, new);
}

bool diff_json(struct diff *diff, const struct buffer *first, const struct buffer *second)
{
    json_t *old = json_loadb(first->data, first->length, LOAD_FLAGS, NULL);
    json_t *new = old == NULL ? NULL : json_loadb(second->data, second->length, LOAD_FLAGS, NULL);
    struct json_diff json = {.diff = diff};
    buffer_append_char(&json.path, '$');
    if (new != NULL)
        compare(&json, old, new);
    buffer_fini(&json.path);
    json_decref(old);
    json_decref(new);
    return new != NULL;
}
