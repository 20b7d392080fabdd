// SPDX-License-Identifier: MIT
#include "counters.h"

#include <stdbool.h>
#include <string.h>

static size_t error_index(const char *code)
{
    size_t index = 0;
    while (index < COUNTS_ERRORS - 1 && strcmp(counts_error_code(index), code) != 0)
        index++;
    return index;
}

void counters_note_end(struct counters *counters, const struct exchange_row *row)
{
    bool is_known = row->status >= 100 && row->status < 600;
    counter_add(&counters->ended[row->kind][is_known ? row->status / 100 : 0], 1);
    counter_add(&counters->request_bytes, row->request_size);
    counter_add(&counters->response_bytes, row->response_size);
    if (row->source == ROW_SOURCE_REPLAY)
        counter_add(&counters->replayed, 1);
    if (row->error != NULL)
        counter_add(&counters->errors[error_index(row->error)], 1);
}

static int64_t value_of(const atomic_int_fast64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

void counters_sum(const struct counters *counters, struct server_counts *counts)
{
    for (size_t kind = 0; kind < COUNTS_KINDS; kind++)
        for (size_t class = 0; class < COUNTS_CLASSES; class ++)
            counts->ended[kind][class] += value_of(&counters->ended[kind][class]);
    for (size_t i = 0; i < COUNTS_ERRORS; i++)
        counts->errors[i] += value_of(&counters->errors[i]);
    counts->request_bytes += value_of(&counters->request_bytes);
    counts->response_bytes += value_of(&counters->response_bytes);
    counts->replayed += value_of(&counters->replayed);
    counts->accepted += value_of(&counters->accepted);
    counts->upstream_opened += value_of(&counters->upstream_opened);
}
