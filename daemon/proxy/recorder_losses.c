// SPDX-License-Identifier: MIT
// What is not written: counting it, each exchange once, and making room while the disk refuses.
#include "recorder_private.h"

#include "hark/mem.h"

static int64_t *find_damaged(struct recorder *recorder, int64_t id)
{
    for (size_t i = 0; i < recorder->damaged_count; i++)
        if (recorder->damaged_ids[i] == id)
            return &recorder->damaged_ids[i];
    return NULL;
}

static bool take_damaged(struct recorder *recorder, int64_t id)
{
    int64_t *found = find_damaged(recorder, id);
    if (found == NULL)
        return false;
    *found = recorder->damaged_ids[--recorder->damaged_count];
    return true;
}

static void add_damaged(struct recorder *recorder, int64_t id)
{
    size_t size = (recorder->damaged_count + 1) * sizeof(recorder->damaged_ids[0]);
    recorder->damaged_ids = mem_realloc(recorder->damaged_ids, size);
    recorder->damaged_ids[recorder->damaged_count++] = id;
}

// Counts an exchange once, however many of its records are lost.
static void count_loss(struct recorder *recorder, const struct record *record)
{
    if (record->session != NULL)
        return;
    if (record->is_withdrawn) {
        take_damaged(recorder, record->exchange_id);
        return;
    }
    int64_t bytes = record_body_bytes(record);
    atomic_fetch_add(&recorder->lost_bytes, bytes);
    recorder->unsaved_lost_bytes += bytes;
    bool is_known = take_damaged(recorder, record->exchange_id);
    if (!record->is_final)
        add_damaged(recorder, record->exchange_id);
    if (is_known)
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

void recorder_lose(struct recorder *recorder, struct record_list *list)
{
    for (struct record *record = list->first; record != NULL; record = record->next) {
        record->is_lost = true;
        count_loss(recorder, record);
    }
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

void recorder_forget_damaged(struct recorder *recorder, const struct record_list *batch)
{
    for (const struct record *record = batch->first; record != NULL; record = record->next)
        if (record->is_final)
            take_damaged(recorder, record->exchange_id);
}

// A row that is in the file as pending must not stay so: its end is kept, without its bodies.
static bool strip(struct recorder *recorder, struct record *record)
{
    if (!record->is_final || !record->is_update || record->on_written != NULL)
        return false;
    int64_t bytes = record_body_bytes(record);
    atomic_fetch_add(&recorder->lost_bytes, bytes);
    recorder->unsaved_lost_bytes += bytes;
    record->row->body_truncated |= record->segment_count > 0;
    for (size_t i = 0; i < record->segment_count; i++)
        chunk_unref(record->segments[i].chunk);
    record->segment_count = 0;
    atomic_fetch_sub(&recorder->pending_bytes, record->bytes);
    record->bytes = record_accounted_bytes(record);
    atomic_fetch_add(&recorder->pending_bytes, record->bytes);
    return true;
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
        record_list_append(strip(recorder, record) ? &kept : &shed, record);
    }
    put_back(recorder, &kept);
    recorder_lose(recorder, &shed);
}
