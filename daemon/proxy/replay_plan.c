// SPDX-License-Identifier: MIT
// The plan. Without ranges there is one, of everything.
#include "replay_plan.h"

#include <string.h>

int replay_plan_init(struct replay_plan *plan, struct store_reader *reader,
                     const struct replay_options *options, struct err *err)
{
    *plan = (struct replay_plan){.reader = reader, .options = options};
    return store_last_id(reader, 0, &plan->newest_id, err) == STORE_READ_ERROR ? -1 : 0;
}

void replay_plan_rewind(struct replay_plan *plan)
{
    plan->range = 0;
    plan->after_id = 0;
    plan->is_read = false;
    plan->id_count = 0;
    plan->id_at = 0;
}

static size_t range_count(const struct replay_plan *plan)
{
    return plan->options->range_count > 0 ? plan->options->range_count : 1;
}

static struct replay_range current_range(const struct replay_plan *plan)
{
    struct replay_range all = {.first = 1, .last = plan->newest_id};
    if (plan->options->range_count == 0)
        return all;
    struct replay_range range = plan->options->ranges[plan->range];
    if (!range.is_single && range.last > plan->newest_id)
        range.last = plan->newest_id;
    return range;
}

static bool is_named(const char *name, const struct value *value, const char *wanted)
{
    return strcmp(name, wanted) == 0 && value->type == VALUE_TEXT;
}

static bool is_unsafe(const char *method)
{
    static const char *const safe[] = {"GET", "HEAD", "OPTIONS", "CONNECT"}; // a tunnel is skipped
    for (size_t i = 0; i < sizeof(safe) / sizeof(safe[0]); i++)
        if (strcmp(method, safe[i]) == 0)
            return false;
    return true;
}

static int on_row(void *ctx, size_t count, const char *const *names, const struct value *values)
{
    struct replay_plan *plan = ctx;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(names[i], "id") == 0)
            plan->ids[plan->id_count++] = values[i].integer;
        else if (is_named(names[i], &values[i], "method") && is_unsafe(values[i].data))
            plan->unsafe++;
    }
    return 0;
}

static int read_page(struct replay_plan *plan, struct err *err)
{
    struct replay_range range = current_range(plan);
    const struct store_list_options list = {
        .filter = plan->options->range_count == 0 ? plan->options->filter : NULL,
        .after_id = plan->after_id > 0 ? plan->after_id : range.first - 1,
        .before_id = range.last + 1,
        .limit = REPLAY_PAGE_IDS,
        .is_oldest = true,
    };
    plan->id_count = 0;
    plan->id_at = 0;
    plan->unsafe = 0;
    if (range.last < range.first)
        plan->is_read = true;
    else if (store_list_traffic(plan->reader, &list, NULL, on_row, plan, err) != 0)
        return -1;
    plan->is_read = plan->is_read || plan->id_count < REPLAY_PAGE_IDS;
    if (plan->id_count > 0)
        plan->after_id = plan->ids[plan->id_count - 1];
    return 0;
}

static void take_single(struct replay_plan *plan)
{
    plan->ids[0] = current_range(plan).first;
    plan->id_count = 1;
    plan->id_at = 0;
    plan->unsafe = 0;
    plan->is_read = true;
}

static void next_range(struct replay_plan *plan)
{
    plan->range++;
    plan->after_id = 0;
    plan->is_read = false;
}

enum store_found replay_plan_next(struct replay_plan *plan, int64_t *id, struct err *err)
{
    while (plan->id_at == plan->id_count) {
        if (plan->is_read)
            next_range(plan);
        if (plan->range >= range_count(plan))
            return STORE_NOT_FOUND;
        if (current_range(plan).is_single)
            take_single(plan);
        else if (read_page(plan, err) != 0)
            return STORE_READ_ERROR;
    }
    *id = plan->ids[plan->id_at++];
    return STORE_FOUND;
}

int replay_count(struct store_reader *reader, const struct replay_options *options,
                 struct replay_counts *counts, struct err *err)
{
    struct replay_plan plan;
    enum store_found found = STORE_FOUND;
    int64_t id;
    *counts = (struct replay_counts){0};
    if (replay_plan_init(&plan, reader, options, err) != 0)
        return -1;
    while (found == STORE_FOUND) {
        bool is_page_new = plan.id_at == plan.id_count;
        found = replay_plan_next(&plan, &id, err);
        if (found == STORE_FOUND) {
            counts->matched++;
            counts->unsafe += is_page_new ? plan.unsafe : 0;
        }
    }
    return found == STORE_READ_ERROR ? -1 : 0;
}
