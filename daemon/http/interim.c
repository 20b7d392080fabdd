// SPDX-License-Identifier: MIT
// Interim answers in their stored form.
#include "hark/message.h"

#include <jansson.h>
#include <stdlib.h>

static const char *phrase_of(int status)
{
    switch (status) {
    case 100:
        return "Continue";
    case 102:
        return "Processing";
    case 103:
        return "Early Hints";
    default:
        return "";
    }
}

static int walk_one(const json_t *entry, struct arena *arena, interim_fn on_interim, void *ctx,
                    struct err *err)
{
    int status = (int)json_integer_value(json_object_get(entry, "status"));
    char *headers = json_dumps(json_object_get(entry, "headers"), JSON_COMPACT);
    struct response_head head = {.arena = arena,
                                 .status = status,
                                 .version = "HTTP/1.1",
                                 .reason = phrase_of(status),
                                 .is_complete = true};
    int result = headers != NULL && status >= 100 && status < 200
                     ? fields_from_json(&head.fields, arena, headers, err)
                     : err_set(err, "no interim answer");
    free(headers);
    if (result == 0)
        on_interim(ctx, &head);
    return result;
}

int interim_walk(const char *json, struct arena *arena, interim_fn on_interim, void *ctx,
                 struct err *err)
{
    json_t *list = json_loads(json, 0, NULL);
    int result = json_is_array(list) ? 0 : err_set(err, "no list of interim answers");
    for (size_t i = 0; result == 0 && i < json_array_size(list); i++)
        result = walk_one(json_array_get(list, i), arena, on_interim, ctx, err);
    json_decref(list);
    return result;
}
