// SPDX-License-Identifier: MIT
// Reading one exchange, and opening the recording for that.
//
// A statement that has been stepped and not reset holds a read transaction, and with it the WAL.
// So nothing here calls back between the two: what a callback gets to see is copied first.
#include "reader.h"

#include "columns.h"
#include "lock.h"
#include "schema.h"
#include "sql.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// The writer's transactions are short; only another program can hold the file for longer.
#define READER_BUSY_MS 5000

// About a millisecond of SQLite's work.
#define WATCH_STEPS 10000

// --- opening ------------------------------------------------------------------------------------

int reader_fail(struct store_reader *reader, struct err *err)
{
    return sql_fail(err, reader->db, "read", reader->path);
}

int reader_prepare(struct store_reader *reader, const char *sql, sqlite3_stmt **statement,
                   struct err *err)
{
    return *statement != NULL ? 0 : sql_prepare(reader->db, sql, statement, reader->path, err);
}

static int explain_missing(const char *path, struct err *err)
{
    if (errno == ENOENT)
        return err_set(err,
                       "store: open %s: there is no recording yet; `hark serve` or `hark run` "
                       "begins one",
                       path);
    return err_set(err, "store: open %s: %s", path, strerror(errno));
}

// Without write permission SQLite needs -wal and -shm to be there and readable.
static int explain_unreadable(struct store_reader *reader, int code, struct err *err)
{
    const char *path = reader->path;
    if (sql_is_damage(code))
        return err_set(err, "store: open %s: this is no recording, or it is damaged: %s", path,
                       sqlite3_errmsg(reader->db));
    if ((code & 0xff) == SQLITE_CANTOPEN || (code & 0xff) == SQLITE_READONLY)
        return err_set(err,
                       "store: open %s: %s; this takes either write permission to the folder, or "
                       "read permission to the file and to its -wal and -shm, which must exist",
                       path, sqlite3_errmsg(reader->db));
    return sql_fail(err, reader->db, "open", path);
}

static int check_identity(struct store_reader *reader, struct err *err)
{
    struct err problem = {0};
    int64_t application_id = 0;
    int64_t version = 0;
    if (sql_integer(reader->db, "PRAGMA application_id", &application_id, reader->path, &problem) !=
            0 ||
        sql_integer(reader->db, "PRAGMA user_version", &version, reader->path, &problem) != 0)
        return explain_unreadable(reader, sqlite3_extended_errcode(reader->db), err);
    if (application_id != SCHEMA_APPLICATION_ID)
        return err_set(err, "store: open %s: this is no recording of hark", reader->path);
    if (version > schema_version())
        return err_set(err,
                       "store: open %s: a newer hark made this recording (version %lld, this hark "
                       "knows %d); use that one",
                       reader->path, (long long)version, schema_version());
    if (version < schema_version())
        return err_set(err,
                       "store: open %s: an older hark made this recording (version %lld); "
                       "`hark serve` brings it to version %d",
                       reader->path, (long long)version, schema_version());
    return 0;
}

static int connect_file(struct store_reader *reader, const char *name, int name_flags,
                        struct err *err)
{
    struct stat status;
    if (stat(reader->path, &status) != 0)
        return explain_missing(reader->path, err);
    if (S_ISDIR(status.st_mode))
        return err_set(err, "store: open %s: it is a folder, not a recording", reader->path);
    int flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE | name_flags;
    int code = sqlite3_open_v2(name, &reader->db, flags, NULL);
    if (code != SQLITE_OK)
        return explain_unreadable(reader, code, err);
    sqlite3_busy_timeout(reader->db, READER_BUSY_MS);
    sqlite3_db_config(reader->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    if (check_identity(reader, err) != 0)
        return -1;
    if (sql_exec(reader->db, "PRAGMA query_only = ON; PRAGMA mmap_size = 0", "set up", reader->path,
                 err) != 0)
        return -1;
    return filter_functions_add(&reader->functions, reader->db, &reader->watch, reader->path, err);
}

static struct store_reader *open_as(const char *path, const char *name, int name_flags,
                                    struct err *err)
{
    struct store_reader *reader = mem_calloc(1, sizeof(*reader));
    reader->path = mem_strdup(path);
    reader->lock_fd = -1;
    if (connect_file(reader, name, name_flags, err) != 0) {
        store_reader_close(reader);
        return NULL;
    }
    return reader;
}

struct store_reader *store_reader_open(const char *path, struct err *err)
{
    return open_as(path, path, 0, err);
}

// Without its WAL such a recording would be incomplete.
static bool has_wal(const char *path)
{
    struct stat status;
    char *wal = mem_printf("%s-wal", path);
    bool is_there = stat(wal, &status) == 0 && status.st_size > 0;
    free(wal);
    return is_there;
}

// "file:…?immutable=1", with what would end the path in it encoded.
static char *immutable_uri(const char *path)
{
    struct buffer uri = {0};
    buffer_append_text(&uri, "file:");
    for (; *path != '\0'; path++) {
        if (strchr("?#%", *path) != NULL)
            buffer_printf(&uri, "%%%02X", (unsigned char)*path);
        else
            buffer_append_char(&uri, *path);
    }
    buffer_append_text(&uri, "?immutable=1");
    return buffer_take(&uri);
}

// Who reads by key, all over the file, needs at least the inner pages of its trees at hand.
static struct store_reader *cache_more(struct store_reader *reader)
{
    struct err ignored = {0};
    if (reader != NULL)
        sql_exec(reader->db, "PRAGMA cache_size = -8192", "set up", reader->path, &ignored);
    return reader;
}

struct store_reader *store_reader_open_still(const char *path, struct err *err)
{
    int lock_fd = -1;
    if (has_wal(path) || lock_share(path, &lock_fd) != 0)
        return cache_more(store_reader_open(path, err));
    char *uri = immutable_uri(path);
    struct store_reader *reader = open_as(path, uri, SQLITE_OPEN_URI, err);
    free(uri);
    if (reader != NULL)
        reader->lock_fd = lock_fd;
    else if (lock_fd >= 0)
        close(lock_fd);
    return cache_more(reader);
}

void store_reader_close(struct store_reader *reader)
{
    if (reader == NULL)
        return;
    sqlite3_finalize(reader->get_row);
    sqlite3_finalize(reader->get_traffic);
    sqlite3_finalize(reader->get_wide);
    sqlite3_finalize(reader->get_segment);
    sqlite3_finalize(reader->get_message);
    filter_functions_fini(&reader->functions);
    sqlite3_close(reader->db);
    if (reader->lock_fd >= 0)
        close(reader->lock_fd);
    free(reader->path);
    free(reader);
}

// --- watching what takes long -------------------------------------------------------------------

static int on_steps(void *ctx)
{
    struct store_reader *reader = ctx;
    return watch_is_ended(&reader->watch);
}

void store_reader_watch(struct store_reader *reader, store_unwanted_fn is_unwanted, void *ctx)
{
    reader->watch = (struct watch){.is_unwanted = is_unwanted, .ctx = ctx};
    sqlite3_progress_handler(reader->db, WATCH_STEPS, is_unwanted == NULL ? NULL : on_steps,
                             reader);
}

const struct store_progress *store_reader_progress(const struct store_reader *reader)
{
    return &reader->watch.progress;
}

// --- a row --------------------------------------------------------------------------------------

static const char *copy_text(struct exchange_row *row, sqlite3_stmt *statement,
                             enum exchange_column column)
{
    return arena_strdup(&row->arena, (const char *)sqlite3_column_text(statement, column));
}

static int64_t integer_or(sqlite3_stmt *statement, enum exchange_column column, int64_t if_null)
{
    return sqlite3_column_type(statement, column) == SQLITE_NULL
               ? if_null
               : sqlite3_column_int64(statement, column);
}

static int read_name(sqlite3_stmt *statement, enum exchange_column column,
                     int (*from_name)(const char *), int *value, struct err *err)
{
    const char *name = (const char *)sqlite3_column_text(statement, column);
    *value = from_name(name);
    return *value >= 0 ? 0 : err_set(err, "unknown value '%s'", name);
}

static int read_identity(struct exchange_row *row, sqlite3_stmt *statement, struct err *err)
{
    row->id = sqlite3_column_int64(statement, COLUMN_id);
    row->session_id = sqlite3_column_int64(statement, COLUMN_session_id);
    row->replay_of = sqlite3_column_int64(statement, COLUMN_replay_of);
    row->started_us = sqlite3_column_int64(statement, COLUMN_started_us);
    row->duration_us = integer_or(statement, COLUMN_duration_us, -1);
    row->timing = (struct row_timing){
        .dns_us = integer_or(statement, COLUMN_dns_us, -1),
        .connect_us = integer_or(statement, COLUMN_connect_us, -1),
        .tls_us = integer_or(statement, COLUMN_tls_us, -1),
        .send_us = integer_or(statement, COLUMN_send_us, -1),
        .wait_us = integer_or(statement, COLUMN_wait_us, -1),
        .receive_us = integer_or(statement, COLUMN_receive_us, -1),
    };
    row->error = copy_text(row, statement, COLUMN_error);
    row->error_text = copy_text(row, statement, COLUMN_error_text);
    int source = 0;
    int kind = 0;
    int state = 0;
    if (read_name(statement, COLUMN_source, row_source_from_name, &source, err) != 0 ||
        read_name(statement, COLUMN_kind, row_kind_from_name, &kind, err) != 0 ||
        read_name(statement, COLUMN_state, row_state_from_name, &state, err) != 0)
        return -1;
    row->source = (enum row_source)source;
    row->kind = (enum row_kind)kind;
    row->state = (enum row_state)state;
    return 0;
}

static int read_fields(struct exchange_row *row, struct fields *fields, sqlite3_stmt *statement,
                       enum exchange_column column, struct err *err)
{
    const char *json = (const char *)sqlite3_column_text(statement, column);
    return json == NULL ? 0 : fields_from_json(fields, &row->arena, json, err);
}

static int read_request(struct exchange_row *row, sqlite3_stmt *statement, struct err *err)
{
    row->client_addr = copy_text(row, statement, COLUMN_client_addr);
    row->method = copy_text(row, statement, COLUMN_method);
    row->scheme = copy_text(row, statement, COLUMN_scheme);
    row->host = copy_text(row, statement, COLUMN_host);
    row->port = sqlite3_column_int(statement, COLUMN_port);
    row->path = copy_text(row, statement, COLUMN_path);
    row->query = copy_text(row, statement, COLUMN_query);
    row->request_version = copy_text(row, statement, COLUMN_request_version);
    row->request_size = integer_or(statement, COLUMN_request_size, -1);
    row->request_type = copy_text(row, statement, COLUMN_request_type);
    if (read_fields(row, &row->request_headers, statement, COLUMN_request_headers, err) != 0)
        return -1;
    return read_fields(row, &row->request_trailers, statement, COLUMN_request_trailers, err);
}

static int read_response(struct exchange_row *row, sqlite3_stmt *statement, struct err *err)
{
    row->status = sqlite3_column_int(statement, COLUMN_status);
    row->reason = copy_text(row, statement, COLUMN_reason);
    row->response_version = copy_text(row, statement, COLUMN_response_version);
    row->response_size = integer_or(statement, COLUMN_response_size, -1);
    row->response_type = copy_text(row, statement, COLUMN_response_type);
    row->response_encoding = copy_text(row, statement, COLUMN_response_encoding);
    row->server_addr = copy_text(row, statement, COLUMN_server_addr);
    row->tls_version = copy_text(row, statement, COLUMN_tls_version);
    row->tls_cipher = copy_text(row, statement, COLUMN_tls_cipher);
    row->server_cert = copy_text(row, statement, COLUMN_server_cert);
    row->interim = copy_text(row, statement, COLUMN_interim);
    row->sni = copy_text(row, statement, COLUMN_sni);
    row->body_truncated = sqlite3_column_int(statement, COLUMN_body_truncated) != 0;
    row->headers_latin1 = sqlite3_column_int(statement, COLUMN_headers_latin1) != 0;
    if (read_fields(row, &row->response_headers, statement, COLUMN_response_headers, err) != 0)
        return -1;
    return read_fields(row, &row->response_trailers, statement, COLUMN_response_trailers, err);
}

static enum store_found read_row(struct store_reader *reader, int64_t id, struct exchange_row **row,
                                 struct err *err)
{
    sqlite3_stmt *statement = reader->get_row;
    sqlite3_bind_int64(statement, 1, id);
    int code = sqlite3_step(statement);
    if (code == SQLITE_DONE)
        return STORE_NOT_FOUND;
    if (code != SQLITE_ROW) {
        reader_fail(reader, err);
        return STORE_READ_ERROR;
    }
    struct exchange_row *found = row_create();
    if (read_identity(found, statement, err) != 0 || read_request(found, statement, err) != 0 ||
        read_response(found, statement, err) != 0) {
        err_prefix(err, "store: read exchange %lld in %s", (long long)id, reader->path);
        row_destroy(found);
        return STORE_READ_ERROR;
    }
    *row = found;
    return STORE_FOUND;
}

#define COLUMN_LIST(name) ", " #name

enum store_found store_get_row(struct store_reader *reader, int64_t id, struct exchange_row **row,
                               struct err *err)
{
    static const char names[] = EXCHANGE_COLUMNS(COLUMN_LIST);
    char *sql = mem_printf("SELECT %s FROM exchange WHERE id = ?", names + strlen(", "));
    int prepared = reader_prepare(reader, sql, &reader->get_row, err);
    free(sql);
    if (prepared != 0)
        return STORE_READ_ERROR;
    enum store_found found = read_row(reader, id, row, err);
    sqlite3_reset(reader->get_row);
    return found;
}

enum store_found store_last_id(struct store_reader *reader, int64_t back, int64_t *id,
                               struct err *err)
{
    sqlite3_stmt *statement = NULL;
    enum store_found found = STORE_READ_ERROR;
    if (reader_prepare(reader, "SELECT id FROM exchange ORDER BY id DESC LIMIT 1 OFFSET ?",
                       &statement, err) != 0)
        return found;
    sqlite3_bind_int64(statement, 1, back);
    int code = sqlite3_step(statement);
    if (code == SQLITE_ROW) {
        *id = sqlite3_column_int64(statement, 0);
        found = STORE_FOUND;
    } else if (code == SQLITE_DONE) {
        found = STORE_NOT_FOUND;
    } else {
        reader_fail(reader, err);
    }
    sqlite3_finalize(statement);
    return found;
}

// --- a body -------------------------------------------------------------------------------------

enum store_found store_next_segment(struct store_reader *reader, int64_t exchange_id,
                                    enum body_side side, struct store_segment *segment,
                                    struct err *err)
{
    if (reader_prepare(reader,
                       "SELECT seq, at_us, data FROM body WHERE exchange_id = ? AND side = ?"
                       " AND seq > ? ORDER BY seq LIMIT 1",
                       &reader->get_segment, err) != 0)
        return STORE_READ_ERROR;
    sqlite3_stmt *statement = reader->get_segment;
    enum store_found found = STORE_NOT_FOUND;
    sqlite3_bind_int64(statement, 1, exchange_id);
    sqlite3_bind_text(statement, 2, schema_side_name(side), -1, SQLITE_STATIC);
    sqlite3_bind_int64(statement, 3, segment->seq);
    int code = sqlite3_step(statement);
    if (code == SQLITE_ROW) {
        segment->seq = sqlite3_column_int64(statement, 0);
        segment->at_us = sqlite3_column_int64(statement, 1);
        const void *data = sqlite3_column_blob(statement, 2);
        buffer_clear(&segment->data);
        buffer_append(&segment->data, data, (size_t)sqlite3_column_bytes(statement, 2));
        found = STORE_FOUND;
    } else if (code != SQLITE_DONE) {
        reader_fail(reader, err);
        found = STORE_READ_ERROR;
    }
    sqlite3_reset(statement);
    return found;
}

int store_walk_body(struct store_reader *reader, int64_t exchange_id, enum body_side side,
                    body_segment_fn on_segment, void *ctx, struct err *err)
{
    struct store_segment segment = {.seq = -1};
    int result = 0;
    enum store_found found;
    do {
        found = store_next_segment(reader, exchange_id, side, &segment, err);
        if (found == STORE_FOUND)
            result =
                on_segment(ctx, segment.seq, segment.at_us, segment.data.data, segment.data.length);
    } while (found == STORE_FOUND && result == 0);
    buffer_fini(&segment.data);
    return found == STORE_READ_ERROR ? -1 : result;
}

// --- messages -----------------------------------------------------------------------------------

enum store_found store_next_message(struct store_reader *reader, int64_t exchange_id, int64_t seq,
                                    struct message_view *message, struct buffer *data,
                                    struct err *err)
{
    if (reader_prepare(reader,
                       "SELECT seq, at_us, direction, opcode, is_compressed, data FROM message"
                       " WHERE exchange_id = ? AND seq > ? ORDER BY seq LIMIT 1",
                       &reader->get_message, err) != 0)
        return STORE_READ_ERROR;
    sqlite3_stmt *statement = reader->get_message;
    enum store_found found = STORE_NOT_FOUND;
    sqlite3_bind_int64(statement, 1, exchange_id);
    sqlite3_bind_int64(statement, 2, seq);
    int code = sqlite3_step(statement);
    if (code == SQLITE_ROW) {
        const char *direction = (const char *)sqlite3_column_text(statement, 2);
        const void *bytes = sqlite3_column_blob(statement, 5);
        buffer_clear(data);
        buffer_append(data, bytes, (size_t)sqlite3_column_bytes(statement, 5));
        *message = (struct message_view){.seq = sqlite3_column_int64(statement, 0),
                                         .at_us = sqlite3_column_int64(statement, 1),
                                         .side = strcmp(direction, "send") == 0 ? BODY_REQUEST
                                                                                : BODY_RESPONSE,
                                         .opcode = sqlite3_column_int(statement, 3),
                                         .is_compressed = sqlite3_column_int(statement, 4) != 0,
                                         .data = data->data,
                                         .length = data->length};
        found = STORE_FOUND;
    } else if (code != SQLITE_DONE) {
        reader_fail(reader, err);
        found = STORE_READ_ERROR;
    }
    sqlite3_reset(statement);
    return found;
}

int store_walk_messages(struct store_reader *reader, int64_t exchange_id, message_fn on_message,
                        void *ctx, struct err *err)
{
    struct message_view message = {.seq = -1};
    struct buffer data = {0};
    int result = 0;
    enum store_found found;
    do {
        found = store_next_message(reader, exchange_id, message.seq, &message, &data, err);
        if (found == STORE_FOUND)
            result = on_message(ctx, &message);
    } while (found == STORE_FOUND && result == 0);
    buffer_fini(&data);
    return found == STORE_READ_ERROR ? -1 : result;
}
