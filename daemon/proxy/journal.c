// SPDX-License-Identifier: MIT
// The journal: which records an exchange makes. A row goes as a copy while the exchange goes on,
// and itself at the end.
#include "journal.h"

#include "exchange.h"

#include "hark/clock.h"
#include "hark/log.h"

#include <assert.h>
#include <inttypes.h>

// What a piece of a body takes in the file beside its bytes.
#define PIECE_OVERHEAD_BYTES 64

void journal_fini(struct journal *journal)
{
    record_destroy(journal->held);
    journal->held = NULL;
    redacting_body_fini(&journal->bodies[BODY_REQUEST]);
    redacting_body_fini(&journal->bodies[BODY_RESPONSE]);
    redacting_messages_destroy(journal->messages[BODY_REQUEST]);
    redacting_messages_destroy(journal->messages[BODY_RESPONSE]);
    journal->messages[BODY_REQUEST] = NULL;
    journal->messages[BODY_RESPONSE] = NULL;
}

static struct open_share *open_share_of(const struct exchange *exchange)
{
    return recorder_open_share(exchange->worker->recorder);
}

static void count_piece(struct exchange *exchange, enum body_side side, const struct chunk *chunk)
{
    int64_t bytes = PIECE_OVERHEAD_BYTES + (int64_t)chunk->length;
    exchange->journal.open_bytes[side] += bytes;
    open_share_count(open_share_of(exchange), bytes);
}

static void leave_open_share(struct exchange *exchange)
{
    int64_t *bytes = exchange->journal.open_bytes;
    open_share_count(open_share_of(exchange), -bytes[BODY_REQUEST] - bytes[BODY_RESPONSE]);
    bytes[BODY_REQUEST] = 0;
    bytes[BODY_RESPONSE] = 0;
}

static void push_held(struct exchange *exchange)
{
    struct journal *journal = &exchange->journal;
    const struct record *held = journal->held;
    if (held == NULL)
        return;
    for (size_t i = 0; i < held->segment_count; i++)
        count_piece(exchange, held->segments[i].side, held->segments[i].chunk);
    for (size_t i = 0; i < held->message_count; i++)
        count_piece(exchange, held->messages[i].side, held->messages[i].chunk);
    recorder_push(exchange->worker->recorder, journal->held);
    journal->held = NULL;
}

static struct record *held_record(struct exchange *exchange)
{
    struct journal *journal = &exchange->journal;
    if (journal->held == NULL)
        journal->held = record_create(exchange->row->id);
    return journal->held;
}

static void redact(const struct exchange *exchange, const struct redaction *rules,
                   struct exchange_row *row)
{
    redact_row(rules, row);
    redacting_body_describe(&exchange->journal.bodies[BODY_REQUEST], row, BODY_REQUEST);
    redacting_body_describe(&exchange->journal.bodies[BODY_RESPONSE], row, BODY_RESPONSE);
}

static struct exchange_row *copy_for_recording(const struct exchange *exchange)
{
    const struct redaction rules = redacting_rules(exchange);
    struct exchange_row *row = row_clone(exchange->row);
    if (!redaction_is_off(&rules))
        redact(exchange, &rules, row);
    return row;
}

static void push_copy_of_row(struct exchange *exchange)
{
    struct journal *journal = &exchange->journal;
    struct record *record = held_record(exchange);
    record->row = copy_for_recording(exchange);
    // How it ends may be known before it has ended.
    if (journal->final == FINAL_NOT_SENT)
        record->row->state = ROW_STATE_PENDING;
    record->is_update = journal->is_begun;
    journal->is_begun = true;
    for (int side = 0; side < 2; side++)
        journal->has_told_decoded[side] = journal->bodies[side].is_decoded;
    push_held(exchange);
}

void journal_begin(struct exchange *exchange)
{
    struct journal *journal = &exchange->journal;
    if (!journal->is_off && !journal->is_undecided && !journal->is_begun &&
        journal->final == FINAL_NOT_SENT)
        push_copy_of_row(exchange);
}

void journal_forget(struct exchange *exchange)
{
    struct journal *journal = &exchange->journal;
    journal->is_undecided = false;
    if (journal->is_begun)
        return;
    journal_fini(journal);
    journal->is_off = true;
}

void journal_withdraw(struct exchange *exchange)
{
    struct journal *journal = &exchange->journal;
    assert(journal->final == FINAL_NOT_SENT);
    journal_fini(journal);
    leave_open_share(exchange);
    journal->is_undecided = false;
    journal->is_off = true;
    // Who follows the recording waits for ids that do not come.
    if (!journal->is_begun) {
        recorder_give_back_id(exchange->worker->recorder, exchange->row->id);
        return;
    }
    struct record *record = record_create(exchange->row->id);
    record->is_final = true;
    record->is_withdrawn = true;
    recorder_push(exchange->worker->recorder, record);
}

void journal_update(struct exchange *exchange)
{
    struct journal *journal = &exchange->journal;
    if (!journal->is_off && journal->is_begun && journal->final != FINAL_WAITING)
        push_copy_of_row(exchange);
}

static size_t held_bytes(const struct journal *journal)
{
    size_t bytes = 0;
    for (size_t i = 0; journal->held != NULL && i < journal->held->segment_count; i++)
        bytes += journal->held->segments[i].chunk->length;
    return bytes;
}

static bool is_large_with(const struct journal *journal, size_t length)
{
    return held_bytes(journal) + length > CHUNK_MAX_BYTES;
}

// The row says so at once: after a crash nothing else would.
static void cut_body(struct exchange *exchange, enum body_side side)
{
    struct journal *journal = &exchange->journal;
    struct exchange_row *row = exchange->row;
    const char *name = side == BODY_REQUEST ? "client" : "server";
    journal->is_cut[side] = true;
    row->body_truncated = true;
    if (row->error_text == NULL)
        row->error_text =
            arena_printf(&row->arena,
                         "of what the %s sent only %" PRId64 " bytes were recorded: keep_bytes has "
                         "no more room for an exchange that goes on",
                         name, journal->kept_bytes[side]);
    if (open_share_note_cut(open_share_of(exchange)))
        log_warn(exchange->worker->log, "recorder",
                 "of what the %s sends in exchange %" PRId64 " only %" PRId64
                 " bytes are recorded: "
                 "one body that goes on may take a third of keep_bytes, several share two thirds "
                 "(said once; hark_cut_bodies_total counts them)",
                 name, row->id, journal->kept_bytes[side]);
    journal_update(exchange);
}

// With `keep_bytes`, only so much is recorded of what goes on: it cannot be removed yet.
static bool is_within_share(struct exchange *exchange, enum body_side side, size_t length)
{
    struct journal *journal = &exchange->journal;
    if (journal->is_cut[side])
        return false;
    bool goes_on = journal->is_begun || is_large_with(journal, length);
    if (!goes_on || open_share_has_room(open_share_of(exchange), journal->open_bytes[side],
                                        PIECE_OVERHEAD_BYTES + (int64_t)length))
        return true;
    cut_body(exchange, side);
    return false;
}

// The part of the chunk that `record_bodies` lets through: itself, a shorter copy, or NULL.
static struct chunk *within_cap(struct exchange *exchange, enum body_side side, struct chunk *chunk)
{
    int64_t room = exchange->config->record_bodies_bytes - exchange->journal.kept_bytes[side];
    bool is_short = room < (int64_t)chunk->length;
    if (is_short)
        exchange->row->body_truncated = true;
    size_t length = is_short ? (size_t)(room < 0 ? 0 : room) : chunk->length;
    if ((is_short && length == 0) || !is_within_share(exchange, side, length))
        return NULL;
    if (!is_short)
        return chunk_ref(chunk);
    struct chunk *part = chunk_create(length, chunk->at_us);
    chunk_append(part, chunk->data, length);
    chunk_seal(part);
    return part;
}

// The row goes along with the first bytes that are decoded: the one before tells a coding that they
// do not have, and perhaps none comes after it.
static void push_segment(struct exchange *exchange, enum body_side side)
{
    const struct journal *journal = &exchange->journal;
    if (journal->bodies[side].is_decoded && !journal->has_told_decoded[side])
        push_copy_of_row(exchange);
    else
        push_held(exchange);
}

static bool keep_chunk(void *ctx, enum body_side side, struct chunk *chunk)
{
    struct exchange *exchange = ctx;
    struct journal *journal = &exchange->journal;
    struct chunk *kept = within_cap(exchange, side, chunk);
    if (kept == NULL)
        return true;
    bool is_large = is_large_with(journal, kept->length);
    record_add_segment(held_record(exchange), kept, side, journal->next_seq[side]++);
    journal->kept_bytes[side] += (int64_t)kept->length;
    chunk_unref(kept);
    if (journal->is_begun)
        push_segment(exchange, side);
    else if (is_large)
        journal_begin(exchange);
    return recorder_has_room(exchange->worker->recorder);
}

void journal_add_chunk(struct exchange *exchange, enum body_side side, struct chunk *chunk)
{
    struct journal *journal = &exchange->journal;
    if (journal->is_off || journal->final != FINAL_NOT_SENT)
        return;
    const struct redaction rules = redacting_rules(exchange);
    redacting_body_add(&journal->bodies[side], &rules, exchange->row, side, chunk, keep_chunk,
                       exchange);
}

void journal_end_body(struct exchange *exchange, enum body_side side)
{
    struct journal *journal = &exchange->journal;
    if (!journal->is_off && journal->final == FINAL_NOT_SENT)
        redacting_body_end(&journal->bodies[side], exchange->row, side, keep_chunk, exchange);
}

bool journal_is_behind(const struct exchange *exchange, enum body_side side)
{
    return redacting_body_is_behind(&exchange->journal.bodies[side]);
}

void journal_go_on(struct exchange *exchange)
{
    struct journal *journal = &exchange->journal;
    for (enum body_side side = BODY_REQUEST; side <= BODY_RESPONSE; side++)
        redacting_body_go_on(&journal->bodies[side], exchange->row, side, keep_chunk, exchange);
}

static void keep_message(void *ctx, enum body_side side, const struct websocket_part *part)
{
    struct exchange *exchange = ctx;
    struct journal *journal = &exchange->journal;
    struct chunk *whole = chunk_create(part->length, part->at_us);
    chunk_append(whole, part->data, part->length);
    chunk_seal(whole);
    struct chunk *kept = within_cap(exchange, side, whole);
    chunk_unref(whole);
    if (kept == NULL)
        return;
    journal->kept_bytes[side] += (int64_t)kept->length;
    record_add_message(held_record(exchange),
                       &(struct store_message){.chunk = kept,
                                               .side = side,
                                               .seq = journal->next_message_seq++,
                                               .opcode = part->opcode,
                                               .is_compressed = part->is_compressed});
    chunk_unref(kept);
    if (journal->is_begun)
        push_held(exchange);
}

void journal_add_message(struct exchange *exchange, enum body_side side,
                         const struct websocket_part *part)
{
    struct journal *journal = &exchange->journal;
    if (journal->is_off || journal->final != FINAL_NOT_SENT)
        return;
    const struct redaction rules = redacting_rules(exchange);
    if (!redacts_messages(&rules)) {
        keep_message(exchange, side, part);
        return;
    }
    if (journal->messages[side] == NULL)
        journal->messages[side] = redacting_messages_create(&rules);
    redacting_messages_add(journal->messages[side], exchange->row, side, part, keep_message,
                           exchange);
}

// On the writer thread: the record goes home to its worker.
static void on_written(struct record *record)
{
    struct exchange *exchange = record->waiter;
    worker_post(exchange->worker, &(struct inbox_item){.kind = INBOX_WRITTEN, .record = record});
}

static struct exchange_row *give_up_row(struct exchange *exchange)
{
    struct exchange_row *row = exchange->row;
    const struct redaction rules = redacting_rules(exchange);
    if (!redaction_is_off(&rules))
        redact(exchange, &rules, row);
    exchange->row = NULL;
    return row;
}

void journal_finish(struct exchange *exchange)
{
    struct journal *journal = &exchange->journal;
    assert(journal->final == FINAL_NOT_SENT);
    if (journal->is_off) {
        journal->final = FINAL_COMMITTED;
        return;
    }
    journal_end_body(exchange, BODY_REQUEST);
    journal_end_body(exchange, BODY_RESPONSE);
    leave_open_share(exchange);
    struct record *record = held_record(exchange);
    journal->held = NULL;
    record->is_update = journal->is_begun;
    record->is_final = true;
    journal->is_begun = true;
    if (!exchange_waits_for_commit(exchange)) {
        record->row = give_up_row(exchange);
        journal->final = FINAL_COMMITTED;
    } else {
        // What is redacted is still to be delivered as it is.
        record->row = redacting_is_off(exchange) ? exchange->row : copy_for_recording(exchange);
        record->on_written = on_written;
        record->waiter = exchange;
        journal->final = FINAL_WAITING;
    }
    recorder_push(exchange->worker->recorder, record);
}

void journal_written(struct exchange *exchange, struct record *record)
{
    if (record->row == exchange->row)
        record->row = NULL;
    exchange->journal.final = record->is_lost ? FINAL_LOST : FINAL_COMMITTED;
    record_destroy(record);
}
