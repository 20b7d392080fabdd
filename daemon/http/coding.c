// SPDX-License-Identifier: MIT
// A decoder is a chain of stages, the coding applied last in front. Each stage turns its input
// into one buffer after the other, and each full buffer goes down the rest of the chain before the
// next one is made; so memory is one buffer a stage.
#include "hark/coding.h"

#include "coding_stage.h"
#include "hark/mem.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

// Nobody codes a body more than twice; a long list is an attack.
#define STAGES_MAX 4

struct stage {
    const struct stage_kind *kind;
    void *state;
    unsigned char *output;
    const unsigned char
        *input; // not taken yet: of the caller, or in the output of the stage before
    size_t input_length;
    uint64_t input_bytes; // taken so far
    bool is_full;         // the output was: there may be more without any input
    bool is_started;      // in a stream: its end is still to come
    bool has_ended;       // a stream has ended
    bool is_corrupt;
    const char *problem; // why, if the library says so
};

struct decoder {
    struct stage stages[STAGES_MAX];
    size_t count;
    bool is_bounded;
    size_t credit;       // of a bounded one: what it may still unpack
    coding_sink_fn sink; // of the call that is going on
    void *sink_ctx;
};

static const struct {
    const char *name;
    const struct stage_kind *kind;
} codings[] = {
    {"gzip", &stage_gzip}, {"x-gzip", &stage_gzip}, {"deflate", &stage_deflate},
    {"br", &stage_br},     {"zstd", &stage_zstd},   {"identity", NULL},
};

static int add_coding(struct decoder *decoder, const char *name, size_t length, struct err *err)
{
    for (size_t i = 0; i < sizeof codings / sizeof codings[0]; i++) {
        if (strlen(codings[i].name) != length || strncasecmp(codings[i].name, name, length) != 0)
            continue;
        if (!codings[i].kind)
            return 0;
        if (decoder->count == STAGES_MAX)
            return err_set(err, "decode: more than %d content codings", STAGES_MAX);
        decoder->stages[decoder->count++].kind = codings[i].kind;
        return 0;
    }
    return err_set(err, "decode: unknown content coding \"%.*s\"", (int)length, name);
}

struct decoder *decoder_create(const char *content_encoding, struct err *err)
{
    struct decoder *decoder = mem_calloc(1, sizeof *decoder);
    const char *rest = content_encoding ? content_encoding : "";
    while (*(rest += strspn(rest, ", \t"))) {
        size_t length = strcspn(rest, ", \t");
        if (add_coding(decoder, rest, length, err) < 0) {
            decoder_destroy(decoder);
            return NULL;
        }
        rest += length;
    }
    for (size_t i = 0; i < decoder->count / 2; i++) {
        const struct stage_kind *kind = decoder->stages[i].kind;
        decoder->stages[i].kind = decoder->stages[decoder->count - 1 - i].kind;
        decoder->stages[decoder->count - 1 - i].kind = kind;
    }
    for (size_t i = 0; i < decoder->count; i++) {
        decoder->stages[i].state = decoder->stages[i].kind->create();
        decoder->stages[i].output = mem_calloc(1, STAGE_OUTPUT_BYTES);
    }
    return decoder;
}

void decoder_destroy(struct decoder *decoder)
{
    if (!decoder)
        return;
    for (size_t i = 0; i < decoder->count; i++) {
        if (decoder->stages[i].state)
            decoder->stages[i].kind->destroy(decoder->stages[i].state);
        free(decoder->stages[i].output);
    }
    free(decoder);
}

void decoder_bound(struct decoder *decoder)
{
    decoder->is_bounded = true;
    decoder->credit = DECODER_BURST_BYTES;
}

static void earn_credit(struct decoder *decoder, size_t length)
{
    size_t room = DECODER_BURST_BYTES - decoder->credit;
    decoder->credit += length < room / DECODER_GROWTH ? length * DECODER_GROWTH : room;
}

static int spend_credit(struct decoder *decoder, const struct stage *stage, size_t length,
                        struct err *err)
{
    if (!decoder->is_bounded)
        return 0;
    if (length > decoder->credit)
        return err_set(err, "decode %s: it unpacks to more than %zu MiB at once", stage->kind->name,
                       DECODER_BURST_BYTES >> 20);
    decoder->credit -= length;
    return 0;
}

static int write_stage(struct decoder *decoder, size_t index, const void *data, size_t length,
                       struct err *err);

static int fail_corrupt(const struct stage *stage, struct err *err)
{
    return err_set(err, "decode %s: corrupt after %" PRIu64 " bytes%s%s", stage->kind->name,
                   stage->input_bytes, stage->problem ? ": " : "",
                   stage->problem ? stage->problem : "");
}

// One call into the library; what it made goes on. All that is to be known afterwards is kept
// before it does, since the sink may stop.
static int step_stage(struct decoder *decoder, size_t index, struct err *err)
{
    struct stage *stage = &decoder->stages[index];
    struct stage_io io = {.in = stage->input,
                          .in_length = stage->input_length,
                          .out = stage->output,
                          .out_length = STAGE_OUTPUT_BYTES};
    stage->is_started = true;
    enum stage_result result = stage->kind->step(stage->state, &io);
    stage->input_bytes += stage->input_length - io.in_length;
    stage->input = io.in;
    stage->input_length = io.in_length;
    stage->is_full = io.out_length == 0 && result != STAGE_END;
    stage->is_corrupt = result == STAGE_CORRUPT;
    stage->problem = io.problem;
    if (result == STAGE_END) {
        stage->is_started = false;
        stage->has_ended = true;
    }
    size_t made = STAGE_OUTPUT_BYTES - io.out_length;
    if (made == 0)
        return 0;
    if (spend_credit(decoder, stage, made, err) != 0)
        return -1;
    return write_stage(decoder, index + 1, stage->output, made, err);
}

static int run_stage(struct decoder *decoder, size_t index, struct err *err)
{
    struct stage *stage = &decoder->stages[index];
    while (stage->input_length > 0 || stage->is_full || stage->is_corrupt) {
        if (stage->is_corrupt)
            return fail_corrupt(stage, err);
        if (stage->has_ended && !stage->is_started && !stage->kind->may_repeat)
            return err_set(err, "decode %s: more bytes after its end at byte %" PRIu64,
                           stage->kind->name, stage->input_bytes);
        int rc = step_stage(decoder, index, err);
        if (rc != 0)
            return rc;
    }
    return 0;
}

static int write_stage(struct decoder *decoder, size_t index, const void *data, size_t length,
                       struct err *err)
{
    if (index == decoder->count)
        return decoder->sink(decoder->sink_ctx, data, length);
    decoder->stages[index].input = data;
    decoder->stages[index].input_length = length;
    return run_stage(decoder, index, err);
}

int decoder_write(struct decoder *decoder, const void *data, size_t length, coding_sink_fn sink,
                  void *ctx, struct err *err)
{
    decoder->sink = sink;
    decoder->sink_ctx = ctx;
    if (decoder->is_bounded)
        earn_credit(decoder, length);
    return length == 0 ? 0 : write_stage(decoder, 0, data, length, err);
}

int decoder_resume(struct decoder *decoder, coding_sink_fn sink, void *ctx, struct err *err)
{
    decoder->sink = sink;
    decoder->sink_ctx = ctx;
    // The last stage first: what it was given is in the output of the one before.
    for (size_t i = decoder->count; i-- > 0;) {
        int rc = run_stage(decoder, i, err);
        if (rc != 0)
            return rc;
    }
    return 0;
}

int decoder_finish(const struct decoder *decoder, struct err *err)
{
    for (size_t i = 0; i < decoder->count; i++) {
        const struct stage *stage = &decoder->stages[i];
        if (stage->is_started)
            return err_set(err, "decode %s: breaks off after %" PRIu64 " bytes", stage->kind->name,
                           stage->input_bytes);
    }
    return 0;
}
