// SPDX-License-Identifier: MIT
// A body is looked through for marks before any of it goes out: a request that began cannot be
// skipped.
#include "replay_read.h"

#include "replay_marks.h"

static int on_segment(void *ctx, int64_t seq, int64_t at_us, const void *data, size_t length)
{
    int64_t *bytes = ctx;
    (void)seq;
    (void)at_us;
    (void)data;
    *bytes += (int64_t)length;
    return 0;
}

// How much of the request's body was recorded: all of it, unless it was cut.
static int count_body(struct store_reader *reader, const struct exchange_row *row, int64_t *bytes,
                      struct err *err)
{
    *bytes = row->request_size;
    if (!row->body_truncated && row->source != ROW_SOURCE_IMPORT)
        return 0;
    *bytes = 0;
    return store_walk_body(reader, row->id, BODY_REQUEST, on_segment, bytes, err);
}

// What was redacted does not go out as if it were the value.
static int check_marks(const struct replay_reading *reading, const struct replay_request *request,
                       struct replay_skip *skip, struct err *err)
{
    struct replay_marks marks = {0};
    if (reading->options->sends_marks)
        return 0;
    replay_marks_find(&marks, &request->message);
    if (request->message.has_body &&
        store_walk_body(reading->reader, request->recorded->id, BODY_REQUEST,
                        replay_marks_on_segment, &marks, err) < 0)
        return -1;
    skip->outcome = REPLAY_REDACTED;
    replay_marks_explain(&marks, &skip->reason);
    return 0;
}

int replay_read_request(const struct replay_reading *reading, struct replay_request *request,
                        struct replay_skip *skip, struct err *err)
{
    int64_t body_bytes = 0;
    if (count_body(reading->reader, request->recorded, &body_bytes, err) != 0)
        return -1;
    skip->outcome = REPLAY_SKIPPED;
    if (replay_message_make(&request->message, request->recorded, body_bytes, reading->options,
                            reading->origin, &skip->reason) != 0)
        return 0;
    if (check_marks(reading, request, skip, err) != 0)
        return -1;
    if (skip->reason.is_set)
        return 0;
    if (request->message.has_body)
        return replay_read_body(reading->reader, request, err);
    request->is_last_offered = true;
    return 0;
}

int replay_read_body(struct store_reader *reader, struct replay_request *request, struct err *err)
{
    struct store_segment *segment = &request->segment;
    enum store_found found =
        store_next_segment(reader, request->recorded->id, BODY_REQUEST, segment, err);
    if (found == STORE_READ_ERROR)
        return -1;
    request->is_last_offered = found == STORE_NOT_FOUND;
    if (found == STORE_NOT_FOUND)
        return 0;
    request->offered = chunk_create(segment->data.length, 0);
    chunk_append(request->offered, segment->data.data, segment->data.length);
    chunk_seal(request->offered);
    return 0;
}
