// SPDX-License-Identifier: MIT
#include "request.h"

#include "reply.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char *value_of(const struct fields *fields, const char *name)
{
    const struct field *field = fields_find(fields, name);
    return field ? field->value : NULL;
}

const char *request_parameter(const struct request *request, const char *name)
{
    return value_of(&request->parameters, name);
}

const char *request_header(const struct request *request, const char *name)
{
    return value_of(&request->headers, name);
}

// Decimal digits alone, with a sign at most.
static bool read_integer(const char *text, int64_t *value)
{
    char *end;
    if (text[strspn(text, "-0123456789")] != '\0' || text[0] == '\0')
        return false;
    errno = 0;
    *value = strtoll(text, &end, 10);
    return errno == 0 && *end == '\0';
}

int request_integer(const struct request *request, const char *name, struct integer_range range,
                    int64_t *value, struct reply *reply)
{
    const char *text = request_parameter(request, name);
    *value = range.otherwise;
    if (!text || (read_integer(text, value) && *value >= range.min && *value <= range.max))
        return 0;
    reply_problem(reply, 400, "a parameter is not what it should be",
                  "%s=%s: a whole number between %" PRId64 " and %" PRId64 " is expected.", name,
                  text, range.min, range.max);
    return -1;
}

int request_flag(const struct request *request, const char *name, bool *value, struct reply *reply)
{
    const char *text = request_parameter(request, name);
    bool is_yes = text && (!*text || strcmp(text, "1") == 0 || strcmp(text, "true") == 0);
    *value = is_yes;
    if (!text || is_yes || strcmp(text, "0") == 0 || strcmp(text, "false") == 0)
        return 0;
    reply_problem(reply, 400, "a parameter is not what it should be", "%s=%s: 1 or 0 is expected.",
                  name, text);
    return -1;
}

int request_id(const struct request *request, int64_t *id, struct reply *reply)
{
    if (read_integer(request->argument, id) && *id > 0)
        return 0;
    reply_problem(reply, 400, "this is no exchange's number",
                  "%s: a whole number from 1 on is expected in the path.", request->argument);
    return -1;
}

int request_row(const struct request *request, struct exchange_row **row, struct reply *reply)
{
    int64_t id;
    struct err err = {0};
    *row = NULL;
    if (request_id(request, &id, reply) < 0)
        return -1;
    enum store_found found = store_get_row(request->reader, id, row, &err);
    if (found == STORE_NOT_FOUND)
        reply_not_found(reply, id);
    else if (found == STORE_READ_ERROR)
        reply_read_problem(reply, &err);
    return found == STORE_FOUND ? 0 : -1;
}

int request_filter(const struct request *request, struct filter **filter, struct reply *reply)
{
    const char *text = request_parameter(request, "filter");
    struct err err = {0};
    *filter = NULL;
    if (!text)
        return 0;
    *filter = filter_create(&text, 1, &err);
    if (*filter)
        return 0;
    reply_filter_problem(reply, &err);
    return -1;
}
