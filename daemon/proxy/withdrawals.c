// SPDX-License-Identifier: MIT
#include "withdrawals.h"

#include "hark/mem.h"
#include "hark/store_prune.h"

#include <stdlib.h>
#include <string.h>

void withdrawals_add(struct withdrawals *withdrawals, int64_t id)
{
    if (withdrawals->count == withdrawals->capacity) {
        withdrawals->capacity = withdrawals->capacity == 0 ? 64 : 2 * withdrawals->capacity;
        withdrawals->ids =
            mem_realloc(withdrawals->ids, withdrawals->capacity * sizeof(withdrawals->ids[0]));
    }
    withdrawals->ids[withdrawals->count++] = id;
}

bool withdrawals_is_due(const struct withdrawals *withdrawals)
{
    return withdrawals->count > 0 && !withdrawals->is_held_up;
}

bool withdrawals_step(struct withdrawals *withdrawals, struct store_writer *writer, struct log *log)
{
    if (withdrawals->count == 0)
        return false;
    struct err err = {0};
    struct store_removal removal = {.ids = withdrawals->ids,
                                    .count = withdrawals->count,
                                    .keep_bytes = STORE_PRUNE_NO_LIMIT,
                                    .takes_pending = true};
    enum store_step step = store_remove_step(&removal, writer, &err);
    if (step == STEP_FAILED && !withdrawals->is_held_up)
        log_warn(log, "recorder", "take out what is ignored: %s", err.text);
    withdrawals->count -= removal.next;
    memmove(withdrawals->ids, withdrawals->ids + removal.next,
            withdrawals->count * sizeof(withdrawals->ids[0]));
    withdrawals->is_held_up = step == STEP_BUSY || step == STEP_FAILED;
    return !withdrawals->is_held_up;
}

void withdrawals_fini(struct withdrawals *withdrawals)
{
    free(withdrawals->ids);
    *withdrawals = (struct withdrawals){0};
}
