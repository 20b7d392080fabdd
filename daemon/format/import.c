// SPDX-License-Identifier: MIT
// The way through a file: the outer brackets of a HAR file, or line after line.
#include "hark/import.h"

#include "hark/mem.h"
#include "import_entry.h"
#include "json_file.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

typedef enum import_entry (*entry_fn)(struct whole_exchange *exchange, const json_t *entry,
                                      struct err *err);

// One reading of the file.
struct reading {
    const struct import_options *options;
    struct import_result *result;
    struct json_file file;
    bool is_check; // the first one: nothing is given out
    int64_t index; // of the entry, from 1
    bool has_entries;
};

// --- entries ------------------------------------------------------------------------------------

static int give_out(struct reading *reading, struct whole_exchange *exchange, struct err *err)
{
    if (reading->is_check) {
        whole_exchange_destroy(exchange);
        return 0;
    }
    if (reading->options->on_exchange(reading->options->ctx, exchange, err) != 0)
        return -1;
    reading->result->added++;
    return 0;
}

static int take_invalid(struct reading *reading, struct err *problem, struct err *err)
{
    const struct import_options *options = reading->options;
    err_prefix(problem, "entry %" PRId64, reading->index);
    if (!options->skips_invalid)
        return err_set(err, "%s; " IMPORT_CAN_SKIP, problem->text);
    if (!reading->is_check)
        return 0;
    reading->result->invalid++;
    if (options->on_invalid != NULL)
        options->on_invalid(options->ctx, problem->text);
    return 0;
}

static int take_entry(struct reading *reading, const json_t *entry, entry_fn read_entry,
                      struct err *err)
{
    struct whole_exchange *exchange = whole_exchange_create();
    struct err problem = {0};
    switch (read_entry(exchange, entry, &problem)) {
    case IMPORT_READ:
        return give_out(reading, exchange, err);
    case IMPORT_FOREIGN:
        reading->result->foreign += reading->is_check;
        break;
    case IMPORT_INVALID:
        whole_exchange_destroy(exchange);
        return take_invalid(reading, &problem, err);
    }
    whole_exchange_destroy(exchange);
    return 0;
}

// What is too long or no JSON can be left out if it is seen where it ends.
static int take_unreadable(struct reading *reading, int64_t start, struct err *problem,
                           struct err *err)
{
    struct err no_end = {0};
    reading->file.at = start;
    if (json_file_pass_over(&reading->file, &no_end) == 0)
        return take_invalid(reading, problem, err);
    return err_set(err, "entry %" PRId64 ": %s", reading->index,
                   reading->file.is_too_long ? no_end.text : problem->text);
}

static int next_entry(struct reading *reading, entry_fn read_entry, struct err *err)
{
    reading->index++;
    struct err problem = {0};
    int64_t start = reading->file.at;
    json_t *entry = json_file_value(&reading->file, &problem);
    if (entry == NULL)
        return take_unreadable(reading, start, &problem, err);
    int result = take_entry(reading, entry, read_entry, err);
    json_decref(entry);
    return result;
}

// --- HAR ----------------------------------------------------------------------------------------

static int read_entries(struct reading *reading, struct err *err)
{
    struct json_file *file = &reading->file;
    reading->has_entries = true;
    if (json_file_take(file, '[', err) != 0)
        return -1;
    if (json_file_peek(file) == ']')
        return json_file_take(file, ']', err);
    do {
        if (next_entry(reading, import_har_entry, err) != 0)
            return -1;
    } while (json_file_has_more(file, ']', err));
    return err->is_set ? -1 : 0;
}

static int skip_value(struct reading *reading, struct err *err)
{
    json_t *value = json_file_value(&reading->file, err);
    json_decref(value);
    return value == NULL ? -1 : 0;
}

// Calls `read_it` for the member of that name and passes over the others.
static int read_member(struct reading *reading, const char *name,
                       int (*read_it)(struct reading *reading, struct err *err), struct err *err)
{
    json_t *key = json_file_value(&reading->file, err);
    bool is_wanted = json_is_string(key) && strcmp(json_string_value(key), name) == 0;
    json_decref(key);
    if (key == NULL || json_file_take(&reading->file, ':', err) != 0)
        return -1;
    return is_wanted ? read_it(reading, err) : skip_value(reading, err);
}

static int read_object(struct reading *reading, const char *name,
                       int (*read_it)(struct reading *reading, struct err *err), struct err *err)
{
    struct json_file *file = &reading->file;
    if (json_file_take(file, '{', err) != 0)
        return -1;
    if (json_file_peek(file) == '}')
        return json_file_take(file, '}', err);
    do {
        if (read_member(reading, name, read_it, err) != 0)
            return -1;
    } while (json_file_has_more(file, '}', err));
    return err->is_set ? -1 : 0;
}

static int read_log(struct reading *reading, struct err *err)
{
    return read_object(reading, "entries", read_entries, err);
}

static int read_har(struct reading *reading, struct err *err)
{
    if (read_object(reading, "log", read_log, err) != 0)
        return -1;
    if (!reading->has_entries)
        return err_set(err, "this is no HAR file: there is no \"entries\" in a \"log\"");
    if (json_file_peek(&reading->file) >= 0)
        return err_set(err, "there is more after the end, at byte %" PRId64, reading->file.at);
    return 0;
}

// --- JSON lines ---------------------------------------------------------------------------------

static int read_lines(struct reading *reading, struct err *err)
{
    while (json_file_peek(&reading->file) >= 0)
        if (next_entry(reading, import_jsonl_entry, err) != 0)
            return -1;
    return reading->file.read_errno != 0
               ? err_set(err, "read the file: %s", strerror(reading->file.read_errno))
               : 0;
}

static bool is_any(const json_t *key, const char *name, const char *other)
{
    const char *text = json_string_value(key);
    return text != NULL && (strcmp(text, name) == 0 || strcmp(text, other) == 0);
}

// Does the object at the place of reading have one of these names, before it has a "log"?
static bool has_name(struct json_file *file, const char *name, const char *other)
{
    struct err ignored = {0};
    bool is_it = false;
    bool goes_on = json_file_take(file, '{', &ignored) == 0;
    while (goes_on && json_file_peek(file) == '"') {
        json_t *key = json_file_value(file, &ignored);
        is_it = is_any(key, name, other);
        goes_on = key != NULL && !is_it && !is_any(key, "log", "log") &&
                  json_file_take(file, ':', &ignored) == 0 &&
                  json_file_pass_over(file, &ignored) == 0 &&
                  json_file_has_more(file, '}', &ignored);
        json_decref(key);
    }
    return is_it;
}

// A line has an id if hark wrote it, and a method in any case; in which order does not matter.
static bool has_lines(struct reading *reading)
{
    int64_t start = reading->file.at;
    bool is_line = has_name(&reading->file, "id", "method");
    reading->file.at = start;
    return is_line;
}

// --- both readings ------------------------------------------------------------------------------

static void skip_byte_order_mark(struct json_file *file)
{
    json_file_peek(file);
    if (file->window_length >= 3 && memcmp(file->window, "\xef\xbb\xbf", 3) == 0)
        file->at = 3;
}

static int read_any(struct reading *reading, struct err *err)
{
    int first = json_file_peek(&reading->file);
    if (first < 0 && reading->file.read_errno == 0)
        return err_set(err, "the file is empty");
    if (first >= 0 && first != '{')
        return err_set(err, "this is neither a HAR file nor JSON lines of hark");
    return has_lines(reading) ? read_lines(reading, err) : read_har(reading, err);
}

static int read_once(const struct import_options *options, bool is_check,
                     struct import_result *result, struct err *err)
{
    struct reading *reading = mem_calloc(1, sizeof(*reading));
    reading->options = options;
    reading->result = result;
    reading->is_check = is_check;
    reading->file.fd = options->fd;
    reading->file.value_max_bytes =
        options->entry_max_bytes > 0 ? options->entry_max_bytes : IMPORT_ENTRY_MAX_BYTES;
    skip_byte_order_mark(&reading->file);
    int outcome = read_any(reading, err);
    free(reading);
    return outcome;
}

int import_read(const struct import_options *options, struct import_result *result, struct err *err)
{
    *result = (struct import_result){0};
    if (read_once(options, true, result, err) != 0)
        return -1;
    return read_once(options, false, result, err);
}
