// SPDX-License-Identifier: MIT
// What belongs to one exchange beside its row and its bodies.
#include "hark/buffer.h"
#include "hark/store_reader.h"

#include <inttypes.h>

static int list(struct store_reader *reader, struct buffer *sql, value_row_fn on_row, void *ctx,
                struct err *err)
{
    int result = store_query(reader, sql->data, NULL, on_row, ctx, err);
    buffer_fini(sql);
    return result;
}

int store_list_segments(struct store_reader *reader, int64_t exchange_id, int64_t limit,
                        value_row_fn on_row, void *ctx, struct err *err)
{
    struct buffer sql = {0};
    // The length of a BLOB is known without reading it.
    buffer_printf(&sql,
                  "SELECT side, at_us, CASE typeof(data) WHEN 'blob' THEN length(data)"
                  " ELSE length(CAST(data AS BLOB)) END AS bytes"
                  " FROM body WHERE exchange_id = %" PRId64 " ORDER BY side, seq LIMIT %" PRId64,
                  exchange_id, limit);
    return list(reader, &sql, on_row, ctx, err);
}

int store_list_notes(struct store_reader *reader, int64_t exchange_id, value_row_fn on_row,
                     void *ctx, struct err *err)
{
    struct buffer sql = {0};
    buffer_printf(&sql,
                  "SELECT id, created_us, is_mark, text FROM note WHERE exchange_id = %" PRId64
                  " ORDER BY id",
                  exchange_id);
    return list(reader, &sql, on_row, ctx, err);
}

int store_count_messages(struct store_reader *reader, int64_t exchange_id, value_row_fn on_row,
                         void *ctx, struct err *err)
{
    struct buffer sql = {0};
    buffer_printf(&sql,
                  "SELECT count(*) FROM message WHERE exchange_id = %" PRId64 " AND opcode <> 0",
                  exchange_id);
    return list(reader, &sql, on_row, ctx, err);
}
