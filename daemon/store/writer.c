// SPDX-License-Identifier: MIT
// Writing: transactions and the statements inside them, prepared once, bound without copying.
//
// The connection has no other user, so SQLITE_BUSY comes only from programs outside, and only at
// BEGIN IMMEDIATE: whoever has begun can commit. SQLite rolls some failed transactions back by
// itself (disk full, I/O error), so after each failure the state of the connection is asked for.
#include "writer.h"

#include "columns.h"
#include "hark/utf8.h"
#include "schema.h"
#include "sql.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

// --- results ------------------------------------------------------------------------------------

static enum store_result result_of(int code)
{
    switch (code & 0xff) {
    case SQLITE_OK:
    case SQLITE_DONE:
        return STORE_OK;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL:
        return STORE_BUSY;
    case SQLITE_FULL:
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
        return STORE_FULL;
    default:
        return STORE_ERROR;
    }
}

// Leaves word for the next start, which then sets the file aside.
static void note_damage(struct store_writer *writer)
{
    char *sql = sqlite3_mprintf("UPDATE session SET state = 'damaged' WHERE id = %lld",
                                (long long)writer->session_id);
    sqlite3_exec(writer->db, sql, NULL, NULL, NULL);
    sqlite3_free(sql);
}

enum store_result writer_fail(struct store_writer *writer, int code, const char *action,
                              struct err *err)
{
    sql_fail(err, writer->db, action, writer->path);
    store_writer_rollback(writer);
    if (sql_is_damage(code))
        note_damage(writer);
    return result_of(code);
}

enum store_result writer_run(struct store_writer *writer, enum writer_statement which,
                             const char *action, struct err *err)
{
    sqlite3_stmt *statement = writer->statements[which];
    int code = sqlite3_step(statement);
    enum store_result result =
        code == SQLITE_DONE ? STORE_OK : writer_fail(writer, code, action, err);
    sqlite3_reset(statement);
    return result;
}

enum store_result writer_ask(struct store_writer *writer, enum writer_statement which,
                             int64_t *value, struct err *err)
{
    sqlite3_stmt *statement = writer->statements[which];
    int code = sqlite3_step(statement);
    *value = code == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : 0;
    enum store_result result =
        code == SQLITE_ROW ? STORE_OK : writer_fail(writer, code, "look at", err);
    sqlite3_reset(statement);
    return result;
}

// --- statements ---------------------------------------------------------------------------------

#define COLUMN_NAME(name) #name,
static const char *const column_names[COLUMN_COUNT] = {EXCHANGE_COLUMNS(COLUMN_NAME)};

static char *insert_row_sql(void)
{
    struct buffer sql = {0};
    for (int i = 0; i < COLUMN_COUNT; i++)
        buffer_printf(&sql, "%s%s", i == 0 ? "INSERT INTO exchange (" : ", ", column_names[i]);
    for (int i = 0; i < COLUMN_COUNT; i++)
        buffer_printf(&sql, "%s?%d", i == 0 ? ") VALUES (" : ", ", i + 1);
    buffer_append_char(&sql, ')');
    return buffer_take(&sql);
}

// The parameters have the numbers of the insertion, so that both are bound alike. Setting the id
// to itself would make SQLite delete and insert the row.
static char *update_row_sql(void)
{
    struct buffer sql = {0};
    for (int i = COLUMN_id + 1; i < COLUMN_COUNT; i++)
        buffer_printf(&sql, "%s%s = ?%d", i == COLUMN_id + 1 ? "UPDATE exchange SET " : ", ",
                      column_names[i], i + 1);
    buffer_append_text(&sql, " WHERE id = ?1");
    return buffer_take(&sql);
}

int writer_prepare(struct store_writer *writer, struct err *err)
{
    char *insert_row = insert_row_sql();
    char *update_row = update_row_sql();
    const char *const sql[STATEMENT_COUNT] = {
        [STATEMENT_BEGIN] = "BEGIN IMMEDIATE",
        [STATEMENT_COMMIT] = "COMMIT",
        [STATEMENT_INSERT_ROW] = insert_row,
        [STATEMENT_UPDATE_ROW] = update_row,
        [STATEMENT_INSERT_BODY] = "INSERT INTO body (exchange_id, side, seq, at_us, data)"
                                  " VALUES (?, ?, ?, ?, ?)",
        [STATEMENT_INSERT_MESSAGE] =
            "INSERT INTO message (exchange_id, seq, at_us, direction, opcode, is_compressed, data)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
        [STATEMENT_ADD_LOSS] = "UPDATE session SET lost_exchanges = lost_exchanges + ?,"
                               " lost_bytes = lost_bytes + ? WHERE id = ?",
        [STATEMENT_PUT_SESSION] =
            "INSERT INTO session (id, started_us, ended_us, state, version, command, pid,"
            " next_exchange_id) VALUES (?1, ?2, ?3, ?4, (SELECT version FROM session WHERE id = ?6),"
            " ?5, (SELECT pid FROM session WHERE id = ?6), 1)"
            " ON CONFLICT (id) DO UPDATE SET ended_us = ?3, state = ?4",
        [STATEMENT_IS_REMOVABLE] =
            "SELECT EXISTS (SELECT 1 FROM note WHERE exchange_id = ?1),"
            " EXISTS (SELECT 1 FROM message WHERE exchange_id = ?1),"
            " EXISTS (SELECT 1 FROM body WHERE exchange_id = ?1 AND seq >= ?2 AND"
            " (side = 'request' OR side = 'response'))"
            " FROM exchange WHERE id = ?1 AND (?3 OR (state <> 'pending'"
            " AND NOT EXISTS (SELECT 1 FROM note WHERE exchange_id = ?1 AND is_mark = 1)))",
        [STATEMENT_REMOVE_FEW_BODIES] = "DELETE FROM body WHERE exchange_id = ?1",
        [STATEMENT_REMOVE_BODIES] =
            "DELETE FROM body WHERE rowid IN (SELECT rowid FROM body"
            " WHERE exchange_id = ?1 ORDER BY side DESC, seq DESC LIMIT ?2)",
        [STATEMENT_REMOVE_MESSAGES] = "DELETE FROM message WHERE rowid IN (SELECT rowid FROM"
                                      " message WHERE exchange_id = ?1 ORDER BY seq DESC LIMIT ?2)",
        [STATEMENT_REMOVE_NOTES] = "DELETE FROM note WHERE exchange_id = ?1",
        [STATEMENT_REMOVE_ROW] = "DELETE FROM exchange WHERE id = ?1",
        [STATEMENT_CUT_ROW] = "UPDATE exchange SET body_truncated = 1 WHERE id = ?1",
        [STATEMENT_KEEP_IDS] = "UPDATE session SET next_exchange_id = max(next_exchange_id, ?1)"
                               " WHERE id = ?2",
        [STATEMENT_COUNT_PAGES] = "PRAGMA page_count",
        [STATEMENT_COUNT_FREE_PAGES] = "PRAGMA freelist_count",
        [STATEMENT_FIND_OLDER] =
            "SELECT id, started_us, source = 'import' AND (SELECT session.started_us FROM session"
            " WHERE session.id = session_id) >= ?1 FROM exchange WHERE started_us < ?1"
            " AND (started_us, id) > (?2, ?3) ORDER BY started_us, id LIMIT ?4",
        [STATEMENT_FIND_FIRST] = "SELECT id FROM exchange WHERE id > ?1 ORDER BY id LIMIT ?2",
        [STATEMENT_HAS_ROW] = "SELECT 1 FROM exchange WHERE id = ?1",
        [STATEMENT_REMOVE_NOTES_OF_KIND] =
            "DELETE FROM note WHERE exchange_id = ?1 AND is_mark = ?2",
        [STATEMENT_INSERT_NOTE] = "INSERT INTO note (exchange_id, is_mark, created_us, text)"
                                  " VALUES (?1, ?2, ?3, ?4)",
    };
    int result = 0;
    for (size_t i = 0; result == 0 && i < STATEMENT_COUNT; i++)
        result = sql_prepare(writer->db, sql[i], &writer->statements[i], writer->path, err);
    free(insert_row);
    free(update_row);
    return result;
}

void writer_finalize(struct store_writer *writer)
{
    for (size_t i = 0; i < STATEMENT_COUNT; i++) {
        sqlite3_finalize(writer->statements[i]);
        writer->statements[i] = NULL;
    }
}

// --- binding a row ------------------------------------------------------------------------------

struct row_binding {
    struct store_writer *writer;
    sqlite3_stmt *statement;
    bool is_latin1; // some text had to be mapped
};

static void bind_integer(struct row_binding *binding, enum exchange_column column, int64_t value)
{
    sqlite3_bind_int64(binding->statement, column + 1, value);
}

static void bind_null(struct row_binding *binding, enum exchange_column column)
{
    sqlite3_bind_null(binding->statement, column + 1);
}

static void bind_unless(struct row_binding *binding, enum exchange_column column, int64_t value,
                        int64_t null_value)
{
    if (value == null_value)
        bind_null(binding, column);
    else
        bind_integer(binding, column, value);
}

// A constant, or text known to be UTF-8.
static void bind_plain(struct row_binding *binding, enum exchange_column column, const char *text)
{
    sqlite3_bind_text(binding->statement, column + 1, text, -1, SQLITE_STATIC);
}

// Text from the wire. A TEXT value that is not UTF-8 would break readers (Python's sqlite3 raises).
static void bind_text(struct row_binding *binding, enum exchange_column column, const char *text)
{
    if (text == NULL) {
        bind_null(binding, column);
        return;
    }
    size_t length = strlen(text);
    const char *stored = utf8_from_bytes(&binding->writer->latin1, text, &length);
    binding->is_latin1 |= stored != text;
    sqlite3_bind_text64(binding->statement, column + 1, stored, length, SQLITE_STATIC, SQLITE_UTF8);
}

static void bind_fields(struct row_binding *binding, enum exchange_column column,
                        const struct fields *fields, struct buffer *json)
{
    buffer_clear(json);
    if (fields_to_json(fields, json) != 0)
        binding->is_latin1 = true;
    sqlite3_bind_text64(binding->statement, column + 1, json->data, json->length, SQLITE_STATIC,
                        SQLITE_UTF8);
}

static void bind_fields_or_null(struct row_binding *binding, enum exchange_column column,
                                const struct fields *fields, struct buffer *json)
{
    if (fields->count == 0)
        bind_null(binding, column);
    else
        bind_fields(binding, column, fields, json);
}

static void bind_identity(struct row_binding *binding, const struct exchange_row *row)
{
    bind_integer(binding, COLUMN_id, row->id);
    bind_integer(binding, COLUMN_session_id,
                 row->session_id != 0 ? row->session_id : binding->writer->session_id);
    bind_plain(binding, COLUMN_source, row_source_name(row->source));
    bind_unless(binding, COLUMN_replay_of, row->replay_of, 0);
    bind_integer(binding, COLUMN_started_us, row->started_us);
    bind_unless(binding, COLUMN_duration_us, row->duration_us, -1);
    bind_unless(binding, COLUMN_dns_us, row->timing.dns_us, -1);
    bind_unless(binding, COLUMN_connect_us, row->timing.connect_us, -1);
    bind_unless(binding, COLUMN_tls_us, row->timing.tls_us, -1);
    bind_unless(binding, COLUMN_send_us, row->timing.send_us, -1);
    bind_unless(binding, COLUMN_wait_us, row->timing.wait_us, -1);
    bind_unless(binding, COLUMN_receive_us, row->timing.receive_us, -1);
    bind_plain(binding, COLUMN_kind, row_kind_name(row->kind));
    bind_plain(binding, COLUMN_state, row_state_name(row->state));
    bind_text(binding, COLUMN_error, row->error);
    bind_text(binding, COLUMN_error_text, row->error_text);
}

static void bind_request(struct row_binding *binding, const struct exchange_row *row)
{
    struct buffer *json = binding->writer->json;
    bind_text(binding, COLUMN_client_addr, row->client_addr);
    bind_text(binding, COLUMN_method, row->method);
    bind_text(binding, COLUMN_scheme, row->scheme);
    bind_text(binding, COLUMN_host, row->host);
    bind_unless(binding, COLUMN_port, row->port, 0);
    bind_text(binding, COLUMN_path, row->path);
    bind_text(binding, COLUMN_query, row->query);
    bind_text(binding, COLUMN_request_version, row->request_version);
    bind_unless(binding, COLUMN_request_size, row->request_size, -1);
    bind_text(binding, COLUMN_request_type, row->request_type);
    bind_fields(binding, COLUMN_request_headers, &row->request_headers, &json[0]);
    bind_fields_or_null(binding, COLUMN_request_trailers, &row->request_trailers, &json[1]);
}

static void bind_response(struct row_binding *binding, const struct exchange_row *row)
{
    struct buffer *json = binding->writer->json;
    bind_unless(binding, COLUMN_status, row->status, 0);
    bind_text(binding, COLUMN_reason, row->reason);
    bind_text(binding, COLUMN_response_version, row->response_version);
    bind_unless(binding, COLUMN_response_size, row->response_size, -1);
    bind_text(binding, COLUMN_response_type, row->response_type);
    bind_text(binding, COLUMN_response_encoding, row->response_encoding);
    bind_text(binding, COLUMN_server_addr, row->server_addr);
    bind_text(binding, COLUMN_tls_version, row->tls_version);
    bind_text(binding, COLUMN_tls_cipher, row->tls_cipher);
    bind_text(binding, COLUMN_server_cert, row->server_cert);
    bind_fields_or_null(binding, COLUMN_response_headers, &row->response_headers, &json[2]);
    bind_fields_or_null(binding, COLUMN_response_trailers, &row->response_trailers, &json[3]);
    bind_text(binding, COLUMN_interim, row->interim);
    bind_text(binding, COLUMN_sni, row->sni);
    bind_integer(binding, COLUMN_body_truncated, row->body_truncated);
}

static void bind_row(struct store_writer *writer, enum writer_statement which,
                     const struct exchange_row *row)
{
    struct row_binding binding = {.writer = writer, .statement = writer->statements[which]};
    arena_fini(&writer->latin1);
    bind_identity(&binding, row);
    bind_request(&binding, row);
    bind_response(&binding, row);
    bind_integer(&binding, COLUMN_headers_latin1, row->headers_latin1 || binding.is_latin1);
}

// --- the transaction ----------------------------------------------------------------------------

enum store_result store_writer_begin(struct store_writer *writer, struct err *err)
{
    if (writer_has_moved(writer) && writer_begin_anew(writer, err) != 0)
        return STORE_FULL;
    enum store_result result = writer_run(writer, STATEMENT_BEGIN, "write to", err);
    bool must_put = result == STORE_OK && !writer->has_session;
    return must_put ? writer_put_own_session(writer, err) : result;
}

enum store_result store_writer_commit(struct store_writer *writer, struct err *err)
{
    enum store_result result = writer_run(writer, STATEMENT_COMMIT, "commit to", err);
    if (result == STORE_OK)
        writer_note_session(writer);
    return result;
}

bool store_writer_has_begun(const struct store_writer *writer)
{
    return writer->has_session;
}

void store_writer_rollback(struct store_writer *writer)
{
    if (!sqlite3_get_autocommit(writer->db))
        sqlite3_exec(writer->db, "ROLLBACK", NULL, NULL, NULL);
}

// A row that should be there may have gone down with a transaction that a full disk rolled back, or
// with the whole file; and what there was of its bodies, too.
static enum store_result put_new_row(struct store_writer *writer, const struct exchange_row *row,
                                     bool was_there, struct err *err)
{
    bind_row(writer, STATEMENT_INSERT_ROW, row);
    if (was_there && row->request_size + row->response_size > 0)
        sqlite3_bind_int(writer->statements[STATEMENT_INSERT_ROW], COLUMN_body_truncated + 1, 1);
    enum store_result result = writer_run(writer, STATEMENT_INSERT_ROW, "write to", err);
    if (result == STORE_OK && row->id >= writer->next_id)
        writer->next_id = row->id + 1;
    return result;
}

enum store_result store_writer_put_row(struct store_writer *writer, const struct exchange_row *row,
                                       bool is_update, struct err *err)
{
    assert(!sqlite3_get_autocommit(writer->db));
    if (!is_update)
        return put_new_row(writer, row, false, err);
    bind_row(writer, STATEMENT_UPDATE_ROW, row);
    enum store_result result = writer_run(writer, STATEMENT_UPDATE_ROW, "write to", err);
    if (result == STORE_OK && sqlite3_changes(writer->db) == 0)
        return put_new_row(writer, row, true, err);
    return result;
}

static bool is_plain_text(const unsigned char *data, size_t length)
{
    return memchr(data, '\0', length) == NULL && utf8_is_valid((const char *)data, length);
}

static void bind_data(sqlite3_stmt *statement, int parameter, const struct chunk *chunk)
{
    if (is_plain_text(chunk->data, chunk->length))
        sqlite3_bind_text64(statement, parameter, (const char *)chunk->data, chunk->length,
                            SQLITE_STATIC, SQLITE_UTF8);
    else
        sqlite3_bind_blob64(statement, parameter, chunk->data, chunk->length, SQLITE_STATIC);
}

enum store_result store_writer_put_body(struct store_writer *writer, int64_t exchange_id,
                                        enum body_side side, int64_t seq, const struct chunk *chunk,
                                        struct err *err)
{
    assert(chunk->is_sealed && !sqlite3_get_autocommit(writer->db));
    sqlite3_stmt *statement = writer->statements[STATEMENT_INSERT_BODY];
    sqlite3_bind_int64(statement, 1, exchange_id);
    sqlite3_bind_text(statement, 2, schema_side_name(side), -1, SQLITE_STATIC);
    sqlite3_bind_int64(statement, 3, seq);
    sqlite3_bind_int64(statement, 4, chunk->at_us);
    bind_data(statement, 5, chunk);
    return writer_run(writer, STATEMENT_INSERT_BODY, "write to", err);
}

enum store_result store_writer_put_message(struct store_writer *writer, int64_t exchange_id,
                                           const struct store_message *message, struct err *err)
{
    assert(message->chunk->is_sealed && !sqlite3_get_autocommit(writer->db));
    sqlite3_stmt *statement = writer->statements[STATEMENT_INSERT_MESSAGE];
    sqlite3_bind_int64(statement, 1, exchange_id);
    sqlite3_bind_int64(statement, 2, message->seq);
    sqlite3_bind_int64(statement, 3, message->chunk->at_us);
    sqlite3_bind_text(statement, 4, message->side == BODY_REQUEST ? "send" : "receive", -1,
                      SQLITE_STATIC);
    sqlite3_bind_int(statement, 5, message->opcode);
    sqlite3_bind_int(statement, 6, message->is_compressed);
    bind_data(statement, 7, message->chunk);
    return writer_run(writer, STATEMENT_INSERT_MESSAGE, "write to", err);
}

enum store_result store_writer_put_note(struct store_writer *writer, int64_t exchange_id,
                                        const struct store_said *said, struct err *err)
{
    assert(!sqlite3_get_autocommit(writer->db));
    sqlite3_stmt *statement = writer->statements[STATEMENT_INSERT_NOTE];
    sqlite3_bind_int64(statement, 1, exchange_id);
    sqlite3_bind_int(statement, 2, said->is_mark);
    sqlite3_bind_int64(statement, 3, said->created_us);
    sqlite3_bind_text(statement, 4, said->text, -1, SQLITE_STATIC);
    return writer_run(writer, STATEMENT_INSERT_NOTE, "write to", err);
}

enum store_result store_writer_put_loss(struct store_writer *writer, int64_t exchanges,
                                        int64_t bytes, struct err *err)
{
    assert(!sqlite3_get_autocommit(writer->db));
    sqlite3_stmt *statement = writer->statements[STATEMENT_ADD_LOSS];
    sqlite3_bind_int64(statement, 1, exchanges);
    sqlite3_bind_int64(statement, 2, bytes);
    sqlite3_bind_int64(statement, 3, writer->session_id);
    return writer_run(writer, STATEMENT_ADD_LOSS, "write to", err);
}

enum store_result store_writer_put_session(struct store_writer *writer,
                                           const struct store_session *session, struct err *err)
{
    assert(!sqlite3_get_autocommit(writer->db));
    sqlite3_stmt *statement = writer->statements[STATEMENT_PUT_SESSION];
    bool has_ended = session->ended_us != 0;
    sqlite3_bind_int64(statement, 1, session->id);
    sqlite3_bind_int64(statement, 2, session->started_us);
    if (has_ended)
        sqlite3_bind_int64(statement, 3, session->ended_us);
    sqlite3_bind_text(statement, 4, has_ended ? "ended" : "running", -1, SQLITE_STATIC);
    sqlite3_bind_text(statement, 5, session->command, -1, SQLITE_STATIC);
    sqlite3_bind_int64(statement, 6, writer->session_id);
    return writer_run(writer, STATEMENT_PUT_SESSION, "write to", err);
}

// --- sizes --------------------------------------------------------------------------------------

enum store_result store_writer_get_sizes(struct store_writer *writer, struct store_sizes *sizes,
                                         struct err *err)
{
    int64_t pages;
    int64_t free_pages = 0;
    enum store_result result = writer_ask(writer, STATEMENT_COUNT_PAGES, &pages, err);
    if (result == STORE_OK)
        result = writer_ask(writer, STATEMENT_COUNT_FREE_PAGES, &free_pages, err);
    *sizes = (struct store_sizes){.used_bytes = (pages - free_pages) * writer->page_bytes,
                                  .free_bytes = free_pages * writer->page_bytes};
    return result;
}
