// SPDX-License-Identifier: MIT
// The walk over an exchange.
#include "hark/exchange_view.h"

struct note_walk {
    const struct exchange_row *row;
    const struct exchange_writer *writer;
    void *ctx;
};

// The columns of store_list_notes(): id, created_us, is_mark, text.
static int on_note_row(void *ctx, size_t count, const char *const *names,
                       const struct value *values)
{
    (void)count;
    (void)names;
    const struct note_walk *walk = ctx;
    const struct shown_note note = {.created_us = values[1].integer,
                                    .is_mark = values[2].integer != 0,
                                    .text = values[3].data,
                                    .length = values[3].length};
    return walk->writer->on_note(walk->ctx, walk->row, &note);
}

static int walk_notes(struct store_reader *reader, const struct exchange_row *row,
                      const struct exchange_writer *writer, void *ctx, struct err *err)
{
    struct note_walk walk = {.row = row, .writer = writer, .ctx = ctx};
    if (writer->on_note == NULL)
        return 0;
    if (writer->on_notes != NULL && writer->on_notes(ctx, row) < 0)
        return -1;
    if (store_list_notes(reader, row->id, on_note_row, &walk, err) != 0)
        return -1;
    return writer->on_notes_end != NULL ? writer->on_notes_end(ctx, row) : 0;
}

static int walk_message(struct store_reader *reader, const struct exchange_row *row,
                        enum body_side side, const struct exchange_writer *writer, void *ctx,
                        struct err *err)
{
    if (writer->on_head(ctx, row, side) < 0)
        return -1;
    struct body_view body;
    if (body_view_init(&body, reader, row, side, BODY_DECODED, err) < 0)
        return -1;
    int rc = writer->on_body(ctx, row, &body, err);
    body_view_fini(&body);
    return rc < 0 ? -1 : writer->on_trailers(ctx, row, side);
}

static int walk_messages(struct store_reader *reader, const struct exchange_row *row,
                         const struct exchange_writer *writer, void *ctx, struct err *err)
{
    if (writer->on_messages != NULL && writer->on_messages(ctx, row) < 0)
        return -1;
    return exchange_walk_messages(reader, row, writer, ctx, err);
}

int exchange_walk(struct store_reader *reader, const struct exchange_row *row,
                  const struct exchange_writer *writer, void *ctx, struct err *err)
{
    if (writer->on_begin(ctx, row) < 0 || walk_notes(reader, row, writer, ctx, err) < 0 ||
        walk_message(reader, row, BODY_REQUEST, writer, ctx, err) < 0)
        return -1;
    if (writer->is_for_requests)
        return writer->on_end(ctx, row);
    if (row->status != 0 && walk_message(reader, row, BODY_RESPONSE, writer, ctx, err) < 0)
        return -1;
    if (row->kind == ROW_KIND_WEBSOCKET && walk_messages(reader, row, writer, ctx, err) < 0)
        return -1;
    return writer->on_end(ctx, row);
}
