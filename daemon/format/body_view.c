// SPDX-License-Identifier: MIT
// Segments from the store go through a decoder into a sink; the first reading's sink counts,
// checks for UTF-8 and keeps the beginning.
#include "hark/body_view.h"

#include "hark/message.h"
#include "hark/utf8_stream.h"

#include <string.h>

// A pass over a body.
struct pass {
    struct decoder *decoder;
    coding_sink_fn sink;
    void *sink_ctx;
    struct err problem; // of the decoder
    int64_t wire_bytes;
    int64_t segments;
};

static int on_segment(void *ctx, int64_t seq, int64_t at_us, const void *data, size_t length)
{
    (void)seq;
    (void)at_us;
    struct pass *pass = ctx;
    pass->segments++;
    pass->wire_bytes += (int64_t)length;
    // What follows broken data is counted only.
    if (pass->problem.is_set)
        return 0;
    int rc = decoder_write(pass->decoder, data, length, pass->sink, pass->sink_ctx, &pass->problem);
    return rc > 0 ? rc : 0;
}

// `pass` has its sink; the rest is filled in.
static int run_pass(const struct body_view *view, struct pass *pass, struct err *err)
{
    pass->decoder = decoder_create(view->coding, err);
    if (!pass->decoder)
        return -1;
    int rc = store_walk_body(view->reader, view->exchange_id, view->side, on_segment, pass, err);
    if (rc == 0 && !pass->problem.is_set)
        decoder_finish(pass->decoder, &pass->problem);
    decoder_destroy(pass->decoder);
    return rc;
}

// --- the first reading -------------------------------------------------------------------------

struct inspection {
    struct body_view *view;
    struct utf8_stream utf8;
};

static int on_inspected(void *ctx, const void *data, size_t length)
{
    struct inspection *inspection = ctx;
    struct body_view *view = inspection->view;
    view->shown_bytes += (int64_t)length;
    utf8_stream_add(&inspection->utf8, data, length);
    view->has_nul = view->has_nul || memchr(data, '\0', length);
    if (view->is_whole && view->head.length + length <= BODY_VIEW_WHOLE_MAX) {
        buffer_append(&view->head, data, length);
    } else if (view->is_whole) {
        // Too long to keep: only the beginning stays.
        view->is_whole = false;
        if (view->head.length < BODY_VIEW_HEAD_BYTES)
            buffer_append(&view->head, data,
                          length < BODY_VIEW_HEAD_BYTES ? length : BODY_VIEW_HEAD_BYTES);
    }
    return 0;
}

static void choose_coding(struct body_view *view, const struct fields *fields, enum body_form form)
{
    if (form == BODY_DECODED)
        view->coding = content_encoding(fields, &view->arena);
    struct decoder *decoder = decoder_create(view->coding, &view->problem);
    decoder_destroy(decoder);
    if (decoder)
        return;
    view->coding = NULL;
    view->is_undecodable = true;
}

int body_view_init(struct body_view *view, struct store_reader *reader,
                   const struct exchange_row *row, enum body_side side, enum body_form form,
                   struct err *err)
{
    const struct fields *fields =
        side == BODY_REQUEST ? &row->request_headers : &row->response_headers;
    const struct field *type = fields_find(fields, "Content-Type");
    *view = (struct body_view){
        .reader = reader,
        .exchange_id = row->id,
        .side = side,
        .content_type = type ? type->value : NULL,
        .is_whole = true,
    };
    choose_coding(view, fields, form);

    struct inspection inspection = {.view = view};
    struct pass pass = {.sink = on_inspected, .sink_ctx = &inspection};
    int rc = run_pass(view, &pass, err);
    view->wire_bytes = pass.wire_bytes;
    view->segments = pass.segments;
    view->is_utf8 = utf8_stream_is_valid(&inspection.utf8) && !view->has_nul;
    int64_t passed = side == BODY_REQUEST ? row->request_size : row->response_size;
    view->is_cut = row->body_truncated && pass.wire_bytes < passed;
    if (pass.problem.is_set)
        view->problem = pass.problem;
    if (rc < 0)
        body_view_fini(view);
    return rc < 0 ? -1 : 0;
}

void body_view_fini(struct body_view *view)
{
    buffer_fini(&view->head);
    arena_fini(&view->arena);
}

int body_view_walk(const struct body_view *view, coding_sink_fn sink, void *ctx, struct err *err)
{
    if (view->is_whole)
        return view->head.length > 0 ? sink(ctx, view->head.data, view->head.length) : 0;
    struct pass pass = {.sink = sink, .sink_ctx = ctx};
    return run_pass(view, &pass, err);
}
