// SPDX-License-Identifier: MIT
#include "hark/store_note.h"

#include "hark/clock.h"
#include "writer.h"

static enum store_result find_row(struct store_writer *writer, struct store_note *note,
                                  struct err *err)
{
    sqlite3_stmt *statement = writer->statements[STATEMENT_HAS_ROW];
    sqlite3_bind_int64(statement, 1, note->exchange_id);
    int code = sqlite3_step(statement);
    enum store_result result = STORE_OK;
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        result = writer_fail(writer, code, "look at", err);
    note->is_found = code == SQLITE_ROW;
    sqlite3_reset(statement);
    return result;
}

static enum store_result replace(struct store_writer *writer, int64_t exchange_id, bool is_mark,
                                 bool is_wanted, const char *text, struct err *err)
{
    sqlite3_stmt *remove = writer->statements[STATEMENT_REMOVE_NOTES_OF_KIND];
    sqlite3_bind_int64(remove, 1, exchange_id);
    sqlite3_bind_int(remove, 2, is_mark);
    enum store_result result = writer_run(writer, STATEMENT_REMOVE_NOTES_OF_KIND, "write to", err);
    if (result != STORE_OK || !is_wanted)
        return result;
    const struct store_said said = {
        .created_us = clock_wall_us(), .is_mark = is_mark, .text = text};
    return store_writer_put_note(writer, exchange_id, &said, err);
}

static enum store_result change(struct store_writer *writer, struct store_note *note,
                                struct err *err)
{
    enum store_result result = find_row(writer, note, err);
    int64_t id = note->exchange_id;
    if (result == STORE_OK && note->is_found && note->sets_mark)
        result = replace(writer, id, true, note->is_marked, NULL, err);
    if (result == STORE_OK && note->is_found && note->sets_text)
        result = replace(writer, id, false, note->text != NULL, note->text, err);
    return result == STORE_OK ? store_writer_commit(writer, err) : result;
}

enum store_step store_note_step(void *ctx, struct store_writer *writer, struct err *err)
{
    enum store_result result = store_writer_begin(writer, err);
    if (result == STORE_OK)
        result = change(writer, ctx, err);
    return result == STORE_OK ? STEP_DONE : store_step_after(result);
}
