// SPDX-License-Identifier: MIT
// An import is one more client of the recorder. It keeps count of what it has pushed and what has
// come back as written, so that it never fills the queue that the traffic needs.
#include "hark/server_import.h"

#include "hark/mem.h"
#include "recorder.h"
#include "redacting.h"
#include "server_state.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#define IN_FLIGHT_MAX_BYTES ((int64_t)8 * 1024 * 1024)

struct server_import {
    struct server *server;
    struct recorder *recorder;
    int64_t session_id;
    pthread_mutex_t mutex; // guards what follows
    pthread_cond_t progress;
    int64_t in_flight_bytes; // pushed, not written
    int64_t in_flight;
    int64_t written;
    int64_t lost;
    bool is_abandoned; // its user has gone: the last record frees it
};

struct server_import *server_import_begin(struct server *server, const char *command)
{
    struct server_import *import = mem_calloc(1, sizeof(*import));
    import->server = server;
    import->recorder = server_worker(server, 0)->recorder;
    import->session_id = server_begin_session(server, command);
    pthread_mutex_init(&import->mutex, NULL);
    pthread_cond_init(&import->progress, NULL);
    return import;
}

int64_t server_import_session(const struct server_import *import)
{
    return import->session_id;
}

static void destroy(struct server_import *import)
{
    pthread_cond_destroy(&import->progress);
    pthread_mutex_destroy(&import->mutex);
    free(import);
}

// On the writer thread.
static void on_written(struct record *record)
{
    struct server_import *import = record->waiter;
    pthread_mutex_lock(&import->mutex);
    import->in_flight_bytes -= (int64_t)record->bytes;
    import->in_flight--;
    if (record->is_lost)
        import->lost++;
    else
        import->written++;
    bool is_last = import->is_abandoned && import->in_flight == 0;
    pthread_cond_signal(&import->progress);
    pthread_mutex_unlock(&import->mutex);
    record_destroy(record);
    if (is_last)
        destroy(import);
}

// Where the chunks of a record come from, one side after the other.
struct filling {
    struct record *record;
    int64_t next_seq;
};

static bool add_chunk(void *ctx, enum body_side side, struct chunk *chunk)
{
    struct filling *filling = ctx;
    record_add_segment(filling->record, chunk, side, filling->next_seq++);
    return true;
}

static void add_body(struct record *record, const struct redaction *rules,
                     struct whole_exchange *exchange, enum body_side side)
{
    struct filling filling = {.record = record};
    struct redacting_body body = {0};
    for (size_t i = 0; i < exchange->segment_count; i++)
        if (exchange->segments[i].side == side)
            redacting_body_add(&body, rules, record->row, side, exchange->segments[i].chunk,
                               add_chunk, &filling);
    redacting_body_end(&body, record->row, side, add_chunk, &filling);
    redacting_body_describe(&body, record->row, side);
    redacting_body_fini(&body);
}

static void add_part(void *ctx, enum body_side side, const struct websocket_part *part)
{
    struct filling *filling = ctx;
    struct chunk *chunk = chunk_create(part->length, part->at_us);
    chunk_append(chunk, part->data, part->length);
    chunk_seal(chunk);
    record_add_message(filling->record, &(struct store_message){.chunk = chunk,
                                                                .side = side,
                                                                .seq = filling->next_seq++,
                                                                .opcode = part->opcode});
    chunk_unref(chunk);
}

// A part is the last if the next one of its side begins another message.
static bool is_last(const struct whole_exchange *exchange, size_t at)
{
    for (size_t i = at + 1; i < exchange->message_count; i++)
        if (exchange->messages[i].side == exchange->messages[at].side &&
            exchange->messages[i].opcode < WEBSOCKET_CLOSE)
            return exchange->messages[i].opcode != WEBSOCKET_CONTINUATION;
    return true;
}

static void add_redacted_messages(struct record *record, const struct redaction *rules,
                                  struct whole_exchange *exchange)
{
    struct filling filling = {.record = record};
    struct redacting_messages *sides[] = {redacting_messages_create(rules),
                                          redacting_messages_create(rules)};
    for (size_t i = 0; i < exchange->message_count; i++) {
        const struct store_message *message = &exchange->messages[i];
        const struct websocket_part part = {.opcode = message->opcode,
                                            .is_compressed = message->is_compressed,
                                            .is_last = is_last(exchange, i),
                                            .at_us = message->chunk->at_us,
                                            .data = message->chunk->data,
                                            .length = message->chunk->length};
        redacting_messages_add(sides[message->side], record->row, message->side, &part, add_part,
                               &filling);
    }
    redacting_messages_destroy(sides[BODY_REQUEST]);
    redacting_messages_destroy(sides[BODY_RESPONSE]);
}

static void add_bodies(struct record *record, struct server *server,
                       struct whole_exchange *exchange)
{
    struct config *config = server_hold_config(server);
    const struct redaction rules = redaction_of(config, server->redact_key);
    add_body(record, &rules, exchange, BODY_REQUEST);
    add_body(record, &rules, exchange, BODY_RESPONSE);
    if (redacts_messages(&rules))
        add_redacted_messages(record, &rules, exchange);
    else
        for (size_t i = 0; i < exchange->message_count; i++)
            record_add_message(record, &exchange->messages[i]);
    if (!redaction_is_off(&rules))
        redact_row(&rules, record->row);
    config_release(config);
}

static struct record *record_of(struct server_import *import, struct whole_exchange *exchange)
{
    int64_t id = recorder_next_id(import->recorder);
    struct record *record = record_create(id);
    record->row = exchange->row;
    exchange->row = NULL;
    record->row->id = id;
    record->row->session_id = import->session_id;
    record->row->source = ROW_SOURCE_IMPORT;
    add_bodies(record, import->server, exchange);
    for (size_t i = 0; i < 2; i++)
        if (exchange->has_note[i])
            record->notes[record->note_count++] = exchange->notes[i];
    record->is_final = true;
    record->on_written = on_written;
    record->waiter = import;
    return record;
}

// Waits until no more than `bytes` are in flight. -1 while the disk refuses: then that may take
// for ever. Under the mutex.
static int await_room(struct server_import *import, int64_t bytes, struct err *err)
{
    while (import->in_flight_bytes > bytes) {
        if (import->lost > 0 || recorder_is_failing(import->recorder))
            return err_set(err, "the disk refuses to take more");
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec++;
        pthread_cond_timedwait(&import->progress, &import->mutex, &until);
    }
    return import->lost > 0 ? err_set(err, "the disk refuses to take more") : 0;
}

int server_import_add(struct server_import *import, struct whole_exchange *exchange,
                      struct err *err)
{
    if (import->server->writer == NULL) {
        whole_exchange_destroy(exchange);
        return err_set(err, "the recording is only read: the mode is playback");
    }
    struct record *record = record_of(import, exchange);
    whole_exchange_destroy(exchange);
    pthread_mutex_lock(&import->mutex);
    int result = await_room(import, IN_FLIGHT_MAX_BYTES, err);
    if (result == 0) {
        import->in_flight++;
        import->in_flight_bytes += (int64_t)record_accounted_bytes(record);
    }
    pthread_mutex_unlock(&import->mutex);
    if (result == 0)
        recorder_push(import->recorder, record);
    else
        record_destroy(record);
    return result;
}

int server_import_end(struct server_import *import, int64_t *added, struct err *err)
{
    server_end_session(import->server, import->session_id);
    pthread_mutex_lock(&import->mutex);
    int result = await_room(import, 0, err);
    *added = import->written;
    import->is_abandoned = import->in_flight > 0;
    bool is_over = !import->is_abandoned;
    pthread_mutex_unlock(&import->mutex);
    if (is_over)
        destroy(import);
    return result;
}
