// SPDX-License-Identifier: MIT
#include "retention.h"

#include "hark/clock.h"
#include "hark/store_copies.h"

#include <inttypes.h>
#include <stdio.h>

#define MIB            ((int64_t)1024 * 1024)
#define WAL_LEAST      (MIB / 2)
#define WAL_MOST       (64 * MIB)
#define BATCH_MOST     (4 * MIB)
#define AGE_LOOK_LEAST ((int64_t)1000000)
#define AGE_LOOK_MOST  ((int64_t)60000000)
// How often in its life an exchange is looked at: it stays a hundredth too long at most.
#define AGE_LOOKS 100
// After a sweep that could not reach its end, or failed.
#define REST_US      ((int64_t)2000000)
#define BUSY_REST_US ((int64_t)5000)
// How often copies beside the recording are looked for, and how long one of an upgrade is for.
#define COPIES_LOOK_US ((int64_t)60000000)
#define COPY_KEPT_US   ((int64_t)7 * 24 * 3600 * 1000000)

// --- limits --------------------------------------------------------------------------------------

void retention_init(struct retention *retention, struct store_writer *writer, struct log *log)
{
    *retention = (struct retention){.writer = writer, .log = log, .planned_keep_bytes = -1};
    open_share_init(&retention->open_share);
}

static int64_t clamp(int64_t value, int64_t least, int64_t most)
{
    return value < least ? least : value > most ? most : value;
}

static int64_t wal_bytes_of(int64_t keep_bytes)
{
    return keep_bytes == 0 ? WAL_MOST : clamp(keep_bytes / 16, WAL_LEAST, WAL_MOST);
}

static int64_t file_bytes_of(int64_t keep_bytes)
{
    return keep_bytes == 0 ? STORE_PRUNE_NO_LIMIT
                           : clamp(keep_bytes - wal_bytes_of(keep_bytes), 0, INT64_MAX);
}

// What goes on gets two thirds of what is not marked, so that some of what was before it stays.
static void share_out(struct open_share *share, int64_t file_bytes, int64_t marked_bytes)
{
    int64_t bytes = clamp(file_bytes - marked_bytes, 0, INT64_MAX) / 3 * 2;
    open_share_set_limit(share, file_bytes == STORE_PRUNE_NO_LIMIT ? INT64_MAX : bytes);
}

void retention_set_limits(struct retention *retention, int64_t keep_age_ms, int64_t keep_bytes)
{
    atomic_store(&retention->keep_age_ms, keep_age_ms);
    if (atomic_exchange(&retention->keep_bytes, keep_bytes) == keep_bytes)
        return;
    share_out(&retention->open_share, file_bytes_of(keep_bytes), 0);
    atomic_store(&retention->open_share.is_said, false);
}

static void plan(struct retention *retention, int64_t keep_bytes)
{
    struct err err = {0};
    int64_t wal_bytes = wal_bytes_of(keep_bytes);
    if (store_writer_limit_wal(retention->writer, wal_bytes, &err) != STORE_OK)
        log_warn(retention->log, "retention", "%s", err.text);
    retention->planned_keep_bytes = keep_bytes;
    retention->file_bytes = file_bytes_of(keep_bytes);
    retention->batch_bytes = clamp(wal_bytes / 4, 0, BATCH_MOST);
    retention->margin_bytes = 2 * retention->batch_bytes;
}

// What a sweep by size leaves.
static int64_t swept_bytes(const struct retention *retention)
{
    int64_t file_bytes = retention->file_bytes;
    return clamp(file_bytes - 2 * retention->margin_bytes, file_bytes / 2, file_bytes);
}

size_t retention_batch_bytes(const struct retention *retention)
{
    return retention->batch_bytes == 0 ? SIZE_MAX : (size_t)retention->batch_bytes;
}

// --- what stays ----------------------------------------------------------------------------------

static void say_crowded(const struct retention *retention, bool is_crowded)
{
    if (is_crowded)
        log_warn(retention->log, "retention",
                 "what is marked takes %" PRId64 " bytes, and keep_bytes = %" PRId64
                 " has no room for what is new: that is removed at once. Unmark some of it (hark "
                 "note --unmark ID), or raise keep_bytes",
                 retention->staying_bytes, retention->planned_keep_bytes);
    else
        log_info(retention->log, "retention", "keep_bytes has room for what is new again");
}

// So much is left, beside what goes on, when all that may go has gone; 0: it did not have to.
static void note_staying(struct retention *retention, int64_t bytes)
{
    bool is_crowded = bytes > retention->file_bytes / 2;
    retention->staying_bytes = bytes;
    share_out(&retention->open_share, retention->file_bytes, bytes);
    if (atomic_exchange(&retention->is_crowded, is_crowded) != is_crowded)
        say_crowded(retention, is_crowded);
}

static void look_at_what_stays(struct retention *retention)
{
    int64_t open_bytes = atomic_load(&retention->open_share.used_bytes);
    bool is_short = false;
    struct store_sizes sizes;
    struct err ignored = {0}; // the next sweep looks again
    if (!retention->sweep.is_short) {
        note_staying(retention, 0);
    } else if (store_writer_get_sizes(retention->writer, &sizes, &ignored) == STORE_OK) {
        note_staying(retention, clamp(sizes.used_bytes - open_bytes, 0, INT64_MAX));
        is_short = sizes.used_bytes > retention->file_bytes - retention->margin_bytes;
    }
    bool was_short = atomic_exchange(&retention->is_short, is_short);
    if (is_short && !was_short && !atomic_load(&retention->is_crowded))
        log_warn(retention->log, "retention",
                 "keep_bytes = %" PRId64 " cannot be kept: exchanges that are marked, or still go "
                 "on, take more, and they stay",
                 retention->planned_keep_bytes);
}

// --- when ----------------------------------------------------------------------------------------

static bool is_age_due(struct retention *retention, int64_t now_us)
{
    int64_t age_ms = atomic_load(&retention->keep_age_ms);
    if (age_ms == 0 || now_us < retention->next_age_us)
        return false;
    retention->next_age_us =
        now_us + clamp(age_ms * (1000 / AGE_LOOKS), AGE_LOOK_LEAST, AGE_LOOK_MOST);
    return true;
}

// What may still be written before the file is larger than its share.
static int64_t room_bytes(struct retention *retention, bool *is_too_large)
{
    struct store_sizes sizes;
    struct err err = {0};
    *is_too_large = false;
    if (retention->file_bytes == STORE_PRUNE_NO_LIMIT ||
        store_writer_get_sizes(retention->writer, &sizes, &err) != STORE_OK)
        return INT64_MAX;
    *is_too_large = sizes.used_bytes + sizes.free_bytes > retention->file_bytes;
    return retention->file_bytes - sizes.used_bytes;
}

bool retention_is_urgent(struct retention *retention)
{
    bool is_too_large;
    return room_bytes(retention, &is_too_large) < retention->margin_bytes / 2;
}

static bool is_size_due(struct retention *retention)
{
    bool is_too_large;
    int64_t room = room_bytes(retention, &is_too_large);
    // What took it may have been let go since.
    if (room >= retention->margin_bytes && !is_too_large)
        atomic_store(&retention->is_short, false);
    if (room >= retention->file_bytes - swept_bytes(retention))
        note_staying(retention, 0);
    bool must_look = retention->must_look;
    retention->must_look = false;
    return room < retention->margin_bytes || is_too_large || must_look;
}

void retention_look_again(struct retention *retention)
{
    retention->must_look = atomic_load(&retention->is_crowded);
}

// A daemon that begins while the clock is ahead goes by what the one before it believed.
static void recall_clock(struct retention *retention)
{
    struct age_clock *clock = &retention->clock;
    clock_boot_id(retention->boot_id);
    if (retention->boot_id[0] != '\0')
        clock->is_set =
            store_writer_recall_clock(retention->writer, retention->boot_id, &clock->offset_us);
    retention->noted_offset_us = clock->offset_us;
}

static void note_clock(struct retention *retention)
{
    const struct age_clock *clock = &retention->clock;
    int64_t change_us = clock->offset_us - retention->noted_offset_us;
    struct err ignored = {0}; // it is noted again with the next sweep
    bool is_noted = change_us > -AGE_CLOCK_LEAP_US && change_us < AGE_CLOCK_LEAP_US;
    if (clock->is_set && retention->boot_id[0] != '\0' && !is_noted &&
        store_writer_note_clock(retention->writer, retention->boot_id, clock->offset_us,
                                &ignored) == 0)
        retention->noted_offset_us = clock->offset_us;
}

// By the clock that is believed.
static int64_t now_us_for_age(struct retention *retention)
{
    if (!retention->clock.is_set)
        recall_clock(retention);
    bool was_ahead = retention->clock.is_ahead;
    int64_t now_us = age_clock_now_us(&retention->clock, clock_wall_us(), clock_boot_us());
    if (retention->clock.is_ahead && !was_ahead)
        log_warn(retention->log, "retention",
                 "the clock was set forward by more than a minute: for an hour keep_age goes by "
                 "what it was before");
    note_clock(retention);
    return now_us;
}

static int64_t keep_from_us(struct retention *retention)
{
    return now_us_for_age(retention) - atomic_load(&retention->keep_age_ms) * 1000;
}

// Nothing is in them that is younger than they are.
static void look_for_copies(struct retention *retention, int64_t now_us)
{
    int64_t age_us = atomic_load(&retention->keep_age_ms) * 1000;
    if (now_us < retention->next_copies_us)
        return;
    retention->next_copies_us =
        now_us +
        (age_us == 0 ? COPIES_LOOK_US : clamp(age_us / AGE_LOOKS, AGE_LOOK_LEAST, COPIES_LOOK_US));
    if (store_copies_remove_older(retention->writer, INT64_MIN, INT64_MIN, retention->log) == 0)
        return;
    int64_t wall_us = now_us_for_age(retention);
    int64_t kept_us = age_us == 0 ? COPY_KEPT_US : clamp(age_us, 0, COPY_KEPT_US);
    store_copies_remove_older(retention->writer, wall_us - kept_us,
                              age_us == 0 ? INT64_MIN : wall_us - age_us, retention->log);
}

static void begin_sweep(struct retention *retention, bool is_for_age, bool is_for_size)
{
    retention->is_sweeping = true;
    retention->sweep = (struct store_retention){
        .keep_from_us = is_for_age ? keep_from_us(retention) : STORE_PRUNE_NO_LIMIT,
        .used_bytes = is_for_size ? swept_bytes(retention) : STORE_PRUNE_NO_LIMIT,
        .file_bytes = retention->file_bytes,
    };
}

// The file shrinks slowly while the traffic fills what was made free.
static bool is_overtaken(struct retention *retention)
{
    return retention->sweep.phase == RETENTION_SPACE && !retention->sweep.is_short &&
           retention_is_urgent(retention);
}

bool retention_is_due(struct retention *retention)
{
    int64_t keep_bytes = atomic_load(&retention->keep_bytes);
    int64_t now_us = clock_monotonic_us();
    if (keep_bytes != retention->planned_keep_bytes)
        plan(retention, keep_bytes);
    look_for_copies(retention, now_us);
    if (now_us < retention->rest_until_us)
        return false;
    if (retention->is_sweeping && !is_overtaken(retention))
        return true;
    bool is_for_age = is_age_due(retention, now_us);
    bool is_for_size = is_size_due(retention);
    if (is_for_age || is_for_size)
        begin_sweep(retention, is_for_age, is_for_size);
    return retention->is_sweeping;
}

// --- a slice -------------------------------------------------------------------------------------

static void end_sweep(struct retention *retention)
{
    const struct store_retention *sweep = &retention->sweep;
    retention->is_sweeping = false;
    if (sweep->used_bytes != STORE_PRUNE_NO_LIMIT)
        look_at_what_stays(retention);
    if (sweep->is_short)
        retention->rest_until_us = clock_monotonic_us() + REST_US;
    if (sweep->exchanges > 0)
        log_debug(retention->log, "retention", "%" PRId64 " exchanges removed", sweep->exchanges);
}

static void fail_sweep(struct retention *retention, const struct err *err)
{
    if (!retention->has_failed)
        log_warn(retention->log, "retention", "nothing can be removed: %s", err->text);
    retention->has_failed = true;
    retention->is_sweeping = false;
    retention->rest_until_us = clock_monotonic_us() + REST_US;
}

void retention_work(struct retention *retention)
{
    int64_t exchanges = retention->sweep.exchanges;
    int64_t bytes = retention->sweep.bytes;
    struct err err = {0};
    enum store_step step = store_retention_step(&retention->sweep, retention->writer, &err);
    atomic_fetch_add(&retention->exchanges, retention->sweep.exchanges - exchanges);
    atomic_fetch_add(&retention->bytes, retention->sweep.bytes - bytes);
    switch (step) {
    case STEP_MORE:
        retention->has_failed = false;
        break;
    case STEP_DONE:
        end_sweep(retention);
        break;
    case STEP_BUSY:
        retention->rest_until_us = clock_monotonic_us() + BUSY_REST_US;
        break;
    case STEP_FAILED:
        fail_sweep(retention, &err);
        break;
    }
}

void retention_note_wal(struct retention *retention, int64_t wal_bytes)
{
    int64_t keep_bytes = retention->planned_keep_bytes;
    bool is_stuck = keep_bytes > 0 && wal_bytes > keep_bytes / 10 + WAL_LEAST;
    if (atomic_exchange(&retention->is_log_stuck, is_stuck) == is_stuck)
        return;
    if (is_stuck)
        log_warn(retention->log, "retention",
                 "keep_bytes = %" PRId64 " cannot be kept: a program has been reading the "
                 "recording for long, and until it ends the log beside it grows (%" PRId64
                 " bytes now)",
                 keep_bytes, wal_bytes);
    else
        log_info(retention->log, "retention", "the log beside the recording is small again");
}

void retention_get_status(struct retention *retention, struct server_status *status)
{
    status->keep_age_ms = atomic_load(&retention->keep_age_ms);
    status->keep_bytes = atomic_load(&retention->keep_bytes);
    status->retired_exchanges = atomic_load(&retention->exchanges);
    status->retired_bytes = atomic_load(&retention->bytes);
    status->is_crowded = atomic_load(&retention->is_crowded);
    status->cut_bodies = atomic_load(&retention->open_share.cuts);
    status->is_over_keep_bytes =
        atomic_load(&retention->is_short) || atomic_load(&retention->is_log_stuck);
}
