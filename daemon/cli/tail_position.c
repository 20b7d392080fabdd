// SPDX-License-Identifier: MIT
// A follow that begins now knows which ids are still open. Below the first id that is wanted they
// stay open; from there on everything is to be told.
#include "tail_position.h"

#include "hark/store_follow.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct search {
    int64_t wanted;
    int64_t first; // the lowest id so far; 0: none
};

static int on_row(void *ctx, size_t count, const char *const *names, const struct value *values)
{
    struct search *search = ctx;
    for (size_t i = 0; i < count; i++)
        if (strcmp(names[i], "state") == 0 && strcmp(values[i].data, "pending") == 0)
            return 0;
    search->first = values[0].integer;
    return --search->wanted == 0 ? 1 : 0;
}

static int find_first(struct store_reader *reader, const struct filter *filter, int64_t count,
                      int64_t *first, struct err *err)
{
    struct search search = {.wanted = count};
    const struct store_list_options options = {.filter = filter, .is_newest_first = true};
    int rc = store_list_traffic(reader, &options, NULL, on_row, &search, err);
    *first = search.first;
    return rc < 0 ? -1 : 0;
}

// The ranges of "1200-1201,1220" below `first`, the last one cut if it goes on past it.
static void append_below(const char *ranges, int64_t first, struct buffer *out)
{
    bool is_any = false;
    while (*ranges) {
        char *end;
        int64_t low = strtoll(ranges, &end, 10);
        int64_t high = *end == '-' ? strtoll(end + 1, &end, 10) : low;
        if (low >= first)
            return;
        if (high >= first)
            high = first - 1;
        buffer_printf(out, "%s%" PRId64, is_any ? "," : "", low);
        if (high > low)
            buffer_printf(out, "-%" PRId64, high);
        is_any = true;
        ranges = end + (*end == ',');
    }
}

int tail_find_position(struct store_reader *reader, const struct filter *filter, int64_t count,
                       struct buffer *position, struct err *err)
{
    const struct store_follow_options options = {.filter = filter};
    struct store_follow *now = store_follow_create(reader, &options, err);
    if (!now)
        return -1;
    struct buffer text = {0};
    store_follow_position(now, &text);
    store_follow_destroy(now);
    int64_t first;
    int rc = find_first(reader, filter, count, &first, err);
    if (rc == 0 && first > 0) {
        buffer_printf(position, "%" PRId64 ";", first - 1);
        append_below(strchr(text.data, ';') + 1, first, position);
    } else if (rc == 0) {
        buffer_append(position, text.data, text.length);
    }
    buffer_append(position, "", 0);
    buffer_fini(&text);
    return rc;
}
