// SPDX-License-Identifier: MIT
// The walk over an exchange.
#include "hark/exchange_view.h"

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
    if (writer->on_begin(ctx, row) < 0 ||
        walk_message(reader, row, BODY_REQUEST, writer, ctx, err) < 0)
        return -1;
    if (row->status != 0 && walk_message(reader, row, BODY_RESPONSE, writer, ctx, err) < 0)
        return -1;
    if (row->kind == ROW_KIND_WEBSOCKET && walk_messages(reader, row, writer, ctx, err) < 0)
        return -1;
    return writer->on_end(ctx, row);
}
