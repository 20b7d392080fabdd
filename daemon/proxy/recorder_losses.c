// SPDX-License-Identifier: MIT
// What is not written: counting it, each exchange once, and making room while the disk refuses.
#include "recorder_private.h"

#include "hark/mem.h"

static struct damaged *find_damaged(struct recorder *recorder, int64_t id)
{
    for (size_t i = 0; i < recorder->damaged_count; i++)
        if (recorder->damaged[i].id == id)
            return &recorder->damaged[i];
    return NULL;
}

static void take_damaged(struct recorder *recorder, int64_t id)
{
    struct damaged *found = find_damaged(recorder, id);
    if (found != NULL)
        *found = recorder->damaged[--recorder->damaged_count];
}

static void add_damaged(struct recorder *recorder, const struct record *record)
{
    size_t size = (recorder->damaged_count + 1) * sizeof(recorder->damaged[0]);
    recorder->damaged = mem_realloc(recorder->damaged, size);
    recorder->damaged[recorder->damaged_count++] = (struct damaged){
        .id = record->exchange_id, .is_absent = record->row != NULL && !record->is_update};
}

static void count_bytes(struct recorder *recorder, const struct record *record)
{
    int64_t bytes = record_body_bytes(record);
    atomic_fetch_add(&recorder->lost_bytes, bytes);
    recorder->unsaved_lost_bytes += bytes;
}

// Counts an exchange once, however many of its records are lost.
static void count_loss(struct recorder *recorder, const struct record *record)
{
    if (record->session != NULL)
        return;
    bool is_known = find_damaged(recorder, record->exchange_id) != NULL;
    if (record->is_final)
        take_damaged(recorder, record->exchange_id);
    else if (!is_known)
        add_damaged(recorder, record);
    count_bytes(recorder, record);
    if (is_known || record->is_withdrawn)
        return;
    atomic_fetch_add(&recorder->lost_exchanges, 1);
    recorder->unsaved_lost_exchanges++;
}

void recorder_release(struct recorder *recorder, struct record_list *list)
{
    struct record *record = list->first;
    while (record != NULL) {
        struct record *next = record->next;
        size_t bytes = record->bytes;
        if (record->is_withdrawn)
            withdrawals_add(&recorder->withdrawals, record->exchange_id);
        if (record->on_written != NULL)
            record->on_written(record);
        else
            record_destroy(record);
        atomic_fetch_sub(&recorder->pending_bytes, bytes);
        record = next;
    }
    *list = (struct record_list){0};
    bool has_room = atomic_load(&recorder->pending_bytes) <= recorder->queue_limit_bytes / 2;
    if (has_room && atomic_exchange(&recorder->is_full, false))
        recorder->options.on_room(recorder->options.ctx);
}

static void note_lost(struct recorder *recorder, struct record *record)
{
    record->is_lost = true;
    count_loss(recorder, record);
}

void recorder_lose(struct recorder *recorder, struct record_list *list)
{
    for (struct record *record = list->first; record != NULL; record = record->next)
        note_lost(recorder, record);
    recorder_release(recorder, list);
}

void recorder_mark_damaged_rows(struct recorder *recorder, struct record_list *batch)
{
    if (recorder->damaged_count == 0)
        return;
    for (struct record *record = batch->first; record != NULL; record = record->next) {
        if (record->row == NULL || find_damaged(recorder, record->exchange_id) == NULL)
            continue;
        record->row->body_truncated = true;
        record->is_update = true; // the row may or may not be there
    }
}

void recorder_note_written(struct recorder *recorder, const struct record_list *batch)
{
    for (const struct record *record = batch->first; record != NULL; record = record->next) {
        struct damaged *damaged = find_damaged(recorder, record->exchange_id);
        if (record->is_final)
            take_damaged(recorder, record->exchange_id);
        else if (damaged != NULL)
            damaged->is_absent = false;
    }
}

// --- making room -------------------------------------------------------------------------------

// Of an exchange that is in the file, or in the batch that is being tried, the end must follow: a
// pending row must not stay so, and what is withdrawn must not stay at all.
static bool must_follow(struct recorder *recorder, const struct record *record)
{
    if (!record->is_final || record->on_written != NULL)
        return false;
    const struct damaged *damaged = find_damaged(recorder, record->exchange_id);
    bool is_absent = damaged != NULL && damaged->is_absent;
    return (record->is_update || record->is_withdrawn) && !is_absent;
}

// The row is kept, without what takes the room.
static void strip(struct recorder *recorder, struct record *record)
{
    count_bytes(recorder, record);
    if (record->row != NULL)
        record->row->body_truncated |= record->segment_count + record->message_count > 0;
    record_drop_bodies(record);
    atomic_fetch_sub(&recorder->pending_bytes, record->bytes);
    record->bytes = record_accounted_bytes(record);
    atomic_fetch_add(&recorder->pending_bytes, record->bytes);
}

static void put_back(struct recorder *recorder, struct record_list *kept)
{
    if (kept->first == NULL)
        return;
    pthread_mutex_lock(&recorder->mutex);
    kept->last->next = recorder->queue.first;
    if (recorder->queue.first == NULL)
        recorder->queue.last = kept->last;
    recorder->queue.first = kept->first;
    recorder->queue.count += kept->count;
    recorder->queue.bytes += kept->bytes;
    pthread_mutex_unlock(&recorder->mutex);
}

void recorder_shed_queue(struct recorder *recorder)
{
    if (atomic_load(&recorder->pending_bytes) <= recorder->queue_limit_bytes)
        return;
    pthread_mutex_lock(&recorder->mutex);
    struct record *next = recorder->queue.first;
    recorder->queue = (struct record_list){0};
    pthread_mutex_unlock(&recorder->mutex);
    struct record_list shed = {0};
    struct record_list kept = {0};
    while (next != NULL) {
        struct record *record = next;
        next = record->next;
        bool is_kept = must_follow(recorder, record);
        if (is_kept)
            strip(recorder, record);
        else
            note_lost(recorder, record);
        record_list_append(is_kept ? &kept : &shed, record);
    }
    put_back(recorder, &kept);
    recorder_release(recorder, &shed);
}
