// SPDX-License-Identifier: MIT
// Rows of `message` put together: the parts of a long message are joined, and what was compressed
// is inflated, with one inflater a side since messages refer to earlier ones.
//
// Only a part of the full size can have another after it, so a shorter one shows at once.
#include "messages.h"

#include "hark/websocket.h"

struct side {
    struct shown_message message;
    struct buffer data;
    struct websocket_inflater *inflater; // NULL until it is needed
    bool is_open;                        // more parts may come
};

struct messages {
    const struct exchange_row *row;
    const struct exchange_writer *writer;
    void *ctx;
    struct side sides[2]; // by body_side
};

static int on_bytes(void *ctx, const void *data, size_t length)
{
    struct side *side = ctx;
    size_t room = MESSAGE_SHOWN_MAX - side->data.length;
    side->message.total_bytes += (int64_t)length;
    buffer_append(&side->data, data, length < room ? length : room);
    return 0;
}

static int show(struct messages *messages, struct shown_message *message, const struct buffer *data)
{
    message->data = data->length > 0 ? data->data : "";
    message->length = data->length;
    return messages->writer->on_message(messages->ctx, messages->row, message);
}

static int finish(struct messages *messages, struct side *side)
{
    struct shown_message *message = &side->message;
    if (!side->is_open)
        return 0;
    side->is_open = false;
    if (message->is_compressed && !message->problem.is_set)
        websocket_inflater_end_message(side->inflater, on_bytes, side, &message->problem);
    return show(messages, message, &side->data);
}

static void begin(struct shown_message *message, const struct message_view *row)
{
    *message = (struct shown_message){.seq = row->seq,
                                      .at_us = row->at_us,
                                      .side = row->side,
                                      .opcode = row->opcode,
                                      .is_compressed = row->is_compressed};
}

static void add(struct side *side, const struct message_view *row)
{
    struct err *problem = &side->message.problem;
    if (!side->message.is_compressed) {
        on_bytes(side, row->data, row->length);
        return;
    }
    if (side->inflater == NULL)
        side->inflater = websocket_inflater_create();
    if (!problem->is_set)
        websocket_inflater_write(side->inflater, row->data, row->length, on_bytes, side, problem);
}

static int on_row(void *ctx, const struct message_view *row)
{
    struct messages *messages = ctx;
    struct side *side = &messages->sides[row->side];
    if (row->opcode >= WEBSOCKET_CLOSE) {
        struct shown_message control;
        begin(&control, row);
        control.total_bytes = (int64_t)row->length;
        const struct buffer data = {.data = (char *)(uintptr_t)row->data, .length = row->length};
        return show(messages, &control, &data);
    }
    if (row->opcode != WEBSOCKET_CONTINUATION || !side->is_open) {
        if (finish(messages, side) < 0)
            return 1;
        begin(&side->message, row);
        buffer_clear(&side->data);
        side->is_open = true;
    }
    add(side, row);
    return row->length < WEBSOCKET_PART_MAX_BYTES && finish(messages, side) < 0 ? 1 : 0;
}

int exchange_walk_messages(struct store_reader *reader, const struct exchange_row *row,
                           const struct exchange_writer *writer, void *ctx, struct err *err)
{
    struct messages messages = {.row = row, .writer = writer, .ctx = ctx};
    int rc = store_walk_messages(reader, row->id, on_row, &messages, err);
    for (int i = 0; i < 2; i++) {
        if (rc == 0)
            rc = finish(&messages, &messages.sides[i]);
        websocket_inflater_destroy(messages.sides[i].inflater);
        buffer_fini(&messages.sides[i].data);
    }
    return rc == 0 ? 0 : -1;
}
